//! Work that may block: how a plain `fn` gets from a handler's future to a thread, and back.
//!
//! A job is made while the driver polls a handler, collected, and handed to the backend once the poll
//! has returned: threaded runs it on the same thread, mio and Tokio on their pool. A job that is
//! dropped without having run answers itself as rejected, so none is ever lost. This file must never
//! start a thread.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use crate::ambient::{self, Place};

/// A call that may block, ready to be run once on any thread.
pub struct Job(Arc<dyn Run + Send + Sync>);

impl Job {
    /// Runs the job on this thread. `blocker` keeps the connection going while the job waits for its
    /// request body; a backend whose driver runs on another thread passes `None`.
    pub fn run(self, blocker: Option<Rc<dyn Blocker>>) {
        ambient::enter(Place::Blocking(blocker), || self.0.run());
    }

    /// Whether it still waits for a thread. One that has waited for too long is answered already: a queue
    /// may drop it to make room.
    pub fn is_waiting(&self) -> bool {
        self.0.is_waiting()
    }

    pub(crate) fn watch(&self) -> JobWatch {
        JobWatch(self.0.clone())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.reject();
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// Tells whether a job still waits for a thread, and can take it back.
pub(crate) struct JobWatch(Arc<dyn Run + Send + Sync>);

impl JobWatch {
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_waiting()
    }

    pub(crate) fn reject(&self) {
        self.0.reject();
    }
}

/// Lets a job wait without stopping the connection that it belongs to.
///
/// Needed where the driver runs on the job's own thread: there the wait has to go on polling it.
pub trait Blocker {
    /// Polls `wait` until it is ready, and drives the connection meanwhile.
    fn block_on(&self, wait: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>);
}

/// Why a job gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobError {
    /// No thread was free in time: answer 503.
    Rejected,
    /// It panicked.
    Panicked,
    /// It was polled outside the server (on a task of the user's own): there is no thread to run it on.
    Outside,
}

/// Runs `call` where it may block, and gives its result.
///
/// Inside a job it runs in place; polled by the driver it becomes a job of its own.
pub(crate) fn run<F, R>(call: F) -> JobFuture<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    JobFuture::New(Some(call))
}

/// The future of [`run`].
pub(crate) enum JobFuture<F, R> {
    New(Option<F>),
    Submitted(Arc<Cell<F, R>>),
}

// Neither state is ever pinned: the call is moved out, the cell is shared.
impl<F, R> Unpin for JobFuture<F, R> {}

impl<F, R> Future for JobFuture<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    type Output = Result<R, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::New(call) => {
                let Some(call) = call.take() else { return Poll::Ready(Err(JobError::Outside)) };
                let placed = ambient::with(|place| match place {
                    Place::Outside => Placed::Nowhere,
                    Place::Blocking(_) => Placed::Here(call),
                    Place::Driver(jobs) => {
                        let cell = Arc::new(Cell(Mutex::new(State {
                            phase: Phase::Waiting(call),
                            waker: Some(cx.waker().clone()),
                        })));
                        jobs.push(Job(cell.clone()));
                        Placed::Submitted(cell)
                    }
                });
                match placed {
                    Placed::Nowhere => Poll::Ready(Err(JobError::Outside)),
                    Placed::Here(call) => Poll::Ready(contained(call)),
                    Placed::Submitted(cell) => {
                        *self = Self::Submitted(cell);
                        Poll::Pending
                    }
                }
            }
            Self::Submitted(cell) => {
                let mut state = cell.lock();
                match std::mem::replace(&mut state.phase, Phase::Taken) {
                    Phase::Done(result) => Poll::Ready(result),
                    Phase::Taken => Poll::Ready(Err(JobError::Outside)),
                    unfinished @ (Phase::Waiting(_) | Phase::Running) => {
                        state.phase = unfinished;
                        match &mut state.waker {
                            Some(waker) => waker.clone_from(cx.waker()),
                            none => *none = Some(cx.waker().clone()),
                        }
                        Poll::Pending
                    }
                }
            }
        }
    }
}

