//! The one thread that waits for all: it accepts, watches what is parked, and keeps the deadlines of
//! both. It runs nothing of the app and never blocks but in its poll.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use mio::{Events, Poll, event::Event, net::TcpStream};
use trijet_backend::{
    Backend, Phase, Pool, Service, inside, name_peer,
    poll::{Acceptor, PollRuntime, Reactor, Schedule, Source, Spawn, Task, token},
};

use crate::{
    Threaded,
    parking::{Parked, Parking},
    shared::{self, Shared},
    sync::Waker,
    task::{Runnable, park_idle},
    transport::ThreadedTransport,
    watching::{Watcher, Watching},
};

const EVENTS_PER_TURN: usize = 1024;

pub(crate) struct Poller {
    poll: Poll,
    acceptor: Acceptor,
    watcher: Watcher,
    reactor: Arc<Reactor>,
    runtime: Arc<PollRuntime>,
    shared: Arc<Shared>,
}

impl Poller {
    /// Sets up everything that can fail.
    pub(crate) fn new(mut service: Service) -> io::Result<Self> {
        let poll = Poll::new().map_err(because("the poller cannot be made"))?;
        let waker = Waker::new(poll.registry(), token::WAKER)
            .map_err(because("the poller's waker cannot be made"))
            .map(Arc::new)?;
        let registry = poll.registry().try_clone().map_err(because("the poller cannot be shared"))?;
        let listeners = std::mem::take(&mut service.listeners);
        let acceptor =
            Acceptor::new(listeners, poll.registry()).map_err(because("a listener cannot be registered"))?;
        let parking = Parking::new(registry, waker.clone());
        let (watching, watcher) =
            Watching::new(poll.registry()).map_err(because("the poll of the watched cannot be made"))?;
        // The waker alone: were what the server shares to go here, the app would go with it, under the life's lock.
        let weak = Arc::downgrade(&waker);
        service.life.on_change(move || {
            if let Some(waker) = weak.upgrade() {
                shared::wake(&waker);
            }
        });
        let (reactor, runtime) = runtime(&poll, &waker, &service)?;
        let shared = Arc::new(Shared::new(&service, parking, watching, waker, Arc::downgrade(&runtime)));
        let asked = Arc::downgrade(&shared);
        service
            .watch
            .ask_for_figures(move || asked.upgrade().map(|shared| shared.figures()).unwrap_or_default());
        Ok(Self { poll, acceptor, watcher, reactor, runtime, shared })
    }

    /// Serves until the server stops.
    ///
    /// # Errors
    /// Where the system's poll fails, which is a bug.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut is_stopping = false;
        let mut makes_way_at = Instant::now();
        loop {
            let until = self.shared.parking.sleep_until(self.next_turn());
            let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
            let polled = match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                polled => polled,
            };
            events.iter().for_each(|event| self.on_event(event));
            self.shared.start_lacking();
            if let Err(error) = polled.and_then(|()| self.watcher.turn(&self.shared.watching)) {
                log::error!("the poller has failed, and the server stops: {error}");
                self.end();
                return Err(because("the poller has failed")(error));
            }
            let now = Instant::now();
            for parked in self.shared.parking.take_due(now) {
                expire(parked);
            }
            self.reactor.fire(now);
            self.accept();
            self.refuse_overdue();
            if now >= makes_way_at {
                makes_way_at = self.shared.make_way(now);
            }
            match self.shared.life.phase() {
                Phase::Running => {}
                Phase::Stopping(deadline) => {
                    if !is_stopping {
                        is_stopping = true;
                        self.runtime.stop();
                        self.acceptor.close_when_empty();
                        self.accept();
                        // Each looks once whether it has anything to wait for now, as on the other backends.
                        self.shared.parking.take_waiting().into_iter().for_each(Runnable::resume);
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
        self.end();
        Ok(())
    }

    fn end(&self) {
        self.shared.cut();
        self.runtime.end();
    }

    fn on_event(&mut self, event: &Event) {
        match Source::from(event.token()) {
            Source::Waker => {}
            Source::Listener(index) => self.acceptor.on_event(index),
            Source::Connection(key) => {
                if let Some(parked) = self.shared.parking.take(key) {
                    Runnable::offer(parked);
                }
            }
            Source::Socket(key) => self.reactor.on_event(key, event),
            Source::Inner => self.watcher.has_more = true,
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
        let watch = self.watcher.has_more.then_some(now);
        [self.acceptor.next_turn(now), stop, queue, watch, self.reactor.next()].into_iter().flatten().min()
    }

    /// Refuses the connections and the jobs that have waited for a thread for too long.
    fn refuse_overdue(&self) {
        if self.shared.pool.waiting() == 0 {
            return;
        }
        let Some(since) = Instant::now().checked_sub(self.shared.limits.blocking_queue_timeout) else {
            return;
        };
        let overdue = self.shared.pool.take_since(since, |runnable| !runnable.is_patient());
        overdue.into_iter().for_each(Runnable::refuse);
    }
}

/// What `trijet::rt` stands on: the poller serves its timers and sockets, and its tasks have threads of their own.
fn runtime(
    poll: &Poll,
    waker: &Arc<Waker>,
    service: &Service,
) -> io::Result<(Arc<Reactor>, Arc<PollRuntime>)> {
    let wake = waker.clone();
    let reactor = Reactor::new(poll.registry(), move || shared::wake(&wake))
        .map_err(because("the poller cannot be shared"))?;
    let reactor = Arc::new(reactor);
    let runtime = PollRuntime::new(
        Threaded::NAME,
        service,
        vec![reactor.clone()],
        || 0,
        |runtime| spawn(service, runtime.clone()),
    );
    Ok((reactor, runtime))
}

/// Polls tasks on threads that no request waits for. One that waits holds none.
fn spawn(service: &Service, runtime: Weak<PollRuntime>) -> Spawn {
    let around = inside(&service.context, runtime);
    let pool = Pool::within("trijet-task", service.limits.blocking_threads_max, around, Runnable::run);
    let schedule: Schedule = Arc::new(move |task| {
        if let Err(back) = pool.push(Runnable::Spawned(task), usize::MAX) {
            back.into_iter().for_each(Runnable::refuse);
        }
    });
    Box::new(move |future| Task::spawn(future, schedule.clone()))
}

/// How exactly the queue's time limit is kept.
const QUEUE_LOOK: Duration = Duration::from_millis(100);

/// A new connection goes to a thread at once if one is free: its request is likely here. Otherwise the
/// poller watches for its first byte, so that silent ones cost no thread; unless nothing is ever waited for.
fn welcome(stream: TcpStream, peer: Option<SocketAddr>, shared: &Arc<Shared>) {
    let idle_timeout = shared.limits.idle_timeout;
    match ThreadedTransport::new(stream.into(), peer, shared) {
        Ok(transport) if shared.pool.waiting() == 0 || idle_timeout.is_zero() => Runnable::start(transport),
        Ok(transport) => park_idle(transport),
        Err(error) => log::debug!("a connection from {} could not be set up: {error}", name_peer(peer)),
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
