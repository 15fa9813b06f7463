//! Wakers of the simulation: a flag for each task, and one bell for wakes that come from other threads.
//! Nothing here decides who runs.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Wake,
    time::Duration,
};

/// Rings at each wake.
#[derive(Default)]
pub(super) struct Bell {
    has_rung: Mutex<bool>,
    rings: Condvar,
    /// Wakes so far.
    wakes: AtomicU64,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.has_rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what has rung so far.
    pub(super) fn silence(&self) {
        *self.lock() = false;
    }

    /// Waits until it has rung, and tells whether it did.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let waited = self.rings.wait_timeout_while(self.lock(), patience, |has_rung| !*has_rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The waker of one task.
pub(super) struct Alarm {
    /// Which wake of all it was; 0 while it is not set.
    turn: AtomicU64,
    bell: Arc<Bell>,
}

impl Alarm {
    /// An alarm that is set, so that its task runs once.
    pub(super) fn set(bell: Arc<Bell>) -> Arc<Self> {
        let alarm = Arc::new(Self { turn: AtomicU64::new(0), bell });
        alarm.wake_by_ref();
        alarm
    }

    /// Where its task stands in the line of those that were woken.
    pub(super) fn turn(&self) -> Option<u64> {
        Some(self.turn.load(Ordering::Acquire)).filter(|turn| *turn > 0)
    }

    /// Unsets it and tells whether it was set.
    pub(super) fn take(&self) -> bool {
        self.turn.swap(0, Ordering::AcqRel) > 0
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let turn = self.bell.wakes.fetch_add(1, Ordering::Relaxed) + 1;
        // One that is set already keeps its place in the line.
        let _ = self.turn.compare_exchange(0, turn, Ordering::AcqRel, Ordering::Acquire);
        *self.bell.lock() = true;
        self.bell.rings.notify_one();
    }
}
