//! One direction of a socket: whether a call to the system is worth it, as the events tell and the calls find out.
//!
//! Events come when something changes, and only then. One that comes between a call that would block and the note of
//! that is of more: it must not be lost, so a note counts only where no event has come since.

use std::task::{Poll, Waker};

/// A direction of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Read,
    Write,
}

/// What an event tells of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) is_ready: bool,
    /// No event will follow.
    pub(super) is_closed: bool,
}

/// The events that had come before a call to the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen(u32);

/// One direction's readiness, and who waits for it.
#[derive(Default)]
pub(super) struct Side {
    is_ready: bool,
    is_closed: bool,
    events: u32,
    pub(super) waker: Option<Waker>,
}

impl Side {
    /// Takes note of an event, and gives who is to be woken.
    pub(super) fn tell(&mut self, told: Told) -> Option<Waker> {
        self.is_closed |= told.is_closed;
        if !(told.is_ready || told.is_closed) {
            return None;
        }
        self.is_ready = true;
        self.events = self.events.wrapping_add(1);
        self.waker.take()
    }

    /// Ready if a call is worth it. If not, `waker` is kept for the next event, and what it replaces is left in its
    /// place, to be dropped without a lock.
    pub(super) fn poll(&mut self, waker: &mut Option<Waker>) -> Poll<Seen> {
        if self.is_ready {
            return Poll::Ready(Seen(self.events));
        }
        std::mem::swap(&mut self.waker, waker);
        Poll::Pending
    }

    /// The call would block, as far as the events go that were seen.
    pub(super) fn would_block(&mut self, seen: Seen) {
        if self.events == seen.0 {
            self.is_ready = false;
        }
    }

    /// The call has done less than it was asked for: an event tells of more, if one can still come.
    pub(super) fn came_short(&mut self, seen: Seen) {
        if self.events == seen.0 {
            self.is_ready = self.is_closed;
        }
    }
}
