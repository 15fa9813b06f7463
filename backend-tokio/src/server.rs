//! `Server`: the builder that all backends share, and what only Tokio can offer beside it: to run inside a
//! runtime that is there already. It must never do any work of its own: the acceptor does it.

use std::{
    future, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    os::unix::net::UnixListener,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use trijet_backend::{Address, Backend, Hooks, Life, Listen, Listener, ServerHandle, panic_text};
use trijet_core::{BoxError, Limits, Router, SocketSettings};

use crate::{Tokio, acceptor::Acceptor, bell::Bell};

/// Builds a server that runs on Tokio.
///
/// [`start`](Self::start) and [`serve`](Self::serve) bring a runtime of their own;
/// [`run`](Self::run), [`run_until`](Self::run_until) and [`run_with_handle`](Self::run_with_handle) use the one that
/// they are awaited on.
#[derive(Debug)]
pub struct Server(trijet_backend::Server<Tokio>);

impl Server {
    /// A server for `app`, with the default settings.
    pub fn new(app: Router) -> Self {
        Self(trijet_backend::Server::new(app))
    }

    /// Worker threads of its own runtime; one a core by default.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self(self.0.workers(workers))
    }

    /// Sets the limits and timeouts.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self(self.0.limits(limits))
    }

    /// Sets how sockets are set up.
    #[must_use]
    pub fn sockets(self, sockets: SocketSettings) -> Self {
        Self(self.0.sockets(sockets))
    }

    /// Sets how long requests are still served once a stop is asked for, while the server is no longer
    /// [ready](ServerHandle::is_ready): as long as load balancers take to notice. Default: zero, the stop begins at once.
    #[must_use]
    pub fn drain_delay(self, delay: Duration) -> Self {
        Self(self.0.drain_delay(delay))
    }

    /// Has `hook` run at the start, before anything is accepted; as [`trijet_backend::Server::on_start`]. It may block: in a
    /// runtime that is there already, it runs on one of that's blocking threads.
    #[must_use]
    pub fn on_start(self, hook: impl FnOnce(&ServerHandle) -> Result<(), BoxError> + Send + 'static) -> Self {
        Self(self.0.on_start(hook))
    }

    /// Has `hook` run after the stop; as [`trijet_backend::Server::on_stop`]. It may block, as one of
    /// [`on_start`](Self::on_start) may. What is dropped before it has stopped, as the future of [`run`](Self::run) can
    /// be, runs none.
    #[must_use]
    pub fn on_stop(self, hook: impl FnOnce(&ServerHandle) -> Result<(), BoxError> + Send + 'static) -> Self {
        Self(self.0.on_stop(hook))
    }

    /// Binds `address` and starts to serve in the background. Port 0 takes any free port:
    /// [`ServerHandle::local_addr`] tells which.
    ///
    /// # Errors
    /// A router with faults or missing state, a limit that makes no sense, an address that cannot be
    /// bound, a runtime that cannot be started.
    pub fn start(self, address: impl ToSocketAddrs) -> io::Result<ServerHandle> {
        self.0.start(address)
    }

    /// As [`start`](Self::start), on several listeners at once: of TCP and Unix, bound already or
    /// [to be bound](trijet_backend::Address).
    ///
    /// # Errors
    /// As [`start`](Self::start); also where no listener is given.
    pub fn start_on(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listen>>,
    ) -> io::Result<ServerHandle> {
        self.0.start_on(listeners)
    }

    /// Serves on `address` until it is stopped by a signal (feature `signals`) or from a handler.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn serve(self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.0.serve(address)
    }

    /// As [`serve`](Self::serve), on several listeners at once, as [`start_on`](Self::start_on).
    ///
    /// # Errors
    /// As [`start_on`](Self::start_on).
    pub fn serve_on(self, listeners: impl IntoIterator<Item = impl Into<Listen>>) -> io::Result<()> {
        self.0.serve_on(listeners)
    }

    /// Serves on the running Tokio runtime, of either flavour, for as long as it is polled.
    /// Dropping it closes the listener and cuts the connections. Signals are the caller's.
    ///
    /// An [`Address`] is bound at once, which blocks for as long as a name in it takes to be looked up.
    ///
    /// After [`shutdown_now`](ServerHandle::shutdown_now) it ends though a hook of the stop still runs. That holds a
    /// thread of the runtime, whose own end waits for it.
    ///
    /// With thousands of busy connections a runtime serves them evenly only if it is built with
    /// [`global_queue_interval(2)`](tokio::runtime::Builder::global_queue_interval), as the server's own is.
    ///
    /// # Errors
    /// A router with faults or missing state, a limit that makes no sense, a number of
    /// [`workers`](Self::workers) (the runtime has its own), what the system refused, or a hook.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, or in one without I/O or time enabled.
    pub async fn run(self, listener: impl IntoListener) -> io::Result<()> {
        self.run_until(listener, future::pending()).await
    }

    /// As [`run`](Self::run), until `stop` is ready: then it stops gracefully, for at most
    /// [`Limits::shutdown_timeout`], and returns.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub async fn run_until(
        self,
        listener: impl IntoListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let (handle, serving) = self.run_with_handle(listener)?;
        let (mut serving, mut stop) = (pin!(serving), pin!(stop));
        let mut stopped = false;
        future::poll_fn(|cx| {
            if !stopped && stop.as_mut().poll(cx).is_ready() {
                stopped = true;
                handle.shutdown();
            }
            serving.as_mut().poll(cx)
        })
        .await;
        // It has ended, and this tells how.
        handle.wait()
    }

    /// As [`run`](Self::run), with the handle of the server: for its statistics, and to stop it from anywhere. The
    /// future is what serves, and ready once the server has stopped; how it has ended, be it by a hook that failed, is told
    /// by [`ServerHandle::wait`], which blocks until then: not on a thread of the runtime.
    ///
    /// # Errors
    /// As [`run`](Self::run), but for the hooks.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// ```no_run
    /// # async fn serve(app: trijet_core::Router) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// let (server, serving) = trijet_tokio::Server::new(app).run_with_handle(listener)?;
    /// let serving = tokio::spawn(serving);
    /// println!("{} connections", server.statistics().connections);
    /// server.shutdown();
    /// serving.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_with_handle(
        self,
        listener: impl IntoListener,
    ) -> io::Result<(ServerHandle, impl Future<Output = ()> + Send)> {
        let (router, settings) = self.0.into_parts();
        if settings.workers.is_some() {
            let text =
                "workers is set, but the server runs inside a runtime, which has its own: leave it out";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (service, handle) = settings.service(router, listener.into_listeners()?, Tokio::NAME)?;
        let life = service.life.clone();
        let changes = Arc::new(Bell::default());
        let rung = changes.clone();
        life.on_change(move || rung.ring());
        let end = EndOnDrop(life.clone());
        let serving = Serving { hooks: service.hooks.clone(), handle: handle.clone(), life, changes, end };
        let mut acceptor = Acceptor::new(service)?;
        let serving = async move {
            // Dropped before it, also if nobody polls this.
            let serving = serving;
            let accepting = async {
                serving.begin().await?;
                future::poll_fn(|cx| acceptor.poll_serve(cx)).await;
                Ok(())
            };
            let served = accepting.await;
            drop(acceptor);
            serving.finish(served).await;
        };
        Ok((handle, serving))
    }
}

