//! Middleware that most applications want, each a type with a builder, for [`wrap`](trijet_core::Router::wrap):
//! around an app, a nest, or one route. None blocks, none starts a thread, and each costs only the requests that go
//! through it.
//!
//! # The order
//!
//! A later `wrap` stands outside an earlier one. This order is right for most applications, from the outside in; leave
//! out what you do not need, and write the wraps from the bottom of the table to its top.
//!
//! | | middleware | why here |
//! | --- | --- | --- |
//! | 1 | `BehindProxies` | who the client is, for the log, the rate limit and all that is further in |
//! | 2 | [`RequestIds`] | what is logged further in can name the request |
//! | 3 | [`AccessLog`] | it sees every answer, also those of the other layers, with the bytes that are really sent |
//! | 4 | `Spans`, `Metrics` | as the log |
//! | 5 | [`Router::errors`](trijet_core::Router::errors) | it words what all that is further in refuses; such a page is not compressed |
//! | 6 | [`SecurityHeaders`] | refusals carry them too |
//! | 7 | [`Cors`] | a refusal that a page may not read is a riddle to its author; a preflight needs no credentials |
//! | 8 | [`CrossOriginProtection`] | cheap, and before anything is counted or spent |
//! | 9 | [`RateLimit`] | before what costs: a password check, a place among those at work |
//! | 10 | [`ConcurrencyLimit`] | the time in its queue is not the handler's time |
//! | 11 | [`Timeout`] | it covers all that works for the answer; no `fn` middleware may stand outside of it |
//! | 12 | [`BasicAuth`], [`BearerAuth`] | whoever is refused gets no further |
//! | 13 | `Sessions` | who is refused costs its store nothing; what is further in can take the session |
//! | 14 | `Compression` | what is inside it sees plain bodies |
//! | 15 | [`ETags`] | a tag of the plain body; compression makes it weak |
//! | 16 | [`BodyLimit`] | counts what the client sends |
//! | 17 | `Decompression` | counts what that becomes |
//!
//! ```
//! use std::time::Duration;
//! use trijet_core::{Router, get};
//! use trijet_web::middleware::{AccessLog, Cors, CrossOriginProtection, RequestIds, SecurityHeaders, Timeout};
//!
//! let app = Router::new()
//!     .route("/", get(async || "hello"))
//!     .wrap(Timeout::new(Duration::from_secs(10)))
//!     .wrap(CrossOriginProtection::new())
//!     .wrap(Cors::origins(["https://app.example"]))
//!     .wrap(SecurityHeaders::new())
//!     .wrap(AccessLog::json())
//!     .wrap(RequestIds::new());
//! # assert!(app.build().is_ok());
//! ```

mod access_log;
mod auth;
mod body_limit;
mod check;
#[cfg(feature = "compression")]
mod coding;
#[cfg(feature = "compression")]
mod compression;
mod concurrency;
mod cors;
mod csrf;
#[cfg(feature = "compression")]
mod decoding;
#[cfg(feature = "compression")]
mod decompression;
#[cfg(feature = "compression")]
mod encoding;
mod etag;
mod fields;
mod gcra;
#[cfg(feature = "metrics")]
mod metrics;
mod observed;
mod origin;
mod rate_limit;
mod request_id;
mod security_headers;
#[cfg(feature = "tracing")]
mod spans;
mod timeout;

pub use access_log::AccessLog;
pub use auth::{Basic, BasicAuth, Bearer, BearerAuth, KnownToken, constant_time_eq};
pub use body_limit::BodyLimit;
pub use check::{Check, Verdict};
#[cfg(feature = "compression")]
pub use coding::Coding;
#[cfg(feature = "compression")]
pub use compression::Compression;
pub use concurrency::ConcurrencyLimit;
pub use cors::Cors;
pub use csrf::CrossOriginProtection;
#[cfg(feature = "compression")]
pub use decompression::Decompression;
pub use etag::ETags;
#[cfg(feature = "metrics")]
pub use metrics::{Exposition, Metrics};
pub use rate_limit::RateLimit;
pub use request_id::{RequestId, RequestIds};
pub use security_headers::SecurityHeaders;
#[cfg(feature = "tracing")]
pub use spans::{RequestSpan, Spans};
pub use timeout::Timeout;

/// Marks the middleware of this module, beside functions: it is never named.
#[derive(Debug)]
pub enum Provided {}
