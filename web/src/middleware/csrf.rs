//! [`CrossOriginProtection`]: requests that change something must not come from the pages of others. It must never let one
//! through because a field is malformed.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{HOST, ORIGIN},
};
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Provided,
    fields::{Single, sentence, single, vary_by},
    origin,
};

/// Refuses requests that the page of another origin has a user's browser send (CSRF), with 403.
///
/// It needs no token and no cookie, as browsers say where a request comes from. For every method but GET, HEAD and
/// OPTIONS, which must not change anything (RFC 9110 §9.2.1):
///
/// 1. `Sec-Fetch-Site: same-origin` or `none` (the user typed it) passes; any other value does not.
/// 2. Without that field, an `Origin` that names the host of this request passes; any other does not.
/// 3. Without either, it passes: **it is not from a browser**, or from one of before 2020 on a page of before 2020,
///    and who is no browser has no cookies of others to send.
/// 4. What 1 and 2 refuse passes if its `Origin` is on the list of trusted ones.
///
/// This is how Go's `http.CrossOriginProtection` decides, and the OWASP cheat sheet on Fetch metadata. Rule 2 compares
/// host and port, so that a page at another port does not pass. It cannot see the scheme: a page of the same host over plain
/// `http`, where neither address names a port, passes by it if the browser sends no `Sec-Fetch-Site`; have HSTS for that.
///
/// Beside a [`Cors`](super::Cors) that lets other origins change something, trust the same origins here: a preflight
/// that is passed there says nothing to this one.
///
/// Behind a proxy that changes `Host`, list your own origin as trusted. Handlers of GET that change something are not
/// protected.
///
/// ```
/// use trijet_core::{Router, post};
/// use trijet_web::middleware::CrossOriginProtection;
///
/// let protection = CrossOriginProtection::new().trust(["https://login.example"]);
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", post(async || "done")).wrap(protection));
///
/// assert_eq!(client.post("/").header("sec-fetch-site", "same-origin").send().status, 200);
/// assert_eq!(client.post("/").header("sec-fetch-site", "cross-site").send().status, 403);
/// assert_eq!(client.post("/").header("origin", "https://evil.example").send().status, 403);
/// assert_eq!(client.post("/").header("origin", "https://login.example").send().status, 200);
/// assert_eq!(client.post("/").send().status, 200);
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossOriginProtection {
    trusted: Arc<Vec<HeaderValue>>,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl CrossOriginProtection {
    /// Trusts no other origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets pages of these origins, too, send requests that change something.
    ///
    /// # Panics
    /// If one is not written as browsers write it, `https://app.example`; or is `null`, which everybody's pages can be.
    #[must_use]
    #[track_caller]
    pub fn trust<'o>(mut self, origins: impl IntoIterator<Item = &'o str>) -> Self {
        let trusted = Arc::make_mut(&mut self.trusted);
        for origin in origins {
            assert!(origin != "null", "the origin null is everybody's: it cannot be trusted");
            trusted.push(origin::checked(origin));
        }
        self
    }

    fn passes(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return true;
        }
        let origin = single(headers, ORIGIN);
        let is_own = match single(headers, SEC_FETCH_SITE) {
            Single::One(site) => site == "same-origin" || site == "none",
            Single::Several => false,
            Single::None => match &origin {
                Single::None => true,
                Single::One(origin) => names_host(origin, uri, headers),
                Single::Several => false,
            },
        };
        is_own || matches!(origin, Single::One(origin) if self.trusted.contains(origin))
    }
}

/// Whether the origin's host and port are those that the request is for (RFC 9110 §7.1). The scheme is not known here.
fn names_host(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
    let host = match (uri.authority(), headers.get(HOST)) {
        (Some(authority), _) => authority.as_str().as_bytes(),
        (None, Some(host)) => host.as_bytes(),
        (None, None) => return false,
    };
    let origin = origin.as_bytes();
    let Some(at) = origin.windows(3).position(|window| window == b"://") else { return false };
    !host.is_empty() && origin[at + 3..].eq_ignore_ascii_case(host)
}

