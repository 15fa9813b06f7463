//! One connection as the driver sees it. It is polled on its loop's thread alone; its readiness and
//! its deadline are in the loop's table, so it holds no more than its socket and its key.
//!
//! Calls go to the system at once, and wait for an event only after it has said that it would block.

use std::{
    io::{self, IoSlice, Read},
    net::{Shutdown, SocketAddr},
    task::{Context, Poll, ready},
    time::{Instant, SystemTime},
};

use mio::{Interest, Registry, net::TcpStream};
use trijet_backend::{poll::Key, reset_on_close, send_vectored};
use trijet_core::{PeerWatch, Transport, jobs::Job};

use crate::{
    connections::{self, Direction},
    mailbox::Accepted,
    shared::Permit,
};

/// A connection of one event loop.
#[derive(Debug)]
pub(crate) struct MioTransport {
    // Dropped before the permit: the descriptor is free when the next connection is let in.
    stream: TcpStream,
    peer: Option<SocketAddr>,
    key: Key,
    permit: Permit,
    is_used: bool,
}

impl MioTransport {
    /// Registers an accepted connection, once and for both directions, under the slot of `key`.
    pub(crate) fn register(accepted: Accepted, key: Key, registry: &Registry) -> io::Result<Self> {
        let Accepted { mut stream, peer, permit } = accepted;
        registry.register(&mut stream, key.token(), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, peer, key, permit, is_used: false })
    }

    /// Ready when a system call may have something to do. Not for ever: only until the system says no.
    fn poll_ready(&self, direction: Direction, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match connections::with(|own| own.poll_ready(self.key, direction, cx)).flatten() {
            Some((true, _)) => Poll::Ready(Ok(())),
            Some((false, _replaced)) => Poll::Pending,
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
                        0 => connections::with(|own| own.reached_end(self.key)),
                        _ if count < wanted => connections::with(|own| own.came_short(self.key, direction)),
                        _ => None,
                    };
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connections::with(|own| own.would_block(self.key, direction));
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
            connections::with(|own| own.suppose_readable(self.key));
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
        if let Some((true, _)) = connections::with(|own| own.poll_closed(self.key, cx)).flatten() {
            watch.tell();
        }
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
