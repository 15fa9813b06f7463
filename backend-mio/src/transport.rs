//! One connection as the driver sees it. It is polled on its loop's thread alone; who waits for it, and until when, is in
//! the loop's table, so it holds no more than its socket, its key, and what it shares with that.
//!
//! Calls go to the system at once, and wait for an event only after it has said that it would block.

use std::{
    io::{self, IoSlice, Read},
    net::{Shutdown, SocketAddr},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Instant, SystemTime},
};

use mio::{Interest, Registry, net::TcpStream};
use trijet_backend::{poll::Key, reset_on_close, send_vectored};
use trijet_core::{PeerWatch, Transport, jobs::Job};

use crate::{
    connections,
    mailbox::Accepted,
    readiness::{Direction, Readiness},
    shared::Permit,
};

/// A connection of one event loop.
#[derive(Debug)]
pub(crate) struct MioTransport {
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
        Ok(Self { stream, peer, key, readiness, permit, is_used: false })
    }

    /// Ready when a system call may have something to do. Not for ever: only until the system says no.
    fn poll_ready(&self, direction: Direction, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.readiness.is_ready(direction) {
            return Poll::Ready(Ok(()));
        }
        // Nobody is to be woken: core's look at a connection that may be idle.
        if cx.waker().will_wake(Waker::noop()) {
            return Poll::Pending;
        }
        match connections::with(|own| own.wait_for(self.key, direction, cx)).flatten() {
            Some(_replaced) => Poll::Pending,
            None => Poll::Ready(Err(io::Error::other("a connection was polled outside of its event loop"))),
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
            ready!(self.poll_ready(direction, cx))?;
            match call() {
                Ok(count) => {
                    match count {
                        0 => self.readiness.reached_end(),
                        _ if count < wanted => self.readiness.came_short(direction),
                        _ => {}
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.would_block(direction);
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
            self.readiness.suppose_readable();
        }
        self.poll_io(Direction::Read, cx, into.len(), || (&self.stream).read(into))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let wanted = from.iter().map(|slice| slice.len()).sum();
        self.poll_io(Direction::Write, cx, wanted, || send_vectored(&self.stream, from))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel sends what it holds first; this does not block.
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }

    fn reset(&mut self) {
        reset_on_close(&self.stream);
    }

    fn watch_peer(&mut self, cx: &mut Context<'_>, watch: &PeerWatch) {
        if self.readiness.is_closed(Direction::Read) {
            return watch.tell();
        }
        connections::with(|own| own.wait_for(self.key, Direction::Read, cx));
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        connections::with(|own| own.wait_until(self.key, at, cx));
        Poll::Pending
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn run_job(&mut self, job: Job) {
        let shared = &self.permit.shared;
        let queue_max = job.queue_max(shared.limits.blocking_queue_max);
        shared.pool.push_or_drop(job, queue_max, Job::is_waiting);
    }

    fn enter_app(&mut self, route: u32) {
        self.permit.shared.loops[self.permit.loop_index].seat.enter(route);
    }

    fn leave_app(&mut self) {
        self.permit.shared.loops[self.permit.loop_index].seat.leave();
    }

    fn is_stopping(&self) -> bool {
        self.permit.shared.life.is_stopping()
    }

    fn mark_used(&mut self) {
        self.is_used = true;
    }

    fn is_used(&self) -> bool {
        self.is_used
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.peer
    }
}