/// What goes on around a server that runs inside of somebody else's runtime.
struct Serving {
    hooks: Arc<Hooks>,
    handle: ServerHandle,
    life: Arc<Life>,
    /// Rung when it changes or ends.
    changes: Arc<Bell>,
    end: EndOnDrop,
}

impl Serving {
    /// Runs the hooks of the start.
    async fn begin(&self) -> io::Result<()> {
        self.run(Hooks::start).await?;
        self.life.serves();
        self.handle.announce("inside a running runtime");
        Ok(())
    }

    /// Runs those of the stop, unless it has not started, and tells the end.
    async fn finish(self, served: io::Result<()>) {
        let stopped = match served {
            Ok(()) => self.stop().await,
            Err(failed) => Err(failed),
        };
        self.life.end(stopped);
        drop(self.end);
    }

    /// Runs those of the stop. To stop now leaves them behind: the end has been told then.
    async fn stop(&self) -> io::Result<()> {
        let mut changes = self.changes.member();
        let mut hooks = pin!(self.run(Hooks::stop));
        future::poll_fn(|cx| {
            // Before the look.
            changes.listen(cx.waker());
            if self.life.is_ended() { Poll::Ready(Ok(())) } else { hooks.as_mut().poll(cx) }
        })
        .await
    }

    /// Runs hooks where they may block.
    async fn run(&self, hooks: fn(&Hooks, &ServerHandle) -> io::Result<()>) -> io::Result<()> {
        if self.hooks.is_empty() {
            return Ok(());
        }
        let (own, handle) = (self.hooks.clone(), self.handle.clone());
        match tokio::task::spawn_blocking(move || hooks(&own, &handle)).await {
            Ok(run) => run,
            Err(error) => Err(error
                .try_into_panic()
                .map_or_else(io::Error::from, |panic| io::Error::other(panic_text(&*panic).to_owned()))),
        }
    }
}

/// Whoever waits for the server is told, however that ends.
struct EndOnDrop(Arc<Life>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Ok(()));
    }
}

/// What a server inside of a running runtime listens on: a listener of Tokio or of the standard library, an [`Address`] that
/// is to be bound, or several: a `Vec` or an array of what [`Server::start_on`] takes.
pub trait IntoListener {
    /// As those of all backends.
    ///
    /// # Errors
    /// Those of the system.
    fn into_listeners(self) -> io::Result<Vec<Listen>>;
}

macro_rules! into_one_listener {
    ($($one:ty),*) => {
        $(
            impl IntoListener for $one {
                fn into_listeners(self) -> io::Result<Vec<Listen>> {
                    Ok(vec![self.into()])
                }
            }
        )*
    };
}

into_one_listener!(TcpListener, UnixListener, Listener, Listen, SocketAddr, Address, &Address);

impl IntoListener for tokio::net::TcpListener {
    fn into_listeners(self) -> io::Result<Vec<Listen>> {
        self.into_std()?.into_listeners()
    }
}

impl IntoListener for tokio::net::UnixListener {
    fn into_listeners(self) -> io::Result<Vec<Listen>> {
        self.into_std()?.into_listeners()
    }
}

impl<L: Into<Listen>> IntoListener for Vec<L> {
    fn into_listeners(self) -> io::Result<Vec<Listen>> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<L: Into<Listen>, const COUNT: usize> IntoListener for [L; COUNT] {
    fn into_listeners(self) -> io::Result<Vec<Listen>> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}
