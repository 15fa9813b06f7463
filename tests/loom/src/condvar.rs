//! loom's condition variable, whose waits can also time out.

use std::{
    sync::{
        LockResult, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{Mutex, MutexGuard};

/// As std's. No time passes in a model: a wait with a timeout ends by a notification, or by [`expire`](Self::expire).
#[derive(Debug, Default)]
pub struct Condvar {
    inner: loom::sync::Condvar,
    /// Whether a timeout is over that no wait has noticed yet. Only looked at under the waiters' lock.
    expired: AtomicBool,
}

/// As std's.
#[derive(Clone, Copy, Debug)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the wait ended because its time was over.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// As std's.
    pub fn new() -> Self {
        Self::default()
    }

    /// As std's.
    ///
    /// # Errors
    /// None.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.inner.wait(guard)
    }

    /// As std's, but for when it times out. It may have used up a notification all the same, as std's may.
    ///
    /// # Errors
    /// None.
    #[track_caller]
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let mut guard = guard;
        if !self.expired.load(Ordering::Relaxed) {
            guard = self.inner.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok((guard, WaitTimeoutResult(self.expired.swap(false, Ordering::Relaxed))))
    }

    /// Lets the timeout of one wait be over: of one that goes on, else of the next. `mutex` is that of the waits.
    #[track_caller]
    pub fn expire<T>(&self, mutex: &Mutex<T>) {
        // Under the lock: a waiter has either not looked yet, or is already to be notified.
        let guard = mutex.lock();
        self.expired.store(true, Ordering::Relaxed);
        self.inner.notify_all();
        drop(guard);
    }

    /// As std's.
    #[track_caller]
    pub fn notify_one(&self) {
        self.inner.notify_one();
    }

    /// As std's.
    #[track_caller]
    pub fn notify_all(&self) {
        self.inner.notify_all();
    }
}
