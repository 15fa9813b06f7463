//! loom's threads, which the system may refuse.

use std::{cell::Cell, io};

pub use loom::thread::{JoinHandle, spawn, yield_now};

// All threads of a model share one thread of the system.
std::thread_local! {
    static REFUSED: Cell<usize> = const { Cell::new(0) };
}

/// Has the next `threads` starts by a [`Builder`] fail, in this execution of the model.
pub fn refuse(threads: usize) {
    REFUSED.set(threads);
}

/// Whether this start is to fail: for stand-ins of what starts threads in another way.
pub fn is_refused() -> bool {
    let refused = REFUSED.get();
    REFUSED.set(refused.saturating_sub(1));
    refused > 0
}

/// As std's.
#[derive(Debug)]
pub struct Builder(loom::thread::Builder);

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// As std's.
    pub fn new() -> Self {
        Self(loom::thread::Builder::new())
    }

    /// As std's.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    /// As std's. The model can have other threads run before it fails, as the system can.
    ///
    /// # Errors
    /// Where [`refuse`] says so.
    pub fn spawn<T: Send + 'static>(
        self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        if is_refused() {
            yield_now();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.spawn(run)
    }
}
