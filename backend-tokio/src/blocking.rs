//! Plain `fn` handlers on Tokio's blocking pool, within the limits of the server: these hold also in
//! a runtime of the user's, whose pool has bounds of its own. It must never lose a job: one that
//! cannot run is dropped, which answers it with 503.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::spawn_blocking;
use trijet_backend::panic_text;
use trijet_core::{Limits, jobs::Job};

/// The jobs of one server.
#[derive(Debug)]
pub(crate) struct Blocking {
    threads_max: usize,
    jobs_max: usize,
    state: Mutex<State>,
}

/// Every job passes through the queue, so that the threads are alike: none belongs to a job.
#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    busy: usize,
    /// Calls that Tokio has queued, but could start no thread for: whichever comes first, when one
    /// starts after all, has nothing to do.
    stale: usize,
    closed: bool,
}

impl Blocking {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            threads_max: limits.blocking_threads_max,
            jobs_max: limits.blocking_threads_max.saturating_add(limits.blocking_queue_max),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics halfway, so a poisoned one is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `job` on a thread of the pool, as soon as one is free.
    pub(crate) fn run(self: &Arc<Self>, job: Job) {
        let mut state = self.lock();
        if state.queue.len() + state.busy >= self.jobs_max {
            // Those that have waited for too long are answered, and only take up room.
            state.queue.retain(Job::is_waiting);
        }
        let taken = state.queue.len() + state.busy;
        if state.closed || taken >= self.jobs_max {
            drop(state);
            return drop(job);
        }
        state.queue.push_back(job);
        // A thread that is not busy is about to look into the queue.
        if state.threads > taken || state.threads == self.threads_max {
            return;
        }
        state.threads += 1;
        drop(state);
        let this = self.clone();
        // Tokio panics where the system refuses the first thread. That must not end the connection.
        if catch_unwind(AssertUnwindSafe(|| spawn_blocking(move || this.work()))).is_err() {
            let mut state = self.lock();
            state.threads -= 1;
            state.stale += 1;
            let waiting = if state.threads == 0 { std::mem::take(&mut state.queue) } else { VecDeque::new() };
            drop(state);
            drop(waiting);
        }
    }

    fn work(&self) {
        let mut state = self.lock();
        if state.stale > 0 {
            state.stale -= 1;
            return;
        }
        while let Some(job) = state.queue.pop_front() {
            state.busy += 1;
            drop(state);
            // A handler's panic ends inside its job. This holds the count should another get out.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.run(None))) {
                log::error!("a blocking thread panicked: {}", panic_text(&*panic));
            }
            state = self.lock();
            state.busy -= 1;
        }
        state.threads -= 1;
    }

    /// Drops what waits, and takes nothing more. What runs is left alone.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.queue)
        };
        drop(waiting);
    }
}
