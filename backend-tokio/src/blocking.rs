//! Plain `fn` handlers: on a pool of the server's own, whose threads are inside the runtime. Not on Tokio's
//! blocking pool: its bounds are the runtime's, which may be the user's, and a call that it could start no
//! thread for waits there until one is started for another.

use std::sync::Arc;

use tokio::runtime::Handle;
use trijet_backend::{Pool, inside};
use trijet_core::{Limits, jobs::Job};

use crate::runtime::TokioRuntime;

/// The jobs of one server.
#[derive(Debug)]
pub(crate) struct Blocking {
    pool: Pool<Job>,
    queue_max: usize,
}

impl Blocking {
    /// For a server on the runtime that this is called in.
    pub(crate) fn new(limits: &Limits, runtime: &Arc<TokioRuntime>) -> Self {
        let around = inside(&Handle::current().into(), Arc::downgrade(runtime));
        let run = |job: Job| job.run(None);
        Self {
            pool: Pool::within("trijet-blocking", limits.blocking_threads_max, around, run).keeping_one(),
            queue_max: limits.blocking_queue_max,
        }
    }

    /// Runs `job` on a thread of the pool, as soon as one is free.
    pub(crate) fn run(&self, job: Job) {
        let queue_max = job.queue_max(self.queue_max);
        self.pool.push_or_drop(job, queue_max, Job::is_waiting);
    }

    /// Its threads, and what waits for one.
    pub(crate) fn figures(&self) -> (usize, usize) {
        (self.pool.threads(), self.pool.waiting())
    }

    /// Drops what waits, and takes nothing more. What runs is left alone.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}
