//! The peers that a running handler wants to hear of when they leave. A handler holds its thread, which may
//! be running the app's own code, so it is the poller that notices. A poll of their own, within the
//! poller's, keeps these registrations apart from those of parked connections: a socket can be in both.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mio::{Events, Interest, Poll, Registry, event::Event, unix::SourceFd};
use slab::Slab;
use trijet_backend::poll::{Key, Source, token};
use trijet_core::PeerWatch;

/// Who is watched, and for whom.
pub(crate) struct Watching {
    registry: Registry,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    watches: Slab<(Key, PeerWatch)>,
    generation: usize,
}

impl Watching {
    /// The watches, and the poller's part of them, inside the poll of `outer`.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new(outer: &Registry) -> io::Result<(Self, Watcher)> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        outer.register(&mut SourceFd(&poll.as_raw_fd()), token::INNER, Interest::READABLE)?;
        Ok((
            Self { registry, state: Mutex::default() },
            Watcher { poll, events: Events::with_capacity(256), has_more: false },
        ))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Insertions and removals are all that happens under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `watch` told when the peer of `socket` leaves, or has left already.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn begin(&self, socket: RawFd, watch: PeerWatch) -> io::Result<Key> {
        let key = {
            let mut state = self.lock();
            state.generation = state.generation.wrapping_add(1);
            let generation = state.generation;
            let entry = state.watches.vacant_entry();
            let key = Key::new(entry.key(), generation);
            entry.insert((key, watch));
            key
        };
        // After it has its place: an event that came first would be lost.
        if let Err(error) = self.registry.register(&mut SourceFd(&socket), key.token(), Interest::READABLE) {
            self.lock().watches.remove(key.index());
            return Err(error);
        }
        Ok(key)
    }

    pub(crate) fn end(&self, socket: RawFd, key: Key) {
        if let Err(error) = self.registry.deregister(&mut SourceFd(&socket)) {
            log::error!("a connection could not be taken off the watch: {error}");
        }
        let ended = self.lock().watches.remove(key.index());
        drop(ended);
    }

    fn find(&self, key: Key) -> Option<PeerWatch> {
        let state = self.lock();
        state.watches.get(key.index()).filter(|(own, _)| *own == key).map(|(_, watch)| watch.clone())
    }

    /// Tells all: their connections are cut.
    pub(crate) fn tell_all(&self) {
        let all: Vec<_> = self.lock().watches.iter().map(|(_, (_, watch))| watch.clone()).collect();
        all.iter().for_each(PeerWatch::tell);
    }
}

/// The poller's part.
pub(crate) struct Watcher {
    poll: Poll,
    events: Events,
    /// Whether there may be more to tell. The outer poll tells of changes only, and will not say so again.
    pub(crate) has_more: bool,
}

impl Watcher {
    /// Tells of some of those who have left: many that keep sending must not hold the poller.
    ///
    /// # Errors
    /// Where the system's poll fails, which is a bug.
    pub(crate) fn turn(&mut self, watching: &Watching) -> io::Result<()> {
        if !self.has_more {
            return Ok(());
        }
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        self.has_more = !self.events.is_empty();
        for event in &self.events {
            match Source::from(event.token()) {
                Source::Connection(key) if has_left(event) => {
                    watching.find(key).iter().for_each(PeerWatch::tell);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn has_left(event: &Event) -> bool {
    event.is_read_closed() || event.is_error()
}
