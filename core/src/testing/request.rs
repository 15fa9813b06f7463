//! A request of the test client, from its parts to bytes. It writes what it is told, also what a server
//! has to refuse.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::{
    Asked, Exchange, MultipartForm, TestClient, TestResponse,
    exchange::{Opening, Sending, chunked},
    show::Shown,
};

/// A request that is being put together: [`TestClient::get`] and its like.
#[must_use = "it is not sent until `send` or `open` is called"]
pub struct TestRequest<'a> {
    client: &'a TestClient,
    method: Method,
    target: String,
    headers: HeaderMap,
    content: Content,
}

/// The body that was set.
enum Content {
    None,
    Whole(Vec<u8>),
    Chunks(Vec<Vec<u8>>),
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(client: &'a TestClient, method: Method, target: &str) -> Self {
        let content = Content::None;
        Self { client, method, target: target.to_owned(), headers: HeaderMap::new(), content }
    }

    /// Adds a field, beside those of the same name that are there: a `Content-Type` that `json` is to leave as it
    /// is comes before it, and after it would be a second one.
    ///
    /// # Panics
    /// If the name or the value is not one of a field.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: fmt::Display>,
        V: TryInto<HeaderValue, Error: fmt::Display>,
    {
        // A closure would be what panics, and not the caller.
        let name = match name.try_into() {
            Ok(name) => name,
            Err(error) => panic!("{error}"),
        };
        match value.try_into() {
            Ok(value) => self.headers.append(name, value),
            Err(error) => panic!("the field {name}: {error}"),
        };
        self
    }

    /// Sets the body, sent with its length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.headers.remove(header::TRANSFER_ENCODING);
        let body = body.as_ref().to_vec();
        self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.content = Content::Whole(body);
        self
    }

    /// Sets the body, sent in these chunks; empty ones are left out.
    pub fn chunks<I>(mut self, chunks: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        self.headers.remove(header::CONTENT_LENGTH);
        self.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        self.content = Content::Chunks(chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect());
        self
    }

    /// Sets the body to the JSON of `value`, and `Content-Type` unless there is one: `.header("content-type",
    /// "application/merge-patch+json").json(&patch)`.
    ///
    /// # Panics
    /// If it cannot be written as JSON.
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.content_type_unless_set("application/json").body(body),
            Err(error) => panic!("not to be had as JSON: {error}"),
        }
    }

    /// Sets the body to the form of `value`, and `Content-Type` unless there is one.
    ///
    /// # Panics
    /// If it cannot be written as a form.
    #[cfg(feature = "form")]
    #[track_caller]
    pub fn form<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_html_form::to_string(value) {
            Ok(body) => self.content_type_unless_set("application/x-www-form-urlencoded").body(body),
            Err(error) => panic!("not to be had as a form: {error}"),
        }
    }

    /// Sets the body to a form with files, and `Content-Type`, of which its boundary is a part.
    pub fn multipart(mut self, form: &MultipartForm) -> Self {
        let (content_type, body) = form.encode();
        // Of the letters of a boundary.
        let content_type = HeaderValue::try_from(content_type).unwrap_or_else(|error| panic!("{error}"));
        self.headers.insert(header::CONTENT_TYPE, content_type);
        self.body(body)
    }

    #[cfg(any(feature = "json", feature = "form"))]
    fn content_type_unless_set(mut self, value: &'static str) -> Self {
        self.headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(value));
        self
    }

    /// Sends it, and gives the whole response.
    ///
    /// # Panics
    /// As [`TestClient`] says.
    #[track_caller]
    pub fn send(self) -> TestResponse {
        let opening = self.opening(Sending::Over);
        Exchange::open(opening.0, opening.1).finish()
    }

    /// Sends its head, and the body if one is set. The rest is up to the [`Exchange`].
    ///
    /// Where no body is set, one may be written: of the length that a field `Content-Length` declares, else in chunks, if the
    /// method is POST, PUT or PATCH or a field `Transfer-Encoding` says so.
    ///
    /// ```
    /// use trijet_core::{Router, post, sim::TestClient};
    ///
    /// let client = TestClient::new(Router::new().route("/", post(|body: String| body)));
    /// let mut exchange = client.post("/").header("content-length", "4").open();
    /// exchange.write("pi").write("ng");
    /// exchange.finish().assert_text("ping");
    /// ```
    ///
    /// # Panics
    /// If the server cannot be connected to.
    #[track_caller]
    pub fn open(mut self) -> Exchange {
        let is_set = !matches!(self.content, Content::None);
        let length =
            self.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let sending = match length {
            _ if is_set => Sending::Over,
            Some(length) => Sending::Length(length),
            None if self.headers.contains_key(header::TRANSFER_ENCODING) => Sending::Chunks,
            None if [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) => {
                self.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                Sending::Chunks
            }
            None => Sending::Over,
        };
        let opening = self.opening(sending);
        Exchange::open(opening.0, opening.1)
    }

    fn opening(self, sending: Sending) -> (&'a TestClient, Opening) {
        let Self { client, method, target, headers, content } = self;
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = authority(&target).unwrap_or_else(|| named.unwrap_or("localhost").to_owned());
        let path = path(&target);
        let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        };
        if !headers.contains_key(header::HOST) {
            line("host", host.as_bytes());
        }
        // One that is set by hand is the only one.
        if !headers.contains_key(header::COOKIE) {
            if let Some(cookies) = client.cookies_for(&host, &path) {
                line("cookie", &cookies);
            }
        }
        for (name, value) in &headers {
            line(name.as_str(), value.as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        let (body, pieces) = match content {
            Content::None => (Vec::new(), Vec::new()),
            Content::Whole(body) => (body.clone(), vec![body]),
            Content::Chunks(pieces) => (chunked(&pieces), pieces),
        };
        let asked = if method == Method::HEAD { Asked::Head } else { Asked::Other };
        let what = format!("{method} {}", Shown(target.as_bytes()));
        (client, Opening { what, asked, host, path, head, body, pieces, sending })
    }
}

/// The path of a target in any of its forms (RFC 9112 §3.2).
fn path(target: &str) -> String {
    if target.starts_with('/') {
        return target.split('?').next().unwrap_or_default().to_owned();
    }
    target.parse::<Uri>().map_or_else(|_| "/".to_owned(), |uri| uri.path().to_owned())
}

/// The host and port of a target that has them, which count then, whatever `Host` says (RFC 9112 §3.2.2).
fn authority(target: &str) -> Option<String> {
    let uri = target.contains("://").then(|| target.parse::<Uri>().ok()).flatten()?;
    let authority = uri.authority()?.as_str();
    Some(authority.rsplit('@').next().unwrap_or(authority).to_owned())
}

impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
