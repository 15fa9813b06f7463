//! One connection as the driver sees it. It is polled on its loop's thread alone; who waits for it, and until when, is in
//! the loop's table, so it holds no more than its socket, its key, and what it shares with that.
//!
//! Calls go to the system at once, and wait for an event only after it has said that it would block.

use std::{
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use mio::{Interest, Registry, net::TcpStream};
use trijet_backend::{poll::Key, receive, reset_on_close, send_vectored};
use trijet_core::{PeerWatch, Transport, jobs::Job};

use crate::{
    connections,
    mailbox::Accepted,
    readiness::{Direction, Readiness},
    shared::Permit,
};

/// A connection of one event loop. Boxed, as it goes from its slot to a driver and back with each request.
#[derive(Debug)]
pub(crate) struct MioTransport(Box<Inner>);

#[derive(Debug)]
struct Inner {
    // Dropped before the permit: the descriptor is free when the next connection is let in.
    stream: TcpStream,
    peer: Option<SocketAddr>,
    key: Key,
    readiness: Arc<Readiness>,
    permit: Permit,
    is_used: bool,
}

impl MioTransport {
    /// Registers an accepted connection, once and for both directions, under the slot of `key`.
    pub(crate) fn register(
        accepted: Accepted,
        (key, readiness): (Key, Arc<Readiness>),
        registry: &Registry,
    ) -> io::Result<Self> {
        let Accepted { mut stream, peer, permit } = accepted;
        registry.register(&mut stream, key.token(), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self(Box::new(Inner { stream, peer, key, readiness, permit, is_used: false })))
    }

    /// Has the waker woken when a system call may have something to do; an error where that cannot be.
    #[inline(never)]
    fn wait_for(&self, direction: Direction, cx: &Context<'_>) -> Poll<io::Error> {
        match connections::with(|own| own.wait_for(self.0.key, direction, cx)).flatten() {
            Some(_replaced) => Poll::Pending,
            None => Poll::Ready(io::Error::other("a connection was polled outside of its event loop")),
        }
    }

    /// Makes `call` until it does anything but block, or there is nothing to call for.
    fn poll_io(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        wanted: usize,
        mut call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.0.readiness.is_ready(direction) {
                return self.wait_for(direction, cx).map(Err);
            }
            match call() {
                Ok(count) => {
                    match count {
                        0 => self.0.readiness.reached_end(),
                        _ if count < wanted => self.0.readiness.came_short(direction),
                        _ => {}
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.readiness.would_block(direction);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Transport for MioTransport {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.is_stopping() {
            self.0.readiness.suppose_readable();
        }
        self.poll_io(Direction::Read, cx, into.len(), || receive(&self.0.stream, into))
    }

    fn may_read(&self) -> bool {
        self.0.readiness.is_ready(Direction::Read)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let wanted = from.iter().map(|slice| slice.len()).sum();
        self.poll_io(Direction::Write, cx, wanted, || send_vectored(&self.0.stream, from))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel sends what it holds first; this does not block.
        Poll::Ready(self.0.stream.shutdown(Shutdown::Write))
    }

    fn reset(&mut self) {
        reset_on_close(&self.0.stream);
    }

    fn watch_peer(&mut self, cx: &mut Context<'_>, watch: &PeerWatch) {
        if self.0.readiness.is_closed(Direction::Read) {
            return watch.tell();
        }
        connections::with(|own| own.wait_for(self.0.key, Direction::Read, cx));
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        connections::with(|own| own.wait_until(self.0.key, at, cx));
        Poll::Pending
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn run_job(&mut self, job: Job) {
        self.0.permit.shared.jobs.run(job);
    }

    fn enter_app(&mut self, route: u32) {
        self.0.permit.shared.loops[self.0.permit.loop_index].seat.enter(route);
    }

    fn leave_app(&mut self) {
        self.0.permit.shared.loops[self.0.permit.loop_index].seat.leave();
    }

    fn is_stopping(&self) -> bool {
        self.0.permit.shared.life.is_stopping()
    }

    fn mark_used(&mut self) {
        self.0.is_used = true;
    }

    fn is_used(&self) -> bool {
        self.0.is_used
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.0.peer
    }
}
