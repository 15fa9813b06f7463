//! Timers of `trijet::rt` that outlive their server: a thread of the user's own, or a call that goes on, still waits
//! for them when nobody serves them any more. One thread a process does, and is there only while somebody waits.
//! No waker is called, cloned or dropped under its lock.

use std::{
    io, mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use trijet_core::runtime::wake;

use crate::threads::spawn;

/// One timer's place among those that outlive their server.
#[derive(Debug, Default)]
pub struct Late(Option<Place>);

/// When it is over, and its number among those of that time.
type Place = (Instant, u64);

struct State {
    /// The earliest last. They are few, one a thread that waits at most: a map for them would be 10 KB of each program.
    waiting: Vec<(Place, Waker)>,
    begun: u64,
    has_thread: bool,
}

static STATE: Mutex<State> = Mutex::new(State { waiting: Vec::new(), begun: 0, has_thread: false });
/// There is an earlier timer than all others, or none at all.
static CHANGED: Condvar = Condvar::new();

/// How long a thread waits for itself at a time, where the system has none that would do it.
const NAP: Duration = Duration::from_millis(10);

impl Late {
    /// Ready from `at` on, which is the same in every call; the waker of the last call is woken then.
    pub fn poll(&mut self, cx: &Context<'_>, at: Instant) -> Poll<()> {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        let mut waker = cx.waker().clone();
        let mut state = lock();
        let place = *self.0.get_or_insert_with(|| {
            state.begun += 1;
            (at, state.begun)
        });
        match state.find(place) {
            Ok(index) => mem::swap(&mut state.waiting[index].1, &mut waker),
            Err(index) => {
                let waker = mem::replace(&mut waker, Waker::noop().clone());
                state.waiting.insert(index, (place, waker));
            }
        }
        let served = state.serve(place);
        let unserved = if served.is_err() { state.remove(place) } else { None };
        drop(state);
        drop((waker, unserved));
        if let Err(error) = served {
            log::warn!("no thread can be started for the timers of a server that has ended: {error}");
            thread::sleep(left.min(NAP));
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            let forgotten = {
                let mut state = lock();
                let forgotten = state.remove(place);
                if state.waiting.is_empty() {
                    // The thread has nothing to stay for.
                    CHANGED.notify_one();
                }
                forgotten
            };
            drop(forgotten);
        }
    }
}

impl State {
    /// The index of `place`, or the one that it belongs to.
    fn find(&self, place: Place) -> Result<usize, usize> {
        self.waiting.binary_search_by(|(other, _)| place.cmp(other))
    }

    fn remove(&mut self, place: Place) -> Option<Waker> {
        self.find(place).ok().map(|index| self.waiting.remove(index).1)
    }

    /// Sees to it that somebody looks in time for the one at `place`.
    fn serve(&mut self, place: Place) -> io::Result<()> {
        if !self.has_thread {
            spawn("trijet-late", run)?;
            self.has_thread = true;
        } else if self.waiting.last().is_some_and(|(first, _)| *first == place) {
            CHANGED.notify_one();
        }
        Ok(())
    }
}

/// Wakes those whose time has come, until there is none left.
fn run() {
    let mut state = lock();
    while let Some(((at, _), _)) = state.waiting.last() {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let first = state.waiting.pop();
            drop(state);
            if let Some((_, waker)) = first {
                wake(waker);
            }
            state = lock();
        } else {
            state = CHANGED.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
    state.has_thread = false;
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{sync::Arc, task::Wake};

    use super::*;

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn wait_until(at: Instant) {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut late = Late::default();
        while late.poll(&Context::from_waker(&waker), at).is_pending() {
            thread::park();
        }
    }

    #[test]
    fn each_is_woken_at_its_time_and_the_thread_leaves_with_the_last() {
        struct Bomb;
        impl Wake for Bomb {
            fn wake(self: Arc<Self>) {
                panic!("planted");
            }
        }
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        // Longer than any test takes.
        let mut forgotten = Late::default();
        let cx = Context::from_waker(Waker::noop());
        assert!(forgotten.poll(&cx, after(600_000)).is_pending());
        assert!(forgotten.poll(&cx, after(600_000)).is_pending());
        let bomb = Waker::from(Arc::new(Bomb));
        let mut bombed = Late::default();
        assert!(bombed.poll(&Context::from_waker(&bomb), after(5)).is_pending());
        thread::scope(|scope| {
            // The later ones first: each is earlier than what the thread sleeps for.
            for millis in [60, 45, 30, 30, 15] {
                scope.spawn(move || {
                    wait_until(after(millis));
                    assert!(Instant::now() >= after(millis));
                });
            }
        });
        assert_eq!(lock().waiting.len(), 1);
        drop((forgotten, bombed));
        while lock().has_thread {
            thread::yield_now();
        }
        // And it comes again.
        wait_until(Instant::now() + Duration::from_millis(1));
    }
}
