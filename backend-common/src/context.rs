//! What a server's threads are inside of while they work for the app: a Tokio runtime where the backend was built
//! with `tokio-context`, else nothing. It must never wait for what runs there.

use std::io;

use trijet_core::Limits;

/// A handle to what the threads of one server are to be inside of.
#[derive(Clone, Debug, Default)]
pub struct Context {
    #[cfg(feature = "runtime")]
    tokio: Option<tokio::runtime::Handle>,
}

impl Context {
    /// Does `work`, a thread's whole work, inside.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "runtime")]
        let _entered = self.tokio.as_ref().map(tokio::runtime::Handle::enter);
        work()
    }
}

#[cfg(feature = "runtime")]
impl From<tokio::runtime::Handle> for Context {
    fn from(handle: tokio::runtime::Handle) -> Self {
        Self { tokio: Some(handle) }
    }
}

/// The server's part: what its [`Context`]s are of, which ends with it.
#[derive(Default)]
pub(crate) struct Owner {
    #[cfg(feature = "runtime")]
    tokio: Option<crate::runtime::OwnRuntime>,
}

impl Owner {
    /// Starts the runtime, which is never the one that this may be called in: that may stand still while the server
    /// is waited for, have no timers, or end first.
    pub(crate) fn start(limits: &Limits) -> io::Result<Self> {
        #[cfg(feature = "runtime")]
        return match crate::runtime::OwnRuntime::start("trijet-context", 1, limits) {
            Ok(runtime) => Ok(Self { tokio: Some(runtime) }),
            Err(error) => Err(io::Error::new(error.kind(), format!("feature tokio-context: {error}"))),
        };
        #[cfg(not(feature = "runtime"))]
        {
            _ = limits;
            Ok(Self::default())
        }
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            #[cfg(feature = "runtime")]
            tokio: self.tokio.as_ref().map(|runtime| runtime.handle().clone()),
        }
    }

    /// Does the server's `work` inside, and ends with it.
    pub(crate) fn end_with<R>(self, work: impl FnOnce() -> R) -> R {
        self.context().within(work)
    }
}
