//! The watchdog: a thread that looks at the loops of one server, and names the route whose code holds one for too
//! long, while it still does. The loops tell by a few stores ([`Seat`]); time is taken here alone, so that a request
//! costs no reading of a clock. While all is silent the thread sleeps, and the first poll wakes it.
//! It must never hold anything up: neither a loop, nor the start or the end of the server.

mod occupant;
mod records;
mod seat;
mod watched;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use trijet_core::Limits;

use crate::{
    statistics::{Figures, Hold, LoopStatistics, Statistics},
    threads::spawn,
};
use occupant::Occupant;
use records::{Line, Records};
pub use seat::{Seat, TASK};
use watched::{Found, Watched};

/// Looks within [`Limits::loop_hold_max`].
const LOOKS: u32 = 10;
/// The longest time between two looks at loops that do something.
const PERIOD_MAX: Duration = Duration::from_millis(100);
/// After so long a silence the watchdog sleeps. A server that has a request a second never has to wake it.
const SILENCE: Duration = Duration::from_secs(1);
/// It sleeps for no longer, lest its sleep begins in the very moment that a poll does: see [`Seat::enter`].
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// What is known of the loops of one server, and counted.
pub struct Watch {
    hold_max: Option<Duration>,
    route_names: Arc<[Box<str>]>,
    /// Set once it runs.
    watchdog: Arc<OnceLock<Thread>>,
    is_over: AtomicBool,
    figures: OnceLock<Box<dyn Fn() -> Figures + Send + Sync>>,
    state: Mutex<State>,
}

struct State {
    loops: Vec<Watched>,
    records: Records,
}

/// How far the watchdog is from sleeping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// The loops know that it is to be woken; it looks once more.
    Announced,
    Asleep,
}

/// Keeps the watchdog awake. Dropping it ends the watch, and waits for nobody.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct Watchdog(Arc<Watch>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.watchdog.get().map(Thread::unpark);
    }
}

impl Watch {
    pub(crate) fn new(limits: &Limits, route_names: Arc<[Box<str>]>) -> Self {
        Self {
            hold_max: limits.loop_hold_max,
            route_names,
            watchdog: Arc::default(),
            is_over: AtomicBool::new(false),
            figures: OnceLock::new(),
            state: Mutex::new(State { loops: Vec::new(), records: Records::new(Instant::now()) }),
        }
    }

    /// Has the statistics ask for what only the backend knows. It must keep nothing of the app alive.
    pub fn ask_for_figures(&self, figures: impl Fn() -> Figures + Send + Sync + 'static) {
        // There is one backend, which says it once.
        _ = self.figures.set(Box::new(figures));
    }

    /// A place for another loop, which is watched as long as the loop keeps it. `tag` is the backend's.
    pub fn seat(&self, tag: usize) -> Arc<Seat> {
        let seat = Arc::new(Seat::new(self.watchdog.clone(), tag));
        let watched = Watched::new(seat.clone(), Instant::now());
        let mut state = self.lock();
        state.loops.retain(Watched::is_occupied);
        state.loops.push(watched);
        seat
    }

    /// Whether the seat is one of this watch.
    pub fn has(&self, seat: &Seat) -> bool {
        seat.is_of(&self.watchdog)
    }

