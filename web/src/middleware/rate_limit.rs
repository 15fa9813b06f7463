//! [`RateLimit`]: how often each client may ask. The accounts are in `gcra`; here is who asks, and what is answered.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Provided,
    fields::{come_again, now, whole_seconds},
    gcra::{Judged, Rate, Table},
};

/// Lets each client ask so often, else answers 429 with `Retry-After` (RFC 6585 §4).
///
/// The rate is a token bucket: `requests` at once, and then one more after each `requests`-th part of the time.
/// Every answer tells what is left, in the fields `RateLimit` and `RateLimit-Policy`
/// (draft-ietf-httpapi-ratelimit-headers-10).
///
/// A client is its address; of an IPv6 address the first 64 bits, as whoever has one has all of those. Behind a
/// proxy that is the proxy's: tell them apart by a field that the proxy sets, with [`by`](Self::by); or by who is
/// logged in, further in than the authentication. Requests that share a key share a bucket, and so do all those
/// without one: leaving a field out buys nothing.
///
/// The buckets are in a table of fixed size, 65,536 in about 1 MiB: who makes up clients cannot make it grow. It is
/// made of sets of eight, and a client belongs to one of them by chance. Where a set is full, the client of it that
/// has used least is forgotten, and begins anew. That is rare up to about half as many clients at a time as there are
/// buckets, and common beyond. Clones share the table.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{Request, Router, get};
/// use trijet_web::middleware::RateLimit;
///
/// // A proxy sets this field, and lets no client's through.
/// let limit = RateLimit::new(2, Duration::from_secs(60))
///     .by(|request: &Request, _| request.headers().get("x-real-ip").cloned());
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", get(async || "ok")).wrap(limit));
/// for status in [200, 200, 429] {
///     assert_eq!(client.get("/").header("x-real-ip", "192.0.2.1").send().status, status);
/// }
/// assert_eq!(client.get("/").header("x-real-ip", "192.0.2.2").send().status, 200);
/// ```
#[derive(Clone)]
pub struct RateLimit {
    rate: Rate,
    policy: HeaderValue,
    key: Key,
    table: Arc<Table>,
    /// The backend's clock at the first request.
    epoch: Arc<OnceLock<Instant>>,
}

/// Gives the hash of a key, which the table hashes again.
type Key = Arc<dyn Fn(&Request, Option<SocketAddr>) -> u64 + Send + Sync>;

/// For as many clients at a time as a server has connections, several times over.
const KEYS: usize = 64 << 10;

impl RateLimit {
    /// `requests` in each `time`, by the client's address.
    ///
    /// # Panics
    /// If one of them is zero.
    pub fn new(requests: u32, time: Duration) -> Self {
        assert!(
            requests > 0 && !time.is_zero(),
            "RateLimit::new: no requests, or no time, would answer none"
        );
        let policy = format!("\"default\";q={requests};w={}", whole_seconds(time));
        Self {
            rate: Rate { burst: requests, interval: time / requests },
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("\"default\"")),
            key: Arc::new(by(|_: &Request, peer: Option<SocketAddr>| peer.map(network))),
            table: Arc::new(Table::new(KEYS)),
            epoch: Arc::default(),
        }
    }

    /// Tells clients apart by what `key` gives for their request and the address of their connection. It must not
    /// block. Connections over a Unix socket have none, and so are all of one client: behind a proxy there, name `unix`
    /// to `BehindProxies`, or have a key that the proxy sets.
    ///
    /// Take no field that clients can choose freely, unless something else checks it: each value is a new bucket.
    #[must_use]
    pub fn by<K: Hash + 'static>(
        mut self,
        key: impl Fn(&Request, Option<SocketAddr>) -> K + Send + Sync + 'static,
    ) -> Self {
        self.key = Arc::new(by(key));
        self
    }

    /// Has so many buckets, of 17 bytes each: twice as many as there are clients at a time, so that few are forgotten.
    /// What was counted until now is forgotten.
    #[must_use]
    pub fn clients(mut self, count: usize) -> Self {
        self.table = Arc::new(Table::new(count));
        self
    }

    fn tell(&self, headers: &mut HeaderMap, left: u32, full: Duration) {
        const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
        const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
        headers.append(POLICY, self.policy.clone());
        let value = format!("\"default\";r={left};t={}", whole_seconds(full));
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(LIMIT, value);
        }
    }
}

fn by<K: Hash + 'static>(
    key: impl Fn(&Request, Option<SocketAddr>) -> K + Send + Sync + 'static,
) -> impl Fn(&Request, Option<SocketAddr>) -> u64 + Send + Sync {
    let hasher = RandomState::new();
    move |request, peer| hasher.hash_one(key(request, peer))
}

/// Of an address what one client has for itself.
fn network(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

impl Middleware<Provided> for RateLimit {
    async fn call(self, request: Request, next: Next) -> Answer {
        let key = (self.key)(&request, next.peer_address());
        let now = now();
        let time = now.saturating_duration_since(*self.epoch.get_or_init(|| now));
        let (mut response, left, full) = match self.table.judge(self.rate, &key, time) {
            Judged::Passes { left, full } => (next.run(request).await, left, full),
            Judged::Waits { retry, full } => {
                let text = "Too many requests: come again later.";
                (come_again(StatusCode::TOO_MANY_REQUESTS, text, retry), 0, full)
            }
        };
        self.tell(response.headers_mut(), left, full);
        response.into()
    }

    fn declare(_: &mut Needs) {}
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use trijet_core::{Router, get, sim::TestClient};

    use super::*;

    #[test]
    fn a_client_is_its_network() {
        for (one, other, is_same) in [
            ("192.0.2.1:1", "192.0.2.1:2", true),
            ("192.0.2.1:1", "192.0.2.2:1", false),
            ("192.0.2.1:1", "[::ffff:192.0.2.1]:1", true),
            ("[2001:db8::1]:1", "[2001:db8:0:0:ffff::2]:9", true),
            ("[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false),
        ] {
            let same = network(one.parse().unwrap()) == network(other.parse().unwrap());
            assert_eq!(same, is_same, "{one} {other}");
        }
    }

    #[test]
    fn time_fills_the_bucket() {
        async fn ten_seconds() {
            trijet_core::rt::sleep(Duration::from_secs(10)).await;
        }
        let app = Router::new()
            .route("/", get(async || "ok").wrap(RateLimit::new(2, Duration::from_secs(20))))
            .route("/wait", get(ten_seconds));
        let client = TestClient::new(app);
        let ask = |count| (0..count).map(|_| client.get("/").send().status.as_u16()).collect::<Vec<_>>();
        assert_eq!(ask(3), [200, 200, 429]);
        client.get("/wait").send();
        assert_eq!(ask(2), [200, 429]);
        client.get("/wait").send();
        client.get("/wait").send();
        assert_eq!(ask(3), [200, 200, 429]);
    }
}
