//! The core of `trijet`: routing, handlers, the HTTP/1.1 engine and the driver.
//!
//! Everything that reaches the wire is made here, so that the same app gives the same bytes on
//! every backend. Core does no I/O, starts no thread and reads no clock: a backend lends it those
//! through [`Transport`]. Applications depend on the facade, `trijet`, and not on this crate.

mod ambient;
mod app;
pub mod body;
mod disconnect;
pub mod driver;
#[cfg(test)]
mod exercise;
pub mod extract;
pub mod h1;
pub mod handler;
pub mod health;
pub mod jobs;
mod kept;
mod latch;
mod limits;
pub mod middleware;
mod panics;
mod received;
pub mod respond;
pub mod routing;
pub mod rt;
pub mod runtime;
#[cfg(feature = "testing")]
pub mod sim;
mod spares;
mod sync;
#[cfg(feature = "testing")]
mod testing;
pub mod transport;

pub use app::{App, Dispatch};
pub use body::{Body, BodyError};
pub use bytes::Bytes;
pub use disconnect::RequestExt;
#[cfg(feature = "form")]
pub use extract::Form;
#[cfg(feature = "json")]
pub use extract::Json;
#[cfg(feature = "query")]
pub use extract::Query;
pub use extract::{FromRequest, FromRequestParts, Path, State};
pub use handler::{Handler, check_async, check_fn, inline};
pub use http::{HeaderMap, Method, StatusCode, Uri};
pub use limits::{Limits, SocketSettings, after};
pub use middleware::Next;
pub use received::ReceivedHead;
pub use respond::{Deferred, Html, IntoResponse, Redirect, Reply};
pub use routing::{BuildError, MethodRouter, Router, any, delete, get, head, options, patch, post, put};
pub use transport::{CloseReason, Outcome, PeerWatch, Transport};

/// A request, with the body that [`Body`] gives unless said otherwise.
pub type Request<B = Body> = http::Request<B>;
/// A response, with a [`Body`] unless said otherwise.
pub type Response<B = Body> = http::Response<B>;
/// Any error, as bodies and middleware carry it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A boxed future that may move between threads.
pub type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
