//! The waker of one connection's future, wherever that is: being polled, waiting on its thread, or
//! parked with the poller. A wake is never lost between those, and never runs the future itself.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Wake,
    time::Instant,
};

use trijet_backend::poll::Key;

use crate::{shared::Shared, task::Runnable};

pub(crate) struct TaskWaker {
    place: Mutex<Place>,
    changed: Condvar,
    shared: Arc<Shared>,
}

enum Place {
    /// A thread has it.
    Running { woken: bool },
    /// The poller has it.
    Parked(Key),
}

impl TaskWaker {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { place: Mutex::new(Place::Running { woken: false }), changed: Condvar::new(), shared })
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A poll begins: wakes from now on are for the next one.
    pub(crate) fn begin_poll(&self) {
        *self.lock() = Place::Running { woken: false };
    }

    pub(crate) fn was_woken(&self) -> bool {
        matches!(*self.lock(), Place::Running { woken: true })
    }

    /// Waits on this thread for a wake, or the deadline.
    pub(crate) fn wait(self: &Arc<Self>, deadline: Option<Instant>) {
        let entry = self.shared.begin_wait(self);
        let mut place = self.lock();
        while matches!(*place, Place::Running { woken: false }) && !self.shared.is_cut() {
            place = match deadline {
                None => self.changed.wait(place).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.changed.wait_timeout(place, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(place);
        self.shared.end_wait(entry);
    }

    /// Waits on this thread for a wake, however long that takes and whether or not the server is cut.
    pub(crate) fn wait_for_wake(&self) {
        let mut place = self.lock();
        while matches!(*place, Place::Running { woken: false }) {
            place = self.changed.wait(place).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Moves the future to the poller by `park`, unless it was woken meanwhile: then it comes back.
    pub(crate) fn park<T>(&self, task: T, park: impl FnOnce(T) -> Result<Key, T>) -> Result<(), T> {
        let mut place = self.lock();
        if let Place::Running { woken: true } = *place {
            return Err(task);
        }
        *place = Place::Parked(park(task)?);
        Ok(())
    }

    /// Wakes the thread that waits, to look whether the server is cut.
    pub(crate) fn notify(self: &Arc<Self>) {
        // The lock orders this after the waiter's own look.
        drop(self.lock());
        self.changed.notify_all();
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let parked = {
            let mut place = self.lock();
            match &mut *place {
                Place::Running { woken } => {
                    *woken = true;
                    None
                }
                Place::Parked(key) => Some(*key),
            }
        };
        match parked {
            None => self.changed.notify_all(),
            Some(key) => {
                if let Some(parked) = self.shared.parking.take(key) {
                    Runnable::resume(parked);
                }
            }
        }
    }
}
