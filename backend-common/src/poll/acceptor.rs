//! The one place that accepts. It belongs to one poll and hands the sockets out.
//!
//! A listener that has said "readable" is taken to be so until the system says that nothing is
//! queued: neither the turn's bound, the connection limit nor a pause may lose a connection.

use std::{io, net::SocketAddr, time::Instant};

use mio::{
    Interest, Registry,
    event::Source,
    net::{TcpListener, TcpStream, UnixListener},
};

use super::token;
use crate::{AcceptFailure, Acceptance, LAST_ACCEPTS_MAX, Listener, SocketFile, as_stream, listener};

/// Accepts, failed ones included, before the connections get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// The listeners of a server, and what is known of them.
#[derive(Debug)]
pub struct Acceptor {
    listeners: Vec<Option<Listening>>,
    acceptance: Acceptance,
    paused_until: Option<Instant>,
    held: bool,
    closing: bool,
    is_quiet: bool,
}

#[derive(Debug)]
struct Listening {
    // Taken away before the socket is closed.
    file: Option<SocketFile>,
    socket: Socket,
    /// Whether something may be queued.
    ready: bool,
    /// Accepts since it is to be closed.
    last_accepts: usize,
}

/// The two kinds of sockets, as mio has them.
#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    fn new(socket: listener::Socket) -> Self {
        match socket {
            listener::Socket::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)),
            listener::Socket::Unix(listener) => Self::Unix(UnixListener::from_std(listener)),
        }
    }

    fn as_source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }

    /// A connection, and the address of its peer if it has one.
    fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, peer)| (stream, Some(peer))),
            Self::Unix(listener) => {
                listener.accept().map(|(stream, _)| (TcpStream::from_std(as_stream(stream.into())), None))
            }
        }
    }
}

impl Acceptor {
    /// Registers `listeners`, which are non-blocking.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(listeners: Vec<Listener>, registry: &Registry) -> io::Result<Self> {
        let mut registered = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.into_iter().enumerate() {
            let (socket, file) = listener.into_parts();
            let mut socket = Socket::new(socket);
            registry.register(socket.as_source(), token::listener(index), Interest::READABLE)?;
            registered.push(Some(Listening { file, socket, ready: false, last_accepts: 0 }));
        }
        Ok(Self {
            listeners: registered,
            acceptance: Acceptance::default(),
            paused_until: None,
            held: false,
            closing: false,
            is_quiet: false,
        })
    }

    /// Notes that the system has told of listener `index`.
    pub fn on_event(&mut self, index: usize) {
        self.is_quiet = false;
        if let Some(Some(listening)) = self.listeners.get_mut(index) {
            listening.ready = true;
        }
    }

    /// From now on a listener is closed once nothing is queued at it, or as much was taken as can have been queued.
    /// The connection limit no longer holds: what is queued is bounded by the backlog, and would be reset. The files of
    /// Unix sockets go first: who finds one no more is told so, and not lost with a queue.
    pub fn close_when_empty(&mut self) {
        self.closing = true;
        self.is_quiet = false;
        for listening in self.listeners.iter_mut().flatten() {
            listening.file = None;
            listening.ready = true;
        }
    }

    /// Whether nothing has come since a [`turn`](Self::turn) that has left nothing to accept: another need not be. As in
    /// nearly all rounds of a loop, it is one look.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// When there is something to accept that no event will tell of.
    pub fn next_turn(&self, now: Instant) -> Option<Instant> {
        let waiting = !self.held && self.listeners.iter().flatten().any(|listening| listening.ready);
        waiting.then(|| self.paused_until.unwrap_or(now))
    }

    /// Accepts what is queued, within the bounds of a turn and while there is `room`, and hands each
    /// connection to `take`.
    pub fn turn(
        &mut self,
        mut room: impl FnMut() -> bool,
        mut take: impl FnMut(TcpStream, Option<SocketAddr>),
    ) {
        self.held = false;
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.paused_until = None;
        for index in 0..self.listeners.len() {
            let mut accepts = 0;
            while accepts < ACCEPTS_PER_TURN && self.paused_until.is_none() {
                let Some(Listening { socket, ready: true, last_accepts, .. }) = &mut self.listeners[index]
                else {
                    break;
                };
                self.held = !self.closing && !room();
                if self.held {
                    return;
                }
                if self.closing {
                    *last_accepts += 1;
                }
                let is_last = *last_accepts == LAST_ACCEPTS_MAX;
                accepts += 1;
                match socket.accept() {
                    Ok((stream, peer)) => {
                        self.acceptance.succeeded();
                        take(stream, peer);
                    }
                    Err(error) => self.failed(index, &error),
                }
                if is_last {
                    self.listeners[index] = None;
                }
            }
        }
        self.is_quiet = self.listeners.iter().flatten().all(|listening| !listening.ready);
    }

    fn failed(&mut self, index: usize, error: &io::Error) {
        let now = Instant::now();
        match self.acceptance.failed(error, now) {
            AcceptFailure::Empty if self.closing => self.listeners[index] = None,
            AcceptFailure::Empty => {
                if let Some(listening) = &mut self.listeners[index] {
                    listening.ready = false;
                }
            }
            AcceptFailure::Retry => {}
            AcceptFailure::Pause(pause) => self.paused_until = Some(now + pause),
        }
    }

    /// Whether every listener is closed, and every socket handed out.
    pub fn is_over(&self) -> bool {
        self.listeners.iter().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use mio::Poll;

    use super::*;

    fn acceptor() -> (Acceptor, SocketAddr) {
        let poll = Poll::new().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        (Acceptor::new(vec![listener.into()], poll.registry()).unwrap(), address)
    }

    #[test]
    fn a_stop_takes_what_is_queued_and_closes_the_listener() {
        let (mut acceptor, address) = acceptor();
        let queued: Vec<_> = (0..3).map(|_| Client::connect(address).unwrap()).collect();
        acceptor.close_when_empty();
        let mut accepted = 0;
        acceptor.turn(|| false, |_, _| accepted += 1);
        assert_eq!((accepted, acceptor.is_over()), (queued.len(), true));
    }

    #[test]
    fn a_flood_does_not_put_the_end_of_a_stop_off() {
        let (mut acceptor, address) = acceptor();
        acceptor.close_when_empty();
        let mut accepted = 0;
        // One more than a turn takes, so that the queue is never found empty.
        drop(Client::connect(address).unwrap());
        while !acceptor.is_over() && accepted <= LAST_ACCEPTS_MAX {
            (0..ACCEPTS_PER_TURN).for_each(|_| drop(Client::connect(address).unwrap()));
            acceptor.turn(|| false, |_, _| accepted += 1);
        }
        assert_eq!((accepted, acceptor.is_over()), (LAST_ACCEPTS_MAX, true));
    }
}
