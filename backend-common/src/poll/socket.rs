//! A connection that a handler has made, on a [`Reactor`].

use std::{
    io::{self, IoSlice, Read},
    net::{Shutdown, SocketAddr},
    sync::Arc,
    task::{Context, Poll, ready},
};

use mio::net::TcpStream;
use trijet_core::runtime::Socket;

use super::{Key, Reactor, side::Direction};
use crate::sockets::{SLICES_MAX, send_vectored};

pub(super) struct PollSocket {
    stream: TcpStream,
    reactor: Arc<Reactor>,
    key: Key,
    /// How many calls in a row had something to do.
    streak: u32,
}

/// After so many calls that had something to do others go first: a peer that keeps up would hold an event loop.
const STREAK_MAX: u32 = 64;

impl PollSocket {
    /// Begins to connect.
    pub(super) fn connect(address: SocketAddr, reactor: Arc<Reactor>) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        let key = reactor.register(&mut stream)?;
        Ok(Self { stream, reactor, key, streak: 0 })
    }
}

impl PollSocket {
    /// Ready unless it is for others to go first.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.streak < STREAK_MAX {
            return Poll::Ready(());
        }
        self.streak = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn count<R>(&mut self, polled: Poll<R>) -> Poll<R> {
        self.streak = if polled.is_ready() { self.streak + 1 } else { 0 };
        polled
    }
}

impl Socket for PollSocket {
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connected = || match self.stream.take_error()? {
            Some(error) => Err(error),
            None => match self.stream.peer_addr() {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            },
        };
        self.reactor.poll_io(self.key, Direction::Write, cx, connected)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let wanted = into.len();
        let read = || (&self.stream).read(into);
        let polled = self.reactor.poll_bytes(self.key, Direction::Read, cx, wanted, read);
        self.count(polled)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let from = &from[..from.len().min(SLICES_MAX)];
        let wanted = from.iter().map(|slice| slice.len()).sum();
        let write = || send_vectored(&self.stream, from);
        let polled = self.reactor.poll_bytes(self.key, Direction::Write, cx, wanted, write);
        self.count(polled)
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel sends what it holds first; this does not block.
        Poll::Ready(match self.stream.shutdown(Shutdown::Write) {
            // The peer has left already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream.set_nodelay(nodelay)
    }
}

impl Drop for PollSocket {
    fn drop(&mut self) {
        self.reactor.deregister(&mut self.stream, self.key);
    }
}
