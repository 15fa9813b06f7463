//! A service as a handler.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, pending, ready},
    io::Write,
    pin::Pin,
    sync::mpsc::{Sender, channel},
    task::{Context, Poll, ready as ready_or_return},
};

use http_body::{Body as HttpBody, Frame};
use trijet::{
    Backend, Body, BodyError, BoxError, HeaderMap, Limits, Request, Response, Router, StatusCode, any, http,
    interop::{OriginalUri, Service, service},
    respond::Failure,
};

use super::{Of, sure};
use crate::common::{
    PATIENCE,
    client::{get as request, post, post_chunked},
    gate::Gate,
    server::{start, start_with},
};

on_every_backend!(
    paths_as_the_service_sees_them,
    what_nests_and_hosts_inherit_sees_the_path_of_its_own_router,
    all_methods_are_its_own,
    each_request_has_a_clone_that_is_ready,
    a_service_that_is_never_ready_stops_nobody_else,
    an_error_is_a_500_without_its_words,
    an_error_may_be_answered,
    a_body_that_cannot_be_read_is_the_clients_fault,
    failures_and_empty_answers_are_worded_as_the_app_says,
    limits_and_leaving_are_its_own_in_nests_and_fallbacks,
    it_takes_over_no_connection,
    a_panic_is_a_500,
    bodies_stream_both_ways,
    any_body_with_its_trailers,
    it_is_dropped_when_its_client_leaves,
    what_is_prepared_is_there,
);

fn paths_as_the_service_sees_them(on: Backend) {
    let tell = service(Of(async |request: Request| {
        let original = request.extensions().get::<OriginalUri>().map(|OriginalUri(uri)| uri.to_string());
        sure::<Body>(format!("{} of {}", request.uri(), original.as_deref().unwrap_or("itself")))
    }));
    let app = Router::new()
        .route("/route/{*rest}", any(tell.clone()))
        .nest("/nest", tell.clone().into_router())
        .nest("/of/{kind}", Router::new().nest("/deep", tell.clone().into_router()))
        .fallback(tell);
    let server = start(on, app);
    let mut client = server.connect();
    for (path, seen) in [
        ("/", "/ of itself"),
        ("/any?a=b", "/any?a=b of itself"),
        ("/route/x/y", "/route/x/y of itself"),
        ("/nest", "/ of /nest"),
        ("/nest/", "/ of /nest/"),
        ("/nest?a=/b", "/?a=/b of /nest?a=/b"),
        ("/nest/x/%2Fy/?a", "/x/%2Fy/?a of /nest/x/%2Fy/?a"),
        ("/nest//x", "//x of /nest//x"),
        ("/of/a%2Fb/deep/x", "/x of /of/a%2Fb/deep/x"),
        ("/of/a/deep", "/ of /of/a/deep"),
        ("/of/a/else", "/of/a/else of itself"),
    ] {
        client.get(path).says(seen);
    }
}

fn what_nests_and_hosts_inherit_sees_the_path_of_its_own_router(on: Backend) {
    let tell = || service(Of(async |request: Request| sure::<Body>(format!("sees {}", request.uri()))));
    let known = || Router::new().route("/known", any(async || "known"));
    let api = tell().into_router().nest("/sub", known().nest("/{id}/deep", known())).merge(known());
    let app =
        tell().into_router().nest("/api/{version}", api).nest("/own", known()).host("h.example", known());
    let server = start(on, app);
    let mut client = server.connect();
    for (path, seen) in [
        ("/", "sees /"),
        ("/x?a", "sees /x?a"),
        ("/own/known", "known"),
        ("/own", "sees /own"),
        ("/own/unknown?a=b", "sees /own/unknown?a=b"),
        ("/api/1", "sees /"),
        ("/api/1/", "sees /"),
        ("/api/1/x", "sees /x"),
        ("/api/1/known", "known"),
        ("/api/1/sub/known", "known"),
        ("/api/1/sub", "sees /sub"),
        ("/api/1/sub/", "sees /sub/"),
        ("/api/1/sub/unknown?a=b", "sees /sub/unknown?a=b"),
        ("/api/1/sub/2/deep/unknown", "sees /sub/2/deep/unknown"),
    ] {
        client.get(path).says(seen);
    }
    for (path, seen) in [("/known", "known"), ("/unknown", "sees /unknown"), ("/", "sees /")] {
        client.send(request(path).replacen("host: t", "host: h.example", 1)).response().says(seen);
    }
}

