//! The Tokio backend of `trijet`: one task per connection, on a runtime of its own or inside a
//! running one. Plain `fn` handlers run on a pool of threads that are inside the runtime.
//!
//! Applications choose it through the facade: `trijet = { features = ["tokio"] }`. This file holds
//! the public face and the runtime; it must never know HTTP, which is core's.

mod acceptor;
mod bell;
mod connection;
mod listening;
mod runtime;
mod seats;
mod server;
mod sync;
mod transport;

use std::{io, net::ToSocketAddrs};

use trijet_backend::{Backend, Ends, Run, Service, runtime::OwnRuntime};
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

impl Backend for Tokio {
    const NAME: &'static str = "tokio";

    fn prepare(service: Service) -> io::Result<Run> {
        let runtime = OwnRuntime::start("trijet-tokio", service.loops()?, &service.limits)?;
        let life = service.life.clone();
        let (hooks, server) = (service.hooks.clone(), service.handle.clone());
        let acceptor = {
            let _inside = runtime.handle().enter();
            let acceptor = Acceptor::new(service)?;
            hooks.start(&server)?;
            acceptor
        };
        let lent = acceptor.runtime().clone();
        Ok(Box::new(move || {
            // On a worker, and not on this thread: there the sockets' events arrive.
            let ends = Ends::new(&life);
            let ending = ends.of(0);
            let serving = runtime.handle().spawn(async move {
                let _ending = ending;
                acceptor.await;
            });
            let has_ended = !ends.wait(1, "runtimes").is_empty();
            let served = if has_ended {
                runtime.handle().block_on(serving)
            } else {
                // Whoever holds the workers holds the acceptor there, which else tells of the end.
                let _inside = runtime.handle().enter();
                lent.end();
                Ok(())
            };
            drop(lent);
            let stopped = {
                let _inside = runtime.handle().enter();
                hooks.stop(&server)
            };
            // A running plain `fn` cannot be stopped, and is not waited for, nor is what holds a worker.
            drop(runtime);
            served.map_err(io::Error::other).and(stopped)
        }))
    }
}
