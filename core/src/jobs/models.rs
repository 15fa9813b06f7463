//! Jobs, and the waits for them, in every order that their threads can come in: `just loom`.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use trijet_loom::{model, thread};

use super::*;

/// What became of a call. These atomics are std's: counting adds no orders to a model.
#[derive(Default)]
struct Counts {
    run: AtomicUsize,
    dropped: AtomicUsize,
}

struct Held(Arc<Counts>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<(), JobError>>>>;

/// A job as the driver gets it, and the future that waits for it, polled once with `waker`.
fn submit(counts: &Arc<Counts>, waker: &Waker) -> (Job, Answer) {
    let held = Held(counts.clone());
    let mut future: Answer = Box::pin(run(move || {
        held.0.run.fetch_add(1, Relaxed);
    }));
    let mut collected = ambient::Collected::default();
    let mut cx = Context::from_waker(waker);
    assert!(ambient::enter_driver(&mut collected, || future.as_mut().poll(&mut cx)).is_pending());
    (collected.jobs.pop().unwrap(), future)
}

/// Waits for the answer as a thread outside the server does. A wake that is lost is a deadlock, which loom reports.
fn wait(answer: Answer) -> Result<(), JobError> {
    block_on(answer).unwrap()
}

#[test]
fn a_job_is_run_or_rejected_and_answers_once() {
    model(|| {
        let counts = Arc::new(Counts::default());
        let (job, answer) = submit(&counts, Waker::noop());
        let watch = job.watch();
        let worker = thread::spawn(move || job.run(None));
        let driver = thread::spawn(move || {
            watch.reject();
            assert!(!watch.is_waiting());
        });
        let answer = wait(answer);
        worker.join().unwrap();
        driver.join().unwrap();
        let run = counts.run.load(Relaxed);
        assert_eq!(answer, if run == 1 { Ok(()) } else { Err(JobError::Rejected) });
        assert!(run <= 1);
        assert_eq!(counts.dropped.load(Relaxed), 1, "what the call holds is let go of");
    });
}

#[test]
fn a_job_that_is_dropped_answers() {
    model(|| {
        let counts = Arc::new(Counts::default());
        let (job, answer) = submit(&counts, Waker::noop());
        let watch = job.watch();
        let queue = thread::spawn(move || drop(job));
        let driver = thread::spawn(move || watch.reject());
        assert_eq!(wait(answer), Err(JobError::Rejected));
        queue.join().unwrap();
        driver.join().unwrap();
        assert_eq!((counts.run.load(Relaxed), counts.dropped.load(Relaxed)), (0, 1));
    });
}

/// The future is polled with another waker just as its job ends.
#[test]
fn the_waker_of_the_last_poll_is_woken() {
    model(|| {
        let counts = Arc::new(Counts::default());
        let first = Arc::new(Signal::default());
        let (job, mut answer) = submit(&counts, &Waker::from(first));
        let worker = thread::spawn(move || job.run(None));
        let second = Waker::from(Arc::new(Signal::default()));
        if answer.as_mut().poll(&mut Context::from_waker(&second)).is_pending() {
            assert_eq!(wait(answer), Ok(()));
        }
        worker.join().unwrap();
        assert_eq!(counts.run.load(Relaxed), 1);
    });
}

/// A thread of the user's own waits, and is woken by another one, once too often.
#[test]
fn a_blocked_thread_misses_no_wake() {
    model(|| {
        let (value, place) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(None::<Waker>)));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (value, place) = (value.clone(), place.clone());
                thread::spawn(move || {
                    *value.lock().unwrap() += 1;
                    let waker = place.lock().unwrap().clone();
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                })
            })
            .collect();
        let polled = poll_fn(|cx| {
            *place.lock().unwrap() = Some(cx.waker().clone());
            if *value.lock().unwrap() == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        block_on(polled).unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

/// It waits for what never comes, and its future goes just then.
#[test]
fn a_wait_ends_with_the_future_of_its_job() {
    model(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let told = ended.clone();
        let mut future = Box::pin(run(move || {
            let waited = block_on(std::future::pending::<()>());
            assert!(matches!(waited, Err(Unfinished::GivenUp)));
            told.fetch_add(1, Relaxed);
        }));
        let mut collected = ambient::Collected::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(ambient::enter_driver(&mut collected, || future.as_mut().poll(&mut cx)).is_pending());
        let job = collected.jobs.pop().unwrap();
        let worker = thread::spawn(move || job.run(None));
        drop(future);
        worker.join().unwrap();
        assert_eq!(ended.load(Relaxed), 1);
    });
}

/// The future is polled by others just as its call asks, and the waker that it had is nobody's any more.
#[test]
fn a_question_is_answered_where_there_is_no_driver() {
    model(|| {
        let mut future = Box::pin(run(|| assert!(disconnected().is_none())));
        let mut collected = ambient::Collected::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(ambient::enter_driver(&mut collected, || future.as_mut().poll(&mut cx)).is_pending());
        let job = collected.jobs.pop().unwrap();
        let worker = thread::spawn(move || job.run(None));
        assert_eq!(block_on(future).unwrap(), Ok(()));
        worker.join().unwrap();
    });
}
