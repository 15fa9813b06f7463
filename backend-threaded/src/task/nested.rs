//! A job that waits, on the thread that had its connection: the wait drives that on, unless another thread
//! has taken it over, as one does once something else than this wait needs it.

use std::{
    cell::{OnceCell, RefCell},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use trijet_core::jobs::Blocker;

use super::{Polled, Task, Work, lend, park_idle, poll, rest};
use crate::{
    current,
    shared::Shared,
    transport::TICK,
    waker::{JobWaker, TaskWaker},
};

/// A running job, as its waits see the connection.
pub(super) struct Nested {
    state: RefCell<State>,
    waker: Arc<TaskWaker>,
    shared: Arc<Shared>,
    job: OnceCell<Arc<JobWaker>>,
}

enum State {
    /// The future is lent, or with another thread.
    Away,
    /// A wait of this job has it.
    Driven(Task),
    /// It ended, or failed, under the job. What came after it is elsewhere: the job may take as long as it likes.
    Over,
}

impl Nested {
    pub(super) fn new(waker: Arc<TaskWaker>, shared: Arc<Shared>) -> Self {
        Self { state: RefCell::new(State::Away), waker, shared, job: OnceCell::new() }
    }

    /// The job has ended: lends what a wait of it may still have, as one that panicked.
    pub(super) fn end(&self) {
        self.lend();
    }

    /// Has the future here, if nobody else has it; whether this call brought it.
    fn take(&self) -> bool {
        let mut state = self.state.borrow_mut();
        match &*state {
            State::Away => match self.waker.reclaim() {
                Some(task) => {
                    *state = State::Driven(task);
                    true
                }
                None => false,
            },
            State::Driven(_) | State::Over => false,
        }
    }

    /// Lends it again; whether it was here.
    fn lend(&self) -> bool {
        // What it waits for from now on is for others: another thread may read the body.
        if !self.drive() {
            return false;
        }
        if current::with(|current| current.yielded) {
            self.waker.wake_by_ref();
        }
        if let State::Driven(task) = self.state.replace(State::Away) {
            lend(task, current::with(|current| current.peer));
        }
        true
    }

    /// One poll of the connection; whether it is here and goes on.
    fn drive(&self) -> bool {
        let polled = match &mut *self.state.borrow_mut() {
            State::Driven(task) => {
                self.waker.begin_poll();
                poll(&mut task.drive, &self.waker)
            }
            State::Away | State::Over => return false,
        };
        // The job of this thread may be waiting for them.
        Work::queue_all(&self.waker, &self.shared);
        if let Polled::Pending = polled {
            return true;
        }
        drop(self.state.replace(State::Over));
        if let Polled::Over(outcome) = polled {
            if let Some(transport) = rest(outcome) {
                park_idle(transport);
            }
        }
        false
    }

    /// Drives the connection, if it is here, until there is something to look at again; whether this call
    /// brought it, since nobody else can drive it.
    fn pass(&self, job: &JobWaker) -> bool {
        let shared = &*self.shared;
        if shared.is_cut() && matches!(*self.state.borrow(), State::Driven(_)) {
            // The connection is gone, and its body ends with an error; the job itself cannot be stopped.
            drop(self.state.replace(State::Over));
        }
        if !self.drive() {
            return self.waker.wait_until(shared, || job.was_woken()) && self.take();
        }
        if job.was_woken() || self.waker.was_woken() || current::with(|current| current.yielded) {
            return false;
        }
        let (peer, deadline) = current::with(|current| (current.peer, current.deadline));
        if peer.is_none() {
            self.waker.wait(shared, deadline, || job.was_woken());
        } else if shared.life.is_stopping() || peer.is_some_and(|(_, interest)| !interest.is_readable()) {
            // From a stop on no call blocks, nor does a write to a peer that takes nothing.
            self.waker.wait(shared, Some(Instant::now() + TICK), || job.was_woken());
        }
        // Else the call that waits for the peer has blocked for a tick already.
        false
    }
}

impl Blocker for Nested {
    fn block_on(&self, wait: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let job = self.job.get_or_init(|| JobWaker::new(self.waker.clone()));
        let waker = Waker::from(job.clone());
        let mut cx = Context::from_waker(&waker);
        let mut is_here = self.take();
        let _holding = Holding::begin();
        loop {
            job.begin_poll();
            if wait(&mut cx).is_ready() {
                break;
            }
            is_here |= self.pass(job);
        }
        if is_here {
            self.lend();
        }
    }

    fn run_nested(&self, call: &mut dyn FnMut()) {
        // It may wait for anything, in any way.
        let was_here = self.lend();
        call();
        if was_here {
            self.take();
        }
    }
}

/// The time in which every read may take the thread's, also if it ends by a panic.
struct Holding {
    former: bool,
}

impl Holding {
    fn begin() -> Self {
        Self { former: current::with(|current| std::mem::replace(&mut current.holding, true)) }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        current::with(|current| current.holding = self.former);
    }
}
