//! A Tokio runtime of the server's own: its start fails where the system has no threads for it, and its end
//! waits for nothing.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::runtime::{Builder, Handle, Runtime};
use trijet_core::Limits;

use crate::threads::spawn;

/// How long a blocking thread without work stays: long enough for a burst, short enough to be gone soon.
const LINGER: Duration = Duration::from_secs(2);

/// Threads that the system has to have beside the workers': the server's own, and what others take meanwhile.
const SPARE_THREADS: usize = 2;

/// How often a worker looks at what waits for any worker: every second time, the most often that Tokio comes to by
/// itself. A worker's own queue holds 256 tasks; what is woken while it is full waits in the one of all, of which Tokio
/// takes one each 200 µs as long as the own is not empty. It never is while the peers of those whose turn has just been
/// are quick: a few hundred connections are served then, and thousands wait. For 9,000 handlers on one worker, with
/// 20 µs of work a turn, Jain's index is 0.73 without this, and 0.93 with it (`tests/crowd.rs`). At 1 the own queue
/// would starve. A larger `event_interval` would be fairer still, but who is new would wait for so many turns of a few
/// that are always ready: 50 ms in place of 5 beside four uploads.
const GLOBAL_QUEUE_INTERVAL: u32 = 2;

/// How many sockets a worker takes note of at a time: as many as it runs tasks before it looks again. With Tokio's 1,024,
/// 512 busy connections overflow its own queue into the one of all with each look. They are served 3 % faster so.
const EVENTS_PER_LOOK: usize = 61;

/// A runtime of the server's own. Dropping it ends it.
#[derive(Debug)]
pub struct OwnRuntime {
    handle: Handle,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl OwnRuntime {
    /// Starts a runtime of so many `workers`, with sockets and timers.
    ///
    /// # Errors
    /// Where the system refuses its threads or its poll.
    pub fn start(thread_name: &str, workers: usize, limits: &Limits) -> io::Result<Self> {
        let runtime = build(thread_name, workers, limits).map_err(|error| {
            io::Error::new(error.kind(), format!("the Tokio runtime cannot be started: {error}"))
        })?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// A handle to it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        // A plain drop waits for what still blocks, and panics on a thread of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn build(thread_name: &str, workers: usize, limits: &Limits) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        // Tokio adds its workers to this, and must not overflow.
        .max_blocking_threads(limits.blocking_threads_max.min(u32::MAX as usize))
        .thread_keep_alive(LINGER)
        .thread_name(thread_name)
        .global_queue_interval(GLOBAL_QUEUE_INTERVAL)
        .max_io_events_per_tick(EVENTS_PER_LOOK)
        .enable_io()
        .enable_time();
    try_threads(workers.saturating_add(SPARE_THREADS))?;
    builder.build()
}

/// Starts so many threads at a time, and ends them. Where the system refuses one to a runtime that is being
/// built, Tokio panics, and then waits for ever for the workers that it has started: so it is asked before.
fn try_threads(count: usize) -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let start = |_| {
        let gate = gate.clone();
        spawn("trijet-trial", move || drop(gate.lock()))
    };
    let started: io::Result<Vec<_>> = (0..count).map(start).collect();
    drop(closed);
    started?.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}
