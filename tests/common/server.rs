//! Servers whose backend is pinned in code, stopped when they go out of scope.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    thread,
    time::Duration,
};

use trijet::{Backend, Limits, Router, ServerHandle, backend};

use super::{client::Client, patiently};

/// A server on a port of its own; dropping it cuts it, and fails where it does not end.
pub(crate) struct Running {
    handle: ServerHandle,
}

/// Starts `app` on the backend.
pub(crate) fn start(on: Backend, app: Router) -> Running {
    start_with(on, app, Limits::default())
}

/// As [`start`], with other limits.
pub(crate) fn start_with(on: Backend, app: Router, limits: Limits) -> Running {
    launch(on, app, limits, None, ANY)
}

/// As [`start_with`], with a count of workers.
pub(crate) fn start_workers(on: Backend, app: Router, limits: Limits, workers: usize) -> Running {
    launch(on, app, limits, Some(workers), ANY)
}

macro_rules! pinned {
    ($module:ident, $app:ident, $limits:ident, $workers:ident, $($start:tt)*) => {{
        let server = backend::$module::Server::new($app).limits($limits);
        match $workers {
            Some(workers) => server.workers(workers),
            None => server,
        }
        .$($start)*
    }};
}

/// On the backend that is given, by the `start` of its server that is given.
macro_rules! on_backend {
    ($on:ident, $app:ident, $limits:ident, $workers:ident, $($start:tt)*) => {
        match $on {
            #[cfg(feature = "threaded")]
            Backend::Threaded => pinned!(threaded, $app, $limits, $workers, $($start)*),
            #[cfg(feature = "mio")]
            Backend::Mio => pinned!(mio, $app, $limits, $workers, $($start)*),
            #[cfg(feature = "tokio")]
            Backend::Tokio => pinned!(tokio, $app, $limits, $workers, $($start)*),
            other => panic!("the suite does not know the backend {other}"),
        }
    };
}

/// As [`start_with`], on a listener that is given.
pub(crate) fn start_on(on: Backend, app: Router, limits: Limits, listener: TcpListener) -> Running {
    let workers = None;
    Running::new(on, on_backend!(on, app, limits, workers, start_on([listener])))
}

/// As [`start`], at an address that is given.
pub(crate) fn launch_at(on: Backend, app: Router, address: SocketAddr) -> Running {
    launch(on, app, Limits::default(), None, address)
}

/// Any port that is free.
const ANY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

fn launch(on: Backend, app: Router, limits: Limits, workers: Option<usize>, address: SocketAddr) -> Running {
    Running::new(on, on_backend!(on, app, limits, workers, start(address)))
}

impl Running {
    /// One that was started with settings of the test's own.
    pub(crate) fn new(on: Backend, started: io::Result<ServerHandle>) -> Self {
        let handle = started.expect("the server starts");
        assert_eq!(handle.backend(), on.name());
        Self { handle }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    pub(crate) fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Waits for the end of a server that was told to stop.
    pub(crate) fn ended(&self) {
        let handle = self.handle.clone();
        patiently("the server", move || handle.wait()).expect("the backend did not fail");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown_now();
        if !thread::panicking() {
            self.ended();
        }
    }
}

/// Limits under which nothing ends by time.
pub(crate) fn unhurried() -> Limits {
    let long = Duration::from_secs(600);
    Limits {
        head_timeout: long,
        idle_timeout: long,
        progress_grace: long,
        stall_timeout: long,
        linger_timeout: long,
        ..Limits::default()
    }
}
