//! A request of the test client, from its parts to bytes. It writes what it is told, also what a server
//! has to refuse.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{TestClient, TestResponse, response::Asked};

/// A request that is being put together: [`TestClient::get`] and its like.
#[must_use = "it is not sent until `send` is called"]
pub struct TestRequest<'a> {
    client: &'a TestClient,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(client: &'a TestClient, method: Method, target: &str) -> Self {
        Self { client, method, target: target.to_owned(), headers: HeaderMap::new(), body: Vec::new() }
    }

    /// Adds a field.
    ///
    /// # Panics
    /// If the name or the value is not one of a field.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: fmt::Display>,
        V: TryInto<HeaderValue, Error: fmt::Display>,
    {
        let name = name.try_into().unwrap_or_else(|error| panic!("{error}"));
        let value = value.try_into().unwrap_or_else(|error| panic!("the field {name}: {error}"));
        self.headers.append(name, value);
        self
    }

    /// Sets the body, sent with its length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.headers.remove(header::TRANSFER_ENCODING);
        self.body = body.as_ref().to_vec();
        let length = HeaderValue::from(self.body.len());
        self.headers.insert(header::CONTENT_LENGTH, length);
        self
    }

    /// Sets the body, sent in these chunks; empty ones are left out.
    pub fn chunks<I>(mut self, chunks: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        self.headers.remove(header::CONTENT_LENGTH);
        self.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        self.body.clear();
        for chunk in chunks {
            let chunk = chunk.as_ref();
            if !chunk.is_empty() {
                self.body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                self.body.extend_from_slice(chunk);
                self.body.extend_from_slice(b"\r\n");
            }
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self
    }

    /// Sets the body to the JSON of `value`.
    ///
    /// # Panics
    /// If it cannot be written as JSON.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_else(|error| panic!("not to be had as JSON: {error}"));
        self.content_type("application/json").body(body)
    }

    /// Sets the body to the form of `value`.
    ///
    /// # Panics
    /// If it cannot be written as a form.
    #[cfg(feature = "form")]
    pub fn form<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        let body = serde_html_form::to_string(value)
            .unwrap_or_else(|error| panic!("not to be had as a form: {error}"));
        self.content_type("application/x-www-form-urlencoded").body(body)
    }

    #[cfg(any(feature = "json", feature = "form"))]
    fn content_type(mut self, value: &'static str) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        self
    }

    /// Sends it, and gives the whole response.
    ///
    /// # Panics
    /// As [`TestClient`] says.
    pub fn send(self) -> TestResponse {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self.headers.contains_key(header::HOST) {
            bytes.extend_from_slice(b"host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        let asked = if self.method == Method::HEAD { Asked::Head } else { Asked::Other };
        self.client.exchange(&bytes, asked, &format_args!("{} {}", self.method, self.target))
    }
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
