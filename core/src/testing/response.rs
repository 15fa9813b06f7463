//! A whole response, with the exchange that it ended: [`TestResponse`]. What it is asked for and is not there is a panic
//! that shows the exchange.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{
    answer::Whole,
    show::{self, Sent},
};

/// A whole response.
///
/// It is shown with all of its exchange, as curl does: lines that begin with `>` were sent, those with `<` came. Failed
/// assertions end with that; one's own can, too.
///
/// ```
/// # use trijet_core::{Router, sim::TestClient};
/// let client = TestClient::new(Router::new());
/// let response = client.post("/").body("Hello!").send();
/// assert!(response.status.is_client_error(), "it was taken:\n{response}");
/// assert!(response.to_string().starts_with(
///     "> POST / HTTP/1.1\n> host: localhost\n> content-length: 6\n>\n> Hello!\n\n< HTTP/1.1 404 Not Found\n"
/// ));
/// ```
#[derive(Clone)]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The header fields, those included that the server adds.
    pub headers: HeaderMap,
    /// The trailer fields.
    pub trailers: HeaderMap,
    body: Bytes,
    chunks: Vec<Bytes>,
    heads: Vec<u8>,
    sent: Sent,
}

impl TestResponse {
    pub(super) fn new(sent: Sent, whole: Whole) -> Self {
        let Whole { head, heads, body, chunks, trailers } = whole;
        Self { status: head.status, headers: head.headers, trailers, body, chunks, heads, sent }
    }

    /// The first field of this name.
    ///
    /// # Panics
    /// If its value is not text, or the name is none of a field.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(field_name(name))?;
        match value.to_str() {
            Ok(value) => Some(value),
            Err(_) => self.fail(format_args!("the field {name} is not text: {value:?}")),
        }
    }

    /// The value that a cookie of this name is set to; as it was sent, and empty for one that is removed.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let fields = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs = fields.filter_map(|field| field.to_str().ok()?.split(';').next()?.split_once('='));
        pairs.rev().find(|(own, _)| own.trim() == name).map(|(_, value)| value.trim())
    }

    /// The whole body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The whole body, as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => self.fail(format_args!("the body is not text: {error}")),
        }
    }

    /// The chunks that a body of unknown length was sent in.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The body, from JSON.
    ///
    /// # Panics
    /// If it is not the JSON of a `T`.
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => self.fail(format_args!("the body is not the JSON wanted: {error}")),
        }
    }

    /// Panics with the exchange, below what is said about it.
    #[track_caller]
    pub(super) fn fail(&self, what: fmt::Arguments<'_>) -> ! {
        panic!("{}: {what}\n\n{self}", self.sent.what)
    }
}

/// A name that is none would be found nowhere, and an assertion that it is not there would assert nothing.
#[track_caller]
pub(super) fn field_name(name: &str) -> HeaderName {
    match name.parse() {
        Ok(name) => name,
        Err(_) => panic!("`{}` is no name of a field", name.escape_default()),
    }
}

/// The exchange.
impl fmt::Display for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sent.show(f)?;
        writeln!(f)?;
        show::show_answer(f, &self.heads, &self.body, &self.trailers)
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("trailers", &self.trailers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
