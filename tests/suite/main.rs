//! The suite: one set of tests, compiled once per backend, over real sockets. A test is a function of
//! the backend it runs on; `on_every_backend!` makes one test of it for each that is compiled in, so
//! that the name of a failing one tells the backend: `basics::mio::hello`.

#![cfg(any(feature = "threaded", feature = "mio", feature = "tokio"))]

#[macro_use]
#[path = "../common/mod.rs"]
mod common;

mod basics;
mod bytes;
mod cancelling;
#[cfg(feature = "client-address")]
mod client_address;
#[cfg(feature = "cookies")]
mod cookies;
mod deadlines;
mod deferred;
mod ends;
#[cfg(feature = "json")]
mod errors;
mod expectation;
mod extensions;
#[cfg(all(feature = "json", feature = "query", feature = "form"))]
mod extractors;
mod extremes;
#[cfg(all(feature = "static-files", target_os = "linux"))]
mod files;
mod giving_up;
mod hooks;
#[cfg(feature = "middleware")]
mod layers;
mod leaving;
mod lending;
mod limits;
mod listening;
mod middleware;
#[cfg(feature = "multipart")]
mod multipart;
mod outliving;
mod panics;
mod readiness;
mod routing;
#[cfg(feature = "sessions")]
mod sessions;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(feature = "sse")]
mod sse;
mod stopping;
mod streaming;
#[cfg(all(feature = "systemd", target_os = "linux"))]
mod systemd;
#[cfg(feature = "testing")]
mod testing;
mod threads;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "typed-headers")]
mod typed_headers;
mod unread;
mod waiting;
mod waking;
mod watchdog;
