//! The driver's future as a backend has it: [`Driving`]. One that has seen its connection go idle serves another
//! connection, as it is: with one request at a time, to make a future for each, with its buffers, and to drop it, was a
//! third of what a request cost on an event loop. It must never hold anything of an idle connection.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
};

use super::{Driver, Served};
use crate::{
    App, BoxFuture, CloseReason, Limits, Outcome, Transport,
    sync::{Mutex, MutexGuard},
};

/// A connection that is served, or the means to serve one.
pub struct Driving<T> {
    future: BoxFuture<Outcome<T>>,
    /// Where a connection comes in, and goes out when it is idle. None: the future serves one alone.
    door: Option<Arc<Door<T>>>,
}

/// Never waited for: who polls the future is who puts things in and takes them out, and only it looks meanwhile.
struct Door<T>(Mutex<Passing<T>>);

struct Passing<T> {
    comes_in: Option<Entering<T>>,
    goes_out: Option<Outcome<T>>,
}

/// A connection, and what it is served with.
struct Entering<T> {
    transport: T,
    app: Arc<App>,
    limits: Arc<Limits>,
}

impl<T: Transport> Driving<T> {
    /// Begins to serve a connection: by `spare`, which has given its last one back as idle, where there is one.
    pub fn new(spare: Option<Self>, transport: T, app: Arc<App>, limits: Arc<Limits>) -> Self {
        let comes_in = Some(Entering { transport, app, limits });
        if let Some(Self { future, door: Some(door) }) = spare {
            door.lock().comes_in = comes_in;
            return Self { future, door: Some(door) };
        }
        let door = Arc::new(Door(Mutex::new(Passing { comes_in, goes_out: None })));
        Self { future: Box::pin(serve(door.clone())), door: Some(door) }
    }

    /// Serves by another future, for once: a backend's tests have drivers of their own.
    pub fn by(future: impl Future<Output = Outcome<T>> + Send + 'static) -> Self {
        Self { future: Box::pin(future), door: None }
    }

    /// Goes on serving. Behind an outcome other than [`Outcome::Idle`] it must not be polled any more.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        if let Poll::Ready(outcome) = self.future.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        match self.door.as_ref().and_then(|door| door.lock().goes_out.take()) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
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

/// Serves one connection after the other, until one ends.
async fn serve<T: Transport>(door: Arc<Door<T>>) -> Outcome<T> {
    // Nobody has to be woken for what comes in: who puts it there polls.
    let next = || poll_fn(|_| door.lock().comes_in.take().map_or(Poll::Pending, Poll::Ready));
    let Entering { transport, app, limits } = next().await;
    let mut driver = Driver::new(transport, app, limits);
    loop {
        match driver.serve().await {
            Served::Idle(deadline) => {
                let Some(transport) = driver.leave() else { return Outcome::Closed(CloseReason::PeerLeft) };
                door.lock().goes_out = Some(Outcome::Idle { transport, deadline });
            }
            Served::Over(end) => return Outcome::Closed(driver.close(end).await),
        }
        let Entering { transport, app, limits } = next().await;
        driver.enter(transport, app, limits);
    }
}
