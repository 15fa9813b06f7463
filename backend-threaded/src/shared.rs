//! What the poller and the threads share: the run queue, the parked connections, and the count of all.

use std::{
    net::{Shutdown, TcpStream},
    sync::{Arc, PoisonError, Weak},
    time::{Duration, Instant},
};

use slab::Slab;
use trijet_backend::{Figures, Life, inside, poll::PollRuntime};
use trijet_core::{App, Limits, SocketSettings, body};

use crate::{
    parking::Parking,
    patience::Patience,
    sync::{
        Mutex, MutexGuard, Pool, Waker,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Runnable,
    waker::TaskWaker,
    watching::Watching,
};

pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) sockets: SocketSettings,
    pub(crate) connections_max: usize,
    pub(crate) life: Arc<Life>,
    pub(crate) pool: Pool<Runnable>,
    /// Threads beside those of the limit, for connections that are lent: those within a request, and nothing else. A pool
    /// of the same kind, since each kind is 5 KB of code.
    pub(crate) helpers: Pool<Runnable>,
    /// How many `connections` there are, to be read without their lock.
    count: AtomicUsize,
    pub(crate) patience: Patience,
    pub(crate) parking: Parking,
    pub(crate) watching: Watching,
    /// Wakes the poller.
    pub(crate) poller: Arc<Waker>,
    connections: Mutex<Slab<Weak<TcpStream>>>,
    /// Handlers that wait for something other than their peer, each on its thread.
    waiting: Mutex<Slab<Waiting>>,
    /// Whether accepting waits for a connection to end.
    held: AtomicBool,
    cut: AtomicBool,
}

/// A handler that waits on its thread.
struct Waiting {
    waker: Weak<TaskWaker>,
    gives: Gives,
}

/// What a handler that waits may be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Its thread: it can wait without one.
    Way,
    /// Nothing, since it waits within a call, or has been asked.
    Nothing,
}

impl Shared {
    pub(crate) fn new(
        service: &trijet_backend::Service,
        parking: Parking,
        watching: Watching,
        poller: Arc<Waker>,
        runtime: Weak<PollRuntime>,
    ) -> Self {
        let threads_max = service.workers.unwrap_or(service.limits.blocking_threads_max);
        Self {
            app: service.app.clone(),
            limits: service.limits.clone(),
            sockets: service.sockets,
            connections_max: service.connections_max,
            life: service.life.clone(),
            count: AtomicUsize::new(0),
            pool: Pool::within(
                "trijet-threaded",
                threads_max,
                inside(&service.context, runtime.clone()),
                Runnable::run,
            )
            .keeping_one(),
            // They run no jobs, so that none waits for what it holds.
            helpers: Pool::within(
                "trijet-helper",
                threads_max,
                inside(&service.context, runtime),
                Runnable::help,
            ),
            patience: Patience::default(),
            parking,
            watching,
            poller,
            connections: Mutex::default(),
            waiting: Mutex::default(),
            held: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        }
    }

