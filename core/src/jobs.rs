//! Work that may block: how a plain `fn` gets from a handler's future to a thread, and back.
//!
//! A job is made while the driver polls a handler, collected, and handed to the backend once the poll
//! has returned: threaded runs it on the same thread, mio and Tokio on their pool. A job that is
//! dropped without having run answers itself as rejected, so none is ever lost. This file must never
//! start a thread.

use std::{
    fmt,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use crate::{
    ambient::{self, Place, Running},
    disconnect::Disconnected,
    panics::{self, Held},
    sync::{Condvar, Mutex, MutexGuard},
};

/// A call that may block, ready to be run once on any thread.
pub struct Job {
    cell: Arc<dyn Run + Send + Sync>,
    stage: Stage,
}

/// Where in its exchange a job stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Request,
    /// The app has done its work.
    Response,
}

impl Job {
    /// Runs the job on this thread. `blocker` keeps the connection going while the job waits for its
    /// request body; a backend whose driver runs on another thread passes `None`.
    pub fn run(self, blocker: Option<Rc<dyn Blocker>>) {
        drop(self.call(blocker));
    }

    /// As [`run`](Self::run), for a backend that has something to do before whoever waits is woken.
    pub fn call(self, blocker: Option<Rc<dyn Blocker>>) -> Answer {
        Answer(ambient::enter_job(Running { job: self.watch(), blocker }, || self.cell.run()))
    }

    /// Whether it still waits for a thread. One that has waited for too long is answered already: a queue
    /// may drop it to make room.
    pub fn is_waiting(&self) -> bool {
        self.cell.is_waiting()
    }

    /// Whether it pulls the body of a response. Its head may be sent already, so that to reject the job would cut what
    /// has begun, where nothing can be told any more: it is queued however many wait. So is what [`run_behind`] a handler.
    /// A connection has one at a time (as many as its body puts iterators together), so that their limit is that of
    /// connections.
    pub fn pulls_response(&self) -> bool {
        self.stage == Stage::Response
    }

    /// How many may wait for a thread before this is rejected, where `requests_max` may for a request.
    pub fn queue_max(&self, requests_max: usize) -> usize {
        match self.stage {
            Stage::Request => requests_max,
            Stage::Response => usize::MAX,
        }
    }

    fn new(cell: Arc<dyn Run + Send + Sync>, stage: Stage) -> Self {
        Self { cell, stage }
    }

    /// Marks it as one that [pulls a response](Self::pulls_response).
    pub(crate) fn for_response(mut self) -> Self {
        self.stage = Stage::Response;
        self
    }

    pub(crate) fn watch(&self) -> JobWatch {
        JobWatch(self.cell.clone())
    }
}

/// A job has ended: dropping this wakes whoever waits for it.
#[derive(Debug)]
#[must_use = "dropping it wakes whoever waits for the job"]
pub struct Answer(Option<Waker>);

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cell.reject();
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// Tells whether a job still waits for a thread, and can take it back.
#[derive(Clone)]
pub(crate) struct JobWatch(Arc<dyn Run + Send + Sync>);

impl JobWatch {
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_waiting()
    }

    /// Rejects it, unless it is one that waits as long as it takes.
    pub(crate) fn reject(&self) {
        if !self.0.is_patient() {
            self.0.reject();
        }
    }
}

/// Lets a job wait without stopping the connection that it belongs to.
///
/// Needed where the driver runs on the job's own thread: there the wait has to go on polling it.
pub trait Blocker {
    /// Polls `wait` until it is ready, and drives the connection meanwhile.
    fn block_on(&self, wait: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>);

    /// Runs a nested `fn`, which may wait for anything in a way of its own: within a
    /// [`block_on`](Self::block_on) too, it is others who have to drive the connection then.
    fn run_nested(&self, call: &mut dyn FnMut()) {
        call();
    }
}

/// Why a job gave no result. As a response it is what a plain `fn` handler gives then: 503 with `Retry-After`, or 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobError {
    /// No thread was free in time: answer 503.
    Rejected,
    /// It panicked.
    Panicked,
    /// It was polled outside the server (on a task of the user's own): there is no thread to run it on.
    Outside,
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rejected => "no thread was free for it in time",
            Self::Panicked => "it panicked: see the log",
            Self::Outside => "it was polled outside the server, where there is no thread to run it on",
        })
    }
}

impl std::error::Error for JobError {}