    /// Starts the thread that looks, unless nothing is to be watched. Where it cannot be started, the server has to
    /// do without: a line in the log says so.
    pub fn start(self: &Arc<Self>) -> Watchdog {
        if let Some(hold_max) = self.hold_max {
            let watch = self.clone();
            match spawn("trijet-watchdog", move || watch.run(hold_max)) {
                Ok(thread) => _ = self.watchdog.set(thread.thread().clone()),
                Err(error) => {
                    log::warn!(
                        "no thread can be started for the watchdog: {error}; a handler that holds a loop is not told"
                    );
                }
            }
        }
        Watchdog(self.clone())
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let Figures { connections, threads, queued } =
            self.figures.get().map(|ask| ask()).unwrap_or_default();
        let now = Instant::now();
        let state = self.lock();
        let loops = state.loops.iter().filter(|_| self.hold_max.is_some()).map(|each| LoopStatistics {
            thread: thread_name(&each.seat),
            lag: each.lag(now),
            lag_max: each.lag_max(now),
            holds: each.holds,
        });
        Statistics {
            connections,
            threads,
            queued,
            holds: state.records.count,
            recent_holds: state.records.recent(),
            loops: loops.collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, hold_max: Duration) {
        let period = (hold_max / LOOKS).min(PERIOD_MAX);
        let mut last_look = Instant::now();
        let mut moved_at = last_look;
        let mut sleep = Sleep::Awake;
        while !self.is_over.load(Ordering::Acquire) {
            let now = Instant::now();
            // Who has just woken this has just begun.
            let slack = if sleep == Sleep::Asleep { Duration::ZERO } else { period.min(now - last_look) };
            let (is_moving, lines) = self.look(now, slack, hold_max, &Occupant::doing);
            last_look = now;
            for (level, text) in lines {
                log::log!(level, "{text}");
            }
            if is_moving {
                moved_at = now;
            }
            let is_silent = now - moved_at >= SILENCE;
            let next = match sleep {
                _ if !is_silent => Sleep::Awake,
                // One more look comes before the first sleep.
                Sleep::Awake => Sleep::Announced,
                Sleep::Announced | Sleep::Asleep => Sleep::Asleep,
            };
            if sleep == Sleep::Announced && next == Sleep::Asleep {
                log::trace!("the watchdog sleeps: no loop does anything");
            }
            if next != sleep || next != Sleep::Awake {
                let is_asleep = next != Sleep::Awake;
                let state = self.lock();
                state.loops.iter().for_each(|each| each.seat.announce_sleep(is_asleep));
            }
            sleep = next;
            thread::park_timeout(if sleep == Sleep::Asleep { SLEEP_MAX } else { period });
        }
    }

    /// Looks at every loop; tells whether one does something, and what the log is to be told. `doing` asks the system
    /// what the thread of one that is held does.
    fn look(
        &self,
        now: Instant,
        slack: Duration,
        hold_max: Duration,
        doing: &dyn Fn(&Occupant) -> Option<String>,
    ) -> (bool, Vec<Line>) {
        let name = |route: usize| match self.route_names.get(route) {
            Some(name) => name,
            None if route == seat::TASK_ROUTE => "a task of trijet::rt::spawn",
            None => "a route",
        };
        let (mut is_moving, mut lines, mut held) = (false, Vec::new(), Vec::new());
        let mut state = self.lock();
        let State { loops, records } = &mut *state;
        for watched in loops {
            let view = watched.seat.look();
            is_moving |= watched.is_moving(view);
            match watched.note(view, now, slack, hold_max) {
                Found::Nothing => {}
                Found::Held { route, duration } => held.push((watched.seat.clone(), route, duration)),
                Found::Holding { told, duration } => records.goes_on(told, duration),
                Found::Over { told, route, duration } => {
                    lines.extend(records.end(told, name(route), duration))
                }
            }
        }
        drop(state);
        for (seat, route, duration) in held {
            let occupant = seat.occupant();
            let hold = Hold {
                route: name(route).to_owned(),
                thread: thread_name(&seat),
                duration,
                is_over: false,
                // Without the lock: statistics and loops that begin would wait for the system.
                doing: occupant.and_then(doing),
            };
            let State { loops, records } = &mut *self.lock();
            let (told, line) = records.begin(hold, occupant.and_then(Occupant::id), now);
            if let Some(watched) = loops.iter_mut().find(|watched| Arc::ptr_eq(&watched.seat, &seat)) {
                watched.tell(told);
            }
            lines.extend(line);
        }
        (is_moving, lines)
    }
}

fn thread_name(seat: &Seat) -> String {
    seat.occupant().map_or_else(String::new, |occupant| occupant.name.clone())
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("hold_max", &self.hold_max).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_without_the_lock() {
        let hold_max = Duration::from_millis(100);
        let watch = Watch::new(&Limits::default(), ["GET /".into()].into());
        let seat = watch.seat(0);
        seat.occupy();
        seat.enter(0);
        let doing = |_: &Occupant| Some(format!("may look: {}", watch.state.try_lock().is_ok()));
        let mut now = Instant::now();
        let looks = std::iter::repeat_with(|| {
            now += hold_max / LOOKS;
            watch.look(now, Duration::ZERO, hold_max, &doing).1
        });
        let lines = looks.take(100).find(|lines| !lines.is_empty()).expect("a hold");
        assert!(lines[0].1.contains("it may look: true"), "{lines:?}");
        seat.leave();
        now += hold_max;
        assert!(
            watch.look(now, Duration::ZERO, hold_max, &doing).1[0].1.contains("has let its event loop go")
        );
        let statistics = watch.statistics();
        assert!(statistics.holds == 1 && statistics.loops[0].holds == 1, "{statistics:?}");
    }
}
