//! The test client: requests to an app without sockets, through the engine and the driver. What fails is
//! a panic that says why, since it is for tests.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::{
    Peer, Settings, Sim, TestRequest,
    response::{self, Asked},
};
use crate::Router;

/// Sends requests to an app in memory.
///
/// Each request has a connection of its own, and goes through all that a request from the network goes
/// through. Time is virtual: a test of a timeout takes none.
///
/// ```
/// use trijet_core::{Path, Router, get, post, sim::TestClient};
///
/// async fn greet(Path(name): Path<String>) -> String { format!("Hello, {name}!") }
///
/// let client = TestClient::new(
///     Router::new().route("/greet/{name}", get(greet)).route("/echo", post(|body: String| body)),
/// );
/// let response = client.get("/greet/Ada").send();
/// assert_eq!(response.status, 200);
/// assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
/// assert_eq!(response.text(), "Hello, Ada!");
///
/// assert_eq!(client.post("/echo").body("ping").send().text(), "ping");
/// assert_eq!(client.get("/nowhere").send().status, 404);
/// ```
///
/// # Panics
/// Sending panics where no whole and correct response comes: the handler waits for something that never
/// comes, or the server cut the connection.
#[derive(Clone)]
pub struct TestClient {
    sim: Sim,
}

/// How long a handler may wait, in real time, for another thread.
const PATIENCE: Duration = Duration::from_secs(5);

impl TestClient {
    /// A client of `router`.
    ///
    /// # Panics
    /// If the router must not be served; the message names each fault.
    pub fn new(router: Router) -> Self {
        Self::with_settings(router, Settings { patience: PATIENCE, ..Settings::default() })
    }

    /// A client of `router`, served with other limits or under another schedule.
    ///
    /// # Panics
    /// If the router must not be served, or the limits cannot be honoured.
    pub fn with_settings(router: Router, settings: Settings) -> Self {
        Self { sim: Sim::new(router, settings) }
    }

    /// A GET request.
    pub fn get(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::GET, target)
    }

    /// A HEAD request.
    pub fn head(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::HEAD, target)
    }

    /// A POST request.
    pub fn post(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::POST, target)
    }

    /// A PUT request.
    pub fn put(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::PUT, target)
    }

    /// A PATCH request.
    pub fn patch(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::PATCH, target)
    }

    /// A DELETE request.
    pub fn delete(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, target)
    }

    /// An OPTIONS request.
    pub fn options(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::OPTIONS, target)
    }

    /// A request of any method. `target` is sent as it is.
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, target)
    }

    /// Sends `bytes` on a connection of their own, and gives everything that the server wrote until
    /// nothing more could happen without time passing.
    ///
    /// ```
    /// # use trijet_core::{Router, sim::TestClient};
    /// let raw = TestClient::new(Router::new()).raw("BREW /pot HTCPCP/1.0\r\n\r\n");
    /// assert!(raw.text().starts_with("HTTP/1.1 400 Bad Request\r\n"));
    /// assert!(raw.is_closed);
    /// ```
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Raw {
        let peer = self.sim.connect();
        peer.send(bytes);
        self.sim.settle();
        let raw = Raw { bytes: peer.received(), is_closed: peer.is_closed() };
        self.leave(&peer);
        raw
    }

    /// The simulation below, for connections of one's own.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Sends a whole request and waits for the whole response.
    pub(super) fn exchange(&self, request: &[u8], asked: Asked, what: &dyn fmt::Display) -> TestResponse {
        let started = self.sim.elapsed();
        let peer = self.sim.connect();
        peer.send(request);
        let parsed = loop {
            self.sim.settle();
            let received = peer.received();
            match response::parse(&received, asked, peer.is_closed() && !peer.is_reset()) {
                Err(fault) => panic!("{what}: {fault}"),
                Ok(Some(parsed)) if parsed.len == received.len() => break parsed,
                Ok(Some(parsed)) => {
                    panic!("{what}: {} bytes follow the response", received.len() - parsed.len)
                }
                Ok(None) if peer.is_closed() => panic!(
                    "{what}: the server closed the connection within the response ({:?}), after {:?}",
                    self.sim.close_reason(&peer),
                    String::from_utf8_lossy(&received),
                ),
                Ok(None) => {}
            }
            assert!(
                self.sim.pass_time(),
                "{what}: no answer after {:?} of virtual time; the handler waits for something that never comes",
                self.sim.elapsed() - started,
            );
        };
        self.leave(&peer);
        TestResponse {
            status: parsed.status,
            headers: parsed.headers,
            trailers: parsed.trailers,
            body: parsed.body,
            chunks: parsed.chunks,
        }
    }

    fn leave(&self, peer: &Peer) {
        peer.close();
        self.sim.settle();
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").finish_non_exhaustive()
    }
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The header fields, those included that the server adds.
    pub headers: HeaderMap,
    /// The trailer fields.
    pub trailers: HeaderMap,
    body: Bytes,
    chunks: Vec<Bytes>,
}

impl TestResponse {
    /// The first field of this name.
    ///
    /// # Panics
    /// If its value is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().unwrap_or_else(|_| panic!("the field {name} is not text: {value:?}")))
    }

    /// The whole body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The whole body, as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("the body is not text: {error}"))
    }

    /// The chunks that a body of unknown length was sent in.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The body, from JSON.
    ///
    /// # Panics
    /// If it is not the JSON of a `T`; the message shows the body.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("the body is not the JSON wanted: {error}: {}", String::from_utf8_lossy(&self.body))
        })
    }
}

/// What the server wrote on a connection of raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Everything it wrote.
    pub bytes: Vec<u8>,
    /// Whether it ended the connection.
    pub is_closed: bool,
}

impl Raw {
    /// Everything it wrote, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
