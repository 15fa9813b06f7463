//! Tasks: futures that go on by themselves, and calls that may block. A backend only polls or runs them; that one
//! is joined, aborted, panics or ends with its server is all here, the same for every backend.

use std::{
    collections::BTreeMap,
    fmt, io,
    pin::Pin,
    sync::{Arc, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use super::{Outside, current};
use crate::{
    ambient,
    latch::{Latch, Listener},
    panics::{self, Held, Panicked, drop_contained},
    runtime::{self, Call, Runtime},
    sync::{Mutex, MutexGuard},
};

/// Has `future` go on by itself, beside the handler: it must not block. It is polled like an `async fn` handler:
/// on mio by the event loop of the connection whose `async fn` has spawned it, on Tokio as a task of Tokio's,
/// on threaded by threads that no request waits for; while it waits it holds none.
///
/// It ends with the server at the latest: once no connection is left after a graceful stop, it is dropped.
///
/// One that is ended early is dropped by whoever ends it, on their thread: by [`abort`](JoinHandle::abort), or by the
/// server's own threads at its end, and on threaded also where the system has no thread left to poll it on. So what it
/// holds should not take long to go; a panic there costs a line in the log, and nobody else.
///
/// A plain `fn` inside of it, as behind `next.run(request)` in a middleware, has no connection to get a thread from, and
/// answers 500: await that in the middleware itself, or use [`spawn_blocking`].
///
/// Outside of a server it does not run: the handle gives [`JoinError`], and the log an error.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{Router, get, rt};
///
/// async fn both() -> String {
///     let nap = |name| rt::spawn(async move {
///         rt::sleep(Duration::from_secs(1)).await;
///         name
///     });
///     let (one, other) = (nap("one"), nap("other"));
///     format!("{} and {}", one.await.unwrap(), other.await.unwrap())
/// }
/// # #[cfg(feature = "testing")] {
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", get(both)));
/// assert_eq!(client.get("/").send().text(), "one and other");
/// # }
/// ```
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = Arc::new(Task::new(Work::Future(Box::pin(future))));
    match current("trijet::rt::spawn") {
        Ok(runtime) => {
            let kept = runtime.tasks().keep(task.clone());
            runtime.spawn(Box::pin(Polled { task: task.clone(), kept }));
        }
        Err(outside) => task.refuse(outside),
    }
    JoinHandle(task)
}

/// Runs `call` on a thread where it may block: one of at most [`Limits::blocking_threads_max`], beside those that
/// serve requests. For a plain `fn` handler there is no need of it: that may block already.
///
/// A call that has begun cannot be ended; the server does not wait for it when it stops. One that waits for a thread
/// then is not run. Where no thread is free and [`Limits::blocking_queue_max`] calls wait already, the handle gives a
/// [`JoinError`] at once. Outside of a server it does so too, and the log an error.
///
/// [`Limits::blocking_threads_max`]: crate::Limits::blocking_threads_max
/// [`Limits::blocking_queue_max`]: crate::Limits::blocking_queue_max
///
/// ```
/// use trijet_core::{Router, get, rt};
///
/// async fn sum() -> String {
///     let sum = rt::spawn_blocking(|| (1..=1_000_000_u64).sum::<u64>());
///     sum.await.map_or_else(|error| error.to_string(), |sum| sum.to_string())
/// }
/// # #[cfg(feature = "testing")] {
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", get(sum)));
/// assert_eq!(client.get("/").send().text(), "500000500000");
/// # }
/// ```
pub fn spawn_blocking<F, T>(call: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let task = Arc::new(Task::new(Work::Call(Box::new(call))));
    match current("trijet::rt::spawn_blocking") {
        Ok(runtime) => runtime.spawn_blocking(Box::new(Queued::new(&task, &*runtime))),
        Err(outside) => task.refuse(outside),
    }
    JoinHandle(task)
}

/// As [`spawn_blocking`], for a call of ours that no call of the app's is to hold up.
pub(super) fn spawn_lookup<F, T>(runtime: &dyn Runtime, call: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let task = Arc::new(Task::new(Work::Call(Box::new(call))));
    runtime.spawn_lookup(Box::new(Queued::new(&task, runtime)));
    JoinHandle(task)
}

/// Waits for what [`spawn`] and [`spawn_blocking`] have begun, and can end it. Dropping it lets it go on.
#[must_use = "dropping it is fine, but panics of the task are then told by the log alone"]
pub struct JoinHandle<T>(Arc<Task<T>>);

impl<T: Send + 'static> JoinHandle<T> {
    /// Ends it: the future is dropped where it waits, once it does; a call is not run unless it has begun. Nothing
    /// happens to one that is done.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether it is done, in one way or another.
    pub fn is_finished(&self) -> bool {
        matches!(self.0.lock().phase, Phase::Done(_) | Phase::Joined)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned and dropped without the lock: it may be the app's own.
        let mut waker = Some(cx.waker().clone());
        let mut state = self.0.lock();
        match std::mem::replace(&mut state.phase, Phase::Joined) {
            Phase::Done(result) => Poll::Ready(result.into_inner()),
            Phase::Joined => Poll::Ready(Err(JoinError(Cause::Joined))),
            unfinished @ (Phase::Waiting(_) | Phase::Running) => {
                state.phase = unfinished;
                std::mem::swap(&mut state.joiner, &mut waker);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // Nobody waits any more, and what the waker holds is the app's.
        let joiner = self.0.lock().joiner.take();
        drop_contained(joiner);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}

/// Why a task gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinError(Cause);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Panicked,
    Aborted,
    Rejected,
    Outside(Outside),
    Joined,
}

impl JoinError {
    /// It panicked: the log says how.
    pub fn is_panic(&self) -> bool {
        self.0 == Cause::Panicked
    }

    /// It was [aborted](JoinHandle::abort), or its server has ended.
    pub fn is_aborted(&self) -> bool {
        self.0 == Cause::Aborted
    }

    /// No thread was free for it, and too many wait already.
    pub fn is_rejected(&self) -> bool {
        self.0 == Cause::Rejected
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Panicked => f.write_str("the task panicked: see the log"),
            Cause::Aborted => f.write_str("the task was aborted, or its server has ended"),
            Cause::Rejected => f.write_str("no thread was free, and too many calls wait for one already"),
            Cause::Outside(outside) => outside.fmt(f),
            Cause::Joined => f.write_str("the handle has given its result already: await it only once"),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}

/// What is spawned, and what it came to.
struct Task<T>(Mutex<State<T>>);

struct State<T> {
    phase: Phase<T>,
    /// Who waits for the result.
    joiner: Option<Waker>,
    /// Who polls the future.
    poller: Option<Waker>,
    is_aborted: bool,
}

enum Phase<T> {
    Waiting(Work<T>),
    Running,
    /// Held, for the handle may be gone: then the result goes where the task has run.
    Done(Held<Result<T, JoinError>>),
    Joined,
}

enum Work<T> {
    Future(Pin<Box<dyn Future<Output = T> + Send>>),
    Call(Box<dyn FnOnce() -> T + Send>),
}

impl<T> Task<T> {
    fn new(work: Work<T>) -> Self {
        Self(Mutex::new(State { phase: Phase::Waiting(work), joiner: None, poller: None, is_aborted: false }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No user code runs under this lock, so a poisoned one is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the work, unless that is running or done.
    fn begin(&self) -> Option<Work<T>> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.phase, Phase::Running) {
            Phase::Waiting(work) => Some(work),
            other => {
                state.phase = other;
                None
            }
        }
    }

    fn finish(&self, result: Result<T, JoinError>) {
        let wakers = {
            let mut state = self.lock();
            state.phase = Phase::Done(Held::new(result));
            [state.joiner.take(), state.poller.take()]
        };
        wakers.into_iter().flatten().for_each(runtime::wake);
    }

    /// Gives it up with `cause` if it does not run.
    fn give_up(&self, cause: Cause) {
        if let Some(work) = self.begin() {
            drop_contained(work);
            self.finish(Err(JoinError(cause)));
        }
    }

    fn refuse(&self, outside: Outside) {
        log::error!("{outside}");
        self.give_up(Cause::Outside(outside));
    }

    /// One poll of the future.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(work) = self.begin() else { return Poll::Ready(()) };
        let Work::Future(mut future) = work else { return Poll::Ready(()) };
        // What polls may be inside a job itself, as in simulation.
        let polled = ambient::enter_outside(|| panics::contained(|| future.as_mut().poll(cx)));
        let result = match polled {
            Ok(Poll::Ready(output)) => Ok(output),
            Err(Panicked) => Err(JoinError(Cause::Panicked)),
            Ok(Poll::Pending) => {
                let mut state = self.lock();
                if !state.is_aborted {
                    state.phase = Phase::Waiting(Work::Future(future));
                    // This waker is the backend's.
                    match &mut state.poller {
                        Some(waker) => waker.clone_from(cx.waker()),
                        none => *none = Some(cx.waker().clone()),
                    }
                    return Poll::Pending;
                }
                drop(state);
                drop_contained(future);
                return self.over(Err(JoinError(Cause::Aborted)));
            }
        };
        drop_contained(future);
        self.over(result)
    }

    fn over(&self, result: Result<T, JoinError>) -> Poll<()> {
        self.finish(result);
        Poll::Ready(())
    }
}

/// What ends with the server.
trait Abort: Send + Sync {
    fn abort(&self);
}

impl<T: Send + 'static> Abort for Task<T> {
    fn abort(&self) {
        self.lock().is_aborted = true;
        self.give_up(Cause::Aborted);
    }
}

/// A task as its backend polls it.
struct Polled<T> {
    task: Arc<Task<T>>,
    kept: Kept,
}

impl<T> Future for Polled<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.poll(cx)
    }
}

