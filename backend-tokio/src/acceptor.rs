//! The task of the server: it takes connections, counts them, and sees them off when the server
//! stops. No failure of `accept` may end it or make it spin, and nothing it does depends on whose runtime it is.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::{
    net::TcpStream,
    runtime::Handle,
    task::{JoinError, JoinSet, coop},
    time::{Sleep, sleep, sleep_until},
};
use trijet_backend::{
    AcceptFailure, GRACE, Jobs, LAST_ACCEPTS_MAX, Lines, Phase, Service, Watchdog, panic_text,
    prepare_connection,
};
use trijet_core::SocketSettings;

use crate::{
    bell::{Bell, Member},
    connection::{Connection, Shared},
    listening::Listening,
    runtime::TokioRuntime,
    transport::TokioTransport,
};

/// A server at work. It is done once the server has stopped; dropped earlier, it cuts its connections.
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    _watchdog: Watchdog,
    member: Member,
    sockets: SocketSettings,
    /// None is left once a graceful stop has taken what they had queued.
    listeners: Vec<Listening>,
    connections: JoinSet<()>,
    connections_max: usize,
    shortages: Lines,
    /// Until its end none is asked.
    pause: Option<Pin<Box<Sleep>>>,
    stop_deadline: Option<Pin<Box<Sleep>>>,
    /// Once the connections are cut: until when they are waited for.
    cut_deadline: Option<Pin<Box<Sleep>>>,
    last_accepts: usize,
}

impl Acceptor {
    /// Takes `service` over, inside the runtime that is to serve it.
    pub(crate) fn new(service: Service) -> io::Result<Self> {
        let Service { app, limits, sockets, connections_max, listeners, life, watch, .. } = service;
        let bell = Arc::new(Bell::default());
        let rung = bell.clone();
        life.on_change(move || rung.ring());
        let listeners = listeners.into_iter().map(Listening::new).collect::<io::Result<_>>()?;
        let runtime = TokioRuntime::new(&limits, watch.clone(), life.clone());
        let jobs = Jobs::new(&limits, &Handle::current().into(), Arc::downgrade(&runtime));
        let watchdog = watch.start();
        let connections = AtomicUsize::new(0);
        let shared = Arc::new(Shared { app, limits, life, bell, jobs, runtime, watch, connections });
        let asked = Arc::downgrade(&shared);
        shared
            .watch
            .ask_for_figures(move || asked.upgrade().map(|shared| shared.figures()).unwrap_or_default());
        Ok(Self {
            member: shared.bell.member(),
            shared,
            _watchdog: watchdog,
            sockets,
            listeners,
            connections: JoinSet::new(),
            connections_max,
            shortages: Lines::default(),
            pause: None,
            stop_deadline: None,
            cut_deadline: None,
            last_accepts: 0,
        })
    }

    /// What it lends to handlers.
    pub(crate) fn runtime(&self) -> &Arc<TokioRuntime> {
        &self.shared.runtime
    }