fn all_methods_are_its_own(on: Backend) {
    let tell = service(Of(async |request: Request| sure::<Body>(request.method().to_string())));
    let server = start(on, Router::new().nest("/nest", tell.clone().into_router()).fallback(tell));
    let mut client = server.connect();
    for path in ["/", "/nest", "/nest/x"] {
        for method in ["GET", "PUT", "OPTIONS", "PROPFIND"] {
            client.send(request(path).replacen("GET", method, 1)).response().says(method);
        }
        let answer = client.send(request(path).replacen("GET", "HEAD", 1)).response_to_head();
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("4")));
    }
}

/// A service that is ready once a gate is open, and only for the clone that was asked.
struct Gated {
    gate: Gate,
    opening: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    asked: Sender<()>,
    is_ready: bool,
}

impl Clone for Gated {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), opening: None, asked: self.asked.clone(), is_ready: false }
    }
}

impl Service<Request> for Gated {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let gate = &self.gate;
        let opening = self.opening.get_or_insert_with(|| Box::pin(gate.clone().opened()));
        _ = self.asked.send(());
        ready_or_return!(opening.as_mut().poll(cx));
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having said that it is ready");
        ready(sure("ready"))
    }
}

fn each_request_has_a_clone_that_is_ready(on: Backend) {
    let gate = Gate::default();
    let (asked, asks) = channel();
    let gated = Gated { gate: gate.clone(), opening: None, asked, is_ready: false };
    let server = start(on, Router::new().fallback(service(gated)));
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(request("/"));
        asks.recv_timeout(PATIENCE).expect("it is asked before it is called");
    }
    assert!(clients.iter_mut().all(|client| client.is_silent()), "nobody was called");
    gate.open();
    for client in &mut clients {
        client.response().says("ready");
        client.get("/").says("ready");
    }
}

fn a_service_that_is_never_ready_stops_nobody_else(on: Backend) {
    let (asked, asks) = channel();
    let gated = Gated { gate: Gate::default(), opening: None, asked, is_ready: false };
    let app = Router::new().route("/gated", any(service(gated))).route("/", any(async || "hello"));
    let server = start(on, app);
    let mut waiting = server.connect();
    waiting.send(request("/gated"));
    asks.recv_timeout(PATIENCE).expect("it is asked");
    server.connect().get("/").says("hello");
    assert!(waiting.is_silent());
}

#[derive(Debug)]
struct Secret;

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the password is swordfish")
    }
}

impl std::error::Error for Secret {}

/// An error that another stands behind.
#[derive(Debug)]
struct Behind(BodyError);

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what is inside has failed")
    }
}

impl std::error::Error for Behind {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Never ready: it fails.
#[derive(Clone)]
struct Failing;

impl Service<Request> for Failing {
    type Response = Response;
    type Error = Secret;
    type Future = Ready<Result<Response, Secret>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Secret>> {
        Poll::Ready(Err(Secret))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        unreachable!("it was never ready")
    }
}

fn an_error_is_a_500_without_its_words(on: Backend) {
    let call = Of(async |_: Request| Err::<Response, _>(Secret));
    let app = Router::new().route("/call", any(service(call))).route("/ready", any(service(Failing)));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/call", "/ready", "/call"] {
        let answer = client.get(path).with_status(500);
        assert!(!answer.text().contains("swordfish") && !answer.closes(), "{answer:?}");
    }
}

fn an_error_may_be_answered(on: Backend) {
    let answer = |error: BoxError| match error.downcast_ref::<Secret>() {
        Some(_) => (StatusCode::IM_A_TEAPOT, "a secret"),
        None => (StatusCode::BAD_GATEWAY, "another"),
    };
    let call = Of(async |_: Request| Err::<Response, BoxError>("another".into()));
    let app = Router::new()
        .route("/call", any(service(call).on_error(answer)))
        .route("/ready", any(service(Failing).on_error(answer)));
    let server = start(on, app);
    let mut client = server.connect();
    assert_eq!(client.get("/call").with_status(502).text(), "another");
    assert_eq!(client.get("/ready").with_status(418).text(), "a secret");
}

