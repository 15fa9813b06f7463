//! One event loop: waits for events, gives every connection that has something to do one turn, and
//! waits again. It knows no HTTP, and must never block anywhere but in its poll.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use mio::{Events, event::Event, net::TcpStream};
use trijet_backend::{
    Phase, Seat, TASK, name_peer,
    poll::{Acceptor, Key, Reactor, Source},
    prepare_connection,
};
use trijet_core::Outcome;

use crate::{
    ACCEPTING_LOOP,
    connections::{self, Connections, Next, Turn},
    mailbox::{Accepted, Mail, Mailbox},
    shared::{Permit, Shared},
    transport::MioTransport,
};

const EVENTS_PER_TURN: usize = 1024;

pub(crate) struct EventLoop {
    pub(crate) index: usize,
    pub(crate) poll: mio::Poll,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) reactor: Arc<Reactor>,
    /// Where the loop tells what it does.
    pub(crate) seat: Arc<Seat>,
    pub(crate) shared: Arc<Shared>,
    /// The accepting loop has it.
    pub(crate) acceptor: Option<Acceptor>,
}

/// How far a loop has come with a stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// Until the deadline.
    Stopping(Instant),
    Over,
}

impl EventLoop {
    /// Serves until the server stops.
    ///
    /// # Errors
    /// Where the system's poll fails, which is a bug.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mailbox = self.mailbox.clone();
        let _closed = CloseOnDrop(&mailbox);
        let _entered = connections::enter(self.index, mailbox.clone());
        self.seat.occupy();
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut stage = Stage::Running;
        let mut timeout = Some(Duration::ZERO);
        let (mut round, mut mail) = (Vec::new(), Mail::default());
        loop {
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                polled => polled?,
            }
            self.seat.turn_round();
            let has_mail = self.receive(&events, &mut mail);
            stage = self.next_stage(stage);
            if has_mail {
                self.open(&mut mail, stage);
            }
            self.accept(stage);
            // Those that are woken meanwhile come after the next events.
            let tasks = connections::with(|own| own.begin_round(&mut round)).unwrap_or_default();
            for key in round.drain(..) {
                self.turn(key);
            }
            for _ in 0..tasks {
                self.run_task();
            }
            let now = Instant::now();
            self.reactor.fire(now);
            let wait = self.fire_timers(now);
            if self.is_over(stage, now) {
                return Ok(());
            }
            timeout = wait.map_or(Some(Duration::ZERO), |timer| self.timeout(stage, now, timer));
            self.seat.turn_round();
        }
    }

    /// Does what others have asked for. The room that the mail had is kept.
    fn open(&self, mail: &mut Mail, stage: Stage) {
        for accepted in mail.sockets.drain(..) {
            self.insert(accepted, stage);
        }
        connections::with(|own| {
            mail.woken.iter().for_each(|waker| own.queue(waker.received()));
            own.take_tasks(&mut mail.tasks);
        });
        mail.woken.clear();
    }

    /// Takes note of the events, and takes the mail; whether there is any.
    fn receive(&mut self, events: &Events, mail: &mut Mail) -> bool {
        let mut has_mail = false;
        for event in events {
            match Source::from(event.token()) {
                Source::Waker => {
                    self.mailbox.take(mail);
                    has_mail = true;
                }
                Source::Listener(index) => {
                    if let Some(acceptor) = &mut self.acceptor {
                        acceptor.on_event(index);
                    }
                }
                Source::Connection(key) => on_event(key, event),
                Source::Socket(key) => self.reactor.on_event(key, event),
                // There is none here.
                Source::Inner => {}
            }
        }
        has_mail
    }

    /// Notices that the server is stopping: every connection has a turn, in which the idle ones look once
    /// more what has arrived.
    fn next_stage(&mut self, stage: Stage) -> Stage {
        if !self.shared.life.is_stopping() {
            return stage;
        }
        let next = match self.shared.life.phase() {
            Phase::Running | Phase::Cut => Stage::Over,
            Phase::Stopping(deadline) => Stage::Stopping(deadline),
        };
        if stage == Stage::Running {
            self.shared.runtime.stop();
            connections::with(Connections::queue_all);
            if let Some(acceptor) = &mut self.acceptor {
                acceptor.close_when_empty();
            }
        }
        next
    }

    fn accept(&mut self, stage: Stage) {
        let Some(acceptor) = &mut self.acceptor else { return };
        if acceptor.is_quiet() {
            return;
        }
        let shared = &self.shared;
        let mut own = Vec::new();
        acceptor.turn(|| shared.has_room(), |stream, peer| own.extend(deal_out(stream, peer, shared)));
        for accepted in own {
            self.insert(accepted, stage);
        }
        if self.acceptor.as_ref().is_some_and(Acceptor::is_over) {
            self.acceptor = None;
            self.shared.accepting_over.store(true, Ordering::SeqCst);
            self.shared.notify_all();
        }
    }

    /// Gives a new connection its slot. It is idle until its first byte.
    fn insert(&self, accepted: Accepted, stage: Stage) {
        let Some(place) = connections::with(Connections::reserve) else { return };
        let (key, peer) = (place.0, accepted.peer);
        if self.shared.limits.idle_timeout.is_zero() {
            // Nothing is waited for, and what is there already is read before.
            place.1.suppose_readable();
        }
        match MioTransport::register(accepted, place, self.poll.registry()) {
            Ok(transport) => {
                connections::with(|own| own.keep_idle(key, transport));
                if stage != Stage::Running {
                    connections::with(|own| own.queue(key));
                }
            }
            Err(error) => {
                log::warn!("a connection from {} could not be registered: {error}", name_peer(peer));
                drop(connections::with(|own| own.remove(key)));
            }
        }
    }

    /// Polls a connection.
    fn turn(&self, key: Key) {
        let is_stopping = self.shared.life.is_stopping();
        let Some(mut turn) =
            connections::with(|own| own.begin_turn(key, &*self.shared.drive, is_stopping)).flatten()
        else {
            return;
        };
        let Turn { driver, waker, .. } = &mut turn;
        match crate::contained("serving a connection", || driver.poll(&mut Context::from_waker(waker))) {
            Some(Poll::Pending) => {
                connections::with(|own| own.keep_active(turn));
            }
            Some(Poll::Ready(Outcome::Idle(transport))) => {
                drop(connections::with(|own| own.rest(turn, transport)));
                // The stop may have begun just after the driver has looked.
                if self.shared.life.is_stopping() {
                    connections::with(|own| own.queue(key));
                }
            }
            over => {
                if let Some(Poll::Ready(Outcome::Upgrade(..))) = &over {
                    log::error!("a connection asked for an upgrade, which this backend does not serve yet");
                }
                crate::contained("dropping a connection", || drop((over, turn)));
                let slot = connections::with(|own| own.remove(key));
                drop(slot);
            }
        }
    }

    fn run_task(&self) {
        if let Some(task) = connections::with(Connections::next_task).flatten() {
            self.seat.enter(TASK);
            task.run();
            self.seat.leave();
        }
    }

    /// Whether nothing is left to serve, or the time for it is over.
    fn is_over(&self, stage: Stage, now: Instant) -> bool {
        match stage {
            Stage::Running => false,
            Stage::Stopping(deadline) => {
                // In this order: the last socket is counted before accepting is over. All loops end together: each may
                // serve what a plain `fn` of another's connection waits for.
                now >= deadline
                    || self.shared.accepting_over.load(Ordering::SeqCst) && self.shared.connections() == 0
            }
            Stage::Over => true,
        }
    }

    /// Acts on the deadlines that have come. Gives the next of them, unless somebody waits for a turn.
    fn fire_timers(&self, now: Instant) -> Option<Option<Instant>> {
        let idle_timeout = self.shared.limits.idle_timeout;
        loop {
            match connections::with(|own| own.next(now, idle_timeout))? {
                Next::Wake(waker) => waker.wake(),
                Next::Drop(transport) => drop(transport),
                Next::Turn => return None,
                Next::Wait(timer) => return Some(timer),
            }
        }
    }

    /// How long nothing will have to be done unless there is an event; `None`: for ever.
    fn timeout(&self, stage: Stage, now: Instant, timer: Option<Instant>) -> Option<Duration> {
        let accepting = self.acceptor.as_ref().filter(|acceptor| !acceptor.is_quiet());
        let accept = accepting.and_then(|acceptor| acceptor.next_turn(now));
        let stop = match stage {
            Stage::Stopping(deadline) => Some(deadline),
            Stage::Running | Stage::Over => None,
        };
        let next = earlier(earlier(timer, self.reactor.next()), earlier(accept, stop))?;
        Some(next.saturating_duration_since(now))
    }
}

/// The earlier of two times, of those that there are.
fn earlier(first: Option<Instant>, second: Option<Instant>) -> Option<Instant> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (time, None) | (None, time) => time,
    }
}

/// Hands the connection to the loop with the fewest, or gives it back if that is the accepting one.
fn deal_out(stream: TcpStream, peer: Option<SocketAddr>, shared: &Arc<Shared>) -> Option<Accepted> {
    if let Err(error) = prepare_connection(&stream, peer, shared.sockets) {
        log::debug!("a connection from {} could not be set up: {error}", name_peer(peer));
        return None;
    }
    let permit = Permit::on_the_least_loaded(shared);
    let index = permit.loop_index;
    let accepted = Accepted { stream, peer, permit };
    if index == ACCEPTING_LOOP {
        return Some(accepted);
    }
    shared.loops[index].mailbox.hand_over(accepted);
    None
}

fn on_event(key: Key, event: &Event) {
    if let Some([read, write]) = connections::with(|own| own.on_event(key, event)).flatten() {
        read.into_iter().chain(write).for_each(Waker::wake);
    }
}

/// Lets go of what others still send to a loop that has ended, however it ended.
struct CloseOnDrop<'m>(&'m Mailbox);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
