//! The one place that accepts. It belongs to one poll and hands the sockets out.
//!
//! A listener that has said "readable" is taken to be so until the system says that nothing is
//! queued: neither the turn's bound, the connection limit nor a pause may lose a connection. Those that have something
//! take turns, one connection each: no queue, however long, keeps another listener waiting.

use std::{io, net::SocketAddr, time::Instant};

use mio::{
    Interest, Registry,
    event::Source,
    net::{TcpListener, TcpStream, UnixListener},
};

use super::token;
use crate::{AcceptFailure, Acceptance, LAST_ACCEPTS_MAX, Lines, Listener, SocketFile, as_stream, listener};

/// Accepts, failed ones included, before the connections get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// The listeners of a server, and what is known of them.
#[derive(Debug)]
pub struct Acceptor {
    listeners: Vec<Option<Listening>>,
    /// Whose turn is next.
    next: usize,
    shortages: Lines,
    /// Until when none is asked.
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
    acceptance: Acceptance,
    /// Whether something may be queued.
    ready: bool,
    /// Until when it is not asked.
    paused_until: Option<Instant>,
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
            let acceptance = Acceptance::at(&listener.local_addr()?);
            let (socket, file) = listener.into_parts();
            let mut socket = Socket::new(socket);
            registry.register(socket.as_source(), token::listener(index), Interest::READABLE)?;
            registered.push(Some(Listening {
                file,
                socket,
                acceptance,
                ready: false,
                paused_until: None,
                last_accepts: 0,
            }));
        }
        Ok(Self {
            listeners: registered,
            next: 0,
            shortages: Lines::default(),
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
        if self.held {
            return None;
        }
        let ready = self.listeners.iter().flatten().filter(|listening| listening.ready);
        let first = ready.map(|listening| listening.paused_until.unwrap_or(now)).min()?;
        Some(self.paused_until.map_or(first, |until| until.max(first)))
    }

    /// Accepts what is queued, within the bounds of a turn and while there is `room`, and hands each
    /// connection to `take`.
    pub fn turn(
        &mut self,
        mut room: impl FnMut() -> bool,
        mut take: impl FnMut(TcpStream, Option<SocketAddr>),
    ) {
        self.held = false;
        if !self.listeners.iter().flatten().any(|listening| listening.ready) {
            self.is_quiet = true;
            return;
        }
        let now = Instant::now();
        if self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        self.paused_until = None;
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(index) = self.next_ready(now) else { break };
            self.held = !self.closing && !room();
            if self.held {
                return;
            }
            self.next = index + 1;
            let Some(Listening { socket, acceptance, last_accepts, .. }) = &mut self.listeners[index] else {
                return;
            };
            if self.closing {
                *last_accepts += 1;
            }
            let is_last = *last_accepts == LAST_ACCEPTS_MAX;
            match socket.accept() {
                Ok((stream, peer)) => {
                    acceptance.succeeded();
                    take(stream, peer);
                }
                Err(error) => self.failed(index, &error),
            }
            if is_last {
                self.listeners[index] = None;
            }
            if self.paused_until.is_some() {
                return;
            }
        }
        self.is_quiet = self.listeners.iter().flatten().all(|listening| !listening.ready);
    }

    /// The next one that may have something, from the one on whose turn it is.
    fn next_ready(&self, now: Instant) -> Option<usize> {
        let count = self.listeners.len();
        (self.next..self.next + count).map(|index| index % count).find(|index| {
            self.listeners[*index].as_ref().is_some_and(|listening| {
                listening.ready && listening.paused_until.is_none_or(|until| until <= now)
            })
        })
    }

    fn failed(&mut self, index: usize, error: &io::Error) {
        let Some(listening) = &mut self.listeners[index] else { return };
        let now = Instant::now();
        match listening.acceptance.failed(error, now, &mut self.shortages) {
            AcceptFailure::Empty | AcceptFailure::PauseOne(_) if self.closing => self.listeners[index] = None,
            AcceptFailure::Empty => listening.ready = false,
            AcceptFailure::Retry => {}
            AcceptFailure::PauseOne(pause) => listening.paused_until = Some(now + pause),
            AcceptFailure::PauseAll(pause) => self.paused_until = Some(now + pause),
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

    /// On so many listeners, and their addresses.
    fn acceptor<const COUNT: usize>() -> (Acceptor, [SocketAddr; COUNT]) {
        let poll = Poll::new().unwrap();
        let listeners = [(); COUNT].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.each_ref().map(|listener| {
            listener.set_nonblocking(true).unwrap();
            listener.local_addr().unwrap()
        });
        let listeners = listeners.into_iter().map(Listener::from).collect();
        (Acceptor::new(listeners, poll.registry()).unwrap(), addresses)
    }

    #[test]
    fn a_stop_takes_what_is_queued_and_closes_the_listener() {
        let (mut acceptor, [address]) = acceptor();
        let queued: Vec<_> = (0..3).map(|_| Client::connect(address).unwrap()).collect();
        acceptor.close_when_empty();
        let mut accepted = 0;
        acceptor.turn(|| false, |_, _| accepted += 1);
        assert_eq!((accepted, acceptor.is_over()), (queued.len(), true));
    }

    /// Which listeners the next connections come from, of `acceptor`, which has room for one at a time.
    fn order(acceptor: &mut Acceptor, count: usize) -> Vec<SocketAddr> {
        let mut order = Vec::new();
        for _ in 0..count {
            let mut room = 1_u32;
            let has_room = || std::mem::take(&mut room) == 1;
            acceptor.turn(has_room, |stream, _| order.push(stream.local_addr().unwrap()));
        }
        order
    }

    #[test]
    fn those_that_have_something_take_turns_though_there_is_room_for_one_at_a_time() {
        let (mut acceptor, addresses) = acceptor::<3>();
        let [first, _, third] = addresses;
        let _queued: Vec<_> = [first, third]
            .iter()
            .flat_map(|address| (0..4).map(|_| Client::connect(*address).unwrap()))
            .collect();
        (0..3).for_each(|index| acceptor.on_event(index));
        // The second has nothing, and costs a look.
        let mut room = false;
        acceptor.turn(|| std::mem::replace(&mut room, true), |_, _| panic!("there is no room"));
        assert!(acceptor.held && acceptor.next_turn(Instant::now()).is_none());
        assert_eq!(order(&mut acceptor, 4)[..3], [first, third, first]);
    }

    #[test]
    fn a_shortage_pauses_all_and_a_fault_the_one() {
        let (mut acceptor, [first, second]) = acceptor();
        let _queued = [first, second].map(|address| [(); 3].map(|()| Client::connect(address).unwrap()));
        (0..2).for_each(|index| acceptor.on_event(index));
        let [shortage, fault] = [24, 22].map(io::Error::from_raw_os_error);
        acceptor.failed(0, &fault);
        assert_eq!(order(&mut acceptor, 2), [second, second]);
        let now = Instant::now();
        // As if there were room.
        acceptor.held = false;
        assert!(acceptor.next_turn(now).is_some_and(|next| next <= now), "the second is ready");
        acceptor.failed(1, &shortage);
        assert!(order(&mut acceptor, 2).is_empty());
        assert!(acceptor.next_turn(now).is_some_and(|next| next > now), "both are to be asked again");
        let later = acceptor.next_turn(now).unwrap();
        while Instant::now() < later {
            std::thread::yield_now();
        }
        assert_eq!(order(&mut acceptor, 2), [first, second]);
        acceptor.close_when_empty();
        acceptor.failed(0, &fault);
        assert!(acceptor.listeners[0].is_none(), "it is closed");
        acceptor.failed(1, &shortage);
        assert!(acceptor.listeners[1].is_some(), "something may be queued there");
    }

    #[test]
    fn a_flood_does_not_put_the_end_of_a_stop_off() {
        let (mut acceptor, [address]) = acceptor();
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