impl<T> Drop for Polled<T> {
    fn drop(&mut self) {
        // Nobody polls it any more.
        self.task.give_up(Cause::Aborted);
        self.kept.release();
    }
}

/// A call as it waits for its thread; dropped without that, it tells so.
struct Queued<T> {
    task: Arc<Task<T>>,
    alive: Arc<Mutex<Alive>>,
}

impl<T: Send + 'static> Queued<T> {
    fn new(task: &Arc<Task<T>>, runtime: &dyn Runtime) -> Self {
        Self { task: task.clone(), alive: runtime.tasks().alive.clone() }
    }
}

impl<T: Send + 'static> Call for Queued<T> {
    fn run(self: Box<Self>) {
        let Some(Work::Call(call)) = self.task.begin() else { return };
        let result = ambient::enter_outside(|| panics::contained(call));
        self.task.finish(result.map_err(|Panicked| JoinError(Cause::Panicked)));
    }

    fn is_waiting(&self) -> bool {
        matches!(self.task.lock().phase, Phase::Waiting(_))
    }
}

impl<T> Drop for Queued<T> {
    fn drop(&mut self) {
        // Nothing is left of one that has run.
        let has_ended = lock(&self.alive).closed;
        self.task.give_up(if has_ended { Cause::Aborted } else { Cause::Rejected });
    }
}

