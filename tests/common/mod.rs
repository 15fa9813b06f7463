//! What every test over real sockets is made of: a server of a pinned backend, a strict client, and a
//! pattern of bytes that is cheap to make and to check. Nothing here knows what is tested.
#![allow(dead_code, reason = "each test binary takes the parts that it needs")]

#[macro_use]
mod backends;
#[cfg(target_os = "linux")]
pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod executor;
pub(crate) mod gate;
pub(crate) mod held;
pub(crate) mod log_lines;
#[cfg(target_os = "linux")]
pub(crate) mod oracle;
pub(crate) mod pattern;
pub(crate) mod response;
pub(crate) mod server;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Only so that a failing test ends: nothing waits this long to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `wait` on a thread of its own, and fails the test where it does not return.
pub(crate) fn patiently<R: Send + 'static>(what: &str, wait: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(wait()));
    ended.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what} did not end"))
}

/// Looks until `is_so`, and fails the test where it never is: for what other processes or threads
/// bring about without telling.
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    assert!(within(PATIENCE, is_so), "never came: {what}");
}

/// Looks until `is_so`, and tells whether it came to be in that time.
pub(crate) fn within(time: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() >= time {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
