//! What transports, peers, services and the schedule share: the clock, the wires and the jobs. It never polls a
//! future and never calls what the app wrote.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Settings,
    holding::Holding,
    peer::{self, Script},
    rng::Rng,
    runtime::Services,
};
use crate::{jobs::Job, runtime::wake};

/// The world, shared.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(super) fn new(settings: &Settings, holding: Option<Holding>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant can only be had from the clock; it is read once"
        )]
        let now = Instant::now();
        Self(Arc::new(Mutex::new(World {
            now,
            start: now,
            wall_clock: settings.wall_clock,
            wall_clock_set: now,
            buffer_bytes: settings.buffer_bytes.max(1),
            tick: settings.tick,
            rng: Rng::new(settings.schedule),
            wires: Vec::new(),
            jobs: VecDeque::new(),
            late: Vec::new(),
            services: Services::default(),
            is_stopping: false,
            holding,
            fault: None,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those whose time has come: their wakers may be the app's own.
    pub(super) fn wake_due(&self) {
        let due = std::mem::take(&mut self.lock().services.due);
        due.into_iter().for_each(wake);
    }
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) wall_clock: SystemTime,
    /// When it was set.
    pub(super) wall_clock_set: Instant,
    pub(super) buffer_bytes: usize,
    pub(super) tick: Duration,
    pub(super) rng: Rng,
    pub(super) wires: Vec<Wire>,
    /// Jobs that wait for the one thread that there is.
    pub(super) jobs: VecDeque<Job>,
    /// Wakes that were held back.
    pub(super) late: Vec<Waker>,
    pub(super) services: Services,
    pub(super) is_stopping: bool,
    pub(super) holding: Option<Holding>,
    /// Why the simulation must not go on, where a panic would not be its own.
    pub(super) fault: Option<String>,
}

impl World {
    /// Adds a wire and gives its index.
    pub(super) fn add_wire(&mut self) -> usize {
        self.wires.push(Wire::default());
        self.wires.len() - 1
    }

    /// Moves the clock to `at`, and wakes whoever waited for that.
    pub(super) fn reach(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.services.reach(self.now);
        for wire in &mut self.wires {
            if let Some((_, waker)) = wire.deadline.take_if(|(at, _)| *at <= self.now) {
                waker.wake();
            }
        }
    }

    /// Blocks like a call on a thread, while the peers go on: for a tick, or until `is_ready`.
    pub(super) fn block(&mut self, wire: usize, is_ready: impl Fn(&Wire) -> bool) {
        let until = self.now + self.tick;
        while self.now < until && !is_ready(&self.wires[wire]) {
            let can_act = |wire| peer::can_act(wire, self.now, self.buffer_bytes);
            if let Some(acting) = self.wires.iter().position(can_act) {
                peer::act(self, acting);
            } else {
                let waits = self.wires.iter().filter_map(|wire| wire.script.waits_until()).min();
                self.reach(waits.map_or(until, |at| at.min(until)));
            }
        }
    }

    /// The next time for which a transport or a peer waits.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let deadlines = self.wires.iter().filter_map(|wire| wire.deadline.as_ref().map(|(at, _)| *at));
        let waits = self.wires.iter().filter_map(|wire| wire.script.waits_until());
        deadlines.chain(waits).chain(self.services.next_time()).min()
    }

    /// The virtual time of `at`.
    pub(super) fn since_start(&self, at: Instant) -> Duration {
        at - self.start
    }
}

/// One connection: two pipes, and who is at their ends.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) to_server: Pipe,
    pub(super) to_peer: Pipe,
    pub(super) script: Script,
    /// The server's deadline.
    pub(super) deadline: Option<(Instant, Waker)>,
    /// When the server ended its direction.
    pub(super) closed_at: Option<Instant>,
    /// The server has closed its socket.
    pub(super) is_dropped: bool,
}

/// Bytes on their way in one direction.
#[derive(Default)]
pub(super) struct Pipe {
    pub(super) bytes: VecDeque<u8>,
    pub(super) end: End,
    /// The task of the server that waits for this pipe.
    pub(super) waker: Option<Waker>,
}

/// Whether more can come through a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    /// The sender has ended it; what is in it still arrives.
    Ended,
    /// What was in it is lost.
    Reset,
}

impl Pipe {
    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Ends the pipe after what is in it.
    pub(super) fn finish(&mut self) {
        if self.end == End::Open {
            self.end = End::Ended;
        }
        self.wake();
    }

    /// Ends it at once.
    pub(super) fn reset(&mut self) {
        self.end = End::Reset;
        self.bytes.clear();
        self.wake();
    }

    /// Whether a read would give something: bytes, the end or an error.
    pub(super) fn is_readable(&self) -> bool {
        !self.bytes.is_empty() || self.end != End::Open
    }
}
