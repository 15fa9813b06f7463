//! What the system has said of a connection's two directions. The loop notes its events here, and the connection's
//! transport what its calls came to, wherever a driver has that: so that a call needs no look at the loop's table.
//!
//! Readiness is edge-triggered: a flag is set by an event and cleared only when the system has said
//! that there is no more. All of it happens on the loop's thread: loads and stores order nothing, and none is of the kind
//! that locks memory.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mio::event::Event;

/// One of the two directions of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    read: Side,
    write: Side,
}

#[derive(Debug, Default)]
struct Side {
    ready: AtomicBool,
    /// The peer has closed this direction. The event that says so comes once, perhaps together with
    /// data: without this flag, the short read of that data would clear `ready` for ever.
    closed: AtomicBool,
}

impl Readiness {
    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// Takes note of an event.
    pub(crate) fn on_event(&self, event: &Event) {
        let failed = event.is_error();
        self.read.tell(event.is_readable(), event.is_read_closed() || failed);
        self.write.tell(event.is_writable(), event.is_write_closed() || failed);
    }

    /// Whether a system call may have something to do.
    #[inline]
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.side(direction).ready.load(Relaxed)
    }

    /// Whether the peer has ended its direction or reset the connection.
    pub(crate) fn is_closed(&self, direction: Direction) -> bool {
        self.side(direction).closed.load(Relaxed)
    }

    /// Something may have arrived that no event has told of yet.
    pub(crate) fn suppose_readable(&self) {
        self.read.ready.store(true, Relaxed);
    }

    /// The system has taken or given less than it was asked for: wait for an event, if one can still come.
    #[inline]
    pub(crate) fn came_short(&self, direction: Direction) {
        let side = self.side(direction);
        side.ready.store(side.closed.load(Relaxed), Relaxed);
    }

    /// Everything up to the end of the stream has been read: there is no event left to wait for.
    pub(crate) fn reached_end(&self) {
        self.read.closed.store(true, Relaxed);
    }

    /// The system would have blocked: wait for an event.
    pub(crate) fn would_block(&self, direction: Direction) {
        self.side(direction).ready.store(false, Relaxed);
    }
}

impl Side {
    fn tell(&self, is_ready: bool, is_closed: bool) {
        if is_closed {
            self.closed.store(true, Relaxed);
        }
        if is_ready || self.closed.load(Relaxed) {
            self.ready.store(true, Relaxed);
        }
    }
}