    /// Ready once the server has stopped and nothing is left to do.
    pub(crate) fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Before the look at the phase.
        self.member.listen(cx.waker());
        match self.shared.life.phase() {
            Phase::Running => {
                while self.poll_accept(cx).is_ready() {}
                Poll::Pending
            }
            Phase::Stopping(deadline) if self.cut_deadline.is_none() => self.poll_stop(cx, deadline),
            Phase::Stopping(_) | Phase::Cut => self.poll_cut(cx),
        }
    }

    /// One step of accepting; pending once there is something to wait for.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_room(cx));
        for index in 0..self.listeners.len() {
            let listener = &mut self.listeners[index];
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                match accepted {
                    Ok((stream, peer)) => {
                        listener.acceptance.succeeded();
                        self.admit(stream, peer);
                    }
                    Err(error) => drop(self.failed(index, &error)),
                }
                // The next turn begins with another listener.
                self.listeners.rotate_left(index + 1);
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Lets go of the connections that have ended.
    fn reap(&mut self, cx: &mut Context<'_>) {
        // Until it is pending or empty: only then will the end of the next one wake this task.
        while let Poll::Ready(Some(ended)) = self.connections.poll_join_next(cx) {
            if let Some(Ok(panic)) = ended.err().map(JoinError::try_into_panic) {
                log::error!("a connection was lost to a panic: {}", panic_text(&*panic));
            }
        }
        self.count();
    }

    fn count(&self) {
        self.shared.connections.store(self.connections.len(), Ordering::Relaxed);
    }

    /// Ready when another connection may be taken: under the limit, and not in a pause.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.reap(cx);
        if self.connections.len() >= self.connections_max {
            return Poll::Pending;
        }
        self.poll_pause(cx)
    }

    /// Ready when the pause after a failed accept, if any, is over.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    fn admit(&mut self, stream: TcpStream, peer: Option<SocketAddr>) {
        if let Err(error) = prepare_connection(&stream, peer, self.sockets) {
            // The peer has left already, most likely.
            log::debug!("a connection could not be set up: {error}");
            return;
        }
        let transport = TokioTransport::new(stream, peer, self.shared.clone());
        // Before it is served, which another thread may begin with at once.
        self.shared.connections.store(self.connections.len() + 1, Ordering::Relaxed);
        self.connections.spawn(Connection::new(transport));
    }

    fn failed(&mut self, index: usize, error: &io::Error) -> AcceptFailure {
        let listener = &mut self.listeners[index];
        let failure = listener.acceptance.failed(error, Instant::now(), &mut self.shortages);
        match failure {
            AcceptFailure::Empty | AcceptFailure::Retry => {}
            AcceptFailure::PauseOne(time) => listener.pause(time),
            AcceptFailure::PauseAll(time) => self.pause = Some(Box::pin(sleep(time))),
        }
        failure
    }

    /// The graceful stop: ready when the last connection has ended, or at the deadline.
    fn poll_stop(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.shared.runtime.stop();
        let timer = self.stop_deadline.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        if timer.as_mut().poll(cx).is_ready() {
            log::warn!("{} connections were cut: the time to stop is over", self.connections.len());
            return self.poll_cut(cx);
        }
        // Who finds the file of a Unix socket no more is told so, and not lost with a queue.
        self.listeners.iter_mut().for_each(Listening::remove_file);
        while !self.listeners.is_empty() {
            ready!(self.poll_accept_queued(cx));
        }
        self.reap(cx);
        if self.connections.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready once the workers have dropped what was cut. One that a handler holds is not waited for long.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.cut_deadline.get_or_insert_with(|| {
            self.listeners.clear();
            self.connections.abort_all();
            Box::pin(sleep(GRACE))
        });
        let is_over = timer.as_mut().poll(cx).is_ready();
        self.reap(cx);
        if is_over && !self.connections.is_empty() {
            log::warn!("handlers still hold {} connections that were cut", self.connections.len());
        }
        if is_over || self.connections.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// One step of taking what the kernel has queued; each listener is closed when it is empty, or fails for good. The connection
    /// limit no longer holds: what is queued is bounded by the backlog, and would be reset.
    fn poll_accept_queued(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_pause(cx));
        let Some(last) = self.listeners.len().checked_sub(1) else { return Poll::Ready(()) };
        // The rest of the runtime gets its turn.
        let step = ready!(coop::poll_proceed(cx));
        step.made_progress();
        // The kernel is asked itself: Tokio knows only what was ready when it last looked.
        let is_over = match self.listeners[last].accept_now() {
            Ok((stream, peer)) => {
                self.listeners[last].acceptance.succeeded();
                self.admit(stream, peer);
                false
            }
            Err(error) => {
                matches!(self.failed(last, &error), AcceptFailure::Empty | AcceptFailure::PauseOne(_))
            }
        };
        self.last_accepts += 1;
        if is_over || self.last_accepts == LAST_ACCEPTS_MAX {
            self.listeners.pop();
            self.last_accepts = 0;
        }
        Poll::Ready(())
    }
}

impl Future for Acceptor {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_serve(cx)
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // Jobs that wait are dropped with the connections, which the set aborts.
        self.shared.jobs.close();
        self.shared.runtime.end();
    }
}
