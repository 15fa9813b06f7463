//! The one place that accepts. It belongs to one poll and hands the sockets out.
//!
//! A listener that has said "readable" is taken to be so until the system says that nothing is
//! queued: neither the turn's bound, the connection limit nor a pause may lose a connection.

use std::{io, net::SocketAddr, time::Instant};

use mio::{
    Interest, Registry,
    net::{TcpListener, TcpStream},
};

use super::token;
use crate::{AcceptFailure, Acceptance};

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
}

#[derive(Debug)]
struct Listening {
    listener: TcpListener,
    /// Whether something may be queued.
    ready: bool,
}

impl Acceptor {
    /// Registers `listeners`, which are non-blocking.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(listeners: Vec<std::net::TcpListener>, registry: &Registry) -> io::Result<Self> {
        let mut registered = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.into_iter().enumerate() {
            let mut listener = TcpListener::from_std(listener);
            registry.register(&mut listener, token::listener(index), Interest::READABLE)?;
            registered.push(Some(Listening { listener, ready: false }));
        }
        Ok(Self {
            listeners: registered,
            acceptance: Acceptance::default(),
            paused_until: None,
            held: false,
            closing: false,
        })
    }

    /// Notes that the system has told of listener `index`.
    pub fn on_event(&mut self, index: usize) {
        if let Some(Some(listening)) = self.listeners.get_mut(index) {
            listening.ready = true;
        }
    }

    /// From now on a listener is closed once nothing is queued at it. The connection limit no longer
    /// holds: what is queued is bounded by the backlog, and would be reset.
    pub fn close_when_empty(&mut self) {
        self.closing = true;
        for listening in self.listeners.iter_mut().flatten() {
            listening.ready = true;
        }
    }

    /// When there is something to accept that no event will tell of.
    pub fn next_turn(&self, now: Instant) -> Option<Instant> {
        let waiting = !self.held && self.listeners.iter().flatten().any(|listening| listening.ready);
        waiting.then(|| self.paused_until.unwrap_or(now))
    }

    /// Accepts what is queued, within the bounds of a turn and while there is `room`, and hands each
    /// connection to `take`.
    pub fn turn(&mut self, mut room: impl FnMut() -> bool, mut take: impl FnMut(TcpStream, SocketAddr)) {
        self.held = false;
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.paused_until = None;
        for index in 0..self.listeners.len() {
            let mut accepts = 0;
            while accepts < ACCEPTS_PER_TURN && self.paused_until.is_none() {
                let Some(Listening { listener, ready: true }) = &self.listeners[index] else { break };
                self.held = !self.closing && !room();
                if self.held {
                    return;
                }
                accepts += 1;
                match listener.accept() {
                    Ok((stream, peer)) => {
                        self.acceptance.succeeded();
                        take(stream, peer);
                    }
                    Err(error) => self.failed(index, &error),
                }
            }
        }
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
