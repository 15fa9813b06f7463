//! Plain `fn` handlers beside event loops: on a pool of the server's own, whose threads are inside its runtime. On Tokio it
//! is not that one's blocking pool: its bounds are the runtime's, which may be the user's, and a call that it could start
//! no thread for waits there until one is started for another.

use std::sync::Weak;

use trijet_core::{Limits, jobs::Job, runtime::Runtime};

use crate::{Context, Pool, calls::Blocking, inside};

/// The jobs of one server.
#[derive(Debug)]
pub struct Jobs {
    pool: Pool<Blocking>,
    queue_max: usize,
}

impl Jobs {
    /// Threads inside of `context` and `runtime`, as many as handlers may have.
    pub fn new<R: Runtime>(limits: &Limits, context: &Context, runtime: Weak<R>) -> Self {
        let around = inside(context, runtime);
        Self {
            pool: Blocking::pool("trijet-blocking", limits.blocking_threads_max, around).keeping_one(),
            queue_max: limits.blocking_queue_max,
        }
    }

    /// Runs `job` on a thread of the pool, as soon as one is free.
    pub fn run(&self, job: Job) {
        Blocking::Job(job).push(&self.pool, self.queue_max);
    }

    /// Its threads, those included that have no work.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Jobs that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.pool.waiting()
    }

    /// Drops what waits, and takes nothing more. What runs is left alone.
    pub fn close(&self) {
        self.pool.close();
    }
}
