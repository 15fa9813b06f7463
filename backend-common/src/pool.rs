//! A bounded pool of threads that are started when work waits and leave when none does, but for one that may stay.
//! It must never grow past its bounds, and never lose an item: what it cannot take it gives back. An item waits
//! only while there is a thread, or while one is being started.

mod crew;

use std::{
    collections::VecDeque,
    fmt, io,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
    thread,
    time::Instant,
};

use crate::sync::{Condvar, Mutex, MutexGuard, atomic::Ordering, spawn};
use crew::{Board, Crew, LINGER};

/// Threads that run one function over queued items, in order of arrival. Clones share the threads.
pub struct Pool<T: Send + 'static>(Arc<Shared<T>>);

/// What stands around the whole life of a thread: what it needs once. It has to call what it is given.
pub type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

struct Shared<T> {
    board: Board,
    /// How many that were called may be on their way at once: as many as there are processors.
    calls_max: usize,
    around: Around,
    run: Box<dyn Fn(T) + Send + Sync>,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<(Instant, T)>,
    crew: Crew,
    closed: bool,
    keeps_one: bool,
    /// One of the threads without work waits for ever: the one that is kept.
    has_patient: bool,
    /// Threads without work that wait to be called.
    asleep: usize,
    /// Of these, those that have been called and have not come yet.
    called: usize,
}

