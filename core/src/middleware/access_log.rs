//! The access log: one line for each request that was answered. It must never read a body.

use super::Next;
use crate::{Request, Response};

/// A middleware that logs each request once its response is made, at the target `trijet::access` and the level
/// info: method, target, version, status and the peer's address.
///
/// Wrapped around the outermost router last, it sees every request of the app.
///
/// ```
/// use trijet_core::{Router, get, middleware::access_log};
/// let router = Router::new().route("/", get(|| "hello")).wrap(access_log);
/// ```
pub async fn access_log(request: Request, next: Next) -> Response {
    if !log::log_enabled!(target: "trijet::access", log::Level::Info) {
        return next.run(request).await;
    }
    let (method, uri, version) = (request.method().clone(), request.uri().clone(), request.version());
    let peer = next.peer_address();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    match peer {
        Some(peer) => {
            log::info!(target: "trijet::access", "{method} {uri} {version:?} {status} {peer}");
        }
        None => log::info!(target: "trijet::access", "{method} {uri} {version:?} {status} -"),
    }
    response
}
