//! A connection's time on a thread: polling its future, running its jobs, waiting with it, and parking
//! it where its peer takes too long. It must never be polled on two threads at once.

#[cfg(all(test, trijet_loom))]
pub(crate) mod models;
mod nested;
pub(crate) mod refuse;

use std::{
    cell::RefCell,
    os::fd::{AsRawFd, RawFd},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use mio::Interest;
use trijet_backend::{panic_text, poll};
use trijet_core::{Outcome, after, driver::Driving, jobs::Job};

use crate::{
    current,
    parking::Parked,
    shared::Shared,
    transport::ThreadedTransport,
    waker::{Left, TaskWaker},
};
use nested::Nested;

type Drive = Driving<ThreadedTransport>;

thread_local! {
    /// A driver whose connection went idle, for the next one on this thread: a busy connection begins anew after each of
    /// its turns.
    static SPARE: RefCell<Option<Drive>> = const { RefCell::new(None) };
}

/// What threads are for: all pools are of this one kind, since each kind is 9 KB of a program.
pub(crate) enum Runnable {
    /// A connection between two requests that has something to say.
    Start(ThreadedTransport),
    /// One within a request.
    Resume(Task),
    /// A job that was left to a thread of its own: by a helper's poll, as helpers run nothing of the app that may
    /// block, or beside another job, which may be waiting for it.
    Work(Work),
    /// A task of the app's own, which has threads that no request waits for.
    Spawned(Arc<poll::Task>),
}

/// A job apart from its connection, which others drive until it has run.
pub(crate) struct Work {
    job: Job,
    waker: Arc<TaskWaker>,
    shared: Arc<Shared>,
}

impl Work {
    /// Queues the jobs that the last poll has left.
    fn queue_all(waker: &Arc<TaskWaker>, shared: &Arc<Shared>) {
        while let Some(job) = current::with(|current| current.jobs.pop_front()) {
            Self { job, waker: waker.clone(), shared: shared.clone() }.queue();
        }
    }

    /// Queues it for a request thread, or has it answered as one that no thread was free for.
    fn queue(self) {
        let shared = self.shared.clone();
        self.waker.begin_job();
        Runnable::Work(self).push(&shared);
    }

    /// No thread is free for it in time.
    fn reject(self) {
        let back = self.waker.end_job();
        drop(self.job);
        if let Some(task) = back {
            Runnable::Resume(task).queue();
        }
    }
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

    /// Queues what was parked; who calls it sees to the threads that this lacks (`Shared::start_lacking`).
    pub(crate) fn offer(parked: Parked) {
        let (shared, runnable) = match parked {
            Parked::Idle(transport) => (transport.shared().clone(), Self::Start(transport)),
            Parked::Waiting(task) if !task.waker.has_job() => (task.shared.clone(), Self::Resume(task)),
            other => return Self::resume(other),
        };
        let queue_max = runnable.queue_max(&shared);
        if let Err(back) = shared.pool.offer(runnable, queue_max) {
            back.into_iter().for_each(Self::refuse);
        }
    }

    /// Queues a connection that has something to say, or refuses it where too many wait already.
    pub(crate) fn start(transport: ThreadedTransport) {
        let shared = transport.shared().clone();
        Self::Start(transport).push(&shared);
    }

    /// How many may wait for a thread before this is refused. What is within a request was let in already, so that the
    /// limit is not for it; and a stop looks once more at all that are idle, which is no load to be refused.
    fn queue_max(&self, shared: &Shared) -> usize {
        match self {
            Self::Resume(_) | Self::Spawned(_) => usize::MAX,
            Self::Start(_) if shared.life.is_stopping() => usize::MAX,
            Self::Work(work) => work.job.queue_max(shared.limits.blocking_queue_max),
            Self::Start(_) => shared.limits.blocking_queue_max,
        }
    }

    /// Whether it waits for a thread as long as it takes: what is within a response cannot be refused any more.
    pub(crate) fn is_patient(&self) -> bool {
        match self {
            Self::Resume(_) | Self::Spawned(_) => true,
            Self::Work(work) => work.job.pulls_response(),
            Self::Start(_) => false,
        }
    }

    /// Queues a connection within a request. It was let in already, so the queue's limit is not for it. While a
    /// job of it has a thread of the limit, another kind of thread serves it.
    pub(crate) fn queue(self) {
        let Self::Resume(task) = self else { return };
        if task.waker.has_job() {
            return task.waker.clone().help(task);
        }
        let shared = task.shared.clone();
        Self::Resume(task).push(&shared);
    }

    /// Queues it, and refuses what comes back.
    fn push(self, shared: &Shared) {
        let (queue_max, is_begun) = (self.queue_max(shared), self.is_begun());
        if let Err(back) = shared.pool.push(self, queue_max) {
            back.into_iter().for_each(Self::refuse);
        }
        if is_begun && shared.pool.waiting() > 0 {
            // It looks after those that wait, from now on.
            shared.wake_poller();
        }
    }

    /// No thread is free for it, or none in time.
    pub(crate) fn refuse(self) {
        match self {
            Self::Start(transport) => refuse::refuse(transport),
            Self::Work(work) => work.reject(),
            // It was let in already.
            Self::Resume(task) => task.waker.clone().put_off(task),
            Self::Spawned(task) => {
                log::error!("no thread can be started: a task is dropped");
                task.discard();
            }
        }
    }

    /// Whether it belongs to a request that was begun, and that others may be waiting for.
    pub(crate) fn is_begun(&self) -> bool {
        match self {
            Self::Resume(_) | Self::Work(_) => true,
            Self::Start(_) | Self::Spawned(_) => false,
        }
    }

    /// Gives it its time on this thread.
    pub(crate) fn run(self) {
        let turn = current::begin;
        let (_turn, mut next) = match self {
            Self::Resume(task) => (turn(), Some(task)),
            Self::Start(transport) => {
                let waker = TaskWaker::new(transport.shared());
                (turn(), Some(Task::new(transport, waker)))
            }
            Self::Work(Work { job, waker, shared }) => (turn(), work(&waker, &shared, job)),
            Self::Spawned(task) => return task.run(),
        };
        while let Some(task) = next {
            next = task.run(On::RequestThread);
        }
    }

    /// As [`run`](Self::run), on a helper.
    pub(crate) fn help(self) {
        match self {
            Self::Resume(task) => task.help(),
            other => other.run(),
        }
    }
}

/// What kind of thread serves a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// One of the limit.
    RequestThread,
    /// One beside them, while a job runs on one of those.
    Helper,
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
    match catch_unwind(AssertUnwindSafe(|| drive.poll(&mut Context::from_waker(&waker)))) {
        Ok(Poll::Ready(outcome)) => Polled::Over(outcome),
        Ok(Poll::Pending) => Polled::Pending,
        Err(panic) => {
            log::error!("a connection's driver panicked: {}", panic_text(&*panic));
            Polled::Panicked
        }
    }
}

