//! A load client: thousands of connections on one thread and one `epoll`. It counts nothing by itself
//! and decides nothing: it sends what it is told, compares every answer byte by byte, and tells what
//! happened. Loops, open or closed, are made of [`send`](Client::send) and [`wait`](Client::wait).
//!
//! ```no_run
//! # use std::{sync::Arc, time::{Duration, Instant}};
//! # use trijet_load::client::{Client, Exchange, Options, What};
//! let mut client = Client::new("127.0.0.1:8080".parse().unwrap(), Options::default())?;
//! let hello = Arc::new(Exchange::get("/").may_say("hello"));
//! let key = client.connect();
//! client.send(key, &hello, Instant::now());
//! for event in client.wait(Instant::now() + Duration::from_secs(1))? {
//!     if let What::Answered(answer) = event.what {
//!         assert_eq!(answer.status, 200);
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;
mod connection;
mod exchange;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use slab::Slab;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use answer::Fault;
use connection::{Connection, Progress};
pub use exchange::{Content, Exchange};

/// A connection. A key is never used again, even where its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    index: u32,
    generation: u32,
    /// Whose connection it is: free for the caller, who may have several kinds.
    pub group: u8,
}

/// Something that happened.
#[derive(Debug)]
pub struct Event {
    /// To which connection.
    pub key: Key,
    /// What it was.
    pub what: What,
}

/// What can happen to a connection.
#[derive(Debug)]
pub enum What {
    /// It is established.
    Connected,
    /// It could not be established, and is gone.
    Failed(io::Error),
    /// A whole answer has come, and was right.
    Answered(Answer),
    /// What came was wrong; the connection is gone.
    Wrong(Fault),
    /// The peer has closed it; it is gone.
    Closed {
        /// Requests without a whole answer.
        unanswered: usize,
        /// By a reset.
        by_reset: bool,
        /// A part of an answer had come.
        within_answer: bool,
    },
}

/// A whole answer, as it was allowed.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Whether it announces that the server closes.
    pub closes: bool,
    /// When its request was due.
    pub due: Instant,
    /// When its last byte was read.
    pub at: Instant,
}

impl Answer {
    /// From the intended start, whatever has kept the client from sending then.
    pub fn latency(&self) -> Duration {
        self.at.saturating_duration_since(self.due)
    }
}

/// How connections are made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The addresses to connect from, in turn; with none, the system chooses. Each has about 28,000
    /// ports, and a closed connection holds its own for a minute.
    pub sources: Vec<Ipv4Addr>,
    /// The bytes that the system may hold for each connection: small ones make slow readers.
    pub receive_buffer: Option<usize>,
}

impl Options {
    /// Many addresses of the loopback network.
    pub fn from_many_addresses() -> Self {
        Self { sources: (1..=64).map(|last| Ipv4Addr::new(127, 0, 1, last)).collect(), receive_buffer: None }
    }
}

/// What is read from one connection before the others get their turn.
const TURN_BYTES: usize = 256 << 10;

