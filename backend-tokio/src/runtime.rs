//! `trijet::rt` on Tokio: its timers, sockets and tasks. A task enters by the poll, since the threads may be those of
//! a runtime of the user's.

use std::{
    fmt,
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
use trijet_backend::{Backend, Calls, Late, TASK, Watch, resolve, send_vectored};
use trijet_core::{
    BoxFuture, Limits,
    runtime::{self, Call, Calm, Runtime, Socket, Tasks, Timer},
};

use crate::{Tokio, seats::SeatHere};

/// What a server on Tokio lends to handlers that wait.
pub(crate) struct TokioRuntime {
    handle: Handle,
    calls: Calls,
    tasks: Tasks,
    watch: Arc<Watch>,
    /// Told to the timers: Tokio's own panic once its runtime has ended, which may be the user's.
    has_ended: Arc<AtomicBool>,
    own: std::sync::Weak<Self>,
}

impl TokioRuntime {
    /// On the runtime that this is called in.
    pub(crate) fn new(limits: &Limits, watch: Arc<Watch>) -> Arc<Self> {
        let handle = Handle::current();
        Arc::new_cyclic(|own| Self {
            calls: Calls::new(limits, &handle.clone().into(), own.clone()),
            handle,
            tasks: Tasks::default(),
            watch,
            has_ended: Arc::default(),
            own: own.clone(),
        })
    }

    /// The server has ended, and its tasks with it.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.tasks.end();
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
        let connecting = Box::pin(TcpStream::connect(address));
        Ok(Box::new(TokioSocket {
            handle: self.handle.clone(),
            state: State::Connecting(connecting),
            reader: Calm::default(),
            writer: Calm::default(),
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

struct TokioTimer {
    at: Instant,
    sleep: Pin<Box<Sleep>>,
    has_ended: Arc<AtomicBool>,
    /// For who outlives the server; `None`: it is over with that.
    late: Option<Late>,
    waker: Calm,
}

impl TokioTimer {
    fn new(runtime: &TokioRuntime, at: Instant, late: Option<Late>) -> Self {
        let _inside = runtime.handle.enter();
        let sleep = Box::pin(sleep_until(at.into()));
        Self { at, sleep, has_ended: runtime.has_ended.clone(), late, waker: Calm::default() }
    }
}

impl Timer for TokioTimer {
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_ended.load(Ordering::SeqCst) {
            let cx = &mut Context::from_waker(self.waker.of(cx.waker()));
            // Beyond Tokio's budget: a timeout has to see its time also where what it is for has spent that.
            let mut sleep = pin!(coop::unconstrained(&mut self.sleep));
            match catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx))) {
                Ok(polled) => return polled,
                // Tokio's own, where its runtime has ended just now.
                Err(_) if self.has_ended.load(Ordering::SeqCst) => {}
                Err(panic) => resume_unwind(panic),
            }
        }
        self.late.as_mut().map_or(Poll::Ready(()), |late| late.poll(cx, self.at))
    }
}

struct TokioSocket {
    handle: Handle,
    state: State,
    /// The wakers of the two directions; the latter's is the connecting one's too.
    reader: Calm,
    writer: Calm,
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
        if let State::Connecting(connecting) = &mut self.state {
            let _inside = self.handle.enter();
            let cx = &mut Context::from_waker(self.writer.of(cx.waker()));
            let stream = ready!(connecting.as_mut().poll(cx))?;
            self.state = State::Connected(stream);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let State::Connected(stream) = &mut self.state else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let cx = &mut Context::from_waker(self.reader.of(cx.waker()));
        let mut buffer = ReadBuf::new(into);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = self.state.stream()?;
        loop {
            match stream.try_io(Interest::WRITABLE, || send_vectored(stream, from)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let cx = &mut Context::from_waker(self.writer.of(cx.waker()));
                    ready!(stream.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
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
