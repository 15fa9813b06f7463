//! Tasks in every order that their threads can come in: `just loom`.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize as Count, Ordering::Relaxed},
};

use trijet_loom::{Condvar, atomic::AtomicUsize, model, model_within, thread};

use super::*;

/// Where tasks are scheduled, and what became of the one future. The counts are std's: they add no orders to a model.
#[derive(Clone, Default)]
struct Bench {
    /// `None` once it is closed: what is scheduled then is discarded, as what is left is.
    queue: Arc<Queue>,
    /// What others have told, which nothing but their wakes orders before the polls.
    told: Arc<AtomicUsize>,
    at_once: Arc<Count>,
    polls: Arc<Count>,
    dropped: Arc<Count>,
}

#[derive(Default)]
struct Queue {
    tasks: Mutex<Closable>,
    changed: Condvar,
}

#[derive(Default)]
struct Closable {
    tasks: Vec<Arc<Task>>,
    is_closed: bool,
}

/// Held by the future.
struct Held(Bench);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

impl Queue {
    fn schedule(&self, task: Arc<Task>) {
        let mut queue = self.tasks.lock().unwrap();
        if queue.is_closed {
            drop(queue);
            task.discard();
            return;
        }
        queue.tasks.push(task);
        self.changed.notify_all();
    }

    /// The next task; `None` once it is closed. A task that is not scheduled is a deadlock, which loom reports.
    fn next(&self) -> Option<Arc<Task>> {
        let mut queue = self.tasks.lock().unwrap();
        loop {
            if let Some(task) = queue.tasks.pop() {
                return Some(task);
            }
            if queue.is_closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap();
        }
    }

    fn close(&self) {
        let left = {
            let mut queue = self.tasks.lock().unwrap();
            queue.is_closed = true;
            std::mem::take(&mut queue.tasks)
        };
        self.changed.notify_all();
        left.into_iter().for_each(|task| task.discard());
    }
}

impl Bench {
    /// A task that is over when all of `bits` have been told, and closes the queue then. It is scheduled.
    fn spawn(&self, bits: usize) -> Arc<Task> {
        let held = Held(self.clone());
        let future = poll_fn(move |_| {
            let bench = &held.0;
            assert_eq!(bench.at_once.fetch_add(1, Relaxed), 0, "polled on two threads at once");
            bench.polls.fetch_add(1, Relaxed);
            let told = bench.told.load(Relaxed);
            bench.at_once.fetch_sub(1, Relaxed);
            if told != bits {
                return Poll::Pending;
            }
            bench.queue.close();
            Poll::Ready(())
        });
        let queue = self.queue.clone();
        Task::spawn(Box::pin(future), Arc::new(move |task| queue.schedule(task)));
        self.queue.tasks.lock().unwrap().tasks[0].clone()
    }

    /// Somebody who has each of `bits` for the task, one after the other.
    fn tell<const N: usize>(&self, task: &Arc<Task>, bits: [usize; N]) -> thread::JoinHandle<()> {
        let (told, waker) = (self.told.clone(), Waker::from(task.clone()));
        thread::spawn(move || {
            for bit in bits {
                told.fetch_or(bit, Relaxed);
                waker.wake_by_ref();
            }
        })
    }

    /// Runs what is scheduled until the queue is closed, as a thread of a backend does.
    fn run(&self) {
        while let Some(task) = self.queue.next() {
            task.run();
        }
    }

    /// It has come to its end, and nothing brings it back.
    fn assert_over(&self, task: &Arc<Task>) {
        assert_eq!(self.dropped.load(Relaxed), 1, "the future is kept");
        let polls = self.polls.load(Relaxed);
        task.wake_by_ref();
        assert!(self.queue.next().is_none());
        assert_eq!((self.polls.load(Relaxed), self.dropped.load(Relaxed)), (polls, 1));
    }
}

/// They come before the task runs, while it does, or after; also where another wake has come just before.
#[test]
fn what_was_written_before_a_wake_is_seen_by_a_poll_after_it() {
    model_within(2, || {
        let bench = Bench::default();
        let task = bench.spawn(3);
        let others = [bench.tell(&task, [1]), bench.tell(&task, [2])];
        bench.run();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(bench.polls.load(Relaxed) <= 3);
        bench.assert_over(&task);
    });
}

#[test]
fn a_task_is_never_polled_on_two_threads_at_once() {
    model(|| {
        let bench = Bench::default();
        let task = bench.spawn(3);
        let other = bench.tell(&task, [1, 2]);
        let second = bench.clone();
        let second = thread::spawn(move || second.run());
        bench.run();
        second.join().unwrap();
        other.join().unwrap();
        bench.assert_over(&task);
    });
}

/// The queue is closed where the task waits, is scheduled, runs, or is woken.
#[test]
fn a_task_that_is_woken_while_its_backend_ends_is_dropped_once() {
    model(|| {
        let bench = Bench::default();
        let task = bench.spawn(usize::MAX);
        let other = bench.tell(&task, [1]);
        let closing = bench.queue.clone();
        let closing = thread::spawn(move || closing.close());
        bench.run();
        other.join().unwrap();
        closing.join().unwrap();
        // One that still waits is discarded by its next wake.
        task.wake_by_ref();
        bench.assert_over(&task);
    });
}
