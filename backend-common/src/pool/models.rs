//! The pool in every order that its threads can come in: `just loom`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use trijet_loom::{model, model_within, thread};

use super::*;

/// What became of the items. These atomics are std's: counting adds no orders to a model.
#[derive(Default)]
struct Counts {
    run: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    dropped: AtomicUsize,
}

struct Item(Arc<Counts>);

impl Drop for Item {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

/// A pool, and what is to be known of it.
#[derive(Clone)]
struct Probe {
    pool: Pool<Item>,
    counts: Arc<Counts>,
    done: Arc<(Mutex<usize>, Condvar)>,
}

impl Probe {
    fn new(threads_max: usize) -> Self {
        let counts = Arc::new(Counts::default());
        let done = Arc::new((Mutex::new(0), Condvar::new()));
        let told = done.clone();
        let pool = Pool::new("model", threads_max, move |item: Item| {
            let counts = &item.0;
            let now = counts.at_once.fetch_add(1, Relaxed) + 1;
            counts.most_at_once.fetch_max(now, Relaxed);
            // Others come in between here.
            let (count, changed) = &*told;
            *count.lock().unwrap() += 1;
            changed.notify_all();
            counts.at_once.fetch_sub(1, Relaxed);
            counts.run.fetch_add(1, Relaxed);
        });
        Self { pool, counts, done }
    }

    /// Pushes one item; whether it was taken.
    fn push(&self, queue_max: usize) -> bool {
        self.pool.push(Item(self.counts.clone()), queue_max).is_ok()
    }

    /// Waits until so many items have been run. One that is missed is a deadlock, which loom reports.
    fn wait_for(&self, items: usize) {
        let (count, changed) = &*self.done;
        let mut count = count.lock().unwrap();
        while *count < items {
            count = changed.wait(count).unwrap();
        }
    }

    /// Closes the pool, and waits until its last thread has left.
    fn close(&self) {
        self.pool.close();
        self.wait_for_the_threads();
    }

    fn wait_for_the_threads(&self) {
        while self.pool.0.lock().crew.threads > 0 {
            thread::yield_now();
        }
    }

    /// Every one of `items` has come to its end, though the pool is still there.
    fn assert_none_is_lost(&self, items: usize) {
        assert_eq!(self.counts.dropped.load(Relaxed), items, "an item is kept, or was given out twice");
        let state = self.pool.0.lock();
        assert!(state.queue.is_empty());
        assert_eq!((state.crew.threads, state.crew.busy), (0, 0));
    }

