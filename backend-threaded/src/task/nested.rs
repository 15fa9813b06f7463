//! A job that waits for its own connection, on the thread that drives it: the wait drives it on.

use std::{
    cell::RefCell,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use trijet_core::{Outcome, jobs::Blocker};

use super::{Drive, Polled, poll};
use crate::{
    current,
    transport::{TICK, ThreadedTransport},
    waker::TaskWaker,
};

/// The driver's future while one of its jobs runs.
pub(super) struct Nested {
    state: RefCell<State>,
    waker: Arc<TaskWaker>,
}

enum State {
    Driven(Drive),
    /// It ended, or failed, under the job.
    Over(Option<Outcome<ThreadedTransport>>),
}

impl Nested {
    pub(super) fn new(drive: Drive, waker: Arc<TaskWaker>) -> Self {
        Self { state: RefCell::new(State::Driven(drive)), waker }
    }

    /// Gives the future back once the job is done.
    pub(super) fn take(&self) -> Result<Drive, Option<Outcome<ThreadedTransport>>> {
        match self.state.replace(State::Over(None)) {
            State::Driven(drive) => Ok(drive),
            State::Over(outcome) => Err(outcome),
        }
    }

    /// One poll of the connection; whether it may be polled again at once.
    fn drive(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let State::Driven(drive) = &mut *state else { return false };
        match poll(drive, &self.waker) {
            Polled::Over(outcome) => *state = State::Over(Some(outcome)),
            Polled::Panicked => *state = State::Over(None),
            Polled::Pending => {}
        }
        true
    }
}

impl Blocker for Nested {
    fn block_on(&self, wait: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let waker = Waker::from(self.waker.clone());
        let mut cx = Context::from_waker(&waker);
        let _holding = Holding::begin();
        loop {
            // Once for both polls that follow: a wake between them, or from then on, is for the next round.
            self.waker.begin_poll();
            if wait(&mut cx).is_ready() {
                break;
            }
            let shared = self.waker.shared();
            if shared.is_cut() {
                // The connection is gone, and its body ends with an error; the job itself cannot be stopped.
                drop(self.state.replace(State::Over(None)));
                self.waker.wait_for_wake();
                continue;
            }
            let is_driven = self.drive();
            if self.waker.was_woken() || current::with(|current| current.yielded) {
                continue;
            }
            let (peer, deadline) = current::with(|current| (current.peer, current.deadline));
            if !is_driven || peer.is_none() {
                self.waker.wait(deadline);
            } else if shared.life.is_stopping() {
                // From a stop on no call blocks.
                self.waker.wait(Some(Instant::now() + TICK));
            }
            // Else the call that waits for the peer has blocked for a tick already.
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
