//! `trijet::rt` on Tokio: its timers, sockets and tasks. A task enters by the poll, since the threads may be those of
//! a runtime of the user's.

use std::{
    fmt,
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, Interest, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    task::coop,
    time::{Sleep, sleep_until},
};
use trijet_backend::{Backend, Calls, Late, Life, TASK, Watch, resolve, send_vectored, server_has_ended};
use trijet_core::{
    BoxFuture, Limits,
    runtime::{self, Call, Calm, Runtime, Socket, Tasks, Timer},
};

use crate::{
    Tokio,
    bell::{Bell, Member},
    seats::SeatHere,
};

/// What a server on Tokio lends to handlers that wait.
pub(crate) struct TokioRuntime {
    handle: Handle,
    calls: Calls,
    tasks: Tasks,
    watch: Arc<Watch>,
    life: Arc<Life>,
    /// Rung once, for the timers and connections that wait. Tokio goes on to serve them if its runtime is the user's; of
    /// one that ends too it panics, or has errors of its own.
    end: Arc<Bell>,
    own: std::sync::Weak<Self>,
}

impl TokioRuntime {
    /// On the runtime that this is called in.
    pub(crate) fn new(limits: &Limits, watch: Arc<Watch>, life: Arc<Life>) -> Arc<Self> {
        let handle = Handle::current();
        Arc::new_cyclic(|own| Self {
            calls: Calls::new(limits, &handle.clone().into(), own.clone()),
            handle,
            tasks: Tasks::default(),
            watch,
            life,
            end: Arc::default(),
            own: own.clone(),
        })
    }

    /// The server begins to stop. Once is enough.
    pub(crate) fn stop(&self) {
        self.tasks.stop();
    }

    /// The server has ended, and its tasks and connections with it. Once is enough, twice does no harm.
    pub(crate) fn end(&self) {
        self.tasks.end();
        self.end.ring_last();
        self.calls.close();
    }
}

impl fmt::Debug for TokioRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioRuntime").finish_non_exhaustive()
    }
}

impl Runtime for TokioRuntime {
    fn backend(&self) -> &'static str {
        Tokio::NAME
    }

    fn is_ready(&self) -> bool {
        self.life.is_ready()
    }

    fn now(&self) -> Instant {
        // Tokio's clock, not the system's: it can be paused in tests.
        let _inside = self.handle.enter();
        tokio::time::Instant::now().into_std()
    }

    fn timer(&self, at: Instant) -> Box<dyn Timer> {
        Box::new(TokioTimer::new(self, at, Some(Late::default())))
    }

    fn deadline(&self, at: Instant) -> Box<dyn Timer> {
        Box::new(TokioTimer::new(self, at, None))
    }

    fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Socket>> {
        if self.end.is_over() {
            return Err(server_has_ended());
        }
        let connecting = Box::pin(TcpStream::connect(address));
        Ok(Box::new(TokioSocket {
            handle: self.handle.clone(),
            state: State::Connecting(connecting),
            reader: Wait::new(self),
            writer: Wait::new(self),
        }))
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        resolve(host, port)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        let runtime = self.own.upgrade().map(|own| own as Arc<dyn Runtime>);
        // Its end and its panics are core's.
        drop(self.handle.spawn(Inside {
            runtime,
            task,
            watch: self.watch.clone(),
            seat: SeatHere::default(),
        }));
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

/// A task that is inside of the server's runtime whenever it is polled.
struct Inside {
    runtime: Option<Arc<dyn Runtime>>,
    task: BoxFuture<()>,
    watch: Arc<Watch>,
    seat: SeatHere,
}

impl Future for Inside {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { runtime, task, watch, seat } = &mut *self;
        let _inside = Swapped::new(runtime);
        seat.enter(watch, TASK);
        let polled = task.as_mut().poll(cx);
        seat.leave();
        polled
    }
}

/// The time in which this thread is inside of a runtime, also if it ends by a panic.
pub(crate) struct Swapped<'a>(&'a mut Option<Arc<dyn Runtime>>);

impl<'a> Swapped<'a> {
    pub(crate) fn new(runtime: &'a mut Option<Arc<dyn Runtime>>) -> Self {
        runtime::swap(runtime);
        Self(runtime)
    }
}

