//! A listener of either kind, as the acceptor asks it. What it accepts is of one type: see `trijet_backend::as_stream`.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener},
    time::{Sleep, sleep},
};
use trijet_backend::{Acceptance, Listener, SocketFile, as_stream, listener};

type Accepted = (TcpStream, Option<SocketAddr>);

/// One listener of a server.
pub(crate) struct Listening {
    // Taken away before the socket is closed.
    file: Option<SocketFile>,
    socket: Socket,
    pub(crate) acceptance: Acceptance,
    /// Until its end it is not asked.
    pause: Option<Pin<Box<Sleep>>>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    /// Takes over one that is non-blocking, inside a runtime.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        let acceptance = Acceptance::at(&listener.local_addr()?);
        let (socket, file) = listener.into_parts();
        let socket = match socket {
            listener::Socket::Tcp(listener) => Socket::Tcp(TcpListener::from_std(listener)?),
            listener::Socket::Unix(listener) => Socket::Unix(UnixListener::from_std(listener)?),
        };
        Ok(Self { file, socket, acceptance, pause: None })
    }

    /// The next connection, and the address of its peer if it has one.
    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        match &self.socket {
            Socket::Tcp(listener) => {
                Poll::Ready(ready!(listener.poll_accept(cx)).map(|(stream, peer)| (stream, Some(peer))))
            }
            Socket::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                // Registered anew, as the type of all: two calls to the system for each connection, and none for a request.
                Poll::Ready(Ok((TcpStream::from_std(as_stream(stream.into_std()?))?, None)))
            }
        }
    }

    /// As [`poll_accept`](Self::poll_accept), but asks the kernel itself: Tokio knows only what was ready when it last
    /// looked.
    pub(crate) fn accept_now(&self) -> io::Result<Accepted> {
        let listener = match &self.socket {
            Socket::Tcp(listener) => SockRef::from(listener),
            Socket::Unix(listener) => SockRef::from(listener),
        };
        let (socket, peer) = listener.accept()?;
        socket.set_nonblocking(true)?;
        Ok((TcpStream::from_std(socket.into())?, peer.as_socket()))
    }

    /// Has [`poll_accept`](Self::poll_accept) wait for so long.
    pub(crate) fn pause(&mut self, time: Duration) {
        self.pause = Some(Box::pin(sleep(time)));
    }

    /// Takes the file of a Unix socket away, if we have made it.
    pub(crate) fn remove_file(&mut self) {
        self.file = None;
    }
}
