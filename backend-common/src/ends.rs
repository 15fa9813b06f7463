//! The ends of threads that run the app's code: a server waits for them as long as there is hope. A handler that holds
//! its thread past the end of its server must not keep that from being told.

use std::{
    io, mem,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    Life, Phase,
    sync::{Condvar, Mutex, MutexGuard},
};

/// How long threads have to drop what is the app's, once the time to stop is over.
pub const GRACE: Duration =
    if cfg!(all(test, trijet_loom)) { Duration::ZERO } else { Duration::from_secs(1) };

/// What a handler's connection that outlives its server fails with.
pub fn server_has_ended() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the server that this connection belongs to has ended")
}

/// Where the ends of some threads are told.
#[derive(Debug)]
pub struct Ends {
    life: Arc<Life>,
    told: Arc<Told>,
}

// By hand, since a channel of the library is 30 KB of each program.
#[derive(Debug, Default)]
struct Told {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The indices of the threads that have ended.
    ended: Vec<usize>,
    /// Whether the life has changed since it was looked at.
    has_changed: bool,
}

/// Tells its thread's end when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it tells the end"]
pub struct Ending {
    index: usize,
    told: Arc<Told>,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }
}

impl Ends {
    /// For threads that end with `life`.
    pub fn new(life: &Arc<Life>) -> Self {
        let told = Arc::<Told>::default();
        let changed = told.clone();
        life.on_change(move || changed.tell(|state| state.has_changed = true));
        Self { life: life.clone(), told }
    }

    /// What the thread with this index is to keep to its end.
    pub fn of(&self, index: usize) -> Ending {
        Ending { index, told: self.told.clone() }
    }

    /// Waits for all `count` threads, and gives the indices of those that have ended: all, unless the time to stop has
    /// been over for a while. The log says so, of `what`.
    pub fn wait(self, count: usize, what: &str) -> Vec<usize> {
        let mut cut = None;
        loop {
            // Without the lock, which is taken under the life's.
            let over = match self.life.phase() {
                Phase::Running => None,
                Phase::Stopping(deadline) => Some(deadline),
                Phase::Cut => Some(*cut.get_or_insert_with(Instant::now)),
            };
            let mut state = self.told.lock();
            if state.ended.len() >= count {
                return mem::take(&mut state.ended);
            }
            if mem::take(&mut state.has_changed) {
                continue;
            }
            let changed = &self.told.changed;
            let Some(over) = over else {
                drop(changed.wait(state));
                continue;
            };
            let left = trijet_core::after(over, GRACE).saturating_duration_since(Instant::now());
            if left.is_zero() {
                let held = count - state.ended.len();
                log::warn!(
                    "the time to stop is over, and a handler still holds {held} of {count} {what}: left behind, with \
                     all connections there, until it lets go"
                );
                return mem::take(&mut state.ended);
            }
            drop(changed.wait_timeout(state, left));
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.told.tell(|state| state.ended.push(self.index));
    }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn all_are_waited_for_however_late_the_stop_comes() {
        let life = Arc::new(Life::new(Duration::from_secs(600)));
        let ends = Ends::new(&life);
        let endings = [ends.of(0), ends.of(1), ends.of(2)];
        let waiting = thread::spawn(move || ends.wait(3, "threads"));
        let [first, second, third] = endings;
        drop(second);
        life.shutdown();
        drop((third, first));
        let mut ended = waiting.join().unwrap();
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2]);
    }

    #[test]
    fn those_that_never_end_are_left_once_the_time_is_over() {
        let stops: [fn(&Life); 2] = [Life::shutdown, Life::shutdown_now];
        for stop in stops {
            let life = Arc::new(Life::new(Duration::from_millis(1)));
            let ends = Ends::new(&life);
            let (held, over) = (ends.of(0), ends.of(1));
            let waiting = thread::spawn(move || ends.wait(2, "threads"));
            drop(over);
            stop(&life);
            assert_eq!(waiting.join().unwrap(), [1]);
            drop(held);
        }
    }
}
