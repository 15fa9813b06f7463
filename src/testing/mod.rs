//! Tests of an app: a client that speaks to it in memory, or to a server on any backend, with the same words.
//!
//! ```toml
//! [dev-dependencies]
//! trijet = { version = "0.1", features = ["testing"] }
//! ```
//!
//! The app itself, and what it is built with, stays under `[dependencies]`.
//!
//! # The first test
//! [`TestClient::new`] takes the app. There is no socket and no thread, and each request goes through all that a request
//! from the network goes through.
//!
//! ```
//! use trijet::{Path, Router, get, testing::TestClient};
//!
//! async fn greet(Path(name): Path<String>) -> String {
//!     format!("Hello, {name}!")
//! }
//!
//! fn app() -> Router {
//!     Router::new().route("/greet/{name}", get(greet))
//! }
//!
//! let client = TestClient::new(app());
//! client.get("/greet/Ada").send().assert_status(200).assert_text("Hello, Ada!");
//! client.get("/greet").send().assert_status(404);
//! ```
//!
//! An assertion that fails shows what was sent and what came:
//!
//! ```text
//! GET /greet/Ada: the body is another text
//!   wanted: "Hello, Bob!"
//!   found:  "Hello, Ada!"
//!
//! > GET /greet/Ada HTTP/1.1
//! > host: localhost
//!
//! < HTTP/1.1 200 OK
//! < content-type: text/plain; charset=utf-8
//! < content-length: 11
//! < date: Sun, 06 Nov 1994 08:49:37 GMT
//! <
//! < Hello, Ada!
//! ```
//!
//! A [`TestResponse`] has its `status`, `headers`, [`text`](TestResponse::text) and `json` for assertions
//! of one's own; printed, it is the exchange.
//!
//! # Bodies
//! [`body`](TestRequest::body), [`chunks`](TestRequest::chunks), `json`, `form`, and
//! [`multipart`](TestRequest::multipart) for a form with files:
//!
//! ```
//! use trijet::{Router, post, testing::{MultipartForm, TestClient}};
//!
//! # let app = Router::new().route("/upload", post(|body: trijet::Bytes| body));
//! let client = TestClient::new(app);
//! let form = MultipartForm::new().text("title", "Me").file("avatar", "me.png", "image/png", b"\x89PNG");
//! client.post("/upload").multipart(&form).send().assert_status(200);
//! ```
//!
//! # Cookies
//! [`with_cookies`](TestClient::with_cookies) makes the client a browser: what an answer sets is sent with the requests that
//! follow. Two such clients of one app are two browsers.
//!
//! ```
//! use trijet::{HeaderMap, Redirect, Router, get, post, testing::TestClient};
//!
//! async fn log_in() -> ([(&'static str, &'static str); 1], Redirect) {
//!     ([("set-cookie", "name=Ada; Path=/; HttpOnly")], Redirect::to("/"))
//! }
//!
//! async fn page(headers: HeaderMap) -> String {
//!     headers.get("cookie").map_or("nobody", |cookies| cookies.to_str().unwrap()).to_owned()
//! }
//!
//! let client = TestClient::new(Router::new().route("/", get(page)).route("/log-in", post(log_in)));
//! let (ada, bob) = (client.clone().with_cookies(), client.with_cookies());
//! ada.post("/log-in").send().assert_redirect("/").assert_cookie("name", "Ada");
//! ada.get("/").send().assert_text("name=Ada");
//! bob.get("/").send().assert_text("nobody");
//! ```
//!
//! # Streams
//! [`open`](TestRequest::open) sends the head of a request and gives an [`Exchange`]: what is written and what is read may
//! alternate, and who drops it leaves.
//!
//! ```
//! use trijet::{Body, Router, post, testing::TestClient};
//!
//! async fn echo(body: Body) -> Body {
//!     Body::from_stream(body.into_stream())
//! }
//!
//! let client = TestClient::new(Router::new().route("/echo", post(echo)));
//! let mut exchange = client.post("/echo").open();
//! exchange.write("one");
//! assert_eq!(exchange.read().unwrap(), "one");
//! exchange.write("two");
//! assert_eq!(exchange.read().unwrap(), "two");
//! exchange.finish().assert_text("onetwo");
//! ```
//!
//! # Time
//! Time is virtual. It passes where the client waits for something that only time can bring, and by
//! [`advance`](TestClient::advance); so a test of a timeout takes none.
//!
//! ```
//! use std::time::Duration;
//! use trijet::{Router, get, post, rt, testing::TestClient};
//!
//! async fn slow() -> &'static str {
//!     rt::sleep(Duration::from_secs(60)).await;
//!     "done"
//! }
//!
//! let client = TestClient::new(Router::new().route("/slow", get(slow)).route("/upload", post(async |_: String| ())));
//! client.get("/slow").send().assert_text("done");
//! assert_eq!(client.elapsed(), Duration::from_secs(60));
//!
//! // Limits hold as they do on the network: an upload of less than 240 B/s is given up after 5 s.
//! let mut upload = client.post("/upload").open();
//! upload.write("some of it");
//! client.advance(Duration::from_secs(4));
//! assert_eq!(upload.read_now(), None);
//! assert!(!upload.is_over());
//! client.advance(Duration::from_secs(1));
//! upload.head().assert_status(408);
//! ```
//!
//! # On real backends
//! [`Server::test_client`](crate::Server::test_client) starts a server on a port of its own, and stops it with the client.
//! [`on_each_backend`] runs a test in memory and on each backend that is compiled in.
//!
//! ```
//! use trijet::{Router, get, testing::on_each_backend};
//!
//! fn app() -> Router {
//!     Router::new().route("/", get(|| "a plain fn"))
//! }
//!
//! on_each_backend(app, |client| {
//!     client.get("/").send().assert_text("a plain fn");
//! });
//! ```
//!
//! There the time is real: `advance` waits for it. What does not come within ten seconds, or the client's
//! [`patience`](TestClient::patience), fails the test; so does a response that has not ended after six times as long, though
//! more and more of it comes: [`open`](TestRequest::open) is for those. [`connect_to`] is for a server that runs already.
//!
//! What handlers still do when the client is dropped is cut, or left alone where it is a plain `fn`; neither fails the test.
//!
//! # What is not seen in memory
//! - The life of a server: hooks, signals and readiness are a [`Server`](crate::Server)'s. A client that is dropped ends the
//!   simulation at once, and a handler that still waits is dropped with it and not told of any stop; [`Sim::stop`] begins one.
//! - More than one request of a connection, and what a connection does between them: that is for [`Peer`], or
//!   [`raw`](TestClient::raw).
//! - A panic that costs no response: of a task that was spawned, of a body that is written already. The response of a handler
//!   that panics is a 500, which fails a test that asserts the status.
//! - Two threads at once.
//!
//! A handler that waits for something of Tokio's, such as a client of a database, is answered with 500 in memory, as on threads
//! and mio. Enter a runtime around the test, and it runs there:
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use std::time::Duration;
//! use trijet::{Router, get, testing::TestClient};
//!
//! async fn careful() -> &'static str {
//!     tokio::time::sleep(Duration::from_millis(1)).await; // real time
//!     "done"
//! }
//!
//! let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
//! let _inside = runtime.enter();
//! TestClient::new(Router::new().route("/", get(careful))).get("/").send().assert_text("done");
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Below
//! [`Sim`] and [`Peer`] decide what happens on each connection, byte by byte and second by second, under a schedule that is
//! the same for the same seed; [`Settings`] has that schedule, the limits and the date. [`Sim::host`] answers for the
//! databases. A plain `fn` runs on the one thread that there is: one that waits for another, by a channel, hangs there; that
//! is for a real backend. [`Connect`] is what a client speaks through.

mod backends;
mod tcp;

pub use trijet_core::sim::*;

pub(crate) use self::tcp::serve;
pub use self::{backends::on_each_backend, tcp::connect_to};