fn a_body_that_cannot_be_read_is_the_clients_fault(on: Backend) {
    let count = Of(async |request: Request| -> Result<Response, BodyError> {
        let body = request.into_body().bytes().await?;
        Ok(Response::new(body.len().to_string().into()))
    });
    // As `tower::buffer` has it.
    let wrapped = Of(async |request: Request| -> Result<Response, BoxError> {
        let body = request.into_body().bytes().await.map_err(|error| Box::new(Behind(error)))?;
        Ok(Response::new(body.len().to_string().into()))
    });
    let server = start(on, Router::new().fallback(service(wrapped).body_limit(8)));
    server.connect().send(post_chunked("/", "12345678")).response().says("8");
    server.connect().send(post_chunked("/", "123456789")).response().with_status(413);
    let server = start(on, Router::new().route("/", any(service(count)).body_limit(8)));
    server.connect().send(post_chunked("/", "12345678")).response().says("8");
    server.connect().send(post_chunked("/", "123456789")).response().with_status(413);
    server.connect().send(post("/", "123456789")).response().with_status(413);
}

/// Ours are worded, and so is what says nothing itself, whoever made it.
fn failures_and_empty_answers_are_worded_as_the_app_says(on: Backend) {
    let call = || Of(async |_: Request| Err::<Response, _>(Secret));
    let answers = Of(async |request: Request| {
        let body = if request.uri().path() == "/text" { "its own" } else { "" };
        Ok::<_, Infallible>(http::Response::builder().status(404).body(body.to_owned()).unwrap())
    });
    // A body that is neither ours nor text.
    let foreign = Of(async |_: Request| {
        Ok::<_, Infallible>(http::Response::builder().status(404).body(Ended).unwrap())
    });
    let app = Router::new()
        .route("/fails", any(service(call())))
        .route("/foreign", any(service(foreign)))
        .nest("/fails/too", service(Failing).into_router())
        .nest("/answers", service(answers).into_router())
        .errors(|failure: Failure| format!("{} worded", failure.status()));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, status, text) in [
        ("/fails", 500, "500 Internal Server Error worded"),
        ("/fails/too/x", 500, "500 Internal Server Error worded"),
        ("/foreign", 404, "404 Not Found worded"),
        ("/answers", 404, "404 Not Found worded"),
        ("/answers/text", 404, "its own"),
    ] {
        assert_eq!(client.get(path).with_status(status).text(), text, "{path}");
    }
}

/// It is known to have no bytes before it is asked.
struct Ended;

impl HttpBody for Ended {
    type Data = VecDeque<u8>;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<VecDeque<u8>>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

fn limits_and_leaving_are_its_own_in_nests_and_fallbacks(on: Backend) {
    let (begun, begins) = channel();
    let (dropped, drops) = channel();
    let own = Of(move |request: Request| {
        let (begun, held) = (begun.clone(), Dropped(dropped.clone()));
        async move {
            if request.method() == http::Method::POST {
                let body = request.into_body().bytes().await?;
                return Ok(Response::new(Body::from(body.len().to_string())));
            }
            begun.send(()).unwrap();
            pending::<()>().await;
            drop(held);
            Ok::<_, BodyError>(Response::default())
        }
    });
    let own = service(own).body_limit(8).cancel_on_disconnect();
    let app = Router::new()
        .nest("/nest", own.clone().into_router().nest("/inner", Router::new()))
        .route("/route", any(own.clone()))
        .route("/longer", any(own.clone()).body_limit(9))
        .fallback(own);
    let limits = Limits { body_bytes_max: 4, ..Limits::default() };
    let server = start_with(on, app, limits);
    for path in ["/nest", "/nest/x", "/nest/inner/x", "/route", "/any"] {
        server.connect().send(post(path, "12345678")).response().says("8");
        server.connect().send(post_chunked(path, "12345678")).response().says("8");
        server.connect().send(post(path, "123456789")).response().with_status(413);
        server.connect().send(post_chunked(path, "123456789")).response().with_status(413);
        drops.try_iter().for_each(drop);
        let mut client = server.connect();
        client.send(request(path));
        begins.recv_timeout(PATIENCE).expect("it is called");
        client.reset();
        drops.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{path} is not dropped"));
    }
    server.connect().send(post("/longer", "123456789")).response().says("9");
}

/// As a WebSocket would have it.
fn it_takes_over_no_connection(on: Backend) {
    let upgrade = Of(async |request: Request| {
        let asked = request.headers().contains_key("upgrade");
        let switched = http::Response::builder().status(101).header("upgrade", "websocket");
        let switched = switched.header("connection", "upgrade");
        Ok::<_, Infallible>(if asked {
            switched.body(Body::empty()).unwrap()
        } else {
            http::Response::new("here".into())
        })
    });
    let server = start(on, Router::new().fallback(service(upgrade)));
    let mut client = server.connect();
    let asks = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n";
    let answer = client.send(request("/").replacen("\r\n\r\n", &format!("\r\n{asks}"), 1)).response();
    assert!(answer.status == 500 && answer.closes(), "{answer:?}");
    client.is_ended();
    server.connect().get("/").says("here");
}

/// Panics where the path says so.
#[derive(Clone)]
struct Explosive;

impl Service<Request> for Explosive {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let at = request.uri().path().to_owned();
        assert!(at != "/call", "planted by the suite");
        Box::pin(async move {
            assert!(at != "/future", "planted by the suite");
            sure("whole")
        })
    }
}