enum Placed<F, C> {
    Nowhere,
    Here(F),
    Submitted(C),
}

/// A call, then its result, shared between the future that waits and the thread that runs.
pub(crate) struct Cell<F, R>(Mutex<State<F, R>>);

struct State<F, R> {
    phase: Phase<F, R>,
    waker: Option<Waker>,
}

enum Phase<F, R> {
    Waiting(F),
    Running,
    Done(Result<R, JobError>),
    Taken,
}

trait Run {
    fn run(&self);
    fn reject(&self);
    fn is_waiting(&self) -> bool;
}

impl<F, R> Cell<F, R> {
    fn lock(&self) -> MutexGuard<'_, State<F, R>> {
        // No user code runs under this lock, so a poisoned one is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the call if it has not begun, leaving `phase`.
    fn take_waiting(&self, phase: Phase<F, R>) -> Option<F> {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Waiting(_)) {
            return None;
        }
        match std::mem::replace(&mut state.phase, phase) {
            Phase::Waiting(call) => Some(call),
            _ => None,
        }
    }

    fn finish(&self, result: Result<R, JobError>) {
        let waker = {
            let mut state = self.lock();
            state.phase = Phase::Done(result);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<F, R> Run for Cell<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn run(&self) {
        if let Some(call) = self.take_waiting(Phase::Running) {
            self.finish(contained(call));
        }
    }

    fn reject(&self) {
        if let Some(call) = self.take_waiting(Phase::Running) {
            // What it holds is the app's, and may panic when it goes: the answer does not depend on it.
            _ = contained(move || drop(call));
            self.finish(Err(JobError::Rejected));
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.lock().phase, Phase::Waiting(_))
    }
}

fn contained<R>(call: impl FnOnce() -> R) -> Result<R, JobError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| JobError::Panicked)
}

/// Blocks this thread until `future` is done. Nested plain handlers run in place.
///
/// # Errors
/// [`WouldBlockTheLoop`] where the thread is polling for the driver: blocking there would wait for itself.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, WouldBlockTheLoop> {
    let mut future = pin!(future);
    let blocker = ambient::with(|place| match place {
        Place::Driver(_) => Err(WouldBlockTheLoop),
        Place::Outside => Ok(None),
        Place::Blocking(blocker) => Ok(blocker.clone()),
    })?;
    let mut output = None;
    let mut wait = |cx: &mut Context<'_>| match future.as_mut().poll(cx) {
        Poll::Ready(value) => {
            output = Some(value);
            Poll::Ready(())
        }
        Poll::Pending => Poll::Pending,
    };
    match blocker {
        Some(blocker) => blocker.block_on(&mut wait),
        None => Signal::block_on(&mut wait),
    }
    output.ok_or(WouldBlockTheLoop)
}

/// A blocking call was made on a thread that must not block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WouldBlockTheLoop;

/// A waker that a thread can wait on without any help from a backend.
#[derive(Default)]
struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn block_on(wait: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let signal = Arc::new(Self::default());
        let waker = Waker::from(signal.clone());
        while wait(&mut Context::from_waker(&waker)).is_pending() {
            let mut woken = signal.woken.lock().unwrap_or_else(PoisonError::into_inner);
            while !*woken {
                woken = signal.changed.wait(woken).unwrap_or_else(PoisonError::into_inner);
            }
            *woken = false;
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_call_whose_drop_panics_is_rejected_all_the_same() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("planted");
            }
        }
        let bomb = Bomb;
        let mut future = pin!(run(move || drop(bomb)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut jobs = Vec::new();
        assert!(ambient::enter_driver(&mut jobs, || future.as_mut().poll(&mut cx)).is_pending());
        assert_eq!(jobs.len(), 1);
        jobs.clear();
        assert_eq!(future.as_mut().poll(&mut cx), Poll::Ready(Err(JobError::Rejected)));
    }
}
