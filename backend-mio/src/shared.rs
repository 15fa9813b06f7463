//! What the loops of one server share, and the count of their connections.
//!
//! Nothing here is locked or written on a request's path.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use trijet_backend::{Figures, Jobs, Life, Seat, Service, Watch, poll::PollRuntime};
use trijet_core::{Limits, SocketSettings, body};

use crate::{connections::Driver, mailbox::Mailbox, transport::MioTransport};

/// Begins to serve a connection that has something to say: core's driver, with the app to serve; a spare one, if it can
/// serve again.
pub(crate) type Drive = dyn Fn(MioTransport, Option<Driver>) -> Driver + Send + Sync;

pub(crate) struct Shared {
    pub(crate) drive: Box<Drive>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) sockets: SocketSettings,
    pub(crate) connections_max: usize,
    pub(crate) life: Arc<Life>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) jobs: Jobs,
    pub(crate) runtime: Arc<PollRuntime>,
    pub(crate) loops: Vec<LoopShare>,
    /// Whether accepting waits for a connection to end.
    held: AtomicBool,
    /// Whether the last socket has been handed to its loop: the listeners are closed.
    pub(crate) accepting_over: AtomicBool,
}

/// What others need of one loop.
pub(crate) struct LoopShare {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) seat: Arc<Seat>,
    connections: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(
        service: Service,
        mailboxes: Vec<Arc<Mailbox>>,
        runtime: Arc<PollRuntime>,
        drive: Box<Drive>,
    ) -> Self {
        let jobs = Jobs::new(&service.limits, &service.context, Arc::downgrade(&runtime));
        let loops = mailboxes
            .into_iter()
            .enumerate()
            .map(|(index, mailbox)| LoopShare {
                mailbox,
                seat: service.watch.seat(index),
                connections: AtomicUsize::new(0),
            })
            .collect();
        Self {
            drive,
            limits: service.limits,
            sockets: service.sockets,
            connections_max: service.connections_max,
            life: service.life,
            watch: service.watch,
            jobs,
            runtime,
            loops,
            held: AtomicBool::new(false),
            accepting_over: AtomicBool::new(false),
        }
    }

    /// What others are told.
    pub(crate) fn figures(&self) -> Figures {
        Figures { connections: self.connections(), threads: self.jobs.threads(), queued: self.jobs.waiting() }
    }

    pub(crate) fn connections(&self) -> usize {
        self.loops.iter().map(|each| each.connections.load(Ordering::SeqCst)).sum()
    }

    /// Whether another connection may be accepted. If not, the accepting loop is notified once one ends.
    pub(crate) fn has_room(&self) -> bool {
        if self.connections() < self.connections_max {
            return true;
        }
        // Said before the count is looked at again: either this sees a connection that ends
        // meanwhile, or that one sees `held`.
        self.held.store(true, Ordering::SeqCst);
        let room = self.connections() < self.connections_max;
        if room {
            self.held.store(false, Ordering::SeqCst);
        }
        room
    }

    pub(crate) fn notify_all(&self) {
        for each in &self.loops {
            each.mailbox.notify();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

/// One counted connection; dropping it lets another one in.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) shared: Arc<Shared>,
    pub(crate) loop_index: usize,
}

impl Permit {
    /// Counts a connection for the loop that has the fewest.
    pub(crate) fn on_the_least_loaded(shared: &Arc<Shared>) -> Self {
        let loads = shared.loops.iter().map(|each| each.connections.load(Ordering::SeqCst));
        let loop_index = loads.enumerate().min_by_key(|&(_, load)| load).map_or(0, |(index, _)| index);
        shared.loops[loop_index].connections.fetch_add(1, Ordering::SeqCst);
        Self { shared: shared.clone(), loop_index }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        body::release_spares();
        self.shared.loops[self.loop_index].connections.fetch_sub(1, Ordering::SeqCst);
        // The look comes first: a write would make every loop wait for this cache line.
        if self.shared.held.load(Ordering::SeqCst) && self.shared.held.swap(false, Ordering::SeqCst) {
            self.shared.loops[crate::ACCEPTING_LOOP].mailbox.notify();
        }
        // They end together, with the last one.
        if self.shared.life.is_stopping() && self.shared.connections() == 0 {
            self.shared.notify_all();
        }
    }
}
