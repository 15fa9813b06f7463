//! The one thread that waits for all: it accepts, watches what is parked, and keeps the deadlines of
//! both. It runs nothing of the app and never blocks but in its poll.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, net::TcpStream};
use trijet_backend::{
    Phase, Service,
    poll::{Acceptor, Source, token},
};

use trijet_core::after;

use crate::{
    parking::{Parked, Parking},
    shared::Shared,
    task::{Runnable, park_idle, refuse::refuse},
    transport::ThreadedTransport,
};

const EVENTS_PER_TURN: usize = 1024;

pub(crate) struct Poller {
    poll: Poll,
    acceptor: Acceptor,
    shared: Arc<Shared>,
}

impl Poller {
    /// Sets up everything that can fail.
    pub(crate) fn new(mut service: Service) -> io::Result<Self> {
        let poll = Poll::new().map_err(because("the poller cannot be made"))?;
        let waker = mio::Waker::new(poll.registry(), token::WAKER)
            .map_err(because("the poller's waker cannot be made"))
            .map(Arc::new)?;
        let registry = poll.registry().try_clone().map_err(because("the poller cannot be shared"))?;
        let listeners = std::mem::take(&mut service.listeners);
        let acceptor =
            Acceptor::new(listeners, poll.registry()).map_err(because("a listener cannot be registered"))?;
        let parking = Parking::new(registry, waker.clone());
        let shared = Arc::new(Shared::new(&service, parking, waker));
        let weak = Arc::downgrade(&shared);
        service.life.on_change(move || {
            if let Some(shared) = weak.upgrade() {
                shared.wake_poller();
            }
        });
        Ok(Self { poll, acceptor, shared })
    }

    /// Serves until the server stops.
    ///
    /// # Errors
    /// Where the system's poll fails, which is a bug.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut is_stopping = false;
        loop {
            let until = self.shared.parking.sleep_until(self.next_turn());
            let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    log::error!("the poller has failed, and the server stops: {error}");
                    self.shared.cut();
                    return Err(because("the poller has failed")(error));
                }
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                self.on_event(event.token());
            }
            for parked in self.shared.parking.take_due(Instant::now()) {
                expire(parked);
            }
            self.accept();
            self.refuse_overdue();
            match self.shared.life.phase() {
                Phase::Running => {}
                Phase::Stopping(deadline) => {
                    if !is_stopping {
                        is_stopping = true;
                        self.acceptor.close_when_empty();
                        self.accept();
                    }
                    self.shared.parking.take_idle().into_iter().for_each(Runnable::resume);
                    let is_done = self.acceptor.is_over() && self.shared.connections() == 0;
                    if is_done || Instant::now() >= deadline {
                        break;
                    }
                }
                Phase::Cut => break,
            }
        }
        self.shared.cut();
        Ok(())
    }

    fn on_event(&mut self, token: Token) {
        match Source::from(token) {
            Source::Waker => {}
            Source::Listener(index) => self.acceptor.on_event(index),
            Source::Connection(key) => {
                if let Some(parked) = self.shared.parking.take(key) {
                    Runnable::resume(parked);
                }
            }
        }
    }

    fn accept(&mut self) {
        let shared = &self.shared;
        self.acceptor.turn(|| shared.has_room(), |stream, peer| welcome(stream, peer, shared));
    }

    /// When the poller has to look again though no event may come.
    fn next_turn(&self) -> Option<Instant> {
        let now = Instant::now();
        let stop = match self.shared.life.phase() {
            Phase::Stopping(deadline) => Some(deadline),
            Phase::Running | Phase::Cut => None,
        };
        // Queued connections are looked at often enough to be refused in time.
        let queue = (self.shared.pool.waiting() > 0).then(|| now + QUEUE_LOOK);
        [self.acceptor.next_turn(now), stop, queue].into_iter().flatten().min()
    }

    /// Refuses the connections that have waited for a thread for too long.
    fn refuse_overdue(&self) {
        if self.shared.pool.waiting() == 0 {
            return;
        }
        let Some(since) = Instant::now().checked_sub(self.shared.limits.blocking_queue_timeout) else {
            return;
        };
        let is_new = |runnable: &Runnable| matches!(runnable, Runnable::Start(_));
        for runnable in self.shared.pool.take_since(since, is_new) {
            if let Runnable::Start(transport) = runnable {
                refuse(transport);
            }
        }
    }
}

/// How exactly the queue's time limit is kept.
const QUEUE_LOOK: Duration = Duration::from_millis(100);

/// A new connection goes to a thread at once if one is free: its request is likely here. Otherwise the
/// poller watches for its first byte, so that silent ones cost no thread.
fn welcome(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    match ThreadedTransport::new(stream.into(), peer, shared) {
        Ok(transport) if shared.pool.waiting() == 0 => Runnable::start(transport),
        Ok(transport) => park_idle(transport, after(Instant::now(), shared.limits.idle_timeout)),
        Err(error) => log::debug!("a connection from {peer} could not be set up: {error}"),
    }
}

/// A deadline has come: an idle connection is closed silently, another finds out by itself.
fn expire(parked: Parked) {
    match parked {
        Parked::Idle(_) | Parked::Refused(_) => drop(parked),
        Parked::Waiting(_) => Runnable::resume(parked),
    }
}

/// Says what was being done when the system refused.
fn because(what: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}
