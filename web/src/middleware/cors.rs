//! [`Cors`]: which pages of other origins may read answers, by the CORS protocol of the Fetch standard. It must
//! never answer `*` to a request with credentials, nor leave `Vary: Origin` out where the answer depends on it.

use std::{fmt, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    },
};
use trijet_core::{Next, Request, Response, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Provided,
    fields::{Single, elements, joined, sentence, single, vary_by},
    origin,
};

/// Lets pages of other origins read the answers. Preflights are answered here: they never reach a handler.
///
/// - Which origins: [`any`](Self::any), a list ([`origins`](Self::origins)), or what a function says
///   ([`origins_where`](Self::origins_where)). A listed or accepted origin is sent back as it came, with `Vary:
///   Origin` on every answer, also to requests without one, as caches keep those too.
/// - Beyond GET, HEAD and POST with the simplest fields, a page may only do what [`methods`](Self::methods) and
///   [`headers`](Self::headers) list. A JSON body needs `content-type`.
/// - A preflight that is refused is a 403 with a sentence that says which rule it broke. Any other request goes on
///   to its handler, without the fields that would let a page read the answer: CORS lets read, and does not protect
///   from being called. That is what [`CrossOriginProtection`](super::CrossOriginProtection) is for.
///
/// Of two, one around the other, the inner decides who may read its answers, also where it says that nobody may: the
/// outer one adds nothing to what has been through it, nor to an answer whose handler has set
/// `Access-Control-Allow-Origin` itself. **Preflights belong to the outermost**: it answers them for all that is inside,
/// and the inner one never sees any. So what a nest may do beyond the rest has to be in the leave of the outer one
/// too, or each stands around a nest of its own, side by side.
///
/// A [`CrossOriginProtection`](super::CrossOriginProtection) on the same way refuses what other origins change, whatever
/// is said here: have it trust the same origins.
///
/// Around an app or a nest, it sees every preflight. Around one route it sees those that the route has a handler for:
/// `get(f).options(async || ()).wrap(cors)`.
///
/// ```
/// use trijet_core::{Method, Router, get};
/// use trijet_web::middleware::Cors;
///
/// let cors = Cors::origins(["https://app.example"])
///     .methods([Method::GET, Method::PUT])
///     .headers(["content-type".parse()?])
///     .credentials();
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", get(async || "data")).wrap(cors));
///
/// let answer = client.get("/").header("origin", "https://app.example").send();
/// assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
/// let answer = client.get("/").header("origin", "https://evil.example").send();
/// assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, Some("origin")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cors(Arc<Policy>);

#[derive(Clone, Debug)]
struct Policy {
    origins: Origins,
    methods: Vec<Method>,
    allow_methods: HeaderValue,
    headers: Headers,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: Credentials,
    private_network: PrivateNetwork,
}

