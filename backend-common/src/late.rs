//! Timers of `trijet::rt` that outlive their server: a thread of the user's own, or a call that goes on, still waits
//! for them when nobody serves them any more. One thread a process does, and is there only while somebody waits.
//! No waker is called, cloned or dropped under its lock.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use trijet_core::runtime::wake;

use crate::{Key, alarms::Alarms, threads::spawn};

/// One timer's place among those that outlive their server.
#[derive(Debug, Default)]
pub struct Late(Option<Key>);

struct State {
    alarms: Alarms,
    has_thread: bool,
}

static STATE: Mutex<State> = Mutex::new(State { alarms: Alarms::new(), has_thread: false });
/// There is an earlier timer than all others, or none at all.
static CHANGED: Condvar = Condvar::new();

/// How long a thread waits for itself at a time, where the system has none that would do it.
const NAP: Duration = Duration::from_millis(10);

impl Late {
    /// Ready from `at` on, which is the same in every call; the waker of the last call is woken then.
    pub fn poll(&mut self, cx: &Context<'_>, at: Instant) -> Poll<()> {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.forget();
            return Poll::Ready(());
        }
        let mut waker = cx.waker().clone();
        let mut state = lock();
        if let Some(key) = self.0 {
            match state.alarms.replace(key, waker) {
                Ok(replaced) => {
                    drop(state);
                    drop(replaced);
                    return Poll::Pending;
                }
                Err(back) => waker = back,
            }
        }
        let (key, is_earliest) = state.alarms.add(at, waker);
        self.0 = Some(key);
        let served = state.serve(is_earliest);
        let unserved = if served.is_err() { state.alarms.remove(key) } else { None };
        drop(state);
        drop(unserved);
        if let Err(error) = served {
            log::warn!("no thread can be started for the timers of a server that has ended: {error}");
            thread::sleep(left.min(NAP));
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Gives its place up.
    fn forget(&mut self) {
        if let Some(key) = self.0.take() {
            let forgotten = {
                let mut state = lock();
                let forgotten = state.alarms.remove(key);
                if state.alarms.len() == 0 {
                    // The thread has nothing to stay for.
                    CHANGED.notify_one();
                }
                forgotten
            };
            drop(forgotten);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.forget();
    }
}

impl State {
    /// Sees to it that somebody looks in time for the one that was added.
    fn serve(&mut self, is_earliest: bool) -> io::Result<()> {
        if !self.has_thread {
            spawn("trijet-late", run)?;
            self.has_thread = true;
        } else if is_earliest {
            CHANGED.notify_one();
        }
        Ok(())
    }
}

/// Wakes those whose time has come, until there is none left.
fn run() {
    let mut state = lock();
    while state.alarms.len() > 0 {
        let now = Instant::now();
        if let Some(waker) = state.alarms.pop_due(now) {
            drop(state);
            wake(waker);
            state = lock();
        } else if let Some(next) = state.alarms.next() {
            let left = next.saturating_duration_since(now);
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
    use std::{
        sync::{Arc, mpsc},
        task::{Wake, Waker},
    };

    use super::*;

    /// The tests look at what is there once a process: one at a time.
    static ALONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
        let _alone = alone();
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
        assert_eq!(lock().alarms.len(), 1);
        drop((forgotten, bombed));
        while lock().has_thread {
            thread::yield_now();
        }
        // And it comes again.
        wait_until(Instant::now() + Duration::from_millis(1));
    }

    #[test]
    fn who_has_lost_the_place_is_given_another_and_whose_time_has_come_has_none() {
        let _alone = alone();
        let cx = Context::from_waker(Waker::noop());
        let far = Instant::now() + Duration::from_secs(600);
        let mut late = Late::default();
        assert!(late.poll(&cx, far).is_pending());
        drop(lock().alarms.remove(late.0.unwrap()));
        assert!(late.poll(&cx, far).is_pending());
        assert_eq!(lock().alarms.len(), 1);
        assert!(late.poll(&cx, Instant::now()).is_ready());
        assert_eq!((late.0, lock().alarms.len()), (None, 0));
    }

    /// A waker may be the app's, and come back here however it is used.
    #[test]
    fn wakers_are_called_and_dropped_without_the_lock() {
        struct ComesBack(mpsc::Sender<&'static str>);
        impl ComesBack {
            fn come_back(&self, what: &'static str) {
                let far = Instant::now() + Duration::from_secs(600);
                let mut late = Late::default();
                assert!(late.poll(&Context::from_waker(Waker::noop()), far).is_pending());
                drop(late);
                let _ = self.0.send(what);
            }
        }
        impl Wake for ComesBack {
            fn wake(self: Arc<Self>) {
                self.come_back("woken");
            }
        }
        impl Drop for ComesBack {
            fn drop(&mut self) {
                self.come_back("dropped");
            }
        }
        let _alone = alone();
        let (sender, told) = mpsc::channel();
        let waker = move || Waker::from(Arc::new(ComesBack(sender.clone())));
        // On a thread of its own, as it would wait for ever.
        let thread = thread::spawn(move || {
            let poll = |late: &mut Late, waker: Waker, at| late.poll(&Context::from_waker(&waker), at);
            let far = Instant::now() + Duration::from_secs(600);
            let mut late = Late::default();
            assert!(poll(&mut late, waker(), far).is_pending());
            assert!(poll(&mut late, waker(), far).is_pending());
            drop(late);
            let mut late = Late::default();
            assert!(poll(&mut late, waker(), Instant::now() + Duration::from_millis(20)).is_pending());
            late
        });
        let told: Vec<_> = (0..4).map(|_| told.recv_timeout(Duration::from_secs(20))).collect();
        assert_eq!(told, ["dropped", "dropped", "woken", "dropped"].map(Ok));
        drop(thread.join().unwrap());
    }
}
