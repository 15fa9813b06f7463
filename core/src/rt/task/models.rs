//! Tasks, and the waits for them, in every order that their threads can come in: `just loom`. What the futures find is
//! told by the result alone: a panic of theirs is contained.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use trijet_loom::{model, thread};

use super::{super::stand_in::StandIn, *};
use crate::{jobs::block_on, runtime::Runtime};

/// What became of a task: of the future or call, and of its result. These atomics are std's: counting adds no orders to
/// a model.
#[derive(Default)]
struct Counts {
    run: AtomicUsize,
    dropped: AtomicUsize,
    results_dropped: AtomicUsize,
}

struct Held(Arc<Counts>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

struct Output(Arc<Counts>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.results_dropped.fetch_add(1, Relaxed);
    }
}

#[derive(Clone, Default)]
struct Bench {
    runtime: Arc<StandIn>,
    counts: Arc<Counts>,
}

impl Bench {
    /// A task that is over by its second poll, for which it has woken itself.
    fn spawn(&self) -> JoinHandle<Output> {
        let held = Held(self.counts.clone());
        let mut polls = 0;
        let future = poll_fn(move |cx| {
            polls += 1;
            if polls == 1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            held.0.run.fetch_add(1, Relaxed);
            Poll::Ready(Output(held.0.clone()))
        });
        self.runtime.inside(|| spawn(future))
    }

    /// A task that is never over by itself.
    fn spawn_pending(&self) -> JoinHandle<Output> {
        let held = Held(self.counts.clone());
        self.runtime.inside(|| {
            spawn(async move {
                let _held = &held;
                pending().await
            })
        })
    }

    fn spawn_call(&self) -> JoinHandle<Output> {
        let held = Held(self.counts.clone());
        self.runtime.inside(|| {
            spawn_blocking(move || {
                held.0.run.fetch_add(1, Relaxed);
                Output(held.0.clone())
            })
        })
    }

    /// Polls the task to its end, as a backend does. One that nobody wakes is a deadlock, which loom reports.
    fn run(&self) -> thread::JoinHandle<()> {
        let task = self.runtime.task();
        thread::spawn(move || block_on(task).unwrap())
    }

    /// All are gone, and with their results as many as have run.
    fn assert_over(&self, tasks: usize) {
        assert_eq!(self.runtime.tasks().alive(), 0);
        assert_eq!(self.counts.dropped.load(Relaxed), tasks);
        assert_eq!(self.counts.results_dropped.load(Relaxed), self.counts.run.load(Relaxed));
    }
}

/// Somebody who aborts what is behind `handle`.
fn abort(handle: &JoinHandle<Output>) -> thread::JoinHandle<()> {
    let task = handle.0.clone();
    thread::spawn(move || task.abort())
}

/// Waits for the result, which comes once. A joiner that is not woken is a deadlock, which loom reports.
fn join(handle: JoinHandle<Output>) -> Result<(), JoinError> {
    let mut handle = pin!(handle);
    let result = block_on(poll_fn(|cx| handle.as_mut().poll(cx))).unwrap();
    assert!(handle.is_finished());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(handle.poll(&mut cx), Poll::Ready(Err(JoinError(Cause::Joined)))));
    result.map(drop)
}

/// It is done before, or does not wait when it is aborted, or waits.
#[test]
fn an_abort_against_a_task_that_ends_gives_one_result() {
    model(|| {
        let bench = Bench::default();
        let handle = bench.spawn();
        let others = [bench.run(), abort(&handle)];
        let result = join(handle);
        others.into_iter().for_each(|other| other.join().unwrap());
        let run = bench.counts.run.load(Relaxed);
        assert_eq!(result, if run == 1 { Ok(()) } else { Err(JoinError(Cause::Aborted)) });
        bench.assert_over(1);
    });
}

/// Whoever polls it is told too.
#[test]
fn an_abort_ends_a_task_that_waits() {
    model(|| {
        let bench = Bench::default();
        let handle = bench.spawn_pending();
        let others = [bench.run(), abort(&handle)];
        assert_eq!(join(handle), Err(JoinError(Cause::Aborted)));
        others.into_iter().for_each(|other| other.join().unwrap());
        bench.assert_over(1);
    });
}

/// As a backend whose loop ends does.
#[test]
fn a_task_that_is_dropped_ends_once_whether_it_is_aborted_or_not() {
    for is_aborted in [false, true] {
        model(move || {
            let bench = Bench::default();
            let handle = bench.spawn_pending();
            let aborting = is_aborted.then(|| abort(&handle));
            let mut task = bench.runtime.task();
            let backend = thread::spawn(move || {
                // It may have been polled before.
                let _ = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                drop(task);
            });
            assert_eq!(join(handle), Err(JoinError(Cause::Aborted)));
            aborting.into_iter().for_each(|aborting| aborting.join().unwrap());
            backend.join().unwrap();
            bench.assert_over(1);
        });
    }
}

/// The handle is polled with another waker just as its task ends.
#[test]
fn the_waker_of_the_last_poll_is_woken() {
    model(|| {
        let bench = Bench::default();
        let mut handle = bench.spawn();
        let runner = bench.run();
        match Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => drop(result.unwrap()),
            Poll::Pending => assert_eq!(join(handle), Ok(())),
        }
        runner.join().unwrap();
        bench.assert_over(1);
    });
}

/// Who waits for it gives up, after a look.
#[test]
fn a_result_that_nobody_waits_for_is_dropped_once() {
    model(|| {
        let bench = Bench::default();
        let mut handle = bench.spawn();
        let runner = bench.run();
        let _ = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
        drop(handle);
        runner.join().unwrap();
        assert_eq!(bench.counts.run.load(Relaxed), 1);
        bench.assert_over(1);
    });
}

/// One is alive, and one is spawned before, while, or after all are ended.
#[test]
fn no_task_outlives_the_end_of_its_server() {
    model(|| {
        let bench = Bench::default();
        let first = bench.spawn_pending();
        let runner = bench.run();
        let ending = bench.runtime.clone();
        let end = thread::spawn(move || ending.tasks().end());
        let second = bench.spawn_pending();
        block_on(bench.runtime.task()).unwrap();
        for handle in [first, second] {
            assert_eq!(join(handle), Err(JoinError(Cause::Aborted)));
        }
        runner.join().unwrap();
        end.join().unwrap();
        bench.assert_over(2);
    });
}

#[test]
fn a_call_is_run_or_aborted() {
    model(|| {
        let bench = Bench::default();
        let handle = bench.spawn_call();
        let call = bench.runtime.call();
        let others = [thread::spawn(move || call.run()), abort(&handle)];
        let result = join(handle);
        others.into_iter().for_each(|other| other.join().unwrap());
        let run = bench.counts.run.load(Relaxed);
        assert_eq!(result, if run == 1 { Ok(()) } else { Err(JoinError(Cause::Aborted)) });
        bench.assert_over(1);
    });
}

#[test]
fn a_call_that_is_dropped_and_aborted_ends_once() {
    model(|| {
        let bench = Bench::default();
        let handle = bench.spawn_call();
        let call = bench.runtime.call();
        let others = [thread::spawn(move || drop(call)), abort(&handle)];
        let error = join(handle).unwrap_err();
        assert!(error.is_rejected() || error.is_aborted());
        others.into_iter().for_each(|other| other.join().unwrap());
        bench.assert_over(1);
    });
}
