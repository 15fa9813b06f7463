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
///
/// A trait object, since it is dropped in many places of a backend: what drops a driver is 5 KB of machine code, and was
/// there once for each of some 13 units that a backend is compiled in.
pub struct Driving<T>(Box<dyn Drive<T>>);

trait Drive<T>: Send {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>;

    /// Turns to the next connection, or gives it back where that must have another.
    fn enter(&mut self, transport: T, app: &Arc<App>, limits: &Arc<Limits>) -> Result<(), T>;
}

/// A driver, and where it waits.
struct Turns<T> {
    /// The future has it while the peer is waited for.
    driver: Option<Box<Driver<T>>>,
    /// There once the peer had to be waited for.
    waiting: Option<Box<Waiting<T>>>,
}

/// The future in which a driver waits, one time after the other.
struct Waiting<T> {
    future: BoxFuture<Outcome<T>>,
    /// Where a driver comes in, and goes out when its connection is idle.
    door: Arc<Door<T>>,
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
    #[inline]
    pub fn new(spare: Option<Self>, transport: T, app: &Arc<App>, limits: &Arc<Limits>) -> Self {
        let Some(mut spare) = spare else { return Self::first(transport, app, limits) };
        match spare.0.enter(transport, app, limits) {
            Ok(()) => spare,
            Err(transport) => Self::first(transport, app, limits),
        }
    }

    #[inline(never)]
    fn first(transport: T, app: &Arc<App>, limits: &Arc<Limits>) -> Self {
        let driver = Driver::new(transport, app.clone(), limits.clone());
        Self(Box::new(Turns { driver: Some(Box::new(driver)), waiting: None }))
    }

    /// Serves by another future, for once: a backend's tests have drivers of their own.
    pub fn by(future: impl Future<Output = Outcome<T>> + Send + 'static) -> Self {
        Self(Box::new(Once(Box::pin(future))))
    }

    /// Goes on serving. Behind an outcome it must not be polled any more: one behind [`Outcome::Idle`] is a spare for
    /// [`new`](Self::new), and any other has had its day.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        self.0.poll(cx)
    }
}

impl<T: Transport> Drive<T> for Turns<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
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
        let Some(mut driver) = door.lock().goes_out.take() else { return Poll::Pending };
        let outcome = idle(&mut driver);
        self.driver = Some(driver);
        Poll::Ready(outcome)
    }

    fn enter(&mut self, transport: T, app: &Arc<App>, limits: &Arc<Limits>) -> Result<(), T> {
        match &mut self.driver {
            Some(driver) if driver.serves_by(limits) => driver.enter(transport, app.clone()),
            _ => return Err(transport),
        }
        Ok(())
    }
}

impl<T: Transport> Turns<T> {
    /// Hands the driver to the future.
    fn wait(&mut self, served: Served) {
        let waiting = self.waiting.get_or_insert_with(|| {
            let door = Arc::new(Door(Mutex::new(Passing { comes_in: None, goes_out: None })));
            Waiting { future: Box::pin(wait(door.clone())), door }.into()
        });
        if let Some(driver) = self.driver.take() {
            waiting.door.lock().comes_in = Some((driver, served));
        }
    }
}

/// What serves one connection and no other.
struct Once<T>(BoxFuture<Outcome<T>>);

impl<T> Drive<T> for Once<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        self.0.as_mut().poll(cx)
    }

    fn enter(&mut self, transport: T, _: &Arc<App>, _: &Arc<Limits>) -> Result<(), T> {
        Err(transport)
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
