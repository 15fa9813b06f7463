//! How what runs without end learns that its server begins to stop: [`stopping`].

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use super::current_or_panic;
use crate::latch::Listener;

/// Tells when this server begins to stop: a flag, and a future. A graceful stop finishes what is in flight; what never
/// ends by itself, as a stream of events or a task that looks into a queue, has to look here, or it is cut at the
/// deadline ([`Limits::shutdown_timeout`](crate::Limits::shutdown_timeout)).
///
/// The handle may go anywhere. It costs nothing for who does not ask.
///
/// # Panics
/// Outside of a server.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{Router, get, rt};
///
/// async fn wait_for_work() -> &'static str {
///     match rt::timeout(Duration::from_secs(20), rt::stopping()).await {
///         Ok(()) => "ask again, another server",
///         Err(_) => "nothing to do",
///     }
/// }
/// # #[cfg(feature = "testing")] {
/// # use trijet_core::sim::{Settings, Sim};
/// # let sim = Sim::new(Router::new().route("/", get(wait_for_work)), Settings::default());
/// # let peer = sim.connect();
/// # peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
/// # sim.settle();
/// # sim.stop();
/// # sim.settle();
/// # assert!(peer.received_text().ends_with("another server"));
/// # }
/// ```
#[track_caller]
pub fn stopping() -> Stopping {
    Stopping(current_or_panic("trijet::rt::stopping").tasks().stopping())
}

/// What [`stopping`] gives.
#[derive(Clone)]
pub struct Stopping(Listener);

impl Stopping {
    /// Whether the server has begun to stop. It does not wait.
    pub fn is_stopping(&self) -> bool {
        self.0.is_told()
    }
}

/// Ready once the server has begun to stop.
impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stopping").field(&self.is_stopping()).finish()
    }
}
