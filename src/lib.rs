#![doc = include_str!("../README.md")]

mod choice;
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "metrics")]
mod figures;
mod server;
#[cfg(feature = "testing")]
pub mod testing;

use std::{io, net::ToSocketAddrs};

pub use choice::Backend;
#[cfg(feature = "config")]
pub use config::ServerConfig;
pub use server::Server;
pub use trijet_backend::{
    Address, Hold, Listen, Listener, LocalAddress, LoopStatistics, ServerHandle, Statistics,
};
#[cfg(feature = "form")]
pub use trijet_core::Form;
#[cfg(feature = "json")]
pub use trijet_core::Json;
#[cfg(feature = "query")]
pub use trijet_core::Query;
pub use trijet_core::{
    Body, BodyError, BoxError, Deferred, FromRequest, FromRequestParts, Handler, Html, IntoResponse, Limits,
    MethodRouter, Next, Path, Redirect, Reply, Request, RequestExt, Response, Router, SocketSettings, State,
    any, body, check_async, check_fn, delete, extract, get, handler, head, health, inline, options, patch,
    post, put, respond, routing, rt,
};
#[doc(no_inline)]
pub use trijet_core::{Bytes, HeaderMap, Method, StatusCode, Uri};
#[cfg(feature = "client-address")]
pub use trijet_web::client;
#[cfg(feature = "cookies")]
pub use trijet_web::cookies;
#[cfg(feature = "static-files")]
pub use trijet_web::files;
#[cfg(feature = "tower")]
pub use trijet_web::interop;
#[cfg(feature = "multipart")]
pub use trijet_web::multipart;
#[cfg(feature = "sessions")]
pub use trijet_web::sessions;
#[cfg(feature = "sse")]
pub use trijet_web::sse;
#[cfg(feature = "typed-headers")]
pub use trijet_web::typed_headers;
pub use {bytes, http};

/// Middleware: what one is, and with the feature `middleware` those that most applications want. The features
/// `compression`, `metrics` and `tracing` add more.
pub mod middleware {
    pub use trijet_core::middleware::*;
    #[cfg(any(
        feature = "middleware",
        feature = "compression",
        feature = "metrics",
        feature = "tracing"
    ))]
    pub use trijet_web::middleware::*;

    #[cfg(feature = "metrics")]
    pub use crate::figures::server_figures;
}

/// The backends that are compiled in, to pin one in code.
///
/// ```no_run
/// # #[cfg(feature = "threaded")]
/// trijet::backend::threaded::Server::new(trijet::Router::new()).serve("127.0.0.1:8080")?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub mod backend {
    #[cfg(feature = "mio")]
    pub use trijet_mio as mio;
    #[cfg(feature = "threaded")]
    pub use trijet_threaded as threaded;
    #[cfg(feature = "tokio")]
    pub use trijet_tokio as tokio;
}

/// Serves `app` on `address` until it is stopped by SIGINT or SIGTERM (feature `signals`), or by a handler.
///
/// The backend is the one that `TRIJET_BACKEND` names, else the first of tokio, mio and threaded
/// that is compiled in.
///
/// # Errors
/// A router with faults or missing state, an address that cannot be bound, a backend that is not
/// compiled in, or what the system refused.
///
/// ```no_run
/// use trijet::{Router, get};
///
/// async fn hello() -> &'static str {
///     "Hello, World!"
/// }
///
/// trijet::serve("127.0.0.1:8080", Router::new().route("/", get(hello)))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve(address: impl ToSocketAddrs, app: Router) -> io::Result<()> {
    Server::new(app).serve(address)
}
