//! [`SecurityHeaders`]: fields that tell browsers to be careful. It must never overwrite what a handler has set.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer};

use super::Provided;

/// Adds these fields to every response that does not have them, but a 304:
///
/// | field | value | what it does |
/// | --- | --- | --- |
/// | `x-content-type-options` | `nosniff` | the content type that is sent is the one that counts (Fetch) |
/// | `referrer-policy` | `strict-origin-when-cross-origin` | other sites learn a page's origin alone (Referrer Policy) |
/// | `x-frame-options` | `DENY` | nobody shows a page within theirs (RFC 7034); for older browsers |
/// | `content-security-policy` | `frame-ancestors 'none'` | the same (CSP 3); a policy of the handler's takes its place |
/// | `permissions-policy` | `camera=(), geolocation=(), microphone=()` | no page and no frame of it asks for these |
///
/// They are those of the OWASP secure headers project that break few pages: one that is shown in frames, or asks
/// for the camera, says so by [`set`](Self::set). A whole `content-security-policy` is the app's own matter. HSTS
/// is added only by [`hsts`](Self::hsts): it cannot be taken back.
///
/// A 304 stands for a response that the client has, with the fields that came with it. A cache puts those of the 304 in
/// their place (RFC 9111 §3.2), and the handler that set its own for the page need not have repeated them.
///
/// ```
/// use trijet_core::{Router, get};
/// use trijet_web::middleware::SecurityHeaders;
///
/// let app = Router::new()
///     .route("/", get(async || "page"))
///     .route("/widget", get(async || ([("x-frame-options", "SAMEORIGIN")], "widget")))
///     .wrap(SecurityHeaders::new());
/// let client = trijet_core::sim::TestClient::new(app);
/// assert_eq!(client.get("/").send().header("x-frame-options"), Some("DENY"));
/// assert_eq!(client.get("/widget").send().header("x-frame-options"), Some("SAMEORIGIN"));
/// ```
#[derive(Clone, Debug)]
pub struct SecurityHeaders(Arc<Vec<(HeaderName, HeaderValue)>>);

impl SecurityHeaders {
    /// The fields of the table.
    pub fn new() -> Self {
        Self(Arc::new(vec![
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
            (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'")),
            (
                HeaderName::from_static("permissions-policy"),
                HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
            ),
        ]))
    }

    /// Sets the value of a field, one of the table or another.
    #[must_use]
    pub fn set(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let fields = Arc::make_mut(&mut self.0);
        match fields.iter_mut().find(|(other, _)| *other == name) {
            Some((_, kept)) => *kept = value,
            None => fields.push((name, value)),
        }
        self
    }

    /// Leaves a field out.
    #[must_use]
    pub fn without(mut self, name: &HeaderName) -> Self {
        Arc::make_mut(&mut self.0).retain(|(other, _)| other != name);
        self
    }

    /// Lets pages of the same origin show these within theirs.
    #[must_use]
    pub fn frames_of_same_origin(self) -> Self {
        self.set(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"))
            .set(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'self'"))
    }

    /// Has browsers use nothing but `https` for this host and all below it, for so long (RFC 6797 §6.1). Browsers
    /// take it from answers over TLS alone, and then there is no way back before the time is over: begin with
    /// minutes.
    #[must_use]
    pub fn hsts(self, time: Duration) -> Self {
        let value = format!("max-age={}; includeSubDomains", time.as_secs());
        match HeaderValue::try_from(value) {
            Ok(value) => self.set(STRICT_TRANSPORT_SECURITY, value),
            Err(_) => self,
        }
    }
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware<Provided> for SecurityHeaders {
    async fn call(self, request: Request, next: Next) -> Answer {
        let mut response = next.run(request).await;
        if response.status() == StatusCode::NOT_MODIFIED {
            return response.into();
        }
        for (name, value) in self.0.iter() {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        response.into()
    }

    fn declare(_: &mut Needs) {}
}
