//! A runtime for models: what is spawned waits until the model runs or drops it, and a timer is over when the model
//! says so.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use crate::{
    BoxFuture,
    runtime::{self, Call, Runtime, Socket, Tasks, Timer},
    sync::Mutex,
};

#[derive(Default)]
pub(crate) struct StandIn {
    tasks: Tasks,
    /// These locks are std's: a model takes out what is its own, and no order is of interest.
    spawned: std::sync::Mutex<Vec<BoxFuture<()>>>,
    calls: std::sync::Mutex<Vec<Box<dyn Call>>>,
    clock: Arc<Mutex<Clock>>,
}

#[derive(Default)]
struct Clock {
    is_over: bool,
    waker: Option<Waker>,
}

impl StandIn {
    /// Runs `call` inside of it. All threads of a model are one thread of the system: no other may do so meanwhile.
    pub(crate) fn inside<R>(self: &Arc<Self>, call: impl FnOnce() -> R) -> R {
        let _entered = runtime::enter(self.clone());
        call()
    }

    /// The task that was spawned last.
    pub(crate) fn task(&self) -> BoxFuture<()> {
        self.spawned.lock().unwrap().pop().unwrap()
    }

    /// The call that was spawned last.
    pub(crate) fn call(&self) -> Box<dyn Call> {
        self.calls.lock().unwrap().pop().unwrap()
    }

    /// All timers are over.
    pub(crate) fn expire(&self) {
        let waker = {
            let mut clock = self.clock.lock().unwrap();
            clock.is_over = true;
            clock.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct StandInTimer(Arc<Mutex<Clock>>);

impl Timer for StandInTimer {
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut clock = self.0.lock().unwrap();
        clock.waker = Some(cx.waker().clone());
        if clock.is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Runtime for StandIn {
    fn backend(&self) -> &'static str {
        "model"
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self, _: Instant) -> Box<dyn Timer> {
        Box::new(StandInTimer(self.clock.clone()))
    }

    fn connect(&self, _: SocketAddr) -> io::Result<Box<dyn Socket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.spawned.lock().unwrap().push(task);
    }

    fn spawn_blocking(&self, call: Box<dyn Call>) {
        self.calls.lock().unwrap().push(call);
    }

    fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}
