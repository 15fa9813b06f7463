//! A future that goes on by itself, where its backend schedules it: woken, it is queued once; it is never polled on two
//! threads at once, and no wake is lost.

use std::{
    fmt,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use trijet_core::BoxFuture;

use crate::sync::{
    Mutex,
    atomic::{AtomicU8, Ordering},
};

/// Takes a task that has something to do, to [`run`](Task::run) it soon.
pub type Schedule = Arc<dyn Fn(Arc<Task>) + Send + Sync>;

/// What [`rt::spawn`](trijet_core::rt::spawn) has begun.
pub struct Task {
    state: AtomicU8,
    /// Locked by whoever runs it; nobody waits for it.
    future: Mutex<Option<BoxFuture<()>>>,
    schedule: Schedule,
}

/// It waits for a wake.
const WAITING: u8 = 0;
/// It is scheduled.
const QUEUED: u8 = 1;
/// It is being polled.
const RUNNING: u8 = 2;
/// It is being polled, and was woken meanwhile.
const WOKEN: u8 = 3;
/// It is over.
const OVER: u8 = 4;

impl Task {
    /// Schedules `future`, which never panics.
    pub fn spawn(future: BoxFuture<()>, schedule: Schedule) {
        let task = Arc::new(Self {
            state: AtomicU8::new(QUEUED),
            future: Mutex::new(Some(future)),
            schedule: schedule.clone(),
        });
        schedule(task);
    }

    /// Polls it once. To be called once for each time that it was scheduled.
    pub fn run(self: Arc<Self>) {
        // Not a store: this has to see what was written before each wake that found it queued, or queued it.
        self.state.swap(RUNNING, Ordering::AcqRel);
        let waker = Waker::from(self.clone());
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = future.as_mut().map(|future| future.as_mut().poll(&mut Context::from_waker(&waker)));
        if let Some(Poll::Pending) = polled {
            drop(future);
            let rest = self.state.compare_exchange(RUNNING, WAITING, Ordering::AcqRel, Ordering::Acquire);
            if rest.is_err() {
                // Woken meanwhile: others first. Not a store either: a second wake may have come since.
                self.state.swap(QUEUED, Ordering::AcqRel);
                (self.schedule.clone())(self);
            }
        } else {
            let over = future.take();
            drop(future);
            self.state.store(OVER, Ordering::Release);
            drop(over);
        }
    }

    /// Drops the future: there is nobody to run it.
    pub fn discard(&self) {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.state.store(OVER, Ordering::Release);
        drop(future);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        // It is written where nothing changes, too: the poll that comes then has to see what was written before this.
        let woken = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            WAITING | QUEUED => Some(QUEUED),
            RUNNING | WOKEN => Some(WOKEN),
            _ => None,
        });
        if woken == Ok(WAITING) {
            (self.schedule.clone())(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.clone().wake();
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{
        future::poll_fn,
        sync::{Mutex, mpsc},
    };

    use super::*;

    #[test]
    fn it_is_queued_once_however_often_it_is_woken_and_again_if_that_is_while_it_runs() {
        let queue = Arc::new(Mutex::new(Vec::new()));
        let schedule = {
            let queue = queue.clone();
            Arc::new(move |task| queue.lock().unwrap().push(task))
        };
        let (polled, polls) = mpsc::channel();
        let mut count = 0;
        let future = poll_fn(move |cx| {
            count += 1;
            polled.send(cx.waker().clone()).unwrap();
            match count {
                1 => Poll::Pending,
                2 => {
                    cx.waker().wake_by_ref();
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        });
        Task::spawn(Box::pin(future), schedule);
        let next = || {
            let mut queue = queue.lock().unwrap();
            assert_eq!(queue.len(), 1);
            queue.pop().unwrap()
        };
        next().run();
        assert!(queue.lock().unwrap().is_empty());
        let waker = polls.recv().unwrap();
        waker.wake_by_ref();
        waker.wake_by_ref();
        next().run();
        next().run();
        waker.wake();
        assert!(queue.lock().unwrap().is_empty(), "it is over");
        assert_eq!(polls.iter().count(), 2, "the future is gone");
    }

    #[test]
    fn one_that_is_discarded_drops_its_future_and_does_not_come_back() {
        let (send, receive) = mpsc::channel::<()>();
        let future = async move {
            let _kept = send;
            std::future::pending::<()>().await;
        };
        let runs = Arc::new(Mutex::new(Vec::new()));
        let scheduled = runs.clone();
        Task::spawn(Box::pin(future), Arc::new(move |task| scheduled.lock().unwrap().push(task)));
        let task = runs.lock().unwrap().pop().unwrap();
        task.clone().run();
        task.discard();
        assert_eq!(receive.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        task.wake();
        assert!(runs.lock().unwrap().is_empty());
    }
}
