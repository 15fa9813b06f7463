//! What a transport tells the thread that polls it: what it waits for, and the jobs to run. A
//! thread-local, since the transport is inside the future that the thread polls. No lock is needed.

use std::{cell::RefCell, collections::VecDeque, os::fd::RawFd, time::Instant};

use mio::Interest;
use trijet_core::jobs::Job;

/// What the last poll came to wait for.
#[derive(Default)]
pub(crate) struct Current {
    /// The peer, to send or to take something.
    pub(crate) peer: Option<(RawFd, Interest)>,
    pub(crate) deadline: Option<Instant>,
    /// Jobs to run once the poll has returned.
    pub(crate) jobs: VecDeque<Job>,
    /// Whether a read has waited a whole tick in vain.
    pub(crate) ticked: bool,
    /// Whether the connection lets others go first.
    pub(crate) yielded: bool,
    /// Whether a job waits for the connection: then every read may take the thread's time.
    pub(crate) holding: bool,
    /// Whether the connection has just been given to this thread, for a reason.
    pub(crate) fresh: bool,
    /// Whether it has been answered on this thread since.
    pub(crate) answered: bool,
}

thread_local! {
    static CURRENT: RefCell<Current> = RefCell::default();
}

pub(crate) fn with<R>(look: impl FnOnce(&mut Current) -> R) -> R {
    CURRENT.with_borrow_mut(look)
}

impl Current {
    /// A connection begins its time on this thread.
    pub(crate) fn begin(&mut self) {
        *self = Self { fresh: true, ..Self::default() };
    }

    /// A poll begins: what the last one waited for no longer counts.
    pub(crate) fn begin_poll(&mut self) {
        self.peer = None;
        self.deadline = None;
        self.ticked = false;
        self.yielded = false;
    }

    pub(crate) fn wait_for_peer(&mut self, socket: RawFd, interest: Interest) {
        self.peer = Some(match self.peer {
            Some((socket, other)) => (socket, other | interest),
            None => (socket, interest),
        });
    }
}
