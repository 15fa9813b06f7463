//! Handlers for those who watch a server: load balancers and supervisors. They ask nothing but the server itself, and never
//! block; what else an app depends on is for the app to look at.

use http::{HeaderName, header::CACHE_CONTROL};

use crate::{StatusCode, rt};

/// An answer that no cache keeps (RFC 9111 §5.2.2.5): it is about this moment.
type Answer = (StatusCode, [(HeaderName, &'static str); 1], &'static str);

const UNCACHED: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// Whether requests should be sent here: 200 while the server is [ready](rt::is_ready), 503 from the moment at which a stop
/// begins. With a delay of the drain (`Server::drain_delay`) requests are still served for that long, so that a load
/// balancer notices before the listeners are closed.
///
/// ```
/// use trijet_core::{Router, get, health};
///
/// let app: Router = Router::new().route("/ready", get(health::ready)).route("/live", get(health::live));
/// ```
pub async fn ready() -> Answer {
    if rt::is_ready() {
        (StatusCode::OK, UNCACHED, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, UNCACHED, "not ready\n")
    }
}

/// Whether the process answers at all: always 200, also while the server stops. Who gets none may start it anew.
pub async fn live() -> Answer {
    (StatusCode::OK, UNCACHED, "alive\n")
}