/// Runs `call` where it may block, as a plain `fn` handler does, and gives its result: for middleware that calls functions of
/// its user's. A call that has not begun when the future is dropped never does.
///
/// Inside a job it runs in place; polled by the driver it becomes a job of its own.
///
/// # Errors
/// [`JobError`], which is a response.
pub fn run<F, R>(call: F) -> impl Future<Output = Result<R, JobError>> + Send + Unpin
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    JobFuture::New(Some(call), Stage::Request)
}

/// As [`run`], for what is left to be done once a handler has answered, to save what it has changed: it was done, and
/// must not be told to have been refused. The call waits for a thread as long as it takes, however many wait, and it is
/// made also where the client has left meanwhile.
///
/// # Errors
/// [`JobError`]; one is rejected at the end of the server alone.
pub fn run_behind<F, R>(call: F) -> impl Future<Output = Result<R, JobError>> + Send + Unpin
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    JobFuture::New(Some(call), Stage::Response)
}

/// Whether [`run`] finds a thread where this is asked: within the future of a handler or a middleware, and within a job.
/// Not in a task of [`rt::spawn`](crate::rt::spawn), which has [`rt::spawn_blocking`](crate::rt::spawn_blocking).
pub fn is_within_an_exchange() -> bool {
    ambient::with(|place| !matches!(place, Place::Outside))
}

/// The future of [`run`].
enum JobFuture<F, R> {
    New(Option<F>, Stage),
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
            Self::New(call, stage) => {
                let stage = *stage;
                let Some(call) = call.take() else { return Poll::Ready(Err(JobError::Outside)) };
                let placed = ambient::with(|place| match place {
                    Place::Outside => Placed::Nowhere,
                    Place::Blocking(running) => Placed::Here(call, running.blocker.clone()),
                    Place::Driver(collected) => {
                        let cell = Arc::new(Cell(Mutex::new(State {
                            phase: Phase::Waiting(call),
                            waker: Some(cx.waker().clone()),
                            question: Question::None,
                            waiting: None,
                            has_panicked: false,
                            stage,
                        })));
                        collected.jobs.push(Job::new(cell.clone(), stage));
                        Placed::Submitted(cell)
                    }
                });
                match placed {
                    Placed::Nowhere => Poll::Ready(Err(JobError::Outside)),
                    Placed::Here(call, None) => Poll::Ready(contained(call)),
                    Placed::Here(call, Some(blocker)) => {
                        let (mut call, mut result) = (Some(call), Err(JobError::Outside));
                        blocker.run_nested(&mut || {
                            if let Some(call) = call.take() {
                                result = contained(call);
                            }
                        });
                        Poll::Ready(result)
                    }
                    Placed::Submitted(cell) => {
                        *self = Self::Submitted(cell);
                        Poll::Pending
                    }
                }
            }
            Self::Submitted(cell) => {
                let mut state = cell.lock();
                match std::mem::replace(&mut state.phase, Phase::Taken) {
                    Phase::Done(result) => {
                        let has_panicked = state.has_panicked;
                        drop(state);
                        if has_panicked {
                            note_panic();
                        }
                        Poll::Ready(result.into_inner())
                    }
                    Phase::Taken => Poll::Ready(Err(JobError::Outside)),
                    unfinished @ (Phase::Waiting(_) | Phase::Running) => {
                        state.phase = unfinished;
                        match &mut state.waker {
                            Some(waker) => waker.clone_from(cx.waker()),
                            none => *none = Some(cx.waker().clone()),
                        }
                        let asker = state.answer();
                        drop(state);
                        if let Some(asker) = asker {
                            asker.wake();
                        }
                        Poll::Pending
                    }
                }
            }
        }
    }
}

