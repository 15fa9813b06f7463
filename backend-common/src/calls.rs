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
    jobs::Job,
    runtime::{self, Call, Runtime},
};

use crate::{Around, Context, Pool};

/// Calls that may block, and their threads.
pub struct Calls {
    calls: Pool<Blocking>,
    lookups: Pool<Blocking>,
    queue_max: usize,
}

/// What may block: pools are of this one kind, and made and asked in this package, since each kind, and each package that
/// asks it, is 9 KB of a program.
pub(crate) enum Blocking {
    Job(Job),
    Call(Box<dyn Call>),
}

impl Blocking {
    pub(crate) fn pool(name: &'static str, threads_max: usize, around: Around) -> Pool<Self> {
        Pool::within(name, threads_max, around, Self::run)
    }

    /// Has it run, or drops it where too many wait: more than `queue_max`, but for what has to wait as long as it takes.
    pub(crate) fn push(self, pool: &Pool<Self>, queue_max: usize) {
        let queue_max = match &self {
            Self::Job(job) => job.queue_max(queue_max),
            Self::Call(_) => queue_max,
        };
        pool.push_or_drop(self, queue_max, Self::is_waiting);
    }

    fn run(self) {
        match self {
            Self::Job(job) => job.run(None),
            Self::Call(call) => call.run(),
        }
    }

    fn is_waiting(&self) -> bool {
        match self {
            Self::Job(job) => job.is_waiting(),
            Self::Call(call) => call.is_waiting(),
        }
    }
}

impl Calls {
    /// Threads inside of `context` and `runtime`, for either kind as many as handlers may have.
    pub fn new<R: Runtime>(limits: &Limits, context: &Context, runtime: Weak<R>) -> Self {
        let pool = |name| {
            let around = inside(context, runtime.clone());
            Blocking::pool(name, limits.blocking_threads_max, around)
        };
        let (calls, lookups) = (pool("trijet-call"), pool("trijet-lookup"));
        Self { calls, lookups, queue_max: limits.blocking_queue_max }
    }

    /// Runs `call`, or drops it where too many wait.
    pub fn run(&self, call: Box<dyn Call>) {
        Blocking::Call(call).push(&self.calls, self.queue_max);
    }

    /// As [`run`](Self::run), for the look-up of a name.
    pub fn look_up(&self, call: Box<dyn Call>) {
        Blocking::Call(call).push(&self.lookups, self.queue_max);
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
pub fn inside<R: Runtime>(context: &Context, runtime: Weak<R>) -> Around {
    let context = context.clone();
    Box::new(move |work| {
        context.within(|| {
            let entered = runtime.upgrade().map(|runtime: Arc<R>| runtime::enter(runtime));
            work();
            drop(entered);
        });
    })
}

/// The addresses of `host`, as the system knows them. It blocks.
///
/// # Errors
/// Where the name is not known.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Iterator::collect)
}
