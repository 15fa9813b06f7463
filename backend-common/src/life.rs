//! A server's life: running, stopping gracefully, stopping now, ended. One latch, shared by the
//! handle, the signals and the backend. It only ever moves forward. Before a graceful stop it may drain for a while: it
//! serves as ever, and is no longer ready.

use std::{
    error, fmt, io,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use crate::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
    spawn,
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
    ready: AtomicBool,
    shutdown_timeout: Duration,
    drain_delay: Duration,
    state: Mutex<State>,
    /// It is cut, or has ended.
    changed: Condvar,
}

struct State {
    phase: Phase,
    /// Whether a stop has been asked for, be it one that drains first.
    asked: bool,
    /// Whether the start is over, its hooks included.
    started: bool,
    /// Whether all that is left are the hooks of the stop.
    in_hooks: bool,
    end: Option<Result<(), Arc<io::Error>>>,
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
            ready: AtomicBool::new(false),
            shutdown_timeout,
            drain_delay: Duration::ZERO,
            state: Mutex::new(State {
                phase: Phase::Running,
                asked: false,
                started: false,
                in_hooks: false,
                end: None,
                wake: Vec::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// With so much time between a stop that is asked for and its begin.
    pub(crate) fn draining(self, drain_delay: Duration) -> Self {
        Self { drain_delay, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `wake` at every later change of phase and at the end, from the thread that makes it. It must not
    /// block, nor ask this life anything: its lock is held.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        let mut state = self.lock();
        if state.phase != Phase::Running {
            wake();
        }
        state.wake.push(Box::new(wake));
    }

    /// Whether a stop has begun. Cheap: connections ask at every request.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// It serves from now on, unless a stop has been asked for already.
    pub fn serves(&self) {
        let mut state = self.lock();
        state.started = true;
        self.ready.store(!state.asked && state.end.is_none(), Ordering::Release);
    }

    /// Whether it serves, and no stop has been asked for.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The current phase. A graceful stop whose deadline has passed is still `Stopping` here: whoever
    /// serves compares the deadline with its clock.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Asks for a graceful stop: it is no longer ready, and begins to stop once the delay of the drain is over.
    pub fn drain(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            if state.asked || state.end.is_some() {
                return;
            }
            state.asked = true;
            self.ready.store(false, Ordering::Release);
        }
        if self.drain_delay.is_zero() {
            return self.shutdown();
        }
        let over = trijet_core::after(Instant::now(), self.drain_delay);
        let life = self.clone();
        if let Err(error) = spawn("trijet-drain", move || life.stop_at(over)) {
            log::warn!(
                "no thread can be started for the delay of the drain, and the stop begins now: {error}"
            );
            self.shutdown();
        }
    }

    /// Begins the graceful stop at `over`, unless the server is cut or ends before.
    fn stop_at(&self, over: Instant) {
        let mut state = self.lock();
        while state.phase == Phase::Running && state.end.is_none() {
            let left = over.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return self.shutdown();
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Begins a graceful stop, without the delay of the drain.
    pub fn shutdown(&self) {
        let deadline = trijet_core::after(Instant::now(), self.shutdown_timeout);
        self.advance(Phase::Stopping(deadline));
    }

    /// Ends at once: sockets are cut, and hooks of the stop that run are left behind.
    pub fn shutdown_now(&self) {
        // Before it: a cut brings the hooks on, and those have their time.
        let in_hooks = self.lock().in_hooks;
        self.advance(Phase::Cut);
        if in_hooks {
            self.end(Err(io::Error::other("stopped now, while on_stop was still running")));
        }
    }

    /// Whether all that is left are the hooks of the stop.
    pub(crate) fn set_in_hooks(&self, in_hooks: bool) {
        self.lock().in_hooks = in_hooks;
    }

    fn advance(&self, phase: Phase) {
        let mut state = self.lock();
        // A second graceful stop must not move the deadline of the first.
        let forward = matches!((state.phase, phase), (Phase::Running, _) | (Phase::Stopping(_), Phase::Cut));
        if !forward || state.end.is_some() {
            return;
        }
        state.phase = phase;
        state.asked = true;
        self.ready.store(false, Ordering::Release);
        self.stopping.store(true, Ordering::Release);
        for wake in &state.wake {
            wake();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether a stop has been asked for, be it one that drains first.
    #[cfg(feature = "signals")]
    pub(crate) fn is_asked(&self) -> bool {
        self.lock().asked
    }

    /// Whether its start is not over yet.
    #[cfg(feature = "signals")]
    pub(crate) fn is_starting(&self) -> bool {
        !self.lock().started
    }

    /// Whether the server has ended.
    pub fn is_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    /// The server has ended, in this way. The first end stays.
    pub fn end(&self, result: io::Result<()>) {
        let mut state = self.lock();
        state.end.get_or_insert(result.map_err(Arc::new));
        for wake in &state.wake {
            wake();
        }
        // The callbacks hold the backend's own parts: let go of them.
        state.wake.clear();
        self.ready.store(false, Ordering::Release);
        self.stopping.store(true, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            match &state.end {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => return Err(io::Error::new(error.kind(), Told(error.clone()))),
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// How a server has ended, for one of those who wait for that.
#[derive(Debug)]
struct Told(Arc<io::Error>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl error::Error for Told {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source()
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
    fn it_is_ready_from_its_start_to_the_first_stop_that_is_asked_for() {
        let stops: [fn(&Arc<Life>); 4] = [
            |life| life.drain(),
            |life| life.shutdown(),
            |life| life.shutdown_now(),
            |life| life.end(Ok(())),
        ];
        for delay in [Duration::ZERO, Duration::from_secs(600)] {
            for stop in stops {
                let life = Arc::new(Life::new(Duration::from_secs(5)).draining(delay));
                assert!(!life.is_ready(), "before the start");
                life.serves();
                assert!(life.is_ready());
                stop(&life);
                life.serves();
                assert!(!life.is_ready());
                life.drain();
                assert!(!life.is_ready());
                // Lets go of the thread that drains.
                life.shutdown_now();
            }
        }
    }

    #[test]
    fn a_drain_serves_for_its_delay_and_then_stops() {
        let delay = Duration::from_millis(30);
        let life = Arc::new(Life::new(Duration::from_secs(5)).draining(delay));
        let (tell, told) = std::sync::mpsc::channel();
        life.on_change(move || tell.send(Instant::now()).unwrap());
        let start = Instant::now();
        life.drain();
        assert!(told.recv().unwrap() - start >= delay);
        assert!(matches!(life.phase(), Phase::Stopping(_)));
    }

    #[test]
    fn now_ends_a_drain_and_the_hooks_of_the_stop() {
        let life = Arc::new(Life::new(Duration::from_secs(5)).draining(Duration::from_secs(600)));
        life.drain();
        assert_eq!(life.phase(), Phase::Running);
        life.shutdown_now();
        assert_eq!(life.phase(), Phase::Cut);
        life.set_in_hooks(true);
        life.shutdown();
        assert!(life.lock().end.is_none());
        life.shutdown_now();
        assert!(life.wait().unwrap_err().to_string().contains("on_stop"));
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
        life.end(Err(io::Error::other("too late")));
        assert!(waiters.into_iter().all(|waiter| waiter.join().is_ok_and(|ok| ok)));
        assert!(life.wait().is_ok());
    }
}
