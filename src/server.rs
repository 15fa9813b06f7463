//! The server whose backend is chosen when it starts. It only chooses: the backends do the rest.

use std::{io, net::ToSocketAddrs, time::Duration};

use trijet_backend::{Listen, ServerHandle, Settings, bind};
use trijet_core::{BoxError, Limits, Router, SocketSettings};

use crate::choice::{Backend, Told, choose};

/// Builds a server. Its backend is the one set with [`backend`](Self::backend), else the one that
/// `TRIJET_BACKEND` names, else the one of its configuration (feature `config`), else the first of tokio, mio and
/// threaded that is compiled in.
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
    backend: Option<Told>,
}

impl Server {
    /// A server for `app`, with the default settings.
    pub fn new(app: Router) -> Self {
        Self { app, settings: Settings::default(), backend: None }
    }

    /// Pins the backend.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(Told::Pinned(backend));
        self
    }

    /// With the settings of `config`, its addresses apart.
    #[cfg(feature = "config")]
    pub(crate) fn configured(mut self, config: &crate::ServerConfig) -> Self {
        self.backend = config.backend.map(Told::Configured);
        self.settings.workers = config.workers;
        self.settings.limits = config.limits.clone();
        self.settings.sockets = config.sockets;
        self.settings.drain_delay = config.drain_delay;
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

    /// Sets how long requests are still served once a stop is asked for, while the server is no longer
    /// [ready](ServerHandle::is_ready): as long as load balancers take to notice. Default: zero, the stop begins at once. A
    /// second signal, and [`ServerHandle::shutdown_now`], end it.
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.settings.drain_delay = delay;
        self
    }

    /// Has `hook` run at the start: all listeners are bound, and nothing is accepted until it has returned. It may block.
    /// Several run in their order. If one fails or panics, the server does not start, and says why; those of
    /// [`on_stop`](Self::on_stop) do not run then. A stop that is asked for meanwhile comes once they have returned: so does
    /// that of a signal, if it is [`serve`](Self::serve) or [`serve_on`](Self::serve_on) that starts the server.
    pub fn on_start(
        mut self,
        hook: impl FnOnce(&ServerHandle) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.settings.hooks.on_start(hook);
        self
    }

    /// Has `hook` run after the stop: the last connection has ended or was cut, and [`ServerHandle::wait`] has not returned
    /// yet. It may block. Several run in their order, each whatever the others do. The first that fails or panics is what
    /// `wait` returns; the log has all. [`ServerHandle::shutdown_now`], and so another signal, leaves one behind that is
    /// running.
    pub fn on_stop(
        mut self,
        hook: impl FnOnce(&ServerHandle) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.settings.hooks.on_stop(hook);
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

    /// As [`start`](Self::start), on several listeners at once: of TCP and Unix, bound already or
    /// [to be bound](crate::Address).
    ///
    /// ```
    /// # #[cfg(feature = "threaded")] {
    /// use std::net::TcpListener;
    /// use trijet::{Address, Listen, Router, Server, get};
    ///
    /// let path = std::env::temp_dir().join(format!("app-{}.sock", std::process::id()));
    /// let addresses = ["127.0.0.1:0".parse()?, Address::unix(&path)];
    /// let app = Router::new().route("/", get(async || "Hello, World!"));
    /// let server = Server::new(app).start_on(addresses)?;
    /// assert_eq!(server.local_addrs().len(), 2);
    /// server.shutdown();
    /// server.wait()?;
    /// assert!(!path.exists());
    ///
    /// // Some bound already, others not.
    /// let bound = TcpListener::bind("127.0.0.1:0")?;
    /// let listeners = [Listen::from(bound), Listen::from(Address::unix(&path))];
    /// # drop(listeners);
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`start`](Self::start); also where no listener is given.
    pub fn start_on(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listen>>,
    ) -> io::Result<ServerHandle> {
        let (backend, why) = choose(self.backend)?;
        let listeners: Vec<Listen> = listeners.into_iter().map(Into::into).collect();
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

    /// Starts it on a port of 127.0.0.1 of its own, and gives a client of it for tests. The server ends with the last clone
    /// of the client and with the last exchange: it is [stopped at once](ServerHandle::shutdown_now) and waited for, up to
    /// ten seconds, its hooks of the stop included.
    ///
    /// ```
    /// # #[cfg(feature = "threaded")] {
    /// use trijet::{Backend, Router, Server, get};
    ///
    /// let app = Router::new().route("/", get(async || "Hello, World!"));
    /// let client = Server::new(app).backend(Backend::Threaded).workers(2).test_client();
    /// client.get("/").send().assert_status(200).assert_text("Hello, World!");
    /// # }
    /// ```
    ///
    /// # Panics
    /// Where it does not start: see [`start`](Self::start). Dropping the client panics where the server does not end, or
    /// ends with an error; within a panic that is a line on the standard error.
    #[cfg(feature = "testing")]
    #[track_caller]
    #[must_use = "the server ends with its client"]
    pub fn test_client(self) -> crate::testing::TestClient {
        match self.start("127.0.0.1:0") {
            Ok(server) => crate::testing::serve(server),
            Err(error) => panic!("the server cannot be started: {error}"),
        }
    }

    /// Serves on `address` until it is stopped by a signal (feature `signals`) or from a handler. A signal that comes
    /// during the start, as while a hook of it runs, stops the server as soon as it has started; another one then ends
    /// the process.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn serve(mut self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.settings.stops_on_signals = true;
        self.start(address)?.serve()
    }

    /// As [`serve`](Self::serve), on several listeners at once, as [`start_on`](Self::start_on).
    ///
    /// # Errors
    /// As [`start_on`](Self::start_on).
    pub fn serve_on(mut self, listeners: impl IntoIterator<Item = impl Into<Listen>>) -> io::Result<()> {
        self.settings.stops_on_signals = true;
        self.start_on(listeners)?.serve()
    }
}
