//! The server's builder and handle: the same on every backend, which only supplies [`Backend`].

use std::{
    fmt, io,
    marker::PhantomData,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
    thread,
};

use trijet_core::{App, Limits, Router, SocketSettings};

use crate::{Context, Life, Run, Statistics, Watch, context::Owner, sockets};

/// A way to run servers.
pub trait Backend: 'static {
    /// Its name, as in `TRIJET_BACKEND` and the log.
    const NAME: &'static str;

    /// Whether its threads are to be inside a Tokio runtime of the server's own; then this package's feature
    /// `runtime` has to be on.
    const HAS_CONTEXT: bool = false;

    /// Sets everything up that can fail, and gives the work that serves until `service.life` ends.
    ///
    /// # Errors
    /// What the system refused, or a setting that this backend cannot honour, by name.
    fn prepare(service: Service) -> io::Result<Run>;
}

/// What a backend is given to serve.
#[derive(Debug)]
pub struct Service {
    /// The app.
    pub app: Arc<App>,
    /// Its limits, checked.
    pub limits: Arc<Limits>,
    /// How sockets are to be set up.
    pub sockets: SocketSettings,
    /// Event loops (mio), worker threads (Tokio) or request threads (threaded); `None`: the backend's default.
    pub workers: Option<usize>,
    /// Connections at a time, resolved from [`Limits::connections_max`].
    pub connections_max: usize,
    /// What to listen on: non-blocking, at least one.
    pub listeners: Vec<TcpListener>,
    /// When to stop.
    pub life: Arc<Life>,
    /// What its threads have to be inside of; the one that serves is already.
    pub context: Context,
    /// To watch its event loops with, where it has any, and to tell its figures.
    pub watch: Arc<Watch>,
}

/// What every server can be set to, whatever its backend.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// As in [`Server::workers`].
    pub workers: Option<usize>,
    /// As in [`Server::limits`].
    pub limits: Limits,
    /// As in [`Server::sockets`].
    pub sockets: SocketSettings,
}

impl Settings {
    /// Starts `router` on `listeners` with backend `B`. `why` says in the log how `B` was chosen.
    ///
    /// # Errors
    /// A fault of the router, a limit that makes no sense, or what the system refused.
    pub fn start<B: Backend>(
        self,
        router: Router,
        listeners: Vec<TcpListener>,
        why: &str,
    ) -> io::Result<ServerHandle> {
        let (mut service, handle) = self.service(router, listeners, B::NAME)?;
        let owner = if B::HAS_CONTEXT { Owner::start(&service.limits)? } else { Owner::default() };
        let (context, life) = (owner.context(), service.life.clone());
        service.context = context.clone();
        let run = context.within(|| B::prepare(service))?;
        thread::Builder::new()
            .name(format!("trijet-{}", B::NAME))
            .spawn(move || {
                let end = EndOnDrop(life);
                // What the server has of the app goes with its work, and so inside.
                end.finished(owner.end_with(run));
            })
            .map_err(|error| {
                io::Error::new(error.kind(), format!("the server's thread cannot be started: {error}"))
            })?;
        handle.announce(why);
        Ok(handle)
    }

    /// Checks everything and makes what a backend is given, without starting it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn service(
        self,
        router: Router,
        listeners: Vec<TcpListener>,
        backend: &'static str,
    ) -> io::Result<(Service, ServerHandle)> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        self.limits.validate().map_err(invalid)?;
        if self.workers == Some(0) {
            return Err(invalid("workers is 0: set it to at least 1, or leave it out".to_owned()));
        }
        if listeners.is_empty() {
            return Err(invalid("no listener was given: pass at least one".to_owned()));
        }
        let app = router.build().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        if cfg!(panic = "abort") {
            log::warn!(
                "built with panic = \"abort\": a panic in a handler ends the process, not the request"
            );
        }
        let mut addresses = Vec::with_capacity(listeners.len());
        for listener in &listeners {
            sockets::prepare_listener(listener)?;
            addresses.push(listener.local_addr()?);
        }
        let life = Arc::new(Life::new(self.limits.shutdown_timeout));
        let watch = Arc::new(Watch::new(&self.limits, app.route_names()));
        let service = Service {
            app: Arc::new(app.with_body_bytes_max(self.limits.body_bytes_max)),
            connections_max: connections_max(&self.limits, sockets::open_files_max()),
            limits: Arc::new(self.limits),
            sockets: self.sockets,
            workers: self.workers,
            listeners,
            life: life.clone(),
            context: Context::default(),
            watch: watch.clone(),
        };
        let handle = ServerHandle { life, watch, addresses: addresses.into(), backend };
        Ok((service, handle))
    }
}

/// The default: 10,000, within the open-file limit less 64 for everything else, never under half of it.
fn connections_max(limits: &Limits, open_files: Option<usize>) -> usize {
    const DEFAULT: usize = 10_000;
    limits.connections_max.unwrap_or_else(|| match open_files {
        Some(files) => DEFAULT.min(files.saturating_sub(64).max(files / 2)).max(1),
        None => DEFAULT,
    })
}

