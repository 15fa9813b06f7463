//! A blocking socket as core's transport. Both its timeouts are one tick, set once at accept: a call
//! that blocks comes back at each, so that deadlines, a stop and other connections get their due.

use std::{
    io::{self, IoSlice, Read},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use mio::Interest;
use trijet_backend::{prepare_connection, reset_on_close, send_vectored};
use trijet_core::{Transport, jobs::Job};

use crate::{
    current::{self, Current},
    shared::{Permit, Shared},
};

/// How long a thread waits for a peer before the connection is parked.
pub(crate) const TICK: Duration = Duration::from_millis(20);

pub(crate) struct ThreadedTransport {
    // Dropped before the permit: the descriptor is free when the next connection is let in.
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    permit: Permit,
    /// Whether calls never block: from the beginning of a stop on.
    is_nonblocking: bool,
    is_used: bool,
}

impl ThreadedTransport {
    /// Prepares an accepted socket.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        prepare_connection(&stream, shared.sockets)?;
        let stream = Arc::new(stream);
        let permit = Permit::new(shared, &stream);
        Ok(Self { stream, peer, permit, is_nonblocking: false, is_used: false })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.permit.shared
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether a read may take this thread's time: not while others wait for a thread, unless this
    /// connection has shown that it makes good use of it.
    fn may_block(&self) -> bool {
        current::with(|Current { holding, fresh, answered, .. }| {
            std::mem::take(fresh) || *holding || *answered
        }) || self.shared().pool.waiting() == 0
    }

    fn wait(&self, interest: Interest) {
        current::with(|current| current.wait_for_peer(self.stream.as_raw_fd(), interest));
    }
}

fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Transport for ThreadedTransport {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.shared().life.is_stopping() && !self.is_nonblocking {
            // A stop looks once more at every connection, and cannot spend a tick on each.
            self.stream.set_nonblocking(true)?;
            self.is_nonblocking = true;
        }
        if !self.is_nonblocking && !self.may_block() {
            self.wait(Interest::READABLE);
            return Poll::Pending;
        }
        loop {
            match (&*self.stream).read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_tick(&error) => {
                    if self.shared().is_cut() {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                    }
                    self.wait(Interest::READABLE);
                    current::with(|current| current.ticked = true);
                    return Poll::Pending;
                }
                read => return Poll::Ready(read),
            }
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        current::with(|current| current.answered = true);
        match send_vectored(&*self.stream, from) {
            Err(error) if is_tick(&error) => {
                if self.shared().is_cut() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                self.wait(Interest::WRITABLE);
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        }
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }

    fn reset(&mut self) {
        reset_on_close(&*self.stream);
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, at: Instant) -> Poll<()> {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        current::with(|current| current.deadline = Some(at));
        Poll::Pending
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn run_job(&mut self, job: Job) {
        // Run by the thread that polls, once the poll has returned: a job that is run inside it would
        // wait for the poll that waits for it.
        current::with(|current| current.jobs.push_back(job));
    }

    fn yield_turn(&mut self, _: &mut Context<'_>) {
        current::with(|current| current.yielded = true);
    }

    fn is_stopping(&self) -> bool {
        self.shared().life.is_stopping()
    }

    fn mark_used(&mut self) {
        self.is_used = true;
    }

    fn is_used(&self) -> bool {
        self.is_used
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }
}
