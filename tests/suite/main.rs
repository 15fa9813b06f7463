//! The suite: one set of tests, compiled once per backend, over real sockets. A test is a function of
//! the backend it runs on; `on_every_backend!` makes one test of it for each that is compiled in, so
//! that the name of a failing one tells the backend: `basics::mio::hello`.

#![cfg(any(feature = "threaded", feature = "mio", feature = "tokio"))]

#[path = "../common/mod.rs"]
mod common;

macro_rules! on_every_backend {
    ($($test:ident),* $(,)?) => {
        #[cfg(feature = "threaded")]
        mod threaded {
            $(#[test] fn $test() { super::$test(trijet::Backend::Threaded); })*
        }
        #[cfg(feature = "mio")]
        mod mio {
            $(#[test] fn $test() { super::$test(trijet::Backend::Mio); })*
        }
        #[cfg(feature = "tokio")]
        mod tokio {
            $(#[test] fn $test() { super::$test(trijet::Backend::Tokio); })*
        }
    };
}

mod basics;
mod deadlines;
mod ends;
mod expectation;
#[cfg(all(feature = "json", feature = "query", feature = "form"))]
mod extractors;
#[cfg(target_os = "linux")]
mod growth;
mod limits;
mod middleware;
mod panics;
mod stopping;
mod streaming;
mod threads;
mod unread;
mod waking;