/// The connections to one server.
pub struct Client {
    server: SocketAddr,
    options: Options,
    poll: Poll,
    slots: Slab<(Key, Connection)>,
    connects: usize,
    happened: Vec<Event>,
    /// Those that may have more to read, though no event will tell.
    again: Vec<Key>,
    scratch: Box<[u8]>,
}

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(server: SocketAddr, options: Options) -> io::Result<Self> {
        Ok(Self {
            server,
            options,
            poll: Poll::new()?,
            slots: Slab::new(),
            connects: 0,
            happened: Vec::new(),
            again: Vec::new(),
            scratch: vec![0; 64 << 10].into(),
        })
    }

    /// Begins a connection. Requests may be sent at once: they leave when it is established.
    pub fn connect(&mut self) -> Key {
        self.connect_as(0)
    }

    /// As [`connect`](Self::connect), for a group of the caller's.
    pub fn connect_as(&mut self, group: u8) -> Key {
        self.connects += 1;
        let entry = self.slots.vacant_entry();
        let (index, generation) = (entry.key() as u32, self.connects as u32);
        let key = Key { index, generation, group };
        let token = Token(entry.key() | (generation as usize) << 32);
        let opened = open(self.server, &self.options, self.connects).and_then(|mut stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, token, interest)?;
            Ok(stream)
        });
        match opened {
            Ok(stream) => {
                entry.insert((key, Connection::new(stream)));
            }
            Err(error) => self.happened.push(Event { key, what: What::Failed(error) }),
        }
        key
    }

    fn slot(&mut self, key: Key) -> Option<&mut Connection> {
        let (found, connection) = self.slots.get_mut(key.index as usize)?;
        (*found == key).then_some(connection)
    }

    /// Sends a request that was due at `due`. On a connection that is gone it does nothing: its end has
    /// been told, or is about to be.
    pub fn send(&mut self, key: Key, exchange: &Arc<Exchange>, due: Instant) {
        self.expect(key, exchange, due);
        self.send_bytes(key, exchange.request.clone());
    }

    /// Awaits an answer, without sending anything.
    pub fn expect(&mut self, key: Key, exchange: &Arc<Exchange>, due: Instant) {
        if let Some(connection) = self.slot(key) {
            connection.expect(exchange.clone(), due);
        }
    }

    /// Sends bytes, without awaiting anything.
    pub fn send_bytes(&mut self, key: Key, bytes: Bytes) {
        let Some(connection) = self.slot(key) else { return };
        connection.queue(bytes);
        if connection.is_connected {
            connection.write();
        }
    }

    /// Ends our direction, once all is sent.
    pub fn finish(&mut self, key: Key) {
        let Some(connection) = self.slot(key) else { return };
        connection.ends = true;
        if connection.is_connected {
            connection.write();
        }
    }

    /// Reads nothing any more from this connection, but on [`read`](Self::read).
    pub fn pause(&mut self, key: Key) {
        if let Some(connection) = self.slot(key) {
            connection.is_paused = true;
        }
    }

    /// Reads at most so many bytes from a connection that is paused.
    pub fn read(&mut self, key: Key, most: usize) {
        self.read_from(key, most);
    }

    /// Reads again whatever comes.
    pub fn resume(&mut self, key: Key) {
        if let Some(connection) = self.slot(key) {
            connection.is_paused = false;
            self.again.push(key);
        }
    }

    /// Closes a connection. Nothing is told of it any more.
    pub fn close(&mut self, key: Key) {
        if self.slot(key).is_some() {
            self.slots.remove(key.index as usize);
        }
    }

    /// Closes a connection by a reset.
    pub fn reset(&mut self, key: Key) {
        if let Some(connection) = self.slot(key) {
            // Where this fails, the peer has been faster.
            _ = SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO));
        }
        self.close(key);
    }

    /// Whether a connection is there.
    pub fn is_open(&self, key: Key) -> bool {
        self.slots.get(key.index as usize).is_some_and(|(found, _)| *found == key)
    }

    /// Requests of a connection that have no whole answer yet.
    pub fn unanswered(&self, key: Key) -> usize {
        let slot = self.slots.get(key.index as usize).filter(|(found, _)| *found == key);
        slot.map_or(0, |(_, connection)| connection.unanswered())
    }

    /// Whether all that was to be sent has been given to the system.
    pub fn has_sent(&self, key: Key) -> bool {
        let slot = self.slots.get(key.index as usize).filter(|(found, _)| *found == key);
        slot.is_none_or(|(_, connection)| connection.has_sent())
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are no connections.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many whole answers each connection has had that is still there.
    pub fn answers(&self) -> impl Iterator<Item = (Key, u64)> {
        self.slots.iter().map(|(_, (key, connection))| (*key, connection.answers))
    }

    /// Waits until something happens, but not past `until`, and tells what.
    ///
    /// # Errors
    /// Where the system's poll fails.
    pub fn wait(&mut self, until: Instant) -> io::Result<Vec<Event>> {
        let is_due = self.happened.is_empty() && self.again.is_empty();
        let timeout = if is_due { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => {}
        }
        for key in std::mem::take(&mut self.again) {
            self.advance(key, false);
        }
        for event in &events {
            let (index, generation) = (event.token().0 & 0xffff_ffff, (event.token().0 >> 32) as u32);
            let known = self.slots.get(index).map(|(key, _)| *key);
            if let Some(key) = known.filter(|key| key.generation == generation) {
                self.advance(key, event.is_writable() || event.is_error());
            }
        }
        Ok(std::mem::take(&mut self.happened))
    }

    /// Does what a connection can do.
    fn advance(&mut self, key: Key, is_writable: bool) {
        let Some(connection) = self.slot(key) else { return };
        if !connection.is_connected {
            let error = connection.stream.take_error();
            match error.map(|error| error.map_or_else(|| connection.stream.peer_addr().map(drop), Err)) {
                Ok(Ok(())) => connection.is_connected = true,
                Ok(Err(error)) if error.kind() == io::ErrorKind::NotConnected => return,
                Ok(Err(error)) | Err(error) => {
                    self.happened.push(Event { key, what: What::Failed(error) });
                    self.close(key);
                    return;
                }
            }
            connection.write();
            self.happened.push(Event { key, what: What::Connected });
        } else if is_writable {
            connection.write();
        }
        if self.slot(key).is_some_and(|connection| !connection.is_paused) {
            self.read_from(key, TURN_BYTES);
        }
    }

    fn read_from(&mut self, key: Key, most: usize) {
        let Some((_, connection)) = self.slots.get_mut(key.index as usize).filter(|(found, _)| *found == key)
        else {
            return;
        };
        let happened = &mut self.happened;
        let progress = connection.read(&mut self.scratch, most, |what| happened.push(Event { key, what }));
        match progress {
            Progress::Blocked => {}
            Progress::More if connection.is_paused => {}
            Progress::More => self.again.push(key),
            Progress::Over => self.close(key),
        }
    }
}

fn open(server: SocketAddr, options: &Options, turn: usize) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if !options.sources.is_empty() {
        let source = options.sources[turn % options.sources.len()];
        socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())?;
    }
    match socket.connect(&server.into()) {
        // EINPROGRESS has no kind of its own.
        Err(error)
            if error.raw_os_error() != Some(EINPROGRESS) && error.kind() != io::ErrorKind::WouldBlock =>
        {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(TcpStream::from_std(socket.into())),
    }
}

/// The same number on every architecture of Linux but MIPS.
const EINPROGRESS: i32 = 115;
