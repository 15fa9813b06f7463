//! A connection's time on a thread: polling its future, running its jobs, waiting with it, and parking
//! it where its peer takes too long. It must never be polled on two threads at once.

mod nested;
pub(crate) mod refuse;

use std::{
    os::fd::AsRawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use mio::Interest;
use trijet_backend::panic_text;
use trijet_core::{Outcome, driver::drive};

use crate::{current, parking::Parked, shared::Shared, transport::ThreadedTransport, waker::TaskWaker};
use nested::Nested;

type Drive = Pin<Box<dyn Future<Output = Outcome<ThreadedTransport>> + Send>>;

/// What the run queue holds.
pub(crate) enum Runnable {
    /// A connection between two requests that has something to say.
    Start(ThreadedTransport),
    /// One within a request.
    Resume(Task),
}

/// The driver's future, and what wakes it.
pub(crate) struct Task {
    drive: Drive,
    waker: Arc<TaskWaker>,
    shared: Arc<Shared>,
}

impl Runnable {
    /// Queues what was parked.
    pub(crate) fn resume(parked: Parked) {
        match parked {
            Parked::Idle(transport) => Self::start(transport),
            Parked::Waiting(task) => Self::Resume(task).queue(),
            Parked::Refused(refused) => refused.read(),
        }
    }

    /// Queues a connection that has something to say, or refuses it where too many wait already.
    pub(crate) fn start(transport: ThreadedTransport) {
        let shared = transport.shared().clone();
        // A stop looks once more at all that are idle: that is no load to be refused.
        let queue_max = if shared.life.is_stopping() { usize::MAX } else { shared.limits.blocking_queue_max };
        if let Err(Self::Start(transport)) = shared.pool.push(Self::Start(transport), queue_max) {
            refuse::refuse(transport);
        }
    }

    /// Queues a connection within a request. It was let in already, so the queue's limit is not for it.
    fn queue(self) {
        let Self::Resume(task) = &self else { return };
        let shared = task.shared.clone();
        if shared.pool.push(self, usize::MAX).is_err() && !shared.is_cut() {
            log::error!("no thread can be started: a connection is cut within a request");
        }
    }

    /// Gives the connection its time on this thread.
    pub(crate) fn run(self) {
        current::with(current::Current::begin);
        let mut next = Some(match self {
            Self::Resume(task) => task,
            Self::Start(transport) => Task::new(transport),
        });
        while let Some(task) = next {
            next = task.run();
        }
    }
}

/// What one poll came to.
enum Polled {
    Over(Outcome<ThreadedTransport>),
    Panicked,
    Pending,
}

/// Polls once. The caller has said before, with [`TaskWaker::begin_poll`], from when on wakes count.
fn poll(drive: &mut Drive, waker: &Arc<TaskWaker>) -> Polled {
    current::with(current::Current::begin_poll);
    let waker = Waker::from(waker.clone());
    match catch_unwind(AssertUnwindSafe(|| drive.as_mut().poll(&mut Context::from_waker(&waker)))) {
        Ok(Poll::Ready(outcome)) => Polled::Over(outcome),
        Ok(Poll::Pending) => Polled::Pending,
        Err(panic) => {
            log::error!("a connection's driver panicked: {}", panic_text(&*panic));
            Polled::Panicked
        }
    }
}

impl Task {
    fn new(transport: ThreadedTransport) -> Self {
        let shared = transport.shared().clone();
        let drive = Box::pin(drive(transport, shared.app.clone(), shared.limits.clone()));
        Self { drive, waker: TaskWaker::new(shared.clone()), shared }
    }

    /// Runs until the connection leaves this thread, or begins anew on it.
    fn run(mut self) -> Option<Self> {
        loop {
            self.waker.begin_poll();
            match poll(&mut self.drive, &self.waker) {
                Polled::Over(outcome) => return finish(outcome),
                Polled::Panicked => return None,
                Polled::Pending => {}
            }
            if self.shared.is_cut() {
                return None;
            }
            let has_yielded = current::with(|current| current.yielded);
            let job = current::with(|current| current.jobs.pop_front());
            let has_worked = job.is_some();
            if let Some(job) = job {
                let nested = Rc::new(Nested::new(self.drive, self.waker.clone()));
                job.run(Some(nested.clone()));
                match nested.take() {
                    Ok(drive) => self.drive = drive,
                    Err(outcome) => return outcome.and_then(finish),
                }
            }
            // Jobs that are left are this thread's.
            let may_leave = current::with(|current| current.jobs.is_empty());
            if has_yielded && may_leave && self.shared.is_crowded() {
                Runnable::Resume(self).queue();
                return None;
            }
            if has_worked || has_yielded {
                continue;
            }
            if self.waker.was_woken() {
                continue;
            }
            let (peer, deadline) = current::with(|current| (current.peer, current.deadline));
            let Some((socket, interest)) = peer else {
                self.waker.wait(deadline);
                continue;
            };
            let (shared, waker) = (self.shared.clone(), self.waker.clone());
            let parked = waker.park(Parked::Waiting(self), |parked| {
                shared.parking.park(parked, socket, interest, deadline)
            });
            match parked {
                Ok(()) => return None,
                Err(Parked::Waiting(task)) if !shared.is_cut() => self = task,
                // Cut: the connection ends here.
                Err(_) => return None,
            }
        }
    }
}

/// What comes after the driver: the next request at once, a place with the poller, or the end.
fn finish(outcome: Outcome<ThreadedTransport>) -> Option<Task> {
    match outcome {
        Outcome::Idle { transport, deadline } => {
            let has_waited = current::with(|current| current.ticked);
            if has_waited || transport.shared().is_crowded() {
                park_idle(transport, deadline);
                return None;
            }
            // Its turn is over, but there is a thread for everybody.
            current::with(current::Current::begin);
            Some(Task::new(transport))
        }
        Outcome::Upgrade(..) => {
            log::error!("a connection was to be upgraded, which this version cannot do: it is closed");
            None
        }
        Outcome::Closed(reason) => {
            log::trace!("connection closed: {reason:?}");
            None
        }
    }
}

/// Leaves only the socket with the poller.
pub(crate) fn park_idle(transport: ThreadedTransport, deadline: Instant) {
    let shared = transport.shared().clone();
    let socket = transport.stream().as_raw_fd();
    // What comes back is closed: the server is cut, or the system has no room for it.
    drop(shared.parking.park(Parked::Idle(transport), socket, Interest::READABLE, Some(deadline)));
    if shared.life.is_stopping() {
        // The stop may have looked at the idle ones just before.
        shared.wake_poller();
    }
}