impl Task {
    fn new(transport: ThreadedTransport, waker: Arc<TaskWaker>) -> Self {
        let shared = transport.shared().clone();
        let spare = SPARE.take();
        let drive = Driving::new(spare, transport, &shared.app, &shared.limits);
        Self { drive, waker, shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn help(self) {
        let _turn = current::begin();
        if let Some(next) = self.run(On::Helper) {
            Runnable::Resume(next).queue();
        }
    }

    /// Runs until the connection leaves this thread, or begins anew on it.
    fn run(mut self, on: On) -> Option<Self> {
        loop {
            if on == On::Helper && !self.waker.has_job() {
                // The rest is a request thread's.
                Runnable::Resume(self).queue();
                return None;
            }
            self.waker.begin_poll();
            match poll(&mut self.drive, &self.waker) {
                Polled::Over(outcome) => {
                    if matches!(outcome, Outcome::Idle(_)) {
                        SPARE.set(Some(self.drive));
                    }
                    return finish(outcome, self.waker);
                }
                Polled::Panicked => return None,
                Polled::Pending => {}
            }
            if self.shared.is_cut() {
                return None;
            }
            let has_yielded = current::with(|current| current.yielded);
            let job = match on {
                On::RequestThread => current::with(|current| current.jobs.pop_front()),
                On::Helper => None,
            };
            Work::queue_all(&self.waker, &self.shared);
            let has_worked = job.is_some();
            if let Some(job) = job {
                self = self.work(job)?;
            }
            if has_yielded && self.shared.is_crowded() {
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
            if peer.is_none() && on == On::Helper {
                self = match self.waker.clone().leave(self) {
                    Left::Lent => return None,
                    Left::Woken(task) => task,
                    Left::Alone(task) => {
                        Runnable::Resume(task).queue();
                        return None;
                    }
                };
                continue;
            }
            if peer.is_none() && !self.waker.wait_or_give_way(&self.shared, deadline) {
                continue;
            }
            let (shared, waker) = (self.shared.clone(), self.waker.clone());
            let parked = waker.park(Parked::Waiting(self), |parked| match peer {
                Some((socket, interest)) => shared.parking.park(parked, socket, interest, deadline),
                None => shared.parking.hold(parked, deadline),
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

impl Task {
    /// Runs a job on this thread while the connection is lent: whoever wakes it gives it to a helper, unless the
    /// job waits for it in the way that drives it. Gives it back, unless another thread has it or it ended.
    fn work(self, job: Job) -> Option<Self> {
        let (waker, shared) = (self.waker.clone(), self.shared.clone());
        waker.begin_job();
        lend(self, current::with(|current| current.peer));
        work(&waker, &shared, job)
    }
}

/// Leaves a connection while a job runs: to the poller where it waits for its peer, as with a response that is
/// not all sent, or else to whoever wakes it.
fn lend(task: Task, peer: Option<(RawFd, Interest)>) {
    let (shared, waker) = (task.shared.clone(), task.waker.clone());
    let Some((socket, interest)) = peer else { return waker.lend(task) };
    let deadline = current::with(|current| current.deadline);
    let parked =
        waker.park(Parked::Waiting(task), |parked| shared.parking.park(parked, socket, interest, deadline));
    // Woken before, or not to be parked.
    if let Err(Parked::Waiting(task)) = parked {
        waker.lend(task);
    }
}

/// Runs a job that counts as begun. Gives the connection, if it is this thread's then.
fn work(waker: &Arc<TaskWaker>, shared: &Arc<Shared>, job: Job) -> Option<Task> {
    let nested = Rc::new(Nested::new(waker.clone(), shared.clone()));
    let answer = job.call(Some(nested.clone()));
    nested.end();
    // Before the answer's wake, which would call a helper.
    let back = waker.end_job();
    drop(answer);
    back
}

/// What comes after the driver: the next request at once, a place with the poller, or the end.
fn finish(outcome: Outcome<ThreadedTransport>, waker: Arc<TaskWaker>) -> Option<Task> {
    let transport = rest(outcome)?;
    transport.shared().start_lacking();
    let is_slow = current::with(|current| current.is_slow);
    if is_slow || transport.shared().is_crowded() {
        park_idle(transport);
        return None;
    }
    // Its turn is over, but there is a thread for everybody.
    current::begin_anew();
    let waker = waker.renew(transport.shared());
    Some(Task::new(transport, waker))
}

/// What is left of a connection that its driver is done with.
fn rest(outcome: Outcome<ThreadedTransport>) -> Option<ThreadedTransport> {
    match outcome {
        Outcome::Idle(transport) => Some(transport),
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

/// Leaves only the socket with the poller: from now on it is idle.
pub(crate) fn park_idle(transport: ThreadedTransport) {
    let shared = transport.shared().clone();
    let deadline = after(Instant::now(), shared.limits.idle_timeout);
    let socket = transport.stream().as_raw_fd();
    // What comes back is closed: the server is cut, or the system has no room for it.
    drop(shared.parking.park(Parked::Idle(transport), socket, Interest::READABLE, Some(deadline)));
    if shared.life.is_stopping() {
        // The stop may have looked at the idle ones just before.
        shared.wake_poller();
    }
}