impl<F, R> Drop for JobFuture<F, R> {
    fn drop(&mut self) {
        let Self::Submitted(cell) = self else { return };
        // Nobody will answer any more, nor take the result.
        let (question, waiting) = {
            let mut state = cell.lock();
            (std::mem::replace(&mut state.question, Question::TooLate), state.waiting.take())
        };
        if let Question::Asked(asker) = question {
            asker.wake();
        }
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

enum Placed<F, C> {
    Nowhere,
    Here(F, Option<Rc<dyn Blocker>>),
    Submitted(C),
}

/// A call, then its result, shared between the future that waits and the thread that runs.
struct Cell<F, R>(Mutex<State<F, R>>);

struct State<F, R> {
    phase: Phase<F, R>,
    waker: Option<Waker>,
    question: Question,
    /// The call's own thread, where it waits: it is told when the future goes.
    waiting: Option<Waker>,
    /// Whether something within the call has, whose answer may be gone: [`note_panic`].
    has_panicked: bool,
    stage: Stage,
}

/// What a running call may ask the driver: to tell it when the client leaves.
enum Question {
    None,
    Asked(Waker),
    /// Nothing where the future is polled by others, who know of no client.
    Answered(Option<Disconnected>),
    /// The future is gone.
    TooLate,
}

impl<F, R> State<F, R> {
    /// Answers the question, if there is one, and gives who is to be woken.
    fn answer(&mut self) -> Option<Waker> {
        let Question::Asked(_) = self.question else { return None };
        let answer = ambient::with(|place| match place {
            Place::Driver(collected) => Some(collected.watch.get_or_insert_default().handle()),
            // It was moved there: were nobody to answer, the call would wait for as long as the future does.
            Place::Outside | Place::Blocking(_) => None,
        });
        match std::mem::replace(&mut self.question, Question::Answered(answer)) {
            Question::Asked(asker) => Some(asker),
            Question::None | Question::Answered(_) | Question::TooLate => None,
        }
    }
}

enum Phase<F, R> {
    Waiting(F),
    Running,
    /// Held, for the future may be gone: then the result goes on the thread that ran the call.
    Done(Held<Result<R, JobError>>),
    Taken,
}

trait Run {
    /// Runs the call, and gives who is to be woken.
    fn run(&self) -> Option<Waker>;
    fn reject(&self);
    fn is_waiting(&self) -> bool;
    /// Whether it waits for a thread as long as it takes.
    fn is_patient(&self) -> bool;
    /// Asks, from within the call.
    fn poll_disconnected(&self, cx: &Context<'_>) -> Poll<Option<Disconnected>>;
    /// Whether the future is gone, and with it whoever would take the result.
    fn is_given_up(&self) -> bool;
    fn poll_given_up(&self, cx: &Context<'_>) -> Poll<()>;
    fn note_panic(&self);
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

    /// Keeps the result, and gives who is to be woken.
    fn finish(&self, result: Result<R, JobError>) -> Option<Waker> {
        let mut state = self.lock();
        state.phase = Phase::Done(Held::new(result));
        let (waker, waited) = (state.waker.take(), state.waiting.take());
        drop(state);
        // It may be the last to hold its connection, and with that the future of this very call.
        drop(waited);
        waker
    }
}

impl<F, R> Run for Cell<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn run(&self) -> Option<Waker> {
        let call = self.take_waiting(Phase::Running)?;
        self.finish(contained(call))
    }

    fn reject(&self) {
        if let Some(call) = self.take_waiting(Phase::Running) {
            // What it holds is the app's, and may panic when it goes: the answer does not depend on it.
            panics::drop_contained(call);
            drop(Answer(self.finish(Err(JobError::Rejected))));
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.lock().phase, Phase::Waiting(_))
    }

    fn is_patient(&self) -> bool {
        self.lock().stage == Stage::Response
    }

    fn poll_disconnected(&self, cx: &Context<'_>) -> Poll<Option<Disconnected>> {
        let driver = {
            let mut state = self.lock();
            match &state.question {
                Question::Answered(answer) => return Poll::Ready(answer.clone()),
                Question::TooLate => return Poll::Ready(Some(Disconnected::of_the_past())),
                Question::None | Question::Asked(_) => {}
            }
            state.question = Question::Asked(cx.waker().clone());
            state.waker.clone()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        Poll::Pending
    }

    fn is_given_up(&self) -> bool {
        matches!(self.lock().question, Question::TooLate)
    }

    fn poll_given_up(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if let Question::TooLate = state.question {
            return Poll::Ready(());
        }
        match &mut state.waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn note_panic(&self) {
        self.lock().has_panicked = true;
    }
}

/// Notes for the driver that what answers the exchange has panicked: whatever middleware makes of the answer, the
/// connection is closed after it.
pub(crate) fn note_panic() {
    ambient::with(|place| match place {
        Place::Outside => {}
        Place::Driver(collected) => collected.watch.get_or_insert_default().note_panic(),
        Place::Blocking(running) => running.job.0.note_panic(),
    });
}

fn contained<R>(call: impl FnOnce() -> R) -> Result<R, JobError> {
    panics::contained(call).map_err(|panics::Panicked| JobError::Panicked)
}

/// Has the driver watch for the client's leaving, if this thread works for one. A job waits until it does.
pub(crate) fn disconnected() -> Option<Disconnected> {
    let job = ambient::with(|place| match place {
        Place::Outside => Err(None),
        Place::Driver(collected) => Err(Some(collected.watch.get_or_insert_default().handle())),
        Place::Blocking(running) => Ok(running.job.clone()),
    });
    match job {
        Ok(JobWatch(job)) => match block_on(std::future::poll_fn(|cx| job.poll_disconnected(cx))) {
            Ok(answer) => answer,
            Err(Unfinished::GivenUp) => Some(Disconnected::of_the_past()),
            Err(Unfinished::WouldBlockTheLoop) => None,
        },
        Err(answer) => answer,
    }
}

/// Blocks this thread until `future` is done. Nested plain handlers run in place.
///
/// # Errors
/// [`Unfinished`], and then `future` has been dropped.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, Unfinished> {
    let mut future = pin!(future);
    let (job, blocker) = ambient::with(|place| match place {
        Place::Driver(_) => Err(Unfinished::WouldBlockTheLoop),
        Place::Outside => Ok((None, None)),
        Place::Blocking(running) => Ok((Some(running.job.clone()), running.blocker.clone())),
    })?;
    // Nothing is begun for nobody.
    if job.as_ref().is_some_and(|JobWatch(job)| job.is_given_up()) {
        return Err(Unfinished::GivenUp);
    }
    let mut output = Err(Unfinished::GivenUp);
    let mut wait = |cx: &mut Context<'_>| match future.as_mut().poll(cx) {
        Poll::Ready(value) => {
            output = Ok(value);
            Poll::Ready(())
        }
        // After the poll, in which a nested wait has left another waker.
        Poll::Pending => job.as_ref().map_or(Poll::Pending, |JobWatch(job)| job.poll_given_up(cx)),
    };
    match blocker {
        Some(blocker) => blocker.block_on(&mut wait),
        None => Signal::block_on(&mut wait),
    }
    output
}

/// Why a blocking call has no result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unfinished {
    /// It was made on a thread that polls for the driver: blocking there would wait for itself.
    WouldBlockTheLoop,
    /// Nobody waits any more for the job that it was made in.
    GivenUp,
}

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

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
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
        let mut collected = ambient::Collected::default();
        assert!(ambient::enter_driver(&mut collected, || future.as_mut().poll(&mut cx)).is_pending());
        assert_eq!(collected.jobs.len(), 1);
        collected.jobs.clear();
        assert_eq!(future.as_mut().poll(&mut cx), Poll::Ready(Err(JobError::Rejected)));
    }