impl Middleware<Provided> for CrossOriginProtection {
    async fn call(self, request: Request, next: Next) -> Answer {
        if self.passes(request.method(), request.uri(), request.headers()) {
            return next.run(request).await.into();
        }
        let mut refused = sentence(
            StatusCode::FORBIDDEN,
            "The request was refused: it comes from a page of another origin.",
        );
        for name in [&SEC_FETCH_SITE, &ORIGIN] {
            vary_by(refused.headers_mut(), name);
        }
        refused.into()
    }

    fn declare(_: &mut Needs) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, target, `Host`, `Sec-Fetch-Site`, `Origin`, and whether it passes.
    type Row = (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>, bool);

    const TABLE: &[Row] = &[
        ("POST", "/", "app.example", Some("same-origin"), None, true),
        ("POST", "/", "app.example", Some("none"), None, true),
        ("POST", "/", "app.example", Some("same-site"), None, false),
        ("POST", "/", "app.example", Some("cross-site"), None, false),
        ("POST", "/", "app.example", Some("Same-Origin"), None, false),
        ("POST", "/", "app.example", Some(""), None, false),
        ("POST", "/", "app.example", Some("nonsense"), Some("https://app.example"), false),
        ("POST", "/", "app.example", Some("cross-site"), Some("https://app.example"), false),
        ("POST", "/", "app.example", Some("cross-site"), Some("https://trusted.example"), true),
        ("POST", "/", "app.example", Some("same-origin"), Some("null"), true),
        ("POST", "/", "app.example", None, None, true),
        ("POST", "/", "app.example", None, Some("https://app.example"), true),
        ("POST", "/", "App.Example", None, Some("https://app.example"), true),
        ("POST", "/", "app.example", None, Some("http://app.example"), true),
        ("POST", "/", "app.example:8443", None, Some("https://app.example"), false),
        ("POST", "/", "app.example:8443", None, Some("https://app.example:8443"), true),
        ("POST", "/", "app.example", None, Some("https://app.example:8443"), false),
        ("POST", "/", "app.example", None, Some("https://evil.example"), false),
        ("POST", "/", "app.example", None, Some("https://app.example.evil.example"), false),
        ("POST", "/", "app.example", None, Some("https://evil-app.example"), false),
        ("POST", "/", "app.example", None, Some("null"), false),
        ("POST", "/", "app.example", None, Some(""), false),
        ("POST", "/", "app.example", None, Some("app.example"), false),
        ("POST", "/", "app.example", None, Some("https://trusted.example"), true),
        ("POST", "/", "app.example", None, Some("http://trusted.example"), false),
        ("POST", "http://other.example/", "app.example", None, Some("https://other.example"), true),
        ("PUT", "/", "app.example", Some("cross-site"), None, false),
        ("DELETE", "/", "app.example", Some("cross-site"), None, false),
        ("PATCH", "/", "app.example", Some("cross-site"), None, false),
        ("BREW", "/", "app.example", Some("cross-site"), None, false),
        ("GET", "/", "app.example", Some("cross-site"), Some("https://evil.example"), true),
        ("HEAD", "/", "app.example", Some("cross-site"), None, true),
        ("OPTIONS", "/", "app.example", Some("cross-site"), None, true),
    ];

    #[test]
    fn who_passes() {
        let protection = CrossOriginProtection::new().trust(["https://trusted.example"]);
        for (method, target, host, site, origin, passes) in TABLE {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            for (name, value) in [(SEC_FETCH_SITE, site), (ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let passed = protection.passes(&method.parse().unwrap(), &target.parse().unwrap(), &headers);
            assert_eq!(passed, *passes, "{method} {target} {host} {site:?} {origin:?}");
        }
    }

    #[test]
    fn what_is_there_twice_passes_for_nothing() {
        let protection = CrossOriginProtection::new().trust(["https://trusted.example"]);
        for (name, value) in [(SEC_FETCH_SITE, "same-origin"), (ORIGIN, "https://trusted.example")] {
            let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("trusted.example"))]);
            headers.append(name.clone(), HeaderValue::from_static(value));
            assert!(protection.passes(&Method::POST, &Uri::from_static("/"), &headers));
            headers.append(name, HeaderValue::from_static(value));
            assert!(!protection.passes(&Method::POST, &Uri::from_static("/"), &headers));
        }
    }

    #[test]
    #[should_panic(expected = "null")]
    fn nobody_trusts_null() {
        let _ = CrossOriginProtection::new().trust(["null"]);
    }
}
