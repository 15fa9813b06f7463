//! A server's life: running, stopping gracefully, stopping now, ended. One latch, shared by the
//! handle, the signals and the backend. It only ever moves forward.

use std::{
    fmt, io,
    sync::PoisonError,
    time::{Duration, Instant},
};

use crate::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// How far a server's life has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Running,
    /// It finishes what is in flight, until the deadline.
    Stopping(Instant),
    /// Sockets are cut.
    Cut,
}

/// The latch of one server.
pub struct Life {
    stopping: AtomicBool,
    shutdown_timeout: Duration,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    phase: Phase,
    end: Option<Result<(), String>>,
    wake: Vec<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

impl Life {
    pub(crate) fn new(shutdown_timeout: Duration) -> Self {
        Self {
            stopping: AtomicBool::new(false),
            shutdown_timeout,
            state: Mutex::new(State { phase: Phase::Running, end: None, wake: Vec::new() }),
            ended: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `wake` at every later change of phase, from the thread that makes it. It must not
    /// block, nor ask this life anything: its lock is held.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        let mut state = self.lock();
        if state.phase != Phase::Running {
            wake();
        }
        state.wake.push(Box::new(wake));
    }

    /// Whether a stop has begun. Cheap: connections ask at every request.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The current phase. A graceful stop whose deadline has passed is still `Stopping` here: whoever
    /// serves compares the deadline with its clock.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Begins a graceful stop.
    pub fn shutdown(&self) {
        let deadline = trijet_core::after(Instant::now(), self.shutdown_timeout);
        self.advance(Phase::Stopping(deadline));
    }

    /// Ends at once: sockets are cut.
    pub fn shutdown_now(&self) {
        self.advance(Phase::Cut);
    }

    fn advance(&self, phase: Phase) {
        let mut state = self.lock();
        // A second graceful stop must not move the deadline of the first.
        let forward = matches!((state.phase, phase), (Phase::Running, _) | (Phase::Stopping(_), Phase::Cut));
        if !forward || state.end.is_some() {
            return;
        }
        state.phase = phase;
        self.stopping.store(true, Ordering::Release);
        for wake in &state.wake {
            wake();
        }
    }

    #[cfg(feature = "signals")]
    pub(crate) fn is_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    /// The server has ended, in this way. The first end stays.
    pub fn end(&self, result: Result<(), String>) {
        let mut state = self.lock();
        state.end.get_or_insert(result);
        // The callbacks hold the backend's own parts: let go of them.
        state.wake.clear();
        self.stopping.store(true, Ordering::Release);
        drop(state);
        self.ended.notify_all();
    }

    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            match &state.end {
                Some(Ok(())) => return Ok(()),
                Some(Err(text)) => return Err(io::Error::other(text.clone())),
                None => state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::sync::{Arc, atomic::AtomicU32};

    use super::*;

    #[test]
    fn a_second_shutdown_keeps_the_first_deadline_and_now_overrides() {
        let life = Life::new(Duration::from_secs(5));
        let woken = Arc::new(AtomicU32::new(0));
        let counter = woken.clone();
        life.on_change(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!((life.phase(), life.is_stopping()), (Phase::Running, false));
        life.shutdown();
        let first = life.phase();
        life.shutdown();
        assert_eq!(life.phase(), first);
        life.shutdown_now();
        life.shutdown();
        assert_eq!(life.phase(), Phase::Cut);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_end_wakes_every_waiter_and_stays() {
        let life = Arc::new(Life::new(Duration::ZERO));
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let life = life.clone();
                std::thread::spawn(move || life.wait().is_ok())
            })
            .collect();
        life.end(Ok(()));
        life.end(Err("too late".into()));
        assert!(waiters.into_iter().all(|waiter| waiter.join().is_ok_and(|ok| ok)));
        assert!(life.wait().is_ok());
    }
}
