//! The server's builder and handle: the same on every backend, which only supplies [`Backend`].

use std::{
    fmt, io,
    marker::PhantomData,
    net::{SocketAddr, ToSocketAddrs},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use trijet_core::{App, BoxError, Limits, Router, SocketSettings};

use crate::{
    Context, Hooks, Life, Listen, Listener, LocalAddress, Run, Statistics, Watch, address, context::Owner,
    sockets, threads::spawn,
};

/// A way to run servers.
pub trait Backend: 'static {
    /// Its name, as in `TRIJET_BACKEND` and the log.
    const NAME: &'static str;

    /// Whether its threads are to be inside a Tokio runtime of the server's own; then this package's feature
    /// `runtime` has to be on.
    const HAS_CONTEXT: bool = false;

    /// Sets everything up that can fail, and gives the work that serves until `service.life` ends. Whoever calls it runs
    /// what is left of `service.hooks` then: a backend whose threads are inside of something of its own runs them there.
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
    pub listeners: Vec<Listener>,
    /// When to stop.
    pub life: Arc<Life>,
    /// What its threads have to be inside of; the one that serves is already.
    pub context: Context,
    /// To watch its event loops with, where it has any, and to tell its figures.
    pub watch: Arc<Watch>,
    /// What the app has done at the start and after the stop.
    pub hooks: Arc<Hooks>,
    /// What the hooks are given.
    pub handle: ServerHandle,
}

impl Service {
    /// How many event loops or worker threads there are to be from the start on: those that are set, or one a core.
    ///
    /// # Errors
    /// Where they are more than any machine has use for: each costs descriptors or a stack, whether it has work or not.
    pub fn loops(&self) -> io::Result<usize> {
        const MAX: usize = 1024;
        match self.workers {
            None => Ok(thread::available_parallelism().map_or(1, usize::from)),
            Some(workers) if workers <= MAX => Ok(workers),
            Some(workers) => {
                let text = format!(
                    "workers is {workers}, and has to be at most {MAX} on backend {}",
                    self.handle.backend
                );
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
        }
    }
}

/// What every server can be set to, whatever its backend.
#[derive(Debug, Default)]
pub struct Settings {
    /// As in [`Server::workers`].
    pub workers: Option<usize>,
    /// As in [`Server::limits`].
    pub limits: Limits,
    /// As in [`Server::sockets`].
    pub sockets: SocketSettings,
    /// As in [`Server::drain_delay`].
    pub drain_delay: Duration,
    /// As in [`Server::on_start`] and [`Server::on_stop`].
    pub hooks: Hooks,
    /// Whether SIGINT and SIGTERM stop it from before its start on, with feature `signals`.
    pub stops_on_signals: bool,
}

impl Settings {
    /// Starts `router` on `listeners` with backend `B`. `why` says in the log how `B` was chosen.
    ///
    /// # Errors
    /// A fault of the router, a limit that makes no sense, what the system refused, or a hook.
    pub fn start<B: Backend>(
        self,
        router: Router,
        listeners: Vec<Listen>,
        why: &str,
    ) -> io::Result<ServerHandle> {
        let (mut service, handle) = self.service(router, listeners, B::NAME)?;
        let owner = if B::HAS_CONTEXT { Owner::start(&service.limits)? } else { Owner::default() };
        service.context = owner.context();
        let life = service.life.clone();
        launch::<B>(service, owner).or_else(|error| {
            // A hook may have told others of the server, who wait for its end.
            life.end(Err(error));
            life.wait()
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
        listeners: Vec<Listen>,
        backend: &'static str,
    ) -> io::Result<(Service, ServerHandle)> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        self.limits.validate().map_err(invalid)?;
        if self.workers == Some(0) {
            return Err(invalid("workers is 0: set it to at least 1, or leave it out".to_owned()));
        }
        let app = router.build().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        if cfg!(panic = "abort") {
            log::warn!(
                "built with panic = \"abort\": a panic in a handler ends the process, not the request"
            );
        }
        let life = Arc::new(Life::new(self.limits.shutdown_timeout).draining(self.drain_delay));
        if self.stops_on_signals {
            // Before anything is there that the end of the process would leave behind.
            stop_on_signals(&life)?;
        }
        let listeners = Listen::bind_all(listeners, &self.sockets)?;
        if listeners.is_empty() {
            return Err(invalid("no listener was given: pass at least one".to_owned()));
        }
        let mut addresses = Vec::with_capacity(listeners.len());
        for listener in &listeners {
            listener.prepare()?;
            addresses.push(listener.local_addr()?);
        }
        let watch = Arc::new(Watch::new(&self.limits, app.route_names()));
        let handle =
            ServerHandle { life: life.clone(), watch: watch.clone(), addresses: addresses.into(), backend };
        let service = Service {
            app: Arc::new(app.with_body_bytes_max(self.limits.body_bytes_max)),
            connections_max: connections_max(&self.limits, sockets::open_files_max()),
            limits: Arc::new(self.limits),
            sockets: self.sockets,
            workers: self.workers,
            listeners,
            life,
            context: Context::default(),
            watch,
            hooks: Arc::new(self.hooks),
            handle: handle.clone(),
        };
        Ok((service, handle))
    }
}

/// Runs the hooks of the start, and then a thread that serves `service` and runs those of the stop.
fn launch<B: Backend>(service: Service, owner: Owner) -> io::Result<()> {
    let (life, hooks, handle) = (service.life.clone(), service.hooks.clone(), service.handle.clone());
    let run = owner.context().within(|| {
        let run = B::prepare(service)?;
        hooks.start(&handle)?;
        io::Result::Ok(run)
    })?;
    life.serves();
    let (own_hooks, own_handle) = (hooks.clone(), handle.clone());
    let serve = move || {
        let end = EndOnDrop(life);
        // What the server has of the app goes with its work, and so inside.
        let (served, stopped) = owner.end_with(|| {
            let served = catch_unwind(AssertUnwindSafe(run));
            (served, own_hooks.stop(&own_handle))
        });
        if let Ok(served) = served {
            end.finished(served.and(stopped));
        }
    };
    spawn(format!("trijet-{}", B::NAME), serve).map(drop).map_err(|error| {
        // What those of the start have begun has an end all the same; the log has what fails.
        _ = hooks.stop(&handle);
        io::Error::new(error.kind(), format!("the server's thread cannot be started: {error}"))
    })
}

/// Has SIGINT and SIGTERM stop it, where the feature for that is on.
fn stop_on_signals(life: &Arc<Life>) -> io::Result<()> {
    #[cfg(feature = "signals")]
    crate::signals::stop_on_signal(life)
        .map_err(|error| io::Error::new(error.kind(), format!("signals cannot be caught: {error}")))?;
    #[cfg(not(feature = "signals"))]
    let _ = life;
    Ok(())
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
        self.0.end(result);
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        // After `finished` this changes nothing: the first end stays.
        self.0.end(Err(io::Error::other("the backend's main thread panicked: see the log")));
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

    /// Sets how long requests are still served once a stop is asked for, while the server is no longer
    /// [ready](ServerHandle::is_ready): as long as load balancers take to notice. Default: zero, the stop begins at once. A
    /// second signal, and [`ServerHandle::shutdown_now`], end it.
    #[must_use]
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.settings.drain_delay = delay;
        self
    }

