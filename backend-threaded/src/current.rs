//! What a transport tells the thread that polls it: what it waits for, and the jobs to run. A
//! thread-local, since the transport is inside the future that the thread polls. No lock is needed.

use std::{cell::RefCell, collections::VecDeque, mem, os::fd::RawFd, time::Instant};

use mio::Interest;
use trijet_core::jobs::Job;

use crate::sync::thread_local;

/// What the last poll came to wait for.
#[derive(Default)]
pub(crate) struct Current {
    /// The peer, to send or to take something.
    pub(crate) peer: Option<(RawFd, Interest)>,
    pub(crate) deadline: Option<Instant>,
    /// Jobs to run once the poll has returned.
    pub(crate) jobs: VecDeque<Job>,
    /// Whether the peer is not to be waited for here: a read has waited a whole tick in vain, or would have.
    pub(crate) is_slow: bool,
    /// Whether a write has waited a whole tick in vain: the next ones do not wait here.
    pub(crate) is_stuffed: bool,
    /// Whether the connection lets others go first.
    pub(crate) yielded: bool,
    /// Whether a job waits for the connection: then every read may take the thread's time.
    pub(crate) holding: bool,
    /// Whether the connection has just been given to this thread, for a reason.
    pub(crate) fresh: bool,
}

thread_local! {
    static CURRENT: RefCell<Current> = RefCell::default();
}

pub(crate) fn with<R>(look: impl FnOnce(&mut Current) -> R) -> R {
    CURRENT.with(|current| look(&mut current.borrow_mut()))
}

/// The time of a connection, or of several one after the other, on this thread.
#[must_use = "it ends when it is dropped"]
pub(crate) struct Turn(());

/// A connection begins its time on this thread.
pub(crate) fn begin() -> Turn {
    begin_anew();
    Turn(())
}

/// Another one begins: the last is over.
pub(crate) fn begin_anew() {
    discard_jobs();
    with(|current| {
        let jobs = mem::take(&mut current.jobs);
        *current = Current { jobs, fresh: true, ..Current::default() };
    });
}

impl Drop for Turn {
    fn drop(&mut self) {
        discard_jobs();
    }
}

/// The jobs of a connection that is over are nobody's: what they hold of the app goes with it, and not with the
/// thread. They are dropped where this place is free; the room that they had is kept.
fn discard_jobs() {
    while let Some(job) = with(|current| current.jobs.pop_front()) {
        drop(job);
    }
}

impl Current {
    /// A poll begins: what the last one waited for no longer counts.
    pub(crate) fn begin_poll(&mut self) {
        self.peer = None;
        self.deadline = None;
        self.is_slow = false;
        self.yielded = false;
    }

    pub(crate) fn wait_for_peer(&mut self, socket: RawFd, interest: Interest) {
        self.peer = Some(match self.peer {
            Some((socket, other)) => (socket, other | interest),
            None => (socket, interest),
        });
    }
}
