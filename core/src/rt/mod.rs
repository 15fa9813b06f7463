//! What handlers wait with, the same on every backend: timers, connections, tasks.
//!
//! A handler that waits for something far away should not have to know who serves it. Here, [`sleep`] and
//! [`TcpStream`] are served by whatever the backend waits with: on threaded the handler's thread parks, and the
//! poller that keeps the idle connections wakes it, so that two waits at once take the time of one; on mio the
//! event loop goes on with its other connections; on Tokio it is Tokio's own timer and reactor. On the simulated
//! backend time is virtual, and connections are simulated.
//!
//! In simulation there is one thread. There a plain `fn` must not block it on any of this by an executor of its own, nor
//! two calls wait for each other: the module of the simulation, `testing` of trijet, says why.
//!
//! All of it works in handlers (`fn` and `async fn`), middleware, bodies, and in what they [`spawn`]. Elsewhere
//! there is nobody to serve it: see each function for what it says then. What was begun inside, such as a
//! [`Sleep`], may be awaited anywhere, on any thread and by any executor. It may outlive its server there: timers go on
//! to keep their time, connections have failed, tasks and calls that have not begun are ended.
//!
//! ```
//! use std::time::Duration;
//! use trijet_core::{Router, StatusCode, get, rt};
//!
//! async fn patient() -> Result<&'static str, StatusCode> {
//!     let slow = async {
//!         rt::sleep(Duration::from_millis(20)).await;
//!         "done"
//!     };
//!     rt::timeout(Duration::from_secs(1), slow).await.map_err(|_| StatusCode::GATEWAY_TIMEOUT)
//! }
//! let router = Router::new().route("/", get(patient));
//! # #[cfg(feature = "testing")]
//! assert_eq!(trijet_core::sim::TestClient::new(router).get("/").send().text(), "done");
//! ```

mod net;
#[cfg(all(test, trijet_loom))]
pub(crate) mod stand_in;
mod stopping;
pub(crate) mod task;
mod time;

use std::{fmt, io, sync::Arc};

pub use net::{Address, Host, TcpStream};

pub use stopping::{Stopping, stopping};
pub use task::{JoinError, JoinHandle, spawn, spawn_blocking};
pub(crate) use time::deadline;
pub use time::{Elapsed, Interval, Sleep, Timeout, interval, now, sleep, sleep_until, timeout};

use crate::runtime::{self, Runtime};

/// The name of the backend that this thread works for: `"threaded"`, `"mio"`, `"tokio"` or `"simulated"`; `None`
/// outside of a server.
pub fn backend() -> Option<&'static str> {
    runtime::current().map(|runtime| runtime.backend())
}

/// Whether the server that this thread works for is ready: from its start to the moment at which a stop begins, which
/// is before its listeners are closed. `false` outside of a server.
///
/// [`health::ready`](crate::health::ready) answers by it; a check of one's own can ask it too.
///
/// ```
/// use trijet_core::{Router, StatusCode, get, rt};
///
/// async fn ready() -> StatusCode {
///     let database_answers = true;
///     if rt::is_ready() && database_answers { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
/// }
/// let app = Router::new().route("/ready", get(ready));
/// ```
pub fn is_ready() -> bool {
    runtime::current().is_some_and(|runtime| runtime.is_ready())
}

/// A service was asked for on a thread that works for no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outside(&'static str);

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was called outside of a server: trijet::rt works in handlers, middleware and bodies, and in \
             tasks that they spawn with trijet::rt::spawn, not on threads of your own",
            self.0
        )
    }
}

impl std::error::Error for Outside {}

impl From<Outside> for io::Error {
    fn from(outside: Outside) -> Self {
        Self::new(io::ErrorKind::NotConnected, outside)
    }
}

/// The runtime of this thread, for the function of that name.
fn current(function: &'static str) -> Result<Arc<dyn Runtime>, Outside> {
    runtime::current().ok_or(Outside(function))
}

/// As [`current`], where there is no way to return the error.
#[track_caller]
fn current_or_panic(function: &'static str) -> Arc<dyn Runtime> {
    current(function).unwrap_or_else(|outside| panic!("{outside}"))
}

#[cfg(test)]
mod tests;
