//! [`ConcurrencyLimit`]: how many requests are at work at a time. A permit must never be lost: it comes back when its
//! response is done or dropped, its handler panics, or its client leaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::StatusCode;
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer, rt};

use super::{
    Provided,
    fields::come_again,
    observed::{End, Observer, observe},
};

/// Lets at most so many requests be at work at a time, from their head to the last byte of their response. More
/// wait in a queue, in order; over its length, or when their time there is over, they are answered 503 with
/// `Retry-After`.
///
/// Clones share one limit: given to several routes, they have it together. A queue of 100 requests and of 5 s is the
/// default: a longer one makes answers late that nobody waits for any more.
///
/// On threaded, whoever waits in the queue holds a request thread, as all work does there: keep the queue, and what is
/// at work, well below the number of threads, or the queue keeps out those that do not go through it.
///
/// Let a request go through one limit once. The same one twice on its way, around the app and around a route of it,
/// takes two permits for each request; when those that have their first take up all of them, they wait for each
/// other until their time in the queue is over, and get a 503.
///
/// A response counts until its body is done, or dropped because the client left or the handler panicked. One of at
/// most 64 KiB that is in memory is the connection's own at once, and does not count after that. A plain `fn` that
/// was given up by a [`Timeout`](super::Timeout) or a cancelled route, and still runs, no longer counts either: its
/// thread does, in [`Limits::blocking_threads_max`](trijet_core::Limits::blocking_threads_max).
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{Router, get};
/// use trijet_web::middleware::ConcurrencyLimit;
///
/// let few = ConcurrencyLimit::new(8).queue(32, Duration::from_secs(2));
/// let app = Router::new().route("/report", get(|| "report").wrap(few.clone())).route("/export", get(|| "all").wrap(few));
/// # assert!(app.build().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    permits: Arc<Permits>,
    queue_max: usize,
    wait_max: Duration,
}

impl ConcurrencyLimit {
    /// At most `in_flight_max` at a time.
    ///
    /// # Panics
    /// If that is 0: nothing would ever be answered.
    pub fn new(in_flight_max: usize) -> Self {
        assert!(in_flight_max > 0, "ConcurrencyLimit::new(0) would answer no request");
        let state = State { free: in_flight_max, ..State::default() };
        Self {
            permits: Arc::new(Permits(Mutex::new(state))),
            queue_max: 100,
            wait_max: Duration::from_secs(5),
        }
    }

    /// Lets at most `requests_max` wait, each for at most `time_max`. With 0, nobody waits.
    #[must_use]
    pub fn queue(mut self, requests_max: usize, time_max: Duration) -> Self {
        self.queue_max = requests_max;
        self.wait_max = time_max;
        self
    }
}

impl Middleware<Provided> for ConcurrencyLimit {
    async fn call(self, request: Request, next: Next) -> Answer {
        let permit = match self.permits.acquire(self.queue_max) {
            Acquired::Permit(permit) => Some(permit),
            Acquired::Place(place) => rt::timeout(self.wait_max, place).await.ok(),
            Acquired::Full => None,
        };
        match permit {
            Some(permit) => observe(next.run(request).await, permit),
            None => {
                let text = "The server is busy: too many requests are at work.";
                come_again(StatusCode::SERVICE_UNAVAILABLE, text, Duration::from_secs(1))
            }
        }
        .into()
    }

    fn declare(_: &mut Needs) {}
}

#[derive(Debug)]
struct Permits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    free: usize,
    /// The number of the next place.
    next: u64,
    /// Who waits, the first come first.
    waiting: BTreeMap<u64, Option<Waker>>,
    /// Who has been given a permit and does not know it yet.
    given: BTreeSet<u64>,
}

enum Acquired {
    Permit(Permit),
    Place(Place),
    Full,
}

impl Permits {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, so a poisoned one is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire(self: &Arc<Self>, queue_max: usize) -> Acquired {
        let mut state = self.lock();
        // While one is free nobody waits: it would have been given to them.
        if state.free > 0 {
            state.free -= 1;
            return Acquired::Permit(Permit(self.clone()));
        }
        if state.waiting.len() >= queue_max {
            return Acquired::Full;
        }
        let key = state.next;
        state.next += 1;
        state.waiting.insert(key, None);
        Acquired::Place(Place { permits: self.clone(), key })
    }

    /// One is given back: to who waits longest, or to nobody.
    fn release(&self) {
        let mut state = self.lock();
        let Some((key, waker)) = state.waiting.pop_first() else {
            state.free += 1;
            return;
        };
        state.given.insert(key);
        drop(state);
        if let Some(waker) = waker {
            // It may be the app's own.
            trijet_core::runtime::wake(waker);
        }
    }
}

/// A place in the queue, and the future of its permit. Dropping it leaves the queue.
struct Place {
    permits: Arc<Permits>,
    key: u64,
}

impl Future for Place {
    type Output = Permit;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        // Cloned and dropped without the lock: it may be the app's own.
        let mut waker = Some(cx.waker().clone());
        let mut state = self.permits.lock();
        if state.given.remove(&self.key) {
            drop(state);
            return Poll::Ready(Permit(self.permits.clone()));
        }
        if let Some(kept) = state.waiting.get_mut(&self.key) {
            std::mem::swap(kept, &mut waker);
        }
        drop(state);
        Poll::Pending
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.permits.lock();
        let waker = state.waiting.remove(&self.key);
        let was_given = state.given.remove(&self.key);
        drop(state);
        drop(waker);
        if was_given {
            self.permits.release();
        }
    }
}

/// The right to be at work, given back when it is dropped.
struct Permit(Arc<Permits>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Observer for Permit {
    fn ended(self, _: u64, _: End) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(acquired: Acquired) -> Permit {
        match acquired {
            Acquired::Permit(permit) => permit,
            Acquired::Place(_) | Acquired::Full => panic!("none was free"),
        }
    }

    fn place(acquired: Acquired) -> Pin<Box<Place>> {
        match acquired {
            Acquired::Place(place) => Box::pin(place),
            Acquired::Permit(_) | Acquired::Full => panic!("no place"),
        }
    }

    #[test]
    fn who_waits_longest_is_next_and_who_left_is_not_waited_for() {
        let limit = ConcurrencyLimit::new(1);
        let cx = &mut Context::from_waker(Waker::noop());
        let first = permit(limit.permits.acquire(3));
        let (mut one, two, mut three) = (
            place(limit.permits.acquire(3)),
            place(limit.permits.acquire(3)),
            place(limit.permits.acquire(3)),
        );
        assert!(matches!(limit.permits.acquire(3), Acquired::Full));
        assert!(one.as_mut().poll(cx).is_pending() && three.as_mut().poll(cx).is_pending());
        drop(two);
        drop(first);
        assert!(three.as_mut().poll(cx).is_pending());
        let Poll::Ready(second) = one.as_mut().poll(cx) else { panic!("it was given") };
        drop(second);
        // It has its permit, and leaves without having looked.
        drop((one, three));
        drop(permit(limit.permits.acquire(0)));
        let state = limit.permits.lock();
        assert_eq!((state.free, state.waiting.len(), state.given.len()), (1, 0, 0));
    }
}
