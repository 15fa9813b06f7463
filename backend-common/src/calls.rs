//! What `trijet::rt` needs of threads that may block, the same on every backend: the pool of `spawn_blocking`, apart
//! from the one for handlers, so that a handler may wait for a call; and one more that looks names up, so that a
//! connection may be waited for however many calls there are.

use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Weak},
};

use trijet_core::{
    Limits,
    runtime::{self, Call, Runtime},
};

use crate::{Context, Pool};

/// Calls that may block, and their threads.
pub struct Calls {
    calls: Pool<Box<dyn Call>>,
    lookups: Pool<Box<dyn Call>>,
    queue_max: usize,
}

impl Calls {
    /// Threads inside of `context` and `runtime`, for either kind as many as handlers may have.
    pub fn new<R: Runtime>(limits: &Limits, context: &Context, runtime: Weak<R>) -> Self {
        let pool = |name| {
            let around = inside(context, runtime.clone());
            Pool::within(name, limits.blocking_threads_max, around, |call: Box<dyn Call>| call.run())
        };
        let (calls, lookups) = (pool("trijet-call"), pool("trijet-lookup"));
        Self { calls, lookups, queue_max: limits.blocking_queue_max }
    }

    /// Runs `call`, or drops it where too many wait.
    pub fn run(&self, call: Box<dyn Call>) {
        self.push(&self.calls, call);
    }

    /// As [`run`](Self::run), for the look-up of a name.
    pub fn look_up(&self, call: Box<dyn Call>) {
        self.push(&self.lookups, call);
    }

    fn push(&self, pool: &Pool<Box<dyn Call>>, call: Box<dyn Call>) {
        pool.push_or_drop(call, self.queue_max, |call| call.is_waiting());
    }

    /// Drops those that wait, and takes no more. Those that run are left alone.
    pub fn close(&self) {
        self.calls.close();
        self.lookups.close();
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// What stands around the whole work of a pool's threads: they are inside of `context` and `runtime`. The latter is kept
/// weakly, for it may hold the pool.
pub fn inside<R: Runtime>(
    context: &Context,
    runtime: Weak<R>,
) -> impl Fn(&mut dyn FnMut()) + Send + Sync + 'static {
    let context = context.clone();
    move |work| {
        context.within(|| {
            let entered = runtime.upgrade().map(|runtime: Arc<R>| runtime::enter(runtime));
            work();
            drop(entered);
        });
    }
}

/// The addresses of `host`, as the system knows them. It blocks.
///
/// # Errors
/// Where the name is not known.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Iterator::collect)
}