    /// Has `hook` run at the start: all listeners are bound, and nothing is accepted until it has returned. It may block.
    /// Several run in their order. If one fails or panics, the server does not start, and says why; those of
    /// [`on_stop`](Self::on_stop) do not run then. A stop that is asked for meanwhile comes once they have returned: so does
    /// that of a signal, if it is [`serve`](Self::serve) or [`serve_on`](Self::serve_on) that starts the server.
    #[must_use]
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
    #[must_use]
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
    /// A router with faults or missing state, a limit that makes no sense, an address that cannot be bound.
    pub fn start(self, address: impl ToSocketAddrs) -> io::Result<ServerHandle> {
        let listener = address::bind(address, self.settings.sockets)?;
        self.start_on([listener])
    }

    /// As [`start`](Self::start), on several listeners at once: of TCP and Unix, bound already or
    /// [to be bound](crate::Address).
    ///
    /// # Errors
    /// As [`start`](Self::start); also where no listener is given.
    pub fn start_on(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listen>>,
    ) -> io::Result<ServerHandle> {
        let listeners = listeners.into_iter().map(Into::into).collect();
        self.settings.start::<B>(self.router, listeners, "pinned in code")
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
    pub(crate) life: Arc<Life>,
    watch: Arc<Watch>,
    addresses: Arc<[LocalAddress]>,
    backend: &'static str,
}

impl ServerHandle {
    /// The address of TCP that it listens on; the first, where there are several.
    ///
    /// # Panics
    /// Where it listens on Unix sockets alone: [`local_addrs`](Self::local_addrs) has them.
    pub fn local_addr(&self) -> SocketAddr {
        let first = self.addresses.iter().find_map(LocalAddress::tcp);
        first.expect("the server listens on no address of TCP: ask `local_addrs`")
    }

    /// Every address that it listens on, in the order given.
    pub fn local_addrs(&self) -> &[LocalAddress] {
        &self.addresses
    }

    /// Whether it serves and no stop has been asked for: true from the end of the start, its hooks included, to the moment
    /// at which a stop is asked for, before the listeners are closed. A load balancer is told by a handler,
    /// [`health::ready`](trijet_core::health::ready).
    pub fn is_ready(&self) -> bool {
        self.life.is_ready()
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
    /// closed, requests in flight are finished, until [`Limits::shutdown_timeout`]. Where a
    /// [delay](Server::drain_delay) is set, requests are served as before for so long, and the server is not
    /// [ready](Self::is_ready). Calling it again changes nothing. May be called from a handler.
    pub fn shutdown(&self) {
        self.life.drain();
    }

    /// Stops now: connections are cut.
    pub fn shutdown_now(&self) {
        self.life.shutdown_now();
    }

    /// Waits until the server has stopped and its hooks have run. Not from a handler or a hook: it would wait for itself.
    ///
    /// An `async fn` that blocks, and still holds its event loop a second after the time to stop is over, is left
    /// behind: the log says so, and its thread, with the connections and listeners of its loop, ends when it lets go.
    ///
    /// # Errors
    /// Where the backend itself failed, or a hook of the stop.
    pub fn wait(&self) -> io::Result<()> {
        self.life.wait()
    }

    /// Waits until the server has stopped; with feature `signals`, SIGINT and SIGTERM stop it
    /// gracefully, and a second one stops it now. They are caught from here on; [`Server::serve_on`] catches those too that
    /// come during the start.
    ///
    /// # Errors
    /// Where the signals cannot be caught, or the backend failed.
    pub fn serve(self) -> io::Result<()> {
        if let Err(error) = stop_on_signals(&self.life) {
            // Nobody could stop it.
            self.shutdown_now();
            self.wait()?;
            return Err(error);
        }
        self.wait()
    }

    /// Logs the one line that every server begins with.
    pub fn announce(&self, why: &str) {
        let addresses = self.addresses.iter().map(|address| match address {
            LocalAddress::Tcp(address) => format!("http://{address}"),
            unix @ LocalAddress::Unix(_) => unix.to_string(),
        });
        let addresses = addresses.collect::<Vec<_>>().join(", ");
        log::info!(target: "trijet", "serving on {addresses} with backend {} ({why})", self.backend);
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