    /// What others are told.
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            connections: self.count.load(Ordering::Relaxed),
            threads: self.pool.threads(),
            queued: self.pool.waiting(),
        }
    }

    pub(crate) fn wake_poller(&self) {
        wake(&self.poller);
    }

    /// Whether another connection may be accepted. If not, the poller is woken once one ends.
    pub(crate) fn has_room(&self) -> bool {
        // Both under the lock that an ending connection takes: it either frees room before, or sees `held`.
        let connections = lock(&self.connections);
        let room = connections.len() < self.connections_max;
        self.held.store(!room, Ordering::Relaxed);
        room
    }

    pub(crate) fn connections(&self) -> usize {
        lock(&self.connections).len()
    }

    /// Whether there are more connections than there can be threads for them, so that a connection whose turn is
    /// over has to let go of its thread. Those that wait are no better sign: they are not counted before
    /// the poller has had its own turn.
    pub(crate) fn is_crowded(&self) -> bool {
        self.count.load(Ordering::Relaxed) > self.pool.ceiling()
    }

    /// Starts the threads that what the poller has queued still lacks. Busy threads do that too, between two turns: among
    /// some hundred of them the poller alone has too small a share of the processor, and those that wait would starve.
    pub(crate) fn start_lacking(&self) {
        if let Err(back) = self.pool.start_lacking() {
            back.into_iter().for_each(Runnable::refuse);
        }
    }

    /// Whether the server has cut its connections: nothing more is read or written.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Cuts every connection, wherever it is.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.pool.close();
        self.helpers.close();
        drop(self.parking.take_all());
        let streams: Vec<_> =
            lock(&self.connections).iter().filter_map(|(_, stream)| stream.upgrade()).collect();
        for stream in streams {
            // One that is closed already is what is wanted.
            _ = stream.shutdown(Shutdown::Both);
        }
        let wakers: Vec<_> =
            lock(&self.waiting).iter().filter_map(|(_, waiting)| waiting.waker.upgrade()).collect();
        wakers.iter().for_each(|waker| waker.notify());
        // What is still running then works for nobody.
        self.watching.tell_all();
    }

    /// Notes a handler that is about to wait on its thread, so that it can be found there: for a cut to end the wait, or
    /// to ask for the thread.
    pub(crate) fn begin_wait(&self, waker: &Arc<TaskWaker>, gives: Gives) -> usize {
        lock(&self.waiting).insert(Waiting { waker: Arc::downgrade(waker), gives })
    }

    /// Has handlers that wait on their threads give them up, where requests that were begun before find none: those that
    /// wait may be waiting for just these. As many as it takes until the last of these has its turn.
    ///
    /// Only after a while, so that a thread stays with its handler in all else: what that costs is for all to see. Gives
    /// the time before which it is not to be called again: those that were asked need some to go.
    pub(crate) fn make_way(&self, now: Instant) -> Instant {
        let Some(since) = now.checked_sub(MAKE_WAY) else { return now };
        let wanted = self.pool.waiting_up_to(since, Runnable::is_begun);
        if wanted == 0 {
            return now;
        }
        let asked: Vec<_> = lock(&self.waiting)
            .iter_mut()
            .filter(|(_, waiting)| waiting.gives == Gives::Way)
            .take(wanted)
            .filter_map(|(_, waiting)| {
                waiting.gives = Gives::Nothing;
                waiting.waker.upgrade()
            })
            .collect();
        asked.iter().for_each(|waker| waker.ask_for_way());
        now + MAKE_WAY
    }

    pub(crate) fn end_wait(&self, key: usize) {
        lock(&self.waiting).remove(key);
    }
}

/// How long a request that was begun waits for a thread before handlers that wait are asked for theirs.
const MAKE_WAY: Duration = Duration::from_millis(100);

/// Wakes the poller.
pub(crate) fn wake(poller: &Waker) {
    if let Err(error) = poller.wake() {
        log::error!("the poller could not be woken: {error}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Pushes and removals are all that happens under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One counted connection; dropping it lets another one in.
pub(crate) struct Permit {
    pub(crate) shared: Arc<Shared>,
    key: usize,
}

impl Permit {
    pub(crate) fn new(shared: &Arc<Shared>, stream: &Arc<TcpStream>) -> Self {
        let key = lock(&shared.connections).insert(Arc::downgrade(stream));
        shared.count.fetch_add(1, Ordering::Relaxed);
        Self { shared: shared.clone(), key }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        body::release_spares();
        self.shared.count.fetch_sub(1, Ordering::Relaxed);
        let (is_last, held) = {
            let mut connections = lock(&self.shared.connections);
            connections.remove(self.key);
            (connections.is_empty(), self.shared.held.swap(false, Ordering::Relaxed))
        };
        if held || (is_last && self.shared.life.is_stopping()) {
            self.shared.wake_poller();
        }
    }
}