#[derive(Clone)]
enum Origins {
    Any,
    List(Vec<HeaderValue>),
    Where(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

#[derive(Clone, Debug)]
enum Headers {
    List(Vec<HeaderName>, HeaderValue),
    Mirrored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    Omitted,
    Allowed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrivateNetwork {
    Refused,
    Allowed,
}

/// Private Network Access: a page of the Internet asks for something in the user's own network.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

impl Cors {
    /// Lets every page read the answers, without credentials: for what is public anyway.
    pub fn any() -> Self {
        Self::new(Origins::Any)
    }

    /// Lets pages of these origins read them. `"null"` is one too, of sandboxed and local pages: everybody can make
    /// such a page, so list it only where `any` would do. With [`credentials`](Self::credentials) it is refused.
    ///
    /// # Panics
    /// If one is not written as browsers write it: `https://app.example`, `http://localhost:3000`.
    #[track_caller]
    pub fn origins<'o>(origins: impl IntoIterator<Item = &'o str>) -> Self {
        let mut list = Vec::new();
        for origin in origins {
            list.push(origin::checked(origin));
        }
        Self::new(Origins::List(list))
    }

    /// Lets pages of those origins read them for which `is_allowed` says so: for subdomains, or for what a tenant has
    /// configured. It must not block. Compare the whole origin, with its scheme: `ends_with("example.com")` is also true
    /// of `https://evil-example.com`.
    ///
    /// It is asked about whatever a client sends, `null` among it, which every page can be: with
    /// [`credentials`](Self::credentials) it must say no to that, and nobody else checks it.
    pub fn origins_where(is_allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Origins::Where(Arc::new(is_allowed)))
    }

    fn new(origins: Origins) -> Self {
        Self(Arc::new(Policy {
            origins,
            methods: Vec::new(),
            allow_methods: HeaderValue::from_static("GET, HEAD, POST"),
            headers: Headers::List(Vec::new(), HeaderValue::from_static("")),
            expose: None,
            max_age: None,
            credentials: Credentials::Omitted,
            private_network: PrivateNetwork::Refused,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Lets pages use these methods, beside GET, HEAD and POST, which need no leave (Fetch, "CORS-safelisted method").
    #[must_use]
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with(|policy| {
            policy.methods = methods.into_iter().collect();
            let simple = [Method::GET, Method::HEAD, Method::POST];
            let others = policy.methods.iter().filter(|method| !simple.contains(method));
            policy.allow_methods = joined(simple.iter().chain(others).map(Method::as_str));
        })
    }

    /// Lets pages send these fields, beside those that need no leave (Fetch, "CORS-safelisted request-header").
    #[must_use]
    pub fn headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.with(|policy| {
            let names: Vec<HeaderName> = names.into_iter().collect();
            let value = joined(names.iter().map(HeaderName::as_str));
            policy.headers = Headers::List(names, value);
        })
    }

    /// Lets pages send any field.
    #[must_use]
    pub fn any_headers(self) -> Self {
        self.with(|policy| policy.headers = Headers::Mirrored)
    }

    /// Lets pages read these fields of the answers, beside those that they always may (Fetch, "CORS-safelisted
    /// response-header name").
    #[must_use]
    pub fn expose(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.with(|policy| {
            let names: Vec<HeaderName> = names.into_iter().collect();
            policy.expose = (!names.is_empty()).then(|| joined(names.iter().map(HeaderName::as_str)));
        })
    }

    /// Lets browsers remember a preflight for so long, in whole seconds (they have limits of their own: 2 h, 24 h).
    #[must_use]
    pub fn max_age(self, time: Duration) -> Self {
        self.with(|policy| policy.max_age = Some(HeaderValue::from(time.as_secs())))
    }

    /// Lets pages ask with the user's cookies, client certificates and passwords, and read what the user may read.
    ///
    /// # Panics
    /// After [`any`](Self::any), or with `"null"` among the [`origins`](Self::origins): every page that a user looks at
    /// could read what is theirs. Name the origins.
    #[must_use]
    #[track_caller]
    pub fn credentials(self) -> Self {
        let is_everybody = match &self.0.origins {
            Origins::Any => true,
            Origins::List(list) => list.iter().any(|origin| origin == "null"),
            Origins::Where(_) => false,
        };
        assert!(
            !is_everybody,
            "Cors::any(), or the origin \"null\", with credentials() would let every page read what is the user's: \
             name the origins"
        );
        self.with(|policy| policy.credentials = Credentials::Allowed)
    }

    /// Lets public pages reach this server in the user's private network, for browsers that ask (Private Network
    /// Access).
    #[must_use]
    pub fn private_network(self) -> Self {
        self.with(|policy| policy.private_network = PrivateNetwork::Allowed)
    }
}

/// A `Cors` has decided who may read the response, be it nobody.
#[derive(Clone, Copy)]
struct Decided;

impl Policy {
    /// The value of `Access-Control-Allow-Origin` for who asks, if they may read.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origins = match &self.origins {
            // Also to who has no origin: what a cache keeps of it is right for everybody then, without `Vary`.
            Origins::Any => return Some(HeaderValue::from_static("*")),
            origins => origins,
        };
        // Fetch, "The `Origin` header": browsers send one. Nobody else needs an answer.
        let Single::One(origin) = single(request, ORIGIN) else { return None };
        match origins {
            Origins::Any => None,
            Origins::List(list) => list.contains(origin).then(|| origin.clone()),
            Origins::Where(is_allowed) => {
                origin.to_str().is_ok_and(|origin| is_allowed(origin)).then(|| origin.clone())
            }
        }
    }

    /// What every answer tells: that it depends on who asks, and who may read. What is inside and says the latter
    /// itself, a handler or another `Cors`, knows better: half of its words and half of ours could let more read
    /// than either.
    fn share(&self, answer: &mut HeaderMap, allowed: Option<HeaderValue>) {
        if !matches!(self.origins, Origins::Any) {
            vary_by(answer, &ORIGIN);
        }
        let Some(allowed) = allowed.filter(|_| !answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)) else {
            return;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if let Some(expose) = &self.expose {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        if self.credentials == Credentials::Allowed {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// Fetch, "CORS-preflight fetch": the answer to a preflight.
    fn preflight(&self, request: &HeaderMap) -> Response {
        let allowed = self.allowed(request);
        let mut answer = match (&allowed, self.fault(request)) {
            (None, _) => refused("Pages of this origin may not call this."),
            (Some(_), Some(fault)) => refused(fault),
            (Some(_), None) => self.leave(request),
        };
        let headers = answer.headers_mut();
        // Also of a refusal: with the fields a page is told which rule it was.
        self.share(headers, allowed);
        for name in [&ACCESS_CONTROL_REQUEST_METHOD, &ACCESS_CONTROL_REQUEST_HEADERS] {
            vary_by(headers, name);
        }
        if self.private_network == PrivateNetwork::Allowed {
            vary_by(headers, &REQUEST_PRIVATE_NETWORK);
        }
        answer
    }

    fn fault(&self, request: &HeaderMap) -> Option<&'static str> {
        let method =
            request.get(ACCESS_CONTROL_REQUEST_METHOD).map(HeaderValue::as_bytes).unwrap_or_default();
        let is_simple = matches!(method, b"GET" | b"HEAD" | b"POST");
        if !is_simple && !self.methods.iter().any(|allowed| allowed.as_str().as_bytes() == method) {
            return Some("Pages of other origins may not use this method.");
        }
        if let Headers::List(names, _) = &self.headers {
            let is_listed = |field: &str| names.iter().any(|name| name.as_str().eq_ignore_ascii_case(field));
            if !elements(request, &ACCESS_CONTROL_REQUEST_HEADERS).all(is_listed) {
                return Some("Pages of other origins may not send one of these fields.");
            }
        }
        if asks_private(request) && self.private_network == PrivateNetwork::Refused {
            return Some("Public pages may not call this.");
        }
        None
    }

    fn leave(&self, request: &HeaderMap) -> Response {
        let mut answer = Response::default();
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.allow_methods.clone());
        match &self.headers {
            Headers::List(names, _) if names.is_empty() => {}
            Headers::List(_, value) => _ = headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, value.clone()),
            // As it was asked: `*` would not stand for all where there are credentials (Fetch, "CORS protocol and
            // credentials").
            Headers::Mirrored => {
                for asked in request.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
                    headers.append(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
            }
        }
        if let Some(max_age) = &self.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        if asks_private(request) {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        answer
    }
}

fn refused(text: &'static str) -> Response {
    sentence(StatusCode::FORBIDDEN, text)
}

fn asks_private(request: &HeaderMap) -> bool {
    request.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true")
}

/// Fetch, "HTTP requests" of the CORS protocol: a preflight is an OPTIONS with these two.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Middleware<Provided> for Cors {
    async fn call(self, request: Request, next: Next) -> Answer {
        let policy = &*self.0;
        if is_preflight(&request) {
            return policy.preflight(request.headers()).into();
        }
        let allowed = policy.allowed(request.headers());
        let mut response = next.run(request).await;
        let allowed = allowed.filter(|_| response.extensions().get::<Decided>().is_none());
        response.extensions_mut().insert(Decided);
        policy.share(response.headers_mut(), allowed);
        response.into()
    }

    fn declare(_: &mut Needs) {}
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::List(list) => list.fmt(f),
            Self::Where(_) => f.write_str("by a function"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "name the origins")]
    fn credentials_for_all_are_refused_at_start() {
        let _ = Cors::any().credentials();
    }

    #[test]
    #[should_panic(expected = "name the origins")]
    fn credentials_for_null_are_refused_at_start() {
        let _ = Cors::origins(["https://app.example", "null"]).credentials();
    }
}
