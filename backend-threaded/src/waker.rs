//! The waker of one connection's future, wherever that is: being polled, waiting on its thread, parked, or
//! lent while a job runs. A wake is never lost between those, and never runs the future itself.

use std::{
    sync::{Arc, PoisonError, Weak},
    task::Wake,
    time::{Duration, Instant},
};

use trijet_backend::poll::Key;

use crate::{
    parking::Parked,
    shared::{Gives, Shared},
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Runnable, Task},
};

pub(crate) struct TaskWaker {
    place: Mutex<Where>,
    changed: Condvar,
    /// Weakly: an app may keep wakers for as long as it likes, and would keep itself by them.
    shared: Weak<Shared>,
}

#[derive(Default)]
struct Where {
    place: Place,
    /// How many jobs of the connection run.
    jobs: usize,
    /// How many threads wait here: where there are none, a wake makes no system call.
    waiters: usize,
    /// Whether no thread could be started for it since a job that waits has looked.
    is_put_off: bool,
    /// Whether its thread is wanted for another: it is asked while it waits there, or has just gone on, and then the next
    /// wait ends at once.
    gives_way: bool,
}

enum Place {
    /// A thread has it.
    Running { woken: bool },
    /// The poller has it.
    Parked(Key),
    /// Nobody has it while a job runs: the first wake gives it to a helper.
    Lent(Task),
}

impl Default for Place {
    fn default() -> Self {
        Self::Running { woken: false }
    }
}

/// What becomes of a future that has nothing to do at present.
pub(crate) enum Left {
    /// It is lent.
    Lent,
    /// It was woken meanwhile.
    Woken(Task),
    /// No job runs any more: it needs a request thread.
    Alone(Task),
}

