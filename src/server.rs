//! The server whose backend is chosen when it starts. It only chooses: the backends do the rest.

use std::{
    io,
    net::{TcpListener, ToSocketAddrs},
};

use trijet_backend::{ServerHandle, Settings, bind};
use trijet_core::{Limits, Router, SocketSettings};

use crate::choice::{Backend, choose};

/// Builds a server. Its backend is the one set with [`backend`](Self::backend), else the one that
/// `TRIJET_BACKEND` names, else the first of tokio, mio and threaded that is compiled in.
///
/// ```
/// # #[cfg(feature = "threaded")] {
/// use trijet::{Router, Server, get};
///
/// let app = Router::new().route("/", get(async || "Hello, World!"));
/// let server = Server::new(app).workers(2).start("127.0.0.1:0")?;
/// println!("listening on {}", server.local_addr());
/// server.shutdown();
/// server.wait()?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Server {
    app: Router,
    settings: Settings,
    backend: Option<Backend>,
}

impl Server {
    /// A server for `app`, with the default settings.
    pub fn new(app: Router) -> Self {
        Self { app, settings: Settings::default(), backend: None }
    }

    /// Pins the backend.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Event loops on mio (default: one a core), worker threads on Tokio (default: one a core), the
    /// most request threads on threaded (default: [`Limits::blocking_threads_max`]).
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = Some(workers);
        self
    }

    /// Sets the limits and timeouts.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets how sockets are set up.
    pub fn sockets(mut self, sockets: SocketSettings) -> Self {
        self.settings.sockets = sockets;
        self
    }

    /// Binds `address` and starts to serve in the background. Port 0 takes any free port:
    /// [`ServerHandle::local_addr`] tells which.
    ///
    /// # Errors
    /// A router with faults or missing state, a limit that makes no sense, an address that cannot be
    /// bound, a backend that is not compiled in.
    pub fn start(self, address: impl ToSocketAddrs) -> io::Result<ServerHandle> {
        let listener = bind(address, self.settings.sockets)?;
        self.start_on([listener])
    }

    /// As [`start`](Self::start), on listeners that are bound already.
    ///
    /// # Errors
    /// As [`start`](Self::start); also where no listener is given.
    pub fn start_on(self, listeners: impl IntoIterator<Item = TcpListener>) -> io::Result<ServerHandle> {
        let (backend, why) = choose(self.backend)?;
        let listeners: Vec<TcpListener> = listeners.into_iter().collect();
        match backend {
            #[cfg(feature = "threaded")]
            Backend::Threaded => self.settings.start::<trijet_threaded::Threaded>(self.app, listeners, &why),
            #[cfg(feature = "mio")]
            Backend::Mio => self.settings.start::<trijet_mio::Mio>(self.app, listeners, &why),
            #[cfg(feature = "tokio")]
            Backend::Tokio => self.settings.start::<trijet_tokio::Tokio>(self.app, listeners, &why),
            #[cfg(not(all(feature = "threaded", feature = "mio", feature = "tokio")))]
            other => {
                drop((self.app, listeners, why));
                Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("backend {other} is not compiled in: enable the feature `{other}` of trijet"),
                ))
            }
        }
    }

    /// Serves on `address` until it is stopped by a signal (feature `signals`) or from a handler.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn serve(self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.start(address)?.serve()
    }
}
