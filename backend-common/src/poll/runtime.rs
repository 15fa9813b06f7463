//! `trijet::rt` on backends with a poll of their own.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Instant,
};

use trijet_core::{
    BoxFuture,
    runtime::{Call, Runtime, Socket, Tasks, Timer},
};

use super::{Key, Reactor, socket::PollSocket};
use crate::{Calls, Late, Life, Service, resolve};

/// Takes a future, to poll it to its end.
pub type Spawn = Box<dyn Fn(BoxFuture<()>) + Send + Sync>;

/// What such a backend lends to handlers that wait.
pub struct PollRuntime {
    backend: &'static str,
    reactors: Vec<Arc<Reactor>>,
    home: Box<dyn Fn() -> usize + Send + Sync>,
    spawn: Spawn,
    calls: Calls,
    life: Arc<Life>,
    tasks: Tasks,
}

impl PollRuntime {
    /// For the backend of `service` with `reactors`, of which `home` gives the index for the thread that asks. `spawn` makes what
    /// takes tasks, which may keep the runtime weakly.
    pub fn new(
        backend: &'static str,
        service: &Service,
        reactors: Vec<Arc<Reactor>>,
        home: impl Fn() -> usize + Send + Sync + 'static,
        spawn: impl FnOnce(&Weak<Self>) -> Spawn,
    ) -> Arc<Self> {
        Arc::new_cyclic(|own: &Weak<Self>| Self {
            backend,
            reactors,
            home: Box::new(home),
            spawn: spawn(own),
            calls: Calls::new(&service.limits, &service.context, own.clone()),
            life: service.life.clone(),
            tasks: Tasks::default(),
        })
    }

    /// The reactor that serves this thread.
    fn reactor(&self) -> &Arc<Reactor> {
        // Whoever makes a runtime has a poll.
        &self.reactors[(self.home)() % self.reactors.len()]
    }

    /// The server begins to stop. Once is enough.
    pub fn stop(&self) {
        self.tasks.stop();
    }

    /// The server has ended: nobody serves connections any more, and its tasks end.
    pub fn end(&self) {
        self.tasks.end();
        self.reactors.iter().for_each(|reactor| reactor.close());
        self.calls.close();
    }
}

impl Runtime for PollRuntime {
    fn backend(&self) -> &'static str {
        self.backend
    }

    fn is_ready(&self) -> bool {
        self.life.is_ready()
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self, at: Instant) -> Box<dyn Timer> {
        Box::new(PollTimer::new(self.reactor(), at, Some(Late::default())))
    }

    fn deadline(&self, at: Instant) -> Box<dyn Timer> {
        Box::new(PollTimer::new(self.reactor(), at, None))
    }

    fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Socket>> {
        Ok(Box::new(PollSocket::connect(address, self.reactor().clone())?))
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        resolve(host, port)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        (self.spawn)(task);
    }

    fn spawn_blocking(&self, call: Box<dyn Call>) {
        self.calls.run(call);
    }

    fn spawn_lookup(&self, call: Box<dyn Call>) {
        self.calls.look_up(call);
    }

    fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}

impl fmt::Debug for PollRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollRuntime").field("backend", &self.backend).finish_non_exhaustive()
    }
}

struct PollTimer {
    reactor: Arc<Reactor>,
    at: Instant,
    kept: Option<Key>,
    /// For who outlives the server; `None`: it is over with that.
    late: Option<Late>,
}

impl PollTimer {
    fn new(reactor: &Arc<Reactor>, at: Instant, late: Option<Late>) -> Self {
        Self { reactor: reactor.clone(), at, kept: None, late }
    }
}

impl Timer for PollTimer {
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        if self.reactor.poll_timer(cx, self.at, &mut self.kept).is_pending() {
            return Poll::Pending;
        }
        // Its time has come just now, or the reactor keeps none any more.
        self.late.as_mut().map_or(Poll::Ready(()), |late| late.poll(cx, self.at))
    }
}

impl Drop for PollTimer {
    fn drop(&mut self) {
        if let Some(key) = self.kept {
            self.reactor.forget_timer(key);
        }
    }
}
