//! The threaded backend of `trijet`: thread-per-request on a bounded pool.
//!
//! A connection has a thread from a request's first byte to its answer, and for one tick (20 ms) more.
//! A longer wait for the peer leaves the connection with a poller, and the thread serves others: idle
//! connections and slow clients hold no thread. A handler keeps its thread until it has replied, but for one that waits
//! while requests that were begun before find none: it makes way for them, as it may be waiting for just these.
//!
//! ```text
//!              accept                     run queue
//!   poller ──────────────▶ Start ───────▶ [ Pool ] ──▶ thread: poll `drive`, run its jobs
//!     ▲  └── readable, due, woken ──▶ Resume ─┘            │
//!     └────────────── parked: idle, or a whole future ◀────┘ a tick without the peer
//! ```
//!
//! Applications use it through the facade, `trijet`. It knows no HTTP, and has no async runtime in its
//! tree without feature `tokio-context`.

#[cfg(all(test, not(trijet_loom)))]
mod alone;
mod current;
mod parking;
mod patience;
mod poller;
mod shared;
mod sync;
mod task;
mod transport;
mod waker;
mod watching;

use std::{io, net::ToSocketAddrs};

pub use trijet_backend::ServerHandle;
use trijet_backend::{Backend, Run, Service};
use trijet_core::Router;

/// Thread-per-request.
#[derive(Clone, Copy, Debug)]
pub struct Threaded;

/// A server that runs requests on threads.
pub type Server = trijet_backend::Server<Threaded>;

/// Serves `router` on `address` with the default settings until it is stopped.
///
/// # Errors
/// A router with faults or missing state, an address that cannot be bound, or what the system refused.
///
/// ```no_run
/// trijet_threaded::serve("127.0.0.1:8080", trijet_core::Router::default())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve(address: impl ToSocketAddrs, router: Router) -> io::Result<()> {
    Server::new(router).serve(address)
}

impl Backend for Threaded {
    const NAME: &'static str = "threaded";
    const HAS_CONTEXT: bool = cfg!(feature = "tokio-context");

    fn prepare(service: Service) -> io::Result<Run> {
        let poller = poller::Poller::new(service)?;
        Ok(Box::new(move || poller.run()))
    }
}