impl<T> State<T> {
    /// Whether one that sleeps is to be called for what waits: not while as many are on their way as can run at once, since
    /// each of them calls the next.
    fn calls(&mut self, calls_max: usize) -> bool {
        let calls = !self.queue.is_empty() && self.called < calls_max.min(self.asleep);
        self.called += usize::from(calls);
        calls
    }
}

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
        Self::within(name, threads_max, Box::new(|work| work()), run)
    }

    /// As [`new`](Self::new), each of whose threads does all its work within one call of `around`.
    pub fn within(
        name: &'static str,
        threads_max: usize,
        around: Around,
        run: impl Fn(T) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            board: Board::new(name, threads_max),
            calls_max: processors(),
            around,
            run: Box::new(run),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                crew: Crew::new(),
                closed: false,
                keeps_one: false,
                has_patient: false,
                asleep: 0,
                called: 0,
            }),
            changed: Condvar::new(),
        }))
    }

    /// Has one thread stay without work, until the pool is closed. It waits without a timeout, for which the system
    /// would set and clear a timer: a quarter of what handing an item over costs.
    #[must_use]
    pub fn keeping_one(self) -> Self {
        self.0.lock().keeps_one = true;
        self
    }

    /// Items that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.0.board.waiting.load(Ordering::Relaxed)
    }

    /// Its threads, those included that have no work.
    pub fn threads(&self) -> usize {
        self.0.lock().crew.threads
    }

    /// How many threads there can be: as many as are allowed, or those that there are as long as the system refuses
    /// more. It is asked again while there is work for another.
    pub fn ceiling(&self) -> usize {
        self.0.board.ceiling.load(Ordering::Relaxed)
    }

    /// Queues `item`, unless `queue_max` items wait already.
    ///
    /// # Errors
    /// Gives back what is not to be run: the item, where the queue is full or the pool closed; or all that wait,
    /// which may be others' too, where there is no thread and none can be started.
    pub fn push(&self, item: T, queue_max: usize) -> Result<(), Vec<T>> {
        self.offer(item, queue_max)?;
        self.start_lacking()
    }

    /// As [`push`](Self::push), but the thread that may be needed for it is left to be started by
    /// [`start_lacking`](Self::start_lacking), which the caller makes sure of. For one that has many items to queue:
    /// to start a thread takes far longer, and others can do it.
    ///
    /// # Errors
    /// Gives back the item, where the queue is full or the pool closed.
    pub fn offer(&self, item: T, queue_max: usize) -> Result<(), Vec<T>> {
        let mut state = self.0.lock();
        let taken = state.queue.len() + state.crew.busy;
        if state.closed || taken >= queue_max.saturating_add(self.0.board.threads_max) {
            return Err(vec![item]);
        }
        let now = Instant::now();
        state.queue.push_back((now, item));
        self.0.note_queue(&state);
        if state.crew.provide(taken, now, &self.0.board) {
            self.0.call(state);
        }
        Ok(())
    }

    /// Starts the threads that [`offer`](Self::offer) has left to be started, if somebody else has not.
    ///
    /// # Errors
    /// As [`push`](Self::push), where none can be started.
    pub fn start_lacking(&self) -> Result<(), Vec<T>> {
        while self.0.board.lacking.load(Ordering::Relaxed) > 0
            && self.0.lock().crew.take_lacking(&self.0.board)
        {
            let shared = self.0.clone();
            let started = spawn(self.0.board.name, move || (shared.around)(&mut || shared.work()));
            started.map(drop).or_else(|error| self.0.fail(&error))?;
        }
        Ok(())
    }

    /// As [`push`](Self::push), but those in the queue that are not `is_waiting` any more, and only take up room, give
    /// it up. What finds none all the same is dropped.
    pub fn push_or_drop(&self, item: T, queue_max: usize, is_waiting: impl Fn(&T) -> bool) {
        let Err(back) = self.push(item, queue_max) else { return };
        drop(self.take_since(Instant::now(), |item| !is_waiting(item)));
        for item in back {
            drop(self.push(item, queue_max));
        }
    }

    /// When the oldest waiting item came.
    pub fn oldest(&self) -> Option<Instant> {
        self.0.lock().queue.front().map(|(since, _)| *since)
    }

    /// How many items wait up to the last one that has waited since `since` or longer and is `wanted`.
    pub fn waiting_up_to(&self, since: Instant, wanted: impl Fn(&T) -> bool) -> usize {
        if self.waiting() == 0 {
            return 0;
        }
        let state = self.0.lock();
        let overdue = state.queue.partition_point(|(came, _)| *came <= since);
        state.queue.range(..overdue).rposition(|(_, item)| wanted(item)).map_or(0, |last| last + 1)
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
        self.0.note_queue(&state);
        taken
    }

    /// Drops what waits and lets the threads end once their item is done. They are not joined.
    pub fn close(&self) {
        let queue = {
            let mut state = self.0.lock();
            state.closed = true;
            state.crew.leave_lacking(&self.0.board);
            std::mem::take(&mut state.queue)
        };
        self.0.changed.notify_all();
        drop(queue);
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many wait, to who has only to look.
    fn note_queue(&self, state: &State<T>) {
        self.board.waiting.store(state.queue.len(), Ordering::Relaxed);
    }

    /// Lets go of the lock, and calls a thread for what waits, if one is to be called.
    fn call(&self, mut state: MutexGuard<'_, State<T>>) {
        let calls = state.calls(self.calls_max);
        drop(state);
        if calls {
            self.changed.notify_one();
        }
    }

    /// A thread could not be started: gives back what waits for it, unless there are others.
    fn fail(&self, error: &io::Error) -> Result<(), Vec<T>> {
        let mut state = self.lock();
        if !state.crew.failed(error, &self.board) || state.queue.is_empty() {
            return Ok(());
        }
        let queue = std::mem::take(&mut state.queue);
        self.note_queue(&state);
        Err(queue.into_iter().map(|(_, item)| item).collect())
    }

    fn work(&self) {
        let mut state = self.lock();
        let waiting = state.queue.len();
        state.crew.came(waiting, &self.board);
        loop {
            if let Some((_, item)) = state.queue.pop_front() {
                self.note_queue(&state);
                state.crew.works();
                self.call(state);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.run)(item))) {
                    self.board.tell(&*panic);
                }
                state = self.lock();
                state.crew.rests();
                continue;
            }
            if state.closed || state.crew.has_surplus() {
                break;
            }
            state.asleep += 1;
            let has_timed_out;
            if state.keeps_one && !state.has_patient {
                state.has_patient = true;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.has_patient = false;
                has_timed_out = false;
            } else {
                let waited = self.changed.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner);
                state = waited.0;
                has_timed_out = waited.1.timed_out();
            }
            state.asleep -= 1;
            // Or another was: then one too many is called.
            state.called = state.called.saturating_sub(1);
            if has_timed_out && state.queue.is_empty() {
                break;
            }
        }
        state.crew.leaves();
    }
}