/// Marks the life as ended also when the backend's thread unwinds: `wait` must never hang.
struct EndOnDrop(Arc<Life>);

impl EndOnDrop {
    fn finished(self, result: io::Result<()>) {
        self.0.end(result.map_err(|error| error.to_string()));
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        // After `finished` this changes nothing: the first end stays.
        self.0.end(Err("the backend's main thread panicked: see the log".to_owned()));
    }
}

/// Builds a server that runs on backend `B`.
pub struct Server<B> {
    router: Router,
    settings: Settings,
    backend: PhantomData<fn() -> B>,
}

impl<B: Backend> Server<B> {
    /// A server for `app`, with the default settings.
    pub fn new(app: Router) -> Self {
        Self { router: app, settings: Settings::default(), backend: PhantomData }
    }

    /// Event loops on mio (default: one a core), worker threads on Tokio (default: one a core), the
    /// most request threads on threaded (default: [`Limits::blocking_threads_max`]).
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = Some(workers);
        self
    }

    /// Sets the limits and timeouts.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets how sockets are set up.
    #[must_use]
    pub fn sockets(mut self, sockets: SocketSettings) -> Self {
        self.settings.sockets = sockets;
        self
    }

    /// Binds `address` and starts to serve in the background. Port 0 takes any free port:
    /// [`ServerHandle::local_addr`] tells which.
    ///
    /// # Errors
    /// A router with faults or missing state, a limit that makes no sense, an address that cannot be bound.
    pub fn start(self, address: impl ToSocketAddrs) -> io::Result<ServerHandle> {
        let listener = sockets::bind(address, self.settings.sockets)?;
        self.start_on([listener])
    }

    /// As [`start`](Self::start), on listeners that are bound already.
    ///
    /// # Errors
    /// As [`start`](Self::start); also where no listener is given.
    pub fn start_on(self, listeners: impl IntoIterator<Item = TcpListener>) -> io::Result<ServerHandle> {
        let listeners = listeners.into_iter().collect();
        self.settings.start::<B>(self.router, listeners, "pinned in code")
    }

    /// Serves on `address` until it is stopped by a signal (feature `signals`) or from a handler.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn serve(self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.start(address)?.serve()
    }

    /// The parts, for backends that can also be started in their own way.
    pub fn into_parts(self) -> (Router, Settings) {
        (self.router, self.settings)
    }
}

impl<B> fmt::Debug for Server<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A running server. Clones are handles of the same server; dropping them does not stop it.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    life: Arc<Life>,
    watch: Arc<Watch>,
    addresses: Arc<[SocketAddr]>,
    backend: &'static str,
}

impl ServerHandle {
    /// The address that it listens on; the first, where there are several.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Every address that it listens on, in the order given.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The name of the backend that it runs on.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// What it is doing at this moment, and what its handlers did to its event loops. It may be asked after the
    /// end too.
    ///
    /// It takes a few locks that no request takes: ask as often as a monitor does, not in each request.
    pub fn statistics(&self) -> Statistics {
        self.watch.statistics()
    }

    /// Begins a graceful stop and returns at once: no more connections are taken, idle ones are
    /// closed, requests in flight are finished, until [`Limits::shutdown_timeout`]. Calling it again
    /// changes nothing. May be called from a handler.
    pub fn shutdown(&self) {
        self.life.shutdown();
    }

    /// Stops now: connections are cut.
    pub fn shutdown_now(&self) {
        self.life.shutdown_now();
    }

    /// Waits until the server has stopped. Not from a handler: it would wait for itself.
    ///
    /// An `async fn` that blocks, and still holds its event loop a second after the time to stop is over, is left
    /// behind: the log says so, and its thread, with the connections and listeners of its loop, ends when it lets go.
    ///
    /// # Errors
    /// Where the backend itself failed.
    pub fn wait(&self) -> io::Result<()> {
        self.life.wait()
    }

    /// Waits until the server has stopped; with feature `signals`, SIGINT and SIGTERM stop it
    /// gracefully, and a second one stops it now.
    ///
    /// # Errors
    /// Where the signals cannot be caught, or the backend failed.
    pub fn serve(self) -> io::Result<()> {
        #[cfg(feature = "signals")]
        if let Err(error) = crate::signals::stop_on_signal(&self.life) {
            // Nobody could stop it.
            self.shutdown_now();
            self.wait()?;
            return Err(io::Error::new(error.kind(), format!("signals cannot be caught: {error}")));
        }
        self.wait()
    }

    /// Logs the one line that every server begins with.
    pub fn announce(&self, why: &str) {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        log::info!(
            target: "trijet",
            "serving on http://{} with backend {} ({why})",
            addresses.join(", http://"),
            self.backend,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_limit_stays_within_the_open_files() {
        let limits = Limits::default();
        for (files, expected) in
            [(None, 10_000), (Some(20_000), 10_000), (Some(1_024), 960), (Some(64), 32), (Some(1), 1)]
        {
            assert_eq!(connections_max(&limits, files), expected, "{files:?}");
        }
        let set = Limits { connections_max: Some(7), ..Limits::default() };
        assert_eq!(connections_max(&set, Some(1_024)), 7);
    }
}