impl Drop for Swapped<'_> {
    fn drop(&mut self) {
        runtime::swap(self.0);
    }
}

/// A wait for something of Tokio's, and for the end of the server.
struct Wait {
    waker: Calm,
    end: Member,
}

impl Wait {
    fn new(runtime: &TokioRuntime) -> Self {
        Self { waker: Calm::default(), end: runtime.end.member() }
    }

    /// Polls it; `None` once the server has ended.
    fn poll<R>(
        &mut self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Option<Poll<R>> {
        if self.end.is_over() {
            return None;
        }
        let waker = self.waker.of(cx.waker());
        let polled = poll(&mut Context::from_waker(waker));
        if polled.is_pending() {
            // What is ready at once takes no lock. Before the second look: the end comes after it, or is seen.
            self.end.listen(waker);
            if self.end.is_over() {
                return None;
            }
        }
        Some(polled)
    }

    /// As [`poll`](Self::poll), for what fails with the end.
    fn poll_io<R>(
        &mut self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        match self.poll(cx, poll) {
            // Tokio's own error, if its runtime has ended just now.
            Some(Poll::Ready(Err(_))) if self.end.is_over() => Poll::Ready(Err(server_has_ended())),
            Some(polled) => polled,
            None => Poll::Ready(Err(server_has_ended())),
        }
    }
}

struct TokioTimer {
    at: Instant,
    sleep: Pin<Box<Sleep>>,
    /// For who outlives the server; `None`: it is over with that.
    late: Option<Late>,
    wait: Wait,
}

impl TokioTimer {
    fn new(runtime: &TokioRuntime, at: Instant, late: Option<Late>) -> Self {
        let _inside = runtime.handle.enter();
        Self { at, sleep: Box::pin(sleep_until(at.into())), late, wait: Wait::new(runtime) }
    }
}

impl Timer for TokioTimer {
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.wait.poll(cx, |cx| {
            // Beyond Tokio's budget: a timeout has to see its time also where what it is for has spent that.
            let mut sleep = pin!(coop::unconstrained(&mut self.sleep));
            let polled = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx)));
            polled.map_or_else(|panic| Poll::Ready(Err(panic)), |polled| polled.map(Ok))
        });
        match polled {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(Ok(()))) => return Poll::Ready(()),
            Some(Poll::Ready(Err(panic))) if !self.wait.end.is_over() => resume_unwind(panic),
            // Tokio's own, where its runtime has ended just now.
            Some(Poll::Ready(Err(_))) | None => {}
        }
        self.late.as_mut().map_or(Poll::Ready(()), |late| late.poll(cx, self.at))
    }
}

struct TokioSocket {
    handle: Handle,
    state: State,
    /// Those of the two directions; the latter is the connecting one's too.
    reader: Wait,
    writer: Wait,
}

enum State {
    Connecting(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send + Sync>>),
    Connected(TcpStream),
}

impl State {
    fn stream(&self) -> io::Result<&TcpStream> {
        match self {
            Self::Connected(stream) => Ok(stream),
            Self::Connecting(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Socket for TokioSocket {
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { handle, state, writer, .. } = self;
        writer.poll_io(cx, |cx| {
            if let State::Connecting(connecting) = state {
                let _inside = handle.enter();
                *state = State::Connected(ready!(connecting.as_mut().poll(cx))?);
            }
            Poll::Ready(Ok(()))
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let State::Connected(stream) = &mut self.state else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        self.reader.poll_io(cx, |cx| {
            let mut buffer = ReadBuf::new(into);
            ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = self.state.stream()?;
        self.writer.poll_io(cx, |cx| {
            loop {
                match stream.try_io(Interest::WRITABLE, || send_vectored(stream, from)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(stream.poll_write_ready(cx))?;
                    }
                    result => return Poll::Ready(result),
                }
            }
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match SockRef::from(self.state.stream()?).shutdown(Shutdown::Write) {
            // The peer has left already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.state.stream()?.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.state.stream()?.peer_addr()
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.state.stream()?.set_nodelay(nodelay)
    }
}