impl TaskWaker {
    pub(crate) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        let place = Mutex::new(Where::default());
        Arc::new(Self { place, changed: Condvar::new(), shared: Arc::downgrade(shared) })
    }

    /// One for the next time of the same connection: this, where nobody has kept it.
    pub(crate) fn renew(mut self: Arc<Self>, shared: &Arc<Shared>) -> Arc<Self> {
        match Arc::get_mut(&mut self) {
            Some(own) => *own.place.get_mut().unwrap_or_else(PoisonError::into_inner) = Where::default(),
            None => return Self::new(shared),
        }
        self
    }

    fn lock(&self) -> MutexGuard<'_, Where> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll begins: wakes from now on are for the next one.
    pub(crate) fn begin_poll(&self) {
        self.lock().place = Place::Running { woken: false };
    }

    pub(crate) fn was_woken(&self) -> bool {
        matches!(self.lock().place, Place::Running { woken: true })
    }

    /// Waits on this thread for a wake, for what `is_over` tells, or for the deadline.
    pub(crate) fn wait(
        self: &Arc<Self>,
        shared: &Shared,
        deadline: Option<Instant>,
        is_over: impl Fn() -> bool,
    ) {
        let entry = shared.begin_wait(self, Gives::Nothing);
        self.wait_here(shared, deadline, is_over);
        shared.end_wait(entry);
    }

    /// Waits on this thread for a wake, for the deadline, or until the thread is wanted for another. Whether it is.
    pub(crate) fn wait_or_give_way(self: &Arc<Self>, shared: &Shared, deadline: Option<Instant>) -> bool {
        let entry = shared.begin_wait(self, Gives::Way);
        let gives_way = self.wait_here(shared, deadline, || false);
        shared.end_wait(entry);
        gives_way
    }

    fn wait_here(&self, shared: &Shared, deadline: Option<Instant>, is_over: impl Fn() -> bool) -> bool {
        let mut state = self.lock();
        let mut is_late = false;
        while matches!(state.place, Place::Running { woken: false })
            && !(is_late || state.gives_way || is_over() || shared.is_cut())
        {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            (state, is_late) = self.sleep(state, left);
        }
        std::mem::take(&mut state.gives_way)
    }

    /// Asks for the thread that it waits on.
    pub(crate) fn ask_for_way(&self) {
        let mut state = self.lock();
        state.gives_way = true;
        self.ring(state);
    }

    /// Waits on this thread, whether or not the server is cut, for what `is_over` tells, or until the future is
    /// nobody else's: put off, or lent when the server is cut. Whether it ended by that.
    pub(crate) fn wait_until(self: &Arc<Self>, shared: &Shared, is_over: impl Fn() -> bool) -> bool {
        let entry = shared.begin_wait(self, Gives::Nothing);
        let mut state = self.lock();
        let mut is_left = false;
        while !(is_left || is_over()) {
            is_left = std::mem::take(&mut state.is_put_off)
                || matches!(state.place, Place::Lent(_)) && shared.is_cut();
            if !is_left {
                state = self.sleep(state, None).0;
            }
        }
        drop(state);
        shared.end_wait(entry);
        is_left
    }

    /// Sleeps until the next ring, or for `most`; whether that time is over.
    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, Where>,
        most: Option<Duration>,
    ) -> (MutexGuard<'a, Where>, bool) {
        state.waiters += 1;
        let (mut state, is_late) = match most {
            None => (self.changed.wait(state).unwrap_or_else(PoisonError::into_inner), false),
            Some(most) => {
                let (state, timeout) =
                    self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner);
                (state, timeout.timed_out())
            }
        };
        state.waiters -= 1;
        (state, is_late)
    }

    /// Wakes the threads that wait, after what `state` guards was changed.
    fn ring(&self, state: MutexGuard<'_, Where>) {
        let is_awaited = state.waiters > 0;
        drop(state);
        if is_awaited {
            self.changed.notify_all();
        }
    }

    /// Moves the future to the poller by `park`, unless it was woken meanwhile: then it comes back.
    pub(crate) fn park<T>(&self, task: T, park: impl FnOnce(T) -> Result<Key, T>) -> Result<(), T> {
        let mut state = self.lock();
        if let Place::Running { woken: true } = state.place {
            return Err(task);
        }
        state.place = Place::Parked(park(task)?);
        Ok(())
    }

    /// A job begins, or ends.
    pub(crate) fn begin_job(&self) {
        self.lock().jobs += 1;
    }

    /// A job has ended on the thread that lent the future, which has it back if nobody has taken it.
    pub(crate) fn end_job(&self) -> Option<Task> {
        let mut state = self.lock();
        state.jobs -= 1;
        self.take_back(&mut state)
    }

    /// Whether a job runs on some thread.
    pub(crate) fn has_job(&self) -> bool {
        self.lock().jobs > 0
    }

    /// Leaves the future to whoever needs it first while a job runs on this thread. If it was woken before,
    /// somebody does at once.
    pub(crate) fn lend(&self, task: Task) {
        let mut state = self.lock();
        if let Place::Running { woken: true } = state.place {
            state.place = Place::Running { woken: false };
            drop(state);
            self.help(task);
        } else {
            state.place = Place::Lent(task);
            // Another job that waits may have to take it: see `wait_until`.
            self.ring(state);
        }
    }

    /// Takes back what was lent, if nobody else has taken it.
    pub(crate) fn reclaim(&self) -> Option<Task> {
        self.take_back(&mut self.lock())
    }

    fn take_back(&self, state: &mut Where) -> Option<Task> {
        let Place::Parked(key) = state.place else { return reclaim(state) };
        // One that the poller has taken is on its way to a thread.
        match self.shared.upgrade()?.parking.take(key)? {
            Parked::Waiting(task) => {
                state.place = Place::Running { woken: false };
                Some(task)
            }
            Parked::Idle(_) | Parked::Refused(_) => None,
        }
    }

    /// As [`lend`](Self::lend), for a helper.
    pub(crate) fn leave(&self, task: Task) -> Left {
        let mut state = self.lock();
        match state.place {
            Place::Running { woken: true } => Left::Woken(task),
            _ if state.jobs == 0 => Left::Alone(task),
            _ => {
                state.place = Place::Lent(task);
                // As above.
                self.ring(state);
                Left::Lent
            }
        }
    }

    /// Has another thread drive the connection.
    pub(crate) fn help(&self, task: Task) {
        let shared = task.shared().clone();
        if let Err(back) = shared.helpers.push(Runnable::Resume(task), usize::MAX) {
            back.into_iter().for_each(Runnable::refuse);
        }
    }

    /// Leaves the future, for which no thread can be started, to the poller, which asks for one again soon; and
    /// to whoever needs it before.
    pub(crate) fn put_off(&self, task: Task) {
        let shared = task.shared().clone();
        let mut state = self.lock();
        match shared.parking.put_off(task) {
            Ok(key) => {
                // A wake that was noted is answered by the next poll, which comes for certain.
                state.place = Place::Parked(key);
                state.is_put_off = true;
                self.ring(state);
            }
            // Cut: the connection ends here.
            Err(task) => {
                drop(state);
                drop(task);
            }
        }
    }

    /// Wakes the threads that wait, to look again.
    pub(crate) fn notify(&self) {
        // The lock orders this after the waiter's own look.
        self.ring(self.lock());
    }
}

fn reclaim(state: &mut Where) -> Option<Task> {
    match std::mem::replace(&mut state.place, Place::Running { woken: false }) {
        Place::Lent(task) => Some(task),
        other => {
            state.place = other;
            None
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        match &mut state.place {
            Place::Running { woken } => {
                *woken = true;
                self.ring(state);
            }
            Place::Parked(key) => {
                let key = *key;
                drop(state);
                if let Some(parked) = self.shared.upgrade().and_then(|shared| shared.parking.take(key)) {
                    Runnable::resume(parked);
                }
            }
            Place::Lent(_) => {
                let lent = reclaim(&mut state);
                drop(state);
                if let Some(task) = lent {
                    self.help(task);
                }
            }
        }
    }
}

/// The waker of a job that waits, apart from its connection's: that may be with another thread meanwhile.
pub(crate) struct JobWaker {
    woken: AtomicBool,
    task: Arc<TaskWaker>,
}

impl JobWaker {
    pub(crate) fn new(task: Arc<TaskWaker>) -> Arc<Self> {
        Arc::new(Self { woken: AtomicBool::new(false), task })
    }

    /// A poll begins: wakes from now on are for the next one.
    pub(crate) fn begin_poll(&self) {
        self.woken.store(false, Ordering::Release);
    }

    pub(crate) fn was_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }
}

impl Wake for JobWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.notify();
    }
}

#[cfg(all(test, trijet_loom))]
impl TaskWaker {
    /// Lets the deadline of a [`wait`](Self::wait) be over.
    pub(crate) fn expire(&self) {
        self.changed.expire(&self.place);
    }
}