fn a_panic_is_a_500(on: Backend) {
    let server = start(on, Router::new().fallback(service(Explosive)));
    for path in ["/call", "/future"] {
        let mut client = server.connect();
        let answer = client.get(path).with_status(500);
        assert!(answer.closes() && !answer.text().contains("planted"), "{answer:?}");
        client.is_ended();
        server.connect().get("/").says("whole");
    }
}

fn bodies_stream_both_ways(on: Backend) {
    let echo = Of(async |request: Request| sure::<Body>(request.into_body()));
    let server = start(on, Router::new().nest("/echo", service(echo).into_router()));
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut sender = client.sender();
    sender.write_all(b"5\r\nfirst\r\n").unwrap();
    let head = client.head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    // Each piece comes back before the next is sent.
    let mut seen = String::new();
    let mut left = ["second", "third"].iter();
    client.body(head.ending(), |piece| {
        seen.push_str(std::str::from_utf8(piece).unwrap());
        if ["first", "firstsecond", "firstsecondthird"].contains(&seen.as_str()) {
            let next =
                left.next().map_or("0\r\n\r\n".to_owned(), |next| format!("{:x}\r\n{next}\r\n", next.len()));
            sender.write_all(next.as_bytes()).unwrap();
        }
    });
    assert_eq!(seen, "firstsecondthird");
    client.end_of_chunks(head.ending());
    server.connect().send(post("/echo", "of a known length")).response().says("of a known length");
}

/// Pieces that are not [`Bytes`], and trailers; not `Sync`.
struct Pieces(VecDeque<&'static str>, std::cell::Cell<u8>);

impl HttpBody for Pieces {
    type Data = VecDeque<u8>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<VecDeque<u8>>, Infallible>>> {
        self.1.set(1);
        let frame = self.0.pop_front().map(|piece| match piece.split_once(": ") {
            None => Frame::data(piece.bytes().collect()),
            Some((_, value)) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", value.parse().unwrap());
                Frame::trailers(trailers)
            }
        });
        Poll::Ready(frame.map(Ok))
    }
}

fn any_body_with_its_trailers(on: Backend) {
    let pieces = || Pieces(["one", "and", "two", "x-sum: 9"].into(), Default::default());
    let own = Of(move |_: Request| ready(Ok::<_, Infallible>(http::Response::new(pieces()))));
    let server = start(on, Router::new().fallback(service(own)));
    let answer = server.connect().get("/").says("oneandtwo");
    assert_eq!(answer.chunks, Some(vec![3, 3, 3]));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "9".to_owned())]);
}

struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

fn it_is_dropped_when_its_client_leaves(on: Backend) {
    let (begun, begins) = channel();
    let (dropped, drops) = channel();
    let never = Of(move |_: Request| {
        let (begun, held) = (begun.clone(), Dropped(dropped.clone()));
        async move {
            begun.send(()).unwrap();
            pending::<()>().await;
            drop(held);
            sure::<Body>("never")
        }
    });
    let server = start(on, Router::new().route("/", any(service(never)).cancel_on_disconnect()));
    let mut client = server.connect();
    client.send(request("/"));
    begins.recv_timeout(PATIENCE).expect("it is called");
    client.reset();
    drops.recv_timeout(PATIENCE).expect("it is dropped");
}

fn what_is_prepared_is_there(on: Backend) {
    #[derive(Clone)]
    struct Prepared(String);
    let tell = Of(async |request: Request| {
        sure::<Body>(
            request.extensions().get::<Prepared>().map(|Prepared(it)| it.clone()).unwrap_or_default(),
        )
    });
    let prepared = service(tell).prepare(|request, context| {
        // The whole path, as nothing has been taken off it yet.
        let known = format!("{} {:?} {}", request.uri(), context.route(), context.peer_address().is_some());
        request.extensions_mut().insert(Prepared(known));
    });
    let server = start(on, Router::new().nest("/nest", prepared.into_router()));
    let mut client = server.connect();
    client.get("/nest/x").says(r#"/nest/x Some("/nest/{*path}") true"#);
    client.get("/nest").says("/nest None true");
}