    fn run(&self) -> usize {
        self.counts.run.load(Relaxed)
    }
}

/// Whoever comes first starts the thread that was left to be started, and nobody starts another.
#[test]
fn who_offers_and_who_helps_start_a_thread_between_them() {
    model(|| {
        let probe = Probe::new(2);
        assert!(probe.pool.offer(Item(probe.counts.clone()), 1).is_ok());
        let other = probe.clone();
        let helper = thread::spawn(move || assert!(other.pool.start_lacking().is_ok()));
        assert!(probe.pool.start_lacking().is_ok());
        helper.join().unwrap();
        assert_eq!((probe.pool.threads(), probe.pool.0.lock().crew.lacking), (1, 0));
        probe.wait_for(1);
        probe.close();
        probe.assert_none_is_lost(1);
    });
}

/// The second push meets a thread that runs the first item, looks for the next one, or waits.
#[test]
fn a_push_is_not_missed_by_a_thread_that_goes_idle() {
    model(|| {
        let probe = Probe::new(1);
        assert!(probe.push(1));
        assert!(probe.push(1));
        probe.wait_for(2);
        probe.close();
        assert_eq!((probe.run(), probe.counts.most_at_once.load(Relaxed)), (2, 1));
        probe.assert_none_is_lost(2);
    });
}

#[test]
fn pushes_at_the_same_time_stay_within_the_bounds() {
    model_within(2, || {
        let probe = Probe::new(2);
        let other = probe.clone();
        let pusher = thread::spawn(move || usize::from(other.push(0)));
        let mut taken = usize::from(probe.push(0));
        taken += pusher.join().unwrap();
        assert_eq!(taken, 2, "there is a thread for each");
        assert!(probe.pool.0.lock().crew.threads <= 2);
        probe.wait_for(taken);
        probe.close();
        assert_eq!(probe.run(), taken);
        probe.assert_none_is_lost(2);
    });
}

#[test]
fn what_is_over_the_bounds_comes_back() {
    model(|| {
        let probe = Probe::new(1);
        let other = probe.clone();
        let pusher = thread::spawn(move || usize::from(other.push(0)));
        let mut taken = usize::from(probe.push(0));
        taken += pusher.join().unwrap();
        assert!(taken >= 1);
        assert!(probe.pool.0.lock().crew.threads <= 1);
        probe.wait_for(taken);
        probe.close();
        assert_eq!((probe.run(), probe.counts.most_at_once.load(Relaxed)), (taken, 1));
        probe.assert_none_is_lost(2);
    });
}

#[test]
fn pushes_at_the_same_time_start_no_thread_above_the_limit() {
    model_within(2, || {
        let probe = Probe::new(1);
        let other = probe.clone();
        let pusher = thread::spawn(move || {
            assert!(other.push(1));
            assert!(other.pool.0.lock().crew.threads <= 1);
        });
        assert!(probe.push(1));
        assert!(probe.pool.0.lock().crew.threads <= 1);
        pusher.join().unwrap();
        probe.wait_for(2);
        probe.close();
        assert_eq!((probe.run(), probe.counts.most_at_once.load(Relaxed)), (2, 1));
        probe.assert_none_is_lost(2);
    });
}

#[test]
fn a_push_is_not_missed_by_a_thread_that_leaves() {
    model(|| {
        let probe = Probe::new(1);
        let clock = probe.pool.clone();
        let clock = thread::spawn(move || clock.0.changed.expire(&clock.0.state));
        assert!(probe.push(1));
        probe.wait_for(1);
        assert!(probe.push(1));
        probe.wait_for(2);
        clock.join().unwrap();
        probe.close();
        probe.assert_none_is_lost(2);
    });
}

#[test]
fn one_thread_is_kept_and_takes_what_comes() {
    model_within(2, || {
        let mut probe = Probe::new(2);
        probe.pool = probe.pool.keeping_one();
        assert!(probe.push(0));
        assert!(probe.push(0));
        probe.wait_for(2);
        // At most one of them waits for this.
        probe.pool.0.changed.expire(&probe.pool.0.state);
        assert!(probe.push(1));
        probe.wait_for(3);
        assert!(probe.pool.threads() > 0);
        probe.close();
        assert_eq!(probe.run(), 3);
        probe.assert_none_is_lost(3);
    });
}

/// A thread without work leaves by itself.
#[test]
fn the_threads_leave_when_nothing_comes() {
    model(|| {
        let probe = Probe::new(1);
        assert!(probe.push(0));
        while probe.pool.0.lock().crew.threads > 0 {
            // One may be over just as the item comes.
            probe.pool.0.changed.expire(&probe.pool.0.state);
            thread::yield_now();
        }
        assert_eq!(probe.run(), 1);
        probe.assert_none_is_lost(1);
    });
}

#[test]
fn a_push_against_the_close_leaves_nothing_behind() {
    model(|| {
        let probe = Probe::new(1);
        let other = probe.clone();
        let pusher = thread::spawn(move || usize::from(other.push(1)));
        probe.pool.close();
        let taken = pusher.join().unwrap();
        probe.wait_for_the_threads();
        assert!(probe.run() <= taken);
        assert!(!probe.push(1), "a closed pool takes nothing");
        probe.assert_none_is_lost(2);
    });
}

#[test]
fn the_close_wakes_every_thread() {
    model(|| {
        let probe = Probe::new(2);
        assert!(probe.push(0));
        assert!(probe.push(0));
        probe.close();
        assert!(!probe.push(1));
        probe.assert_none_is_lost(3);
    });
}

/// Also one that was queued while a thread was being started for the other.
#[test]
fn without_a_thread_no_item_is_kept() {
    for threads_max in [1, 2] {
        model(move || {
            thread::refuse(2);
            let probe = Probe::new(threads_max);
            let other = probe.clone();
            let pusher = thread::spawn(move || other.push(1));
            probe.push(1);
            pusher.join().unwrap();
            assert_eq!(probe.run(), 0);
            probe.assert_none_is_lost(2);
        });
    }
}

#[test]
fn one_thread_too_few_loses_nothing() {
    model(|| {
        thread::refuse(1);
        let probe = Probe::new(2);
        let other = probe.clone();
        let pusher = thread::spawn(move || usize::from(other.push(1)));
        let mut taken = usize::from(probe.push(1));
        taken += pusher.join().unwrap();
        probe.wait_for(taken);
        probe.close();
        assert_eq!(probe.run(), taken);
        probe.assert_none_is_lost(2);
    });
}

/// Whoever holds a thread can tell by the ceiling that others wait for it, in whichever order the starts fail.
#[test]
fn what_waits_for_no_thread_of_its_own_is_seen_by_the_ceiling() {
    for refused in [1, 2] {
        model_within(2, move || {
            let probe = Probe::new(3);
            assert!(probe.push(1));
            thread::refuse(refused);
            let other = probe.clone();
            let pusher = thread::spawn(move || assert!(other.push(1)));
            assert!(probe.push(1));
            pusher.join().unwrap();
            {
                let state = probe.pool.0.lock();
                let is_enough = state.queue.len() + state.crew.busy <= state.crew.threads;
                assert!(is_enough || probe.pool.ceiling() <= state.crew.threads, "nobody is to let go");
            }
            probe.wait_for(3);
            probe.close();
            probe.assert_none_is_lost(3);
        });
    }
}

#[test]
fn the_ceiling_is_lifted_once_there_is_a_thread_for_everybody() {
    model(|| {
        thread::refuse(1);
        let probe = Probe::new(2);
        assert_eq!(probe.pool.ceiling(), 2);
        assert!(!probe.push(1));
        assert_eq!(probe.pool.ceiling(), 0);
        assert!(probe.push(1));
        probe.wait_for(1);
        assert_eq!(probe.pool.ceiling(), 2);
        probe.close();
        probe.assert_none_is_lost(2);
    });
}

#[test]
fn an_item_is_run_or_taken_back() {
    model(|| {
        let probe = Probe::new(1);
        assert!(probe.push(1));
        assert!(probe.push(1));
        let taken = probe.pool.take_since(Instant::now(), |_| true).len();
        probe.wait_for(2 - taken);
        probe.close();
        assert_eq!(probe.run() + taken, 2);
        assert_eq!(probe.pool.waiting(), 0);
        probe.assert_none_is_lost(2);
    });
}
