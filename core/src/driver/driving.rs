//! The driver as a backend has it: [`Driving`]. One that has seen its connection go idle serves another
//! connection, as it is: to make one for each turn, with its buffers, and to drop it, was a third of what a request cost
//! on an event loop. It must never hold anything of an idle connection.
//!
//! What can be done at once needs no future: to hand each connection to one and take it back cost 500 instructions a turn.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::{Context, Poll, ready},
};

use super::{Driver, Served};
use crate::{
    App, BoxFuture, CloseReason, Limits, Outcome, Transport,
    sync::{Mutex, MutexGuard},
};

/// A connection that is served, or the means to serve one. Small: it goes from hand to hand with each turn.
pub struct Driving<T> {
    /// The future has it while the peer is waited for.
    driver: Option<Box<Driver<T>>>,
    /// There once the peer had to be waited for.
    waiting: Option<Box<Waiting<T>>>,
}

/// The future in which a driver waits, one time after the other.
struct Waiting<T> {
    future: BoxFuture<Outcome<T>>,
    /// Where a driver comes in, and goes out when its connection is idle. None: the future serves a connection by itself.
    door: Option<Arc<Door<T>>>,
}

/// Never waited for: who polls the future is who puts things in and takes them out, and only it looks meanwhile.
struct Door<T>(Mutex<Passing<T>>);

struct Passing<T> {
    /// With what it has come to.
    comes_in: Option<(Box<Driver<T>>, Served)>,
    goes_out: Option<Box<Driver<T>>>,
}

impl<T: Transport> Driving<T> {
    /// Begins to serve a connection: by `spare`, which has given its last one back as idle, where there is one.
    pub fn new(spare: Option<Self>, transport: T, app: &Arc<App>, limits: &Arc<Limits>) -> Self {
        if let Some(Self { driver: Some(mut driver), waiting }) = spare {
            if driver.serves_by(limits) {
                driver.enter(transport, app.clone());
                return Self { driver: Some(driver), waiting };
            }
        }
        let driver = Driver::new(transport, app.clone(), limits.clone());
        Self { driver: Some(Box::new(driver)), waiting: None }
    }

    /// Serves by another future, for once: a backend's tests have drivers of their own.
    pub fn by(future: impl Future<Output = Outcome<T>> + Send + 'static) -> Self {
        let waiting = Waiting { future: Box::pin(future), door: None };
        Self { driver: None, waiting: Some(waiting.into()) }
    }

    /// Goes on serving. Behind an outcome it must not be polled any more: one behind [`Outcome::Idle`] is a spare for
    /// [`new`](Self::new), and any other has had its day.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        if let Some(driver) = &mut self.driver {
            match ready!(driver.advance(cx)) {
                Served::Idle => return Poll::Ready(idle(driver)),
                served => self.wait(served),
            }
        }
        let Some(Waiting { future, door }) = self.waiting.as_deref_mut() else { return Poll::Pending };
        if let Poll::Ready(outcome) = future.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        let Some(mut driver) = door.as_ref().and_then(|door| door.lock().goes_out.take()) else {
            return Poll::Pending;
        };
        let outcome = idle(&mut driver);
        self.driver = Some(driver);
        Poll::Ready(outcome)
    }

    /// Hands the driver to the future.
    fn wait(&mut self, served: Served) {
        let waiting = self.waiting.get_or_insert_with(|| {
            let door = Arc::new(Door(Mutex::new(Passing { comes_in: None, goes_out: None })));
            Waiting { future: Box::pin(wait(door.clone())), door: Some(door) }.into()
        });
        if let (Some(door), Some(driver)) = (&waiting.door, self.driver.take()) {
            door.lock().comes_in = Some((driver, served));
        }
    }
}

impl<T> fmt::Debug for Driving<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driving").finish_non_exhaustive()
    }
}

impl<T> Door<T> {
    fn lock(&self) -> MutexGuard<'_, Passing<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn idle<T: Transport>(driver: &mut Driver<T>) -> Outcome<T> {
    match driver.leave() {
        Some(transport) => Outcome::Idle(transport),
        None => Outcome::Closed(CloseReason::PeerLeft),
    }
}

/// Waits for one driver after the other, until the connection of one ends.
async fn wait<T: Transport>(door: Arc<Door<T>>) -> Outcome<T> {
    loop {
        // Nobody has to be woken for what comes in: who puts it there polls.
        let next = poll_fn(|_| door.lock().comes_in.take().map_or(Poll::Pending, Poll::Ready));
        let (mut driver, mut served) = next.await;
        loop {
            served = match served {
                Served::Idle => break,
                Served::Over(end) => return Outcome::Closed(driver.close(end).await),
                Served::Waits(wait) => match driver.wait(wait).await {
                    Ok(()) => poll_fn(|cx| driver.advance(cx)).await,
                    Err(end) => Served::Over(end),
                },
            };
        }
        door.lock().goes_out = Some(driver);
    }
}
