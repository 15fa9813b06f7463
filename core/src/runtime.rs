//! The contract behind [`rt`](crate::rt): what a backend lends to handlers that wait. A thread that works for a
//! server is inside its runtime; nothing here knows HTTP, a socket or a thread.

use std::{
    cell::RefCell,
    fmt,
    io::{self, IoSlice},
    marker::PhantomData,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

pub use crate::rt::task::Tasks;
use crate::{
    BoxFuture,
    panics::{self, Held},
};

/// Timers, connections and tasks, as one backend has them.
pub trait Runtime: Send + Sync + 'static {
    /// The name of the backend.
    fn backend(&self) -> &'static str;

    /// Whether the server serves and is not about to stop.
    fn is_ready(&self) -> bool;

    /// Its clock.
    fn now(&self) -> Instant;

    /// A timer that is over at `at`.
    fn timer(&self, at: Instant) -> Box<dyn Timer>;

    /// A timer at whose time something is given up that comes from another thread, which knows nothing of the
    /// runtime. Where time is virtual, such a thread gets some real time first. It is over with the server, as nobody
    /// wants what it waits for then; other timers keep their time.
    fn deadline(&self, at: Instant) -> Box<dyn Timer> {
        self.timer(at)
    }

    /// Begins to connect to `address`.
    ///
    /// # Errors
    /// Those that the system tells at once.
    fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Socket>>;

    /// The addresses of a host, at `port`. It may block.
    ///
    /// # Errors
    /// Where the name is not known.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// Polls `task` to its end, where and as handlers are polled. It never panics.
    fn spawn(&self, task: BoxFuture<()>);

    /// Runs `call` where it may block. Dropped without having run, it tells so itself.
    fn spawn_blocking(&self, call: Box<dyn Call>);

    /// As [`spawn_blocking`](Self::spawn_blocking), for a call that does not wait for those of the app.
    fn spawn_lookup(&self, call: Box<dyn Call>) {
        self.spawn_blocking(call);
    }

    /// The tasks that are alive, to be ended with the server.
    fn tasks(&self) -> &Tasks;
}

/// A call that may block, as it waits for its thread.
pub trait Call: Send {
    /// Runs it. It never panics.
    fn run(self: Box<Self>);

    /// Whether there is something to run: not once it was aborted.
    fn is_waiting(&self) -> bool;
}

/// A point in time to wait for.
pub trait Timer: Send + Sync {
    /// Ready from its time on; the waker of the last call is woken then.
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A connection that a handler has made. Each direction keeps the waker of its last call; dropping it closes it.
pub trait Socket: Send + Sync {
    /// Ready once the connection stands, or has failed.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads into `into`; 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from `from`.
    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Ends the sending direction.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The address at this end.
    ///
    /// # Errors
    /// Those of the system.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// The address at the other end.
    ///
    /// # Errors
    /// Those of the system.
    fn peer_addr(&self) -> io::Result<SocketAddr>;

    /// Has small writes sent at once (TCP_NODELAY), or not.
    ///
    /// # Errors
    /// Those of the system.
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()>;
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn Runtime>>> = const { RefCell::new(None) };
}

/// Wakes a waker that may be the app's own: a panic of it costs a log line, and not the thread that serves all.
pub fn wake(waker: Waker) {
    let _ = panics::contained(|| waker.wake());
}

/// A waker that may be the app's own, as one whose panics are its own: for what would not survive them.
#[derive(Debug, Default)]
pub struct Calm(Option<(Arc<Calmed>, Waker)>);

struct Calmed(Held<Waker>);

impl Calm {
    /// The calm waker of `waker`. It is the same one as long as the latter is.
    pub fn of(&mut self, waker: &Waker) -> &Waker {
        let kept = self.0.take().filter(|(calmed, _)| calmed.0.will_wake(waker));
        let (_, calm) = self.0.insert(kept.unwrap_or_else(|| {
            let calmed = Arc::new(Calmed(Held::new(waker.clone())));
            (calmed.clone(), calmed.into())
        }));
        calm
    }
}

impl Wake for Calmed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let _ = panics::contained(|| self.0.wake_by_ref());
    }
}

impl fmt::Debug for Calmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calmed").finish_non_exhaustive()
    }
}

/// Makes this thread one of the runtime's, until what is returned is dropped.
pub fn enter(runtime: Arc<dyn Runtime>) -> Entered {
    Entered { former: CURRENT.replace(Some(runtime)), here: PhantomData }
}

/// Changes the runtime of this thread for `runtime`, which gets the former: for threads that belong to several,
/// and enter by the poll. Neither is counted anew.
pub fn swap(runtime: &mut Option<Arc<dyn Runtime>>) {
    CURRENT.with_borrow_mut(|current| std::mem::swap(current, runtime));
}

/// The time in a runtime; see [`enter`].
#[must_use = "the runtime is left when it is dropped"]
pub struct Entered {
    former: Option<Arc<dyn Runtime>>,
    here: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped after it is out of its place: it may be the last to hold the runtime.
        drop(CURRENT.replace(self.former.take()));
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// The runtime of this thread, if it works for a server.
pub(crate) fn current() -> Option<Arc<dyn Runtime>> {
    // On a thread that ends, the place may be gone before what its other values drop.
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}