/// The tasks of one server that are alive, and the word that it stops.
#[derive(Default)]
pub struct Tasks {
    alive: Arc<Mutex<Alive>>,
    stop: Arc<Latch>,
}

#[derive(Default)]
struct Alive {
    /// In the order in which they were spawned, in which they also end: simulations and models are to repeat.
    tasks: BTreeMap<u64, Weak<dyn Abort>>,
    spawned: u64,
    closed: bool,
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Alive> {
        lock(&self.alive)
    }

    fn keep(&self, task: Arc<dyn Abort>) -> Kept {
        let mut alive = self.lock();
        alive.spawned += 1;
        let key = alive.spawned;
        let is_closed = alive.closed;
        if !is_closed {
            alive.tasks.insert(key, Arc::downgrade(&task));
        }
        drop(alive);
        if is_closed {
            task.abort();
        }
        Kept { alive: self.alive.clone(), key }
    }

    /// How many there are.
    pub fn alive(&self) -> usize {
        self.lock().tasks.len()
    }

    /// The server begins to stop: whoever listens is told, on this thread. Once is enough.
    pub fn stop(&self) {
        self.stop.tell();
    }

    pub(super) fn stopping(&self) -> Listener {
        self.stop.listener()
    }

    /// Ends them all, and those that are still spawned: the server has ended.
    pub fn end(&self) {
        self.stop();
        let tasks = {
            let mut alive = self.lock();
            alive.closed = true;
            std::mem::take(&mut alive.tasks)
        };
        for task in tasks.into_values().filter_map(|task| task.upgrade()) {
            task.abort();
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("alive", &self.alive()).finish()
    }
}

/// A task's place among those alive.
struct Kept {
    alive: Arc<Mutex<Alive>>,
    key: u64,
}

impl Kept {
    fn release(&self) {
        let gone = lock(&self.alive).tasks.remove(&self.key);
        drop(gone);
    }
}

fn lock(alive: &Mutex<Alive>) -> MutexGuard<'_, Alive> {
    alive.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, trijet_loom))]
mod models;
