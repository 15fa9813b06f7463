//! [`RequestIds`]: a name for each request, in its extensions and in its response. It must never take a name from a
//! client that could break a log, nor from anybody who is not said to be trusted.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue};
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Provided,
    fields::{Single, single},
};

/// The name of a request: what [`RequestIds`] has put into its extensions. A handler takes it as
/// `Extension<RequestId>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// As text: at most 128 letters, digits and `-._~+/=:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives each request a [`RequestId`], puts it into the request's extensions, and into the field `x-request-id` of the
/// response, where the handler has not set one.
///
/// A name is 32 hexadecimal digits, different for each request of a process and, as far as chance goes, of all of
/// them. It is a name and no secret: others can be guessed from it.
///
/// What a client sends as its name is ignored, unless [`trust_incoming`](Self::trust_incoming) says that a proxy of
/// yours sets it.
///
/// ```
/// use trijet_core::{Router, extract::Extension, get};
/// use trijet_web::middleware::{RequestId, RequestIds};
///
/// async fn name(Extension(id): Extension<RequestId>) -> String { id.to_string() }
///
/// let app = Router::new().route("/", get(name)).wrap(RequestIds::new());
/// let response = trijet_core::sim::TestClient::new(app).get("/").send();
/// assert_eq!(response.header("x-request-id"), Some(response.text()));
/// assert_eq!(response.text().len(), 32);
/// ```
#[derive(Clone, Debug)]
pub struct RequestIds {
    field: HeaderName,
    incoming: Incoming,
}

#[derive(Clone, Copy, Debug)]
enum Incoming {
    Ignored,
    Trusted,
}

/// Longer than any that is in use: a UUID has 36, a trace of AWS 35 and more.
const BYTES_MAX: usize = 128;

impl RequestIds {
    /// Names of our own, in `x-request-id`.
    pub fn new() -> Self {
        Self { field: HeaderName::from_static("x-request-id"), incoming: Incoming::Ignored }
    }

    /// Uses another field.
    #[must_use]
    pub fn field(mut self, name: HeaderName) -> Self {
        self.field = name;
        self
    }

    /// Takes the name that comes with the request, where there is exactly one and it is well-formed: 1 to 128 letters,
    /// digits and `-._~+/=:`. Only for servers that no client reaches but through a proxy that sets it: else clients
    /// choose the names in your log.
    #[must_use]
    pub fn trust_incoming(mut self) -> Self {
        self.incoming = Incoming::Trusted;
        self
    }

    fn name(&self, headers: &HeaderMap) -> RequestId {
        let incoming = match self.incoming {
            Incoming::Ignored => None,
            Incoming::Trusted => well_formed(headers, &self.field),
        };
        RequestId(incoming.map_or_else(generate, Arc::from))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

fn well_formed<'h>(headers: &'h HeaderMap, field: &HeaderName) -> Option<&'h str> {
    let Single::One(value) = single(headers, field) else { return None };
    let text = value.to_str().ok()?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=:".contains(&byte);
    ((1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed)).then_some(text)
}

/// The process by chance, then the request by counting: no two of a process are the same.
fn generate() -> Arc<str> {
    static PROCESS: OnceLock<(u64, u64)> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // The standard library seeds these from the system's randomness.
    let (process, start) = *PROCESS.get_or_init(|| {
        let chance = || RandomState::new().hash_one(std::process::id());
        (chance(), chance())
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // An odd factor loses nothing modulo 2^64; it only spreads the names, so that they differ at a glance.
    let request = start.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("{process:016x}{request:016x}").into()
}

impl Middleware<Provided> for RequestIds {
    async fn call(self, mut request: Request, next: Next) -> Answer {
        let id = self.name(request.headers());
        request.extensions_mut().insert(id.clone());
        let mut response = next.run(request).await;
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().entry(self.field).or_insert(value);
        }
        response.into()
    }

    fn declare(_: &mut Needs) {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_come_are_taken_only_where_that_is_said_and_they_are_well_formed() {
        let field = HeaderName::from_static("x-request-id");
        let long = "a".repeat(BYTES_MAX + 1);
        for (value, is_taken) in [
            ("0f8fad5b-d9cb-469f-a165-70867728950e", true),
            ("Root=1-67891233-abcdef012345678912345678", true),
            (&long[1..], true),
            (&long, false),
            ("", false),
            ("two words", false),
            ("quote\"", false),
            ("back\\slash", false),
            ("a,b", false),
            ("<script>", false),
        ] {
            let headers = HeaderMap::from_iter([(field.clone(), HeaderValue::from_str(value).unwrap())]);
            let trusting = RequestIds::new().trust_incoming().name(&headers);
            assert_eq!(trusting.as_str() == value, is_taken, "{value:?}");
            assert_ne!(RequestIds::new().name(&headers).as_str(), value);
        }
        let bytes = HeaderMap::from_iter([(field.clone(), HeaderValue::from_bytes(b"\xff").unwrap())]);
        assert_eq!(RequestIds::new().trust_incoming().name(&bytes).as_str().len(), 32);
        let mut twice = HeaderMap::from_iter([(field.clone(), HeaderValue::from_static("a"))]);
        twice.append(field, HeaderValue::from_static("a"));
        assert_eq!(RequestIds::new().trust_incoming().name(&twice).as_str().len(), 32);
    }

    #[test]
    fn no_two_are_the_same() {
        let names: HashSet<Arc<str>> = (0..10_000).map(|_| generate()).collect();
        assert_eq!(names.len(), 10_000);
        assert!(names.iter().all(|name| name.len() == 32));
    }
}