    #[test]
    fn what_is_behind_a_handler_is_not_taken_back() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        let done = Arc::new(AtomicUsize::new(0));
        let add = |done: &Arc<AtomicUsize>| {
            let done = done.clone();
            move || done.fetch_add(1, Ordering::Relaxed)
        };
        let mut cx = Context::from_waker(Waker::noop());
        let mut collected = ambient::Collected::default();
        let (mut before, mut behind) = (run(add(&done)), run_behind(add(&done)));
        assert!(ambient::enter_driver(&mut collected, || Pin::new(&mut before).poll(&mut cx)).is_pending());
        assert!(ambient::enter_driver(&mut collected, || Pin::new(&mut behind).poll(&mut cx)).is_pending());
        // Their time is over, or the client has left.
        assert_eq!(collected.jobs.iter().map(|job| job.queue_max(3)).collect::<Vec<_>>(), [3, usize::MAX]);
        collected.jobs.iter().for_each(|job| job.watch().reject());
        assert_eq!(collected.jobs.iter().map(Job::is_waiting).collect::<Vec<_>>(), [false, true]);
        drop((before, behind));
        collected.jobs.drain(..).for_each(|job| job.run(None));
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_result_that_nobody_waits_for_may_panic_when_it_goes() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("planted");
            }
        }
        let mut future = Box::pin(run(|| Bomb));
        let mut collected = ambient::Collected::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(ambient::enter_driver(&mut collected, || future.as_mut().poll(&mut cx)).is_pending());
        drop(future);
        // Its thread goes on: a backend has more to do behind the call.
        collected.jobs.pop().unwrap().run(None);
    }
}
