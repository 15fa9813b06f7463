//! [`Failure`]: an error that nobody has worded for its client yet, as [`Router::errors`](crate::Router::errors) sees
//! it. What the app answers itself never becomes one.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{ACCEPT, VARY},
    request::Parts,
};

use super::{Answer, IntoResponse, accept, append_field, deferred, sentence};
use crate::{Response, routing::Endpoint};

/// An error response that Trijet has made, or that has no body, before it is sent: what
/// [`Router::errors`](crate::Router::errors) words.
///
/// As a response it is what would have been sent without.
pub struct Failure {
    status: StatusCode,
    detail: Bytes,
    asked: Asked,
    /// Told that the answer depends on `Accept`.
    is_negotiated: Arc<AtomicBool>,
}

/// What of a request is kept for the case that it fails.
#[derive(Clone)]
pub(crate) struct Asked {
    method: Method,
    uri: Uri,
    accept: Accept,
    endpoint: Arc<Endpoint>,
}

#[derive(Clone)]
enum Accept {
    Anything,
    Value(HeaderValue),
    /// Of several fields, which count as one list (RFC 9110 §5.3).
    Joined(String),
}

/// Words a failure.
pub(crate) type Render = dyn Fn(Failure) -> Response + Send + Sync;

impl Failure {
    /// The status that is answered, unless another is.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, a sentence in plain text; empty where nothing was said.
    ///
    /// Where it quotes the request, everything is escaped in it that could be taken for markup (`<`, `>`, `&`), for a control
    /// sequence, or that turns the text after it around: as Rust writes the character, `\u{3c}` for `<`. That is the same for
    /// every form of the answer. To show it in HTML, escape it as any text, quotes too: nothing is escaped twice by that. Of what
    /// it quotes, the first 120 and the last 80 characters are left.
    ///
    /// ```
    /// # #[cfg(all(feature = "json", feature = "testing"))] {
    /// use trijet_core::{Json, Router, post, respond::Failure};
    ///
    /// fn count(Json(numbers): Json<Vec<u8>>) -> String {
    ///     numbers.len().to_string()
    /// }
    ///
    /// let router = Router::new().route("/", post(count)).errors(|failure: Failure| failure.detail().to_owned());
    /// let client = trijet_core::sim::TestClient::new(router);
    /// let detail = client.post("/").header("content-type", "application/json").body(r#"["<b>"]"#).send();
    /// assert!(detail.text().contains(r#"invalid type: string "\u{3c}b\u{3e}", expected u8"#));
    /// # }
    /// ```
    pub fn detail(&self) -> &str {
        std::str::from_utf8(&self.detail).unwrap_or_default()
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.asked.method
    }

    /// The target of the request.
    pub fn uri(&self) -> &Uri {
        &self.asked.uri
    }

    /// The pattern of the matched route; none where nothing matched.
    pub fn route(&self) -> Option<&str> {
        self.asked.endpoint.route.as_deref()
    }

    /// The one of these media types that the client prefers by its `Accept` (RFC 9110 §12.5.1), of equals the first:
    /// the first one too where it does not say. None where it wants none of them; then RFC 9110 §12.4.1 lets a server
    /// send any.
    ///
    /// The answer gets the `Vary: Accept` that tells caches of it (RFC 9110 §12.5.5).
    pub fn preferred<'t>(&self, types: &[&'t str]) -> Option<&'t str> {
        self.is_negotiated.store(true, Ordering::Relaxed);
        match &self.asked.accept {
            Accept::Anything => types.first().copied(),
            Accept::Value(value) => accept::preferred(value.to_str().unwrap_or_default(), types),
            Accept::Joined(value) => accept::preferred(value, types),
        }
    }

    /// The failure as `application/problem+json`: its status, the title of that, and the detail.
    #[cfg(feature = "json")]
    pub fn problem(&self) -> super::Problem {
        let problem = super::Problem::new(self.status);
        if self.detail.is_empty() { problem } else { problem.detail(self.detail().to_owned()) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.detail.is_empty() {
            return self.status.into_response();
        }
        sentence(self.status, self.detail().to_owned())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("status", &self.status)
            .field("detail", &self.detail())
            .finish_non_exhaustive()
    }
}

impl Asked {
    pub(crate) fn by(parts: &Parts, endpoint: Arc<Endpoint>) -> Self {
        let mut values = parts.headers.get_all(ACCEPT).iter();
        let accept = match (values.next(), values.next()) {
            (None, _) => Accept::Anything,
            (Some(value), None) => Accept::Value(value.clone()),
            (Some(_), Some(_)) => {
                let texts = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
                Accept::Joined(texts.collect::<Vec<_>>().join(","))
            }
        };
        Self { method: parts.method.clone(), uri: parts.uri.clone(), accept, endpoint }
    }

    /// `answer`, worded by `render` where it is a failure.
    pub(crate) async fn worded(self, answer: Answer, render: &Render) -> Answer {
        let is_error = |response: &Response| {
            let status = response.status();
            status.is_client_error() || status.is_server_error()
        };
        if !answer.as_response().is_some_and(is_error) {
            return answer;
        }
        let (parts, body) = answer.into_response().into_parts();
        let detail = match body.into_sentence() {
            Ok(detail) => detail,
            Err(body) => return Response::from_parts(parts, body).into(),
        };
        let is_negotiated = Arc::new(AtomicBool::new(false));
        let failure =
            Failure { status: parts.status, detail, asked: self, is_negotiated: is_negotiated.clone() };
        // The words may come later: what follows is said of them, not of what stands for them.
        let mut response = deferred::settled(render(failure)).await;
        // A page is a 200 by itself, which an error never is.
        if response.status() == StatusCode::OK {
            *response.status_mut() = parts.status;
        }
        // What the status needs (`Allow`, `Retry-After`), and what middleware has added.
        for name in parts.headers.keys().filter(|name| !is_of_the_body(name)) {
            if name == VARY {
                parts.headers.get_all(name).iter().for_each(|value| vary(response.headers_mut(), value));
            } else if !response.headers().contains_key(name) {
                for value in parts.headers.get_all(name) {
                    append_field(response.headers_mut(), name.clone(), value.clone());
                }
            }
        }
        if is_negotiated.load(Ordering::Relaxed) {
            vary(response.headers_mut(), &HeaderValue::from_static("accept"));
        }
        response.extensions_mut().extend(parts.extensions);
        response.into()
    }
}

/// Whether a field says something of the body that was replaced (RFC 9110 §8, RFC 9530), and nothing of the status: the
/// `Content-Range` of a 416 stays.
fn is_of_the_body(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "content-type"
            | "content-length"
            | "content-encoding"
            | "content-language"
            | "content-location"
            | "content-disposition"
            | "content-digest"
            | "content-md5"
            | "repr-digest"
            | "digest"
            | "etag"
            | "last-modified"
    )
}

/// Adds what the answer depends on, unless it is said already: all of it counts, whoever says it.
fn vary(headers: &mut HeaderMap, value: &HeaderValue) {
    let is_said = |said: &HeaderValue| {
        let members = said.to_str().unwrap_or_default().split(',').map(str::trim);
        said == value
            || members
                .into_iter()
                .any(|name| name == "*" || name.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    if !headers.get_all(VARY).iter().any(is_said) {
        append_field(headers, VARY, value.clone());
    }
}
