//! A bounded pool of threads that are started when work waits and leave when none does.
//! It must never grow past its bounds, and never lose an item: what it cannot take it gives back.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Threads that run one function over queued items, in order of arrival. Clones share the threads.
pub struct Pool<T: Send + 'static>(Arc<Shared<T>>);

struct Shared<T> {
    name: &'static str,
    run: Box<dyn Fn(T) + Send + Sync>,
    threads_max: usize,
    waiting: AtomicUsize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<(Instant, T)>,
    /// Items that are about to be queued, once a thread is started for them.
    coming: usize,
    threads: usize,
    busy: usize,
    closed: bool,
}

/// How long a thread without work stays: long enough for a burst, short enough to be gone soon.
const LINGER: Duration = Duration::from_secs(2);

impl<T: Send + 'static> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Pool<T> {
    /// A pool of at most `threads_max` threads that run `run`.
    pub fn new(name: &'static str, threads_max: usize, run: impl Fn(T) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            name,
            run: Box::new(run),
            threads_max,
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                coming: 0,
                threads: 0,
                busy: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }))
    }

    /// Items that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Queues `item`, unless `queue_max` items wait already.
    ///
    /// # Errors
    /// Gives the item back where the queue is full, the pool is closed, or no thread can be started.
    pub fn push(&self, item: T, queue_max: usize) -> Result<(), T> {
        let mut state = self.0.lock();
        let taken = state.queue.len() + state.coming + state.busy;
        if state.closed || taken >= queue_max.saturating_add(self.0.threads_max) {
            return Err(item);
        }
        // A thread that is not busy waits for work, or is about to look for it.
        if state.threads <= taken && state.threads < self.0.threads_max {
            // Both are counted meanwhile: another push must neither start this thread again, nor take it
            // for one that is free.
            state.threads += 1;
            state.coming += 1;
            drop(state);
            let started = self.start();
            state = self.0.lock();
            state.coming -= 1;
            if let Err(error) = started {
                state.threads -= 1;
                log::warn!("cannot start another thread for {}: {error}; {} run", self.0.name, state.threads);
                if state.threads == 0 {
                    return Err(item);
                }
            }
        }
        state.queue.push_back((Instant::now(), item));
        self.0.waiting.store(state.queue.len(), Ordering::Relaxed);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }

    /// When the oldest waiting item came.
    pub fn oldest(&self) -> Option<Instant> {
        self.0.lock().queue.front().map(|(since, _)| *since)
    }

    /// Takes back the items that have waited since `since` or longer, where `is_taken` says so.
    pub fn take_since(&self, since: Instant, is_taken: impl Fn(&T) -> bool) -> Vec<T> {
        let mut state = self.0.lock();
        let overdue = state.queue.partition_point(|(came, _)| *came <= since);
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        for (came, item) in state.queue.drain(..overdue) {
            if is_taken(&item) {
                taken.push(item);
            } else {
                left.push_back((came, item));
            }
        }
        left.append(&mut state.queue);
        state.queue = left;
        self.0.waiting.store(state.queue.len(), Ordering::Relaxed);
        taken
    }

    /// Drops what waits and lets the threads end once their item is done. They are not joined.
    pub fn close(&self) {
        let queue = {
            let mut state = self.0.lock();
            state.closed = true;
            std::mem::take(&mut state.queue)
        };
        self.0.changed.notify_all();
        drop(queue);
    }

    fn start(&self) -> std::io::Result<()> {
        let shared = self.0.clone();
        thread::Builder::new().name(shared.name.to_owned()).spawn(move || shared.work()).map(drop)
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some((_, item)) = state.queue.pop_front() {
                self.waiting.store(state.queue.len(), Ordering::Relaxed);
                state.busy += 1;
                drop(state);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.run)(item))) {
                    log::error!("a thread of {} panicked: {}", self.name, crate::panic_text(&*panic));
                }
                state = self.lock();
                state.busy -= 1;
                continue;
            }
            if state.closed {
                break;
            }
            let (next, timeout) =
                self.changed.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timeout.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc};

    use super::*;

    #[test]
    fn items_run_in_order_on_one_thread() {
        let (send, receive) = mpsc::channel();
        let pool = Pool::new("test", 1, move |item: u32| send.send(item).unwrap());
        for item in 0..100 {
            pool.push(item, 100).unwrap();
        }
        let received: Vec<u32> = (0..100).map(|_| receive.recv().unwrap()).collect();
        assert_eq!(received, (0..100).collect::<Vec<_>>());
        pool.close();
    }

    #[test]
    fn over_the_queue_the_item_comes_back() {
        let gate = Arc::new(Barrier::new(3));
        let (held, taken) = (gate.clone(), Arc::new(Barrier::new(3)));
        let begun = taken.clone();
        let pool = Pool::new("test", 2, move |item: u32| {
            if item < 2 {
                begun.wait();
                held.wait();
            }
        });
        pool.push(0, 0).unwrap();
        pool.push(1, 0).unwrap();
        taken.wait();
        assert_eq!(pool.push(2, 0), Err(2), "no room to wait");
        assert_eq!(pool.push(3, 1), Ok(()), "one may wait");
        assert_eq!(pool.push(4, 1), Err(4), "a second may not");
        assert_eq!(pool.waiting(), 1);
        let oldest = pool.oldest().unwrap();
        assert!(pool.take_since(oldest, |_| false).is_empty());
        assert_eq!(pool.take_since(oldest, |_| true), vec![3]);
        assert_eq!(pool.waiting(), 0);
        gate.wait();
        pool.close();
    }

    #[test]
    fn pushes_at_the_same_time_get_a_thread_each() {
        for _ in 0..200 {
            let (met, meetings) = mpsc::channel();
            let both = Barrier::new(2);
            let pool = Pool::new("test", 2, move |()| {
                both.wait();
                met.send(()).unwrap();
            });
            let start = Arc::new(Barrier::new(2));
            for _ in 0..2 {
                let (pool, start) = (pool.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    pool.push((), 10).unwrap();
                });
            }
            for _ in 0..2 {
                meetings.recv_timeout(Duration::from_secs(20)).expect("each item has a thread");
            }
            pool.close();
        }
    }

    #[test]
    fn a_panic_costs_no_thread() {
        let (send, receive) = mpsc::channel();
        let pool = Pool::new("test", 1, move |item: u32| {
            assert_ne!(item, 0, "planted");
            send.send(item).unwrap();
        });
        pool.push(0, 10).unwrap();
        pool.push(1, 10).unwrap();
        assert_eq!(receive.recv(), Ok(1));
        pool.close();
    }
}