/// One in the models, where the chain of calls is what can break.
fn processors() -> usize {
    if cfg!(all(test, trijet_loom)) { 1 } else { thread::available_parallelism().map_or(1, NonZero::get) }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{
        sync::{Barrier, mpsc},
        thread,
        time::Duration,
    };

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
        assert_eq!(pool.push(2, 0), Err(vec![2]), "no room to wait");
        assert_eq!(pool.push(3, 1), Ok(()), "one may wait");
        assert_eq!(pool.push(4, 1), Err(vec![4]), "a second may not");
        assert_eq!(pool.waiting(), 1);
        let oldest = pool.oldest().unwrap();
        assert_eq!(pool.waiting_up_to(oldest, |_| true), 1);
        assert_eq!(pool.waiting_up_to(oldest, |_| false), 0);
        assert_eq!(pool.waiting_up_to(oldest - Duration::from_nanos(1), |_| true), 0);
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
    fn a_burst_s_threads_leave_though_a_trickle_of_work_goes_on() {
        const BURST: usize = 30;
        let both = Arc::new(Barrier::new(BURST));
        let (meet, (done, ends)) = (both.clone(), mpsc::channel());
        let pool = Pool::new("test", BURST, move |is_burst: bool| {
            if is_burst {
                meet.wait();
            }
            done.send(()).unwrap();
        });
        for _ in 0..BURST {
            pool.push(true, BURST).unwrap();
        }
        (0..BURST).for_each(|_| ends.recv_timeout(Duration::from_secs(20)).unwrap());
        assert_eq!(pool.0.lock().crew.threads, BURST);
        let start = Instant::now();
        while pool.0.lock().crew.threads > 2 {
            // Far more often than a thread without work would leave, for each of them.
            pool.push(false, BURST).unwrap();
            ends.recv_timeout(Duration::from_secs(20)).unwrap();
            thread::sleep(Duration::from_millis(1));
            assert!(start.elapsed() < Duration::from_secs(20), "{} threads stay", pool.0.lock().crew.threads);
        }
        pool.close();
    }

    #[test]
    fn all_that_sleep_are_called_though_each_calls_the_next() {
        const ITEMS: usize = 32;
        const ROUNDS: u32 = 10;
        let all = Arc::new(Barrier::new(ITEMS));
        let (done, ends) = mpsc::channel();
        let pool = Pool::new("test", ITEMS, move |()| {
            all.wait();
            done.send(()).unwrap();
        });
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for _ in 0..ITEMS {
                pool.push((), ITEMS).unwrap();
            }
            for _ in 0..ITEMS {
                ends.recv_timeout(Duration::from_secs(20)).expect("each has a thread at the same time");
            }
        }
        // One that nobody calls comes by itself, but late.
        assert!(start.elapsed() < ROUNDS * LINGER / 2, "{:?}", start.elapsed());
        pool.close();
    }

    #[test]
    fn one_thread_is_kept_until_the_pool_is_closed() {
        let (send, receive) = mpsc::channel();
        let pool = Pool::new("test", 4, move |item: u32| send.send((item, thread::current().id())).unwrap())
            .keeping_one();
        let next = |item| {
            pool.push(item, 10).unwrap();
            let (done, thread) = receive.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(done, item);
            thread
        };
        let first = next(0);
        let is_patient = || pool.0.lock().has_patient;
        let start = Instant::now();
        while !is_patient() {
            assert!(start.elapsed() < Duration::from_secs(20), "nobody stays");
            thread::yield_now();
        }
        assert_eq!(next(1), first);
        pool.close();
        while pool.threads() > 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "somebody stays");
            thread::yield_now();
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
