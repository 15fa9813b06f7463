//! The connections that hold no thread: idle ones, as a socket alone, and whole futures that wait for
//! their peer, for a thread where none can be started, or for a wake, having made way. The slot is filled before the socket is
//! registered, under one lock: an event that came first would be lost for ever.

use std::{
    os::fd::RawFd,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use mio::{Interest, Registry, unix::SourceFd};
use slab::Slab;
use trijet_backend::poll::{Key, Timers};

use crate::{
    sync::{Mutex, MutexGuard, Waker},
    task::{Task, refuse::Refused},
    transport::ThreadedTransport,
};

/// A connection without a thread.
pub(crate) enum Parked {
    /// Between two requests.
    Idle(ThreadedTransport),
    /// Within one, waiting for its peer, for a thread, or without one for anything else.
    Waiting(Task),
    /// Refused: only until its peer has read why.
    Refused(Refused),
}

pub(crate) struct Parking {
    registry: Registry,
    waker: Arc<Waker>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: Slab<Slot>,
    timers: Timers,
    generation: usize,
    /// Until when the poller sleeps, if nothing happens.
    sleeps_until: Option<Instant>,
    closed: bool,
}

struct Slot {
    generation: usize,
    /// None where it waits for no socket.
    socket: Option<RawFd>,
    deadline: Option<Instant>,
    parked: Parked,
}

/// How long a connection waits for which no thread could be started.
const PUT_OFF: Duration = Duration::from_millis(100);

impl Parking {
    pub(crate) fn new(registry: Registry, waker: Arc<Waker>) -> Self {
        Self { registry, waker, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `parked` until `interest` in `socket` is met, or the deadline.
    ///
    /// # Errors
    /// Gives it back where the system refuses, or the server is cut.
    pub(crate) fn park(
        &self,
        parked: Parked,
        socket: RawFd,
        interest: Interest,
        deadline: Option<Instant>,
    ) -> Result<Key, Parked> {
        self.keep(parked, Some((socket, interest)), deadline)
    }

    /// Keeps `task` until it is woken, or the deadline.
    ///
    /// # Errors
    /// Gives it back where the server is cut.
    pub(crate) fn hold(&self, task: Parked, deadline: Option<Instant>) -> Result<Key, Parked> {
        self.keep(task, None, deadline)
    }

    /// Keeps what no thread could be started for, until it may be tried again.
    ///
    /// # Errors
    /// Gives it back where the server is cut.
    pub(crate) fn put_off(&self, task: Task) -> Result<Key, Parked> {
        self.keep(Parked::Waiting(task), None, Some(Instant::now() + PUT_OFF))
    }

    fn keep(
        &self,
        parked: Parked,
        until: Option<(RawFd, Interest)>,
        deadline: Option<Instant>,
    ) -> Result<Key, Parked> {
        let mut state = self.lock();
        if state.closed {
            return Err(parked);
        }
        state.generation = state.generation.wrapping_add(1);
        let generation = state.generation;
        let socket = until.map(|(socket, _)| socket);
        let index = state.slots.insert(Slot { generation, socket, deadline, parked });
        let key = Key::new(index, generation);
        let registered = until.map_or(Ok(()), |(socket, interest)| {
            self.registry.register(&mut SourceFd(&socket), key.token(), interest)
        });
        if let Err(error) = registered {
            log::warn!("a connection could not be parked: {error}");
            return Err(state.slots.remove(index).parked);
        }
        if let Some(deadline) = deadline {
            state.timers.arm(deadline, key);
            let State { slots, timers, .. } = &mut *state;
            timers.tidy(slots.len(), |_, key| is_live(slots, key));
            if state.sleeps_until.is_none_or(|until| deadline < until) {
                state.sleeps_until = Some(deadline);
                drop(state);
                self.wake();
            }
        }
        Ok(key)
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("the poller could not be woken: {error}");
        }
    }

    /// Takes what is parked under `key`, unless it has gone already.
    pub(crate) fn take(&self, key: Key) -> Option<Parked> {
        let mut state = self.lock();
        is_live(&state.slots, key).then(|| self.remove(&mut state, key.index()))
    }

    fn remove(&self, state: &mut State, index: usize) -> Parked {
        let slot = state.slots.remove(index);
        let deregistered =
            slot.socket.map_or(Ok(()), |socket| self.registry.deregister(&mut SourceFd(&socket)));
        if let Err(error) = deregistered {
            log::error!("a parked connection could not be taken off the poller: {error}");
        }
        slot.parked
    }

    /// Takes those whose deadline has come.
    pub(crate) fn take_due(&self, now: Instant) -> Vec<Parked> {
        let mut state = self.lock();
        let mut due = Vec::new();
        while let Some((_, key)) = state.timers.pop_due(now) {
            if is_live(&state.slots, key)
                && state.slots[key.index()].deadline.is_some_and(|deadline| deadline <= now)
            {
                due.push(self.remove(&mut state, key.index()));
            }
        }
        due
    }

    /// Takes the idle ones: the server is stopping.
    pub(crate) fn take_idle(&self) -> Vec<Parked> {
        self.take_where(|parked| matches!(parked, Parked::Idle(_)))
    }

    /// Takes those that wait for something of their peer's.
    pub(crate) fn take_waiting(&self) -> Vec<Parked> {
        self.take_where(|parked| matches!(parked, Parked::Waiting(_)))
    }

    fn take_where(&self, is_taken: impl Fn(&Parked) -> bool) -> Vec<Parked> {
        let mut state = self.lock();
        let taken: Vec<usize> =
            state.slots.iter().filter(|(_, slot)| is_taken(&slot.parked)).map(|(index, _)| index).collect();
        taken.into_iter().map(|index| self.remove(&mut state, index)).collect()
    }

    /// Takes all, and keeps no more.
    pub(crate) fn take_all(&self) -> Vec<Parked> {
        let mut state = self.lock();
        state.closed = true;
        let all: Vec<usize> = state.slots.iter().map(|(index, _)| index).collect();
        all.into_iter().map(|index| self.remove(&mut state, index)).collect()
    }

    /// Notes how long the poller is about to sleep: until the next deadline, or `other` if that is sooner.
    pub(crate) fn sleep_until(&self, other: Option<Instant>) -> Option<Instant> {
        let mut state = self.lock();
        let until = match (state.timers.next(), other) {
            (Some(deadline), Some(other)) => Some(deadline.min(other)),
            (deadline, other) => deadline.or(other),
        };
        state.sleeps_until = until;
        until
    }
}

fn is_live(slots: &Slab<Slot>, key: Key) -> bool {
    slots.get(key.index()).is_some_and(|slot| Key::new(key.index(), slot.generation) == key)
}

#[cfg(all(test, trijet_loom))]
mod models;
