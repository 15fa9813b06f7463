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
mod deadlines;
mod deferred;
mod ends;
mod expectation;
mod extensions;
#[cfg(all(feature = "json", feature = "query", feature = "form"))]
mod extractors;
mod extremes;
#[cfg(all(feature = "static-files", target_os = "linux"))]
mod files;
mod giving_up;
mod hooks;
mod leaving;
mod lending;
mod limits;
mod listening;
mod middleware;
mod outliving;
mod panics;
mod readiness;
#[cfg(target_os = "linux")]
mod sockets;
mod stopping;
mod streaming;
#[cfg(all(feature = "systemd", target_os = "linux"))]
mod systemd;
mod threads;
mod unread;
mod waiting;
mod waking;
mod watchdog;
