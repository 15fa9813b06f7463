//! `Server`: the builder that all backends share, and what only Tokio can offer beside it: to run inside a
//! runtime that is there already. It must never do any work of its own: the acceptor does it.

use std::{
    future, io,
    net::{TcpListener, ToSocketAddrs},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use trijet_backend::{Backend, Life, ServerHandle};
use trijet_core::{Limits, Router, SocketSettings};

use crate::{Tokio, acceptor::Acceptor};

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

    /// Binds `address` and starts to serve in the background. Port 0 takes any free port:
    /// [`ServerHandle::local_addr`] tells which.
    ///
    /// # Errors
    /// A router with faults or missing state, a limit that makes no sense, an address that cannot be
    /// bound, a runtime that cannot be started.
    pub fn start(self, address: impl ToSocketAddrs) -> io::Result<ServerHandle> {
        self.0.start(address)
    }

    /// As [`start`](Self::start), on listeners that are bound already.
    ///
    /// # Errors
    /// As [`start`](Self::start); also where no listener is given.
    pub fn start_on(self, listeners: impl IntoIterator<Item = TcpListener>) -> io::Result<ServerHandle> {
        self.0.start_on(listeners)
    }

    /// Serves on `address` until it is stopped by a signal (feature `signals`) or from a handler.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn serve(self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.0.serve(address)
    }

    /// Serves on the running Tokio runtime, of either flavour, for as long as it is polled.
    /// Dropping it closes the listener and cuts the connections. Signals are the caller's.
    ///
    /// With thousands of busy connections a runtime serves them evenly only if it is built with
    /// [`global_queue_interval(2)`](tokio::runtime::Builder::global_queue_interval), as the server's own is.
    ///
    /// # Errors
    /// A router with faults or missing state, a limit that makes no sense, a number of
    /// [`workers`](Self::workers) (the runtime has its own), what the system refused.
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
        Ok(())
    }

    /// As [`run`](Self::run), with the handle of the server: for its statistics, and to stop it from anywhere. The
    /// future is what serves, and ready once the server has stopped. [`ServerHandle::wait`] blocks: not on a thread of
    /// the runtime.
    ///
    /// # Errors
    /// As [`run`](Self::run).
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
        let (service, handle) = settings.service(router, vec![listener.into_listener()?], Tokio::NAME)?;
        let life = service.life.clone();
        let serving = Serving { acceptor: Acceptor::new(service)?, _end: EndOnDrop(life) };
        handle.announce("inside a running runtime");
        Ok((handle, serving))
    }
}

/// A server that runs inside of somebody else's runtime. Its parts are dropped in this order.
struct Serving {
    acceptor: Acceptor,
    _end: EndOnDrop,
}

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.acceptor.poll_serve(cx)
    }
}

/// Whoever waits for the server is told, however that ends.
struct EndOnDrop(Arc<Life>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Ok(()));
    }
}

/// A listener of Tokio or of the standard library.
pub trait IntoListener {
    /// As one of the standard library.
    ///
    /// # Errors
    /// Those of the system.
    fn into_listener(self) -> io::Result<TcpListener>;
}

impl IntoListener for TcpListener {
    fn into_listener(self) -> io::Result<TcpListener> {
        Ok(self)
    }
}

impl IntoListener for tokio::net::TcpListener {
    fn into_listener(self) -> io::Result<TcpListener> {
        self.into_std()
    }
}
