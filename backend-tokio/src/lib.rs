//! The Tokio backend of `trijet`: one task per connection, on a runtime of its own or inside a
//! running one. Plain `fn` handlers run on the runtime's blocking pool.
//!
//! Applications choose it through the facade: `trijet = { features = ["tokio"] }`. This file holds
//! the public face and the runtime; it must never know HTTP, which is core's.

mod acceptor;
mod bell;
mod blocking;
mod connection;
mod server;
mod transport;

use std::{io, net::ToSocketAddrs, thread, time::Duration};

use tokio::runtime::{Builder, Runtime};
use trijet_backend::{Backend, Run, Service};
use trijet_core::Router;

pub use server::{IntoListener, Server};
pub use trijet_backend::ServerHandle;

use acceptor::Acceptor;

/// The Tokio backend, as a type to name it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokio;

/// Serves `app` on `address` until it is stopped by a signal (feature `signals`) or from a handler.
///
/// # Errors
/// A router with faults or missing state, an address that cannot be bound, a runtime that cannot be started.
pub fn serve(address: impl ToSocketAddrs, app: Router) -> io::Result<()> {
    Server::new(app).serve(address)
}

/// How long a blocking thread without work stays: long enough for a burst, short enough to be gone soon.
const LINGER: Duration = Duration::from_secs(2);

impl Backend for Tokio {
    const NAME: &'static str = "tokio";

    fn prepare(service: Service) -> io::Result<Run> {
        let runtime = runtime(&service)?;
        let acceptor = {
            let _inside = runtime.enter();
            Acceptor::new(service)?
        };
        Ok(Box::new(move || {
            // On a worker, and not on this thread: there the sockets' events arrive.
            let served = runtime.block_on(runtime.spawn(acceptor));
            // A running plain `fn` cannot be stopped, and is not waited for.
            runtime.shutdown_background();
            served.map_err(io::Error::other)
        }))
    }
}

fn runtime(service: &Service) -> io::Result<Runtime> {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(service.workers.unwrap_or_else(cores))
        .max_blocking_threads(service.limits.blocking_threads_max)
        .thread_keep_alive(LINGER)
        .thread_name("trijet-tokio")
        .enable_io()
        .enable_time()
        .build()
}
