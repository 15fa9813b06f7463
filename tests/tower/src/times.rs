//! Layers that take time: Tokio's.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tower::{ServiceBuilder, timeout::error::Elapsed};
use tower_http::timeout::{
    RequestBodyDeadlineLayer, RequestBodyTimeoutLayer, ResponseBodyDeadlineLayer, ResponseBodyTimeoutLayer,
    TimeoutLayer,
};
use trijet::{Body, BoxError, Router, StatusCode, get, interop::layer, post};

use crate::{
    Row, Stage, Tried, app, common::client::post as upload, common::server::Running, row, same, says, serve,
};

pub(crate) const ROWS: &[Row] = &[
    row("tower-http", "TimeoutLayer", timeout, ""),
    row("tower-http", "RequestBodyTimeoutLayer", request_body_timeout, "beside `Limits`"),
    row("tower-http", "RequestBodyDeadlineLayer", request_body_deadline, "beside `Limits`"),
    row("tower-http", "ResponseBodyTimeoutLayer", response_body_timeout, ""),
    row("tower-http", "ResponseBodyDeadlineLayer", response_body_deadline, ""),
    row("tower", "timeout::TimeoutLayer", tower_timeout, "its error is answered by `on_error`"),
    row("tower", "buffer::BufferLayer", buffer, "its task ends with the server that it was built in"),
    row("tower", "limit::RateLimitLayer", rate_limit, "within a `BufferLayer`, which makes it `Clone`"),
];

const SHORT: Duration = Duration::from_millis(20);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

fn with_one_that_never_ends() -> Router {
    app().route("/never", get(async || pending::<()>().await))
}

fn timeout(on: &Stage) -> Tried {
    let patient = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONG);
    let server = serve(on, app().wrap(layer(patient)));
    for path in ["/fn", "/async"] {
        says(path, &server.connect().get(path), "hello")?;
    }
    let short = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, SHORT);
    let server = serve(on, with_one_that_never_ends().wrap(layer(short)));
    same("never", server.connect().get("/never").status, 504)
}

/// Tells why a body ends.
async fn read(mut body: Body) -> (StatusCode, String) {
    while let Some(piece) = body.next().await {
        if let Err(error) = piece {
            return (StatusCode::REQUEST_TIMEOUT, error.to_string());
        }
    }
    (StatusCode::OK, "whole".to_owned())
}

/// A body that comes, and one whose end never does.
fn reads(server: &Running) -> Tried {
    says("whole", &server.connect().send(upload("/read", "abcd")).response(), "whole")?;
    let head = "POST /read HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\n\r\nab";
    same("what never comes", server.connect().send(head).response().status, 408)
}

fn request_body_timeout(on: &Stage) -> Tried {
    let app = Router::new().route("/read", post(read));
    reads(&serve(on, app.wrap(layer(RequestBodyTimeoutLayer::new(SHORT)))))
}

fn request_body_deadline(on: &Stage) -> Tried {
    let app = Router::new().route("/read", post(read));
    reads(&serve(on, app.wrap(layer(RequestBodyDeadlineLayer::new(SHORT)))))
}

/// The handlers, and one that begins an answer and never ends it.
fn stalling() -> Router {
    async fn stalls() -> Body {
        Body::from_stream(stream::iter([Ok::<_, std::io::Error>("he")]).chain(stream::pending()))
    }
    app().route("/stalls", get(stalls))
}

fn answers(server: &Running) -> Tried {
    says("fn", &server.connect().get("/fn"), "hello")?;
    says("async", &server.connect().get("/async"), "hello")
}

fn is_cut(server: &Running) -> Tried {
    let mut client = server.connect();
    client.send(crate::common::client::get("/stalls"));
    let (all, _) = client.everything();
    same("cut", String::from_utf8_lossy(&all).ends_with("2\r\nhe\r\n"), true)
}

fn response_body_timeout(on: &Stage) -> Tried {
    answers(&serve(on, stalling().wrap(layer(ResponseBodyTimeoutLayer::new(LONG)))))?;
    is_cut(&serve(on, stalling().wrap(layer(ResponseBodyTimeoutLayer::new(SHORT)))))
}

fn response_body_deadline(on: &Stage) -> Tried {
    answers(&serve(on, stalling().wrap(layer(ResponseBodyDeadlineLayer::new(LONG)))))?;
    is_cut(&serve(on, stalling().wrap(layer(ResponseBodyDeadlineLayer::new(SHORT)))))
}

fn tower_timeout(on: &Stage) -> Tried {
    let late = |error: BoxError| match error.is::<Elapsed>() {
        true => StatusCode::GATEWAY_TIMEOUT,
        false => StatusCode::BAD_GATEWAY,
    };
    let in_time = layer(ServiceBuilder::new().timeout(LONG)).on_error(late);
    let server = serve(on, app().wrap(in_time));
    for path in ["/fn", "/async"] {
        says(path, &server.connect().get(path), "hello")?;
    }
    let short = layer(ServiceBuilder::new().timeout(SHORT)).on_error(late);
    let server = serve(on, with_one_that_never_ends().wrap(short));
    same("never", server.connect().get("/never").status, 504)
}

fn buffer(on: &Stage) -> Tried {
    answers(&serve(on, app().wrap(layer(ServiceBuilder::new().buffer(8)))))
}

fn rate_limit(on: &Stage) -> Tried {
    let slow = ServiceBuilder::new().buffer(8).rate_limit(1, SHORT);
    let server = serve(on, app().wrap(layer(slow)));
    let mut client = server.connect();
    let began = Instant::now();
    for path in ["/fn", "/async", "/fn", "/async"] {
        says(path, &client.get(path), "hello")?;
    }
    same("three pauses", began.elapsed() >= 3 * SHORT, true)
}

/// The note of `BufferLayer`, and what is to be done: another layer for another server.
#[cfg(feature = "tokio")]
#[test]
fn a_task_of_a_layer_ends_with_its_server() {
    let on = trijet::Backend::Tokio;
    let buffered = || layer(ServiceBuilder::new().buffer(8));
    let shared = buffered();
    let first = crate::common::server::start(on, app().wrap(shared.clone()));
    first.connect().get("/fn").says("hello");
    drop(first);
    crate::common::server::start(on, app().wrap(shared)).connect().get("/fn").with_status(500);
    crate::common::server::start(on, app().wrap(buffered())).connect().get("/fn").says("hello");
}
