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
use trijet::{Backend, Body, BoxError, Router, StatusCode, get, interop::layer, post};

use crate::{Row, app, common::client::post as upload, common::server::Running, row, same, serve};

pub(crate) const ROWS: &[Row] = &[
    row("tower-http", "TimeoutLayer", timeout, ""),
    row("tower-http", "RequestBodyTimeoutLayer, RequestBodyDeadlineLayer", request_body, "beside `Limits`"),
    row("tower-http", "ResponseBodyTimeoutLayer, ResponseBodyDeadlineLayer", response_body, ""),
    row("tower", "timeout::TimeoutLayer", tower_timeout, "its error is answered by `on_error`"),
    row(
        "tower",
        "buffer::BufferLayer, limit::RateLimitLayer",
        rate_limit,
        "the first makes the second `Clone`, by a task of its own",
    ),
];

const SHORT: Duration = Duration::from_millis(20);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

fn with_one_that_never_ends() -> Router {
    app().route("/never", get(async || pending::<()>().await))
}

fn timeout(on: Backend) -> Result<(), String> {
    let patient = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONG);
    let server = serve(on, app().wrap(layer(patient)));
    for path in ["/fn", "/async"] {
        same(path, server.connect().get(path).text(), "hello")?;
    }
    let short = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, SHORT);
    let server = serve(on, with_one_that_never_ends().wrap(layer(short)));
    same("never", server.connect().get("/never").status, 504)
}

fn request_body(on: Backend) -> Result<(), String> {
    /// Tells why the body ends.
    async fn read(mut body: Body) -> (StatusCode, String) {
        while let Some(piece) = body.next().await {
            if let Err(error) = piece {
                return (StatusCode::REQUEST_TIMEOUT, error.to_string());
            }
        }
        (StatusCode::OK, "whole".to_owned())
    }
    fn stalls(server: &Running) -> Result<(), String> {
        let head = "POST /read HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\n\r\nab";
        let answer = server.connect().send(head).response();
        same("what never comes", answer.status, 408)
    }
    let app = || Router::new().route("/read", post(read));
    let server = serve(on, app().wrap(layer(RequestBodyTimeoutLayer::new(SHORT))));
    stalls(&server)?;
    same("whole", server.connect().send(upload("/read", "abcd")).response().text(), "whole")?;
    let server = serve(on, app().wrap(layer(RequestBodyDeadlineLayer::new(SHORT))));
    stalls(&server)?;
    same("whole", server.connect().send(upload("/read", "abcd")).response().text(), "whole")
}

fn response_body(on: Backend) -> Result<(), String> {
    async fn stalls() -> Body {
        Body::from_stream(stream::iter([Ok::<_, std::io::Error>("he")]).chain(stream::pending()))
    }
    let app = || app().route("/stalls", get(stalls));
    let whole = serve(on, app().wrap(layer(ResponseBodyTimeoutLayer::new(LONG))));
    same("whole", whole.connect().get("/fn").text(), "hello")?;
    let whole = serve(on, app().wrap(layer(ResponseBodyDeadlineLayer::new(LONG))));
    same("whole", whole.connect().get("/async").text(), "hello")?;
    for server in [
        serve(on, app().wrap(layer(ResponseBodyTimeoutLayer::new(SHORT)))),
        serve(on, app().wrap(layer(ResponseBodyDeadlineLayer::new(SHORT)))),
    ] {
        let mut client = server.connect();
        client.send(crate::common::client::get("/stalls"));
        let (all, _) = client.everything();
        let all = String::from_utf8_lossy(&all);
        same("cut", all.ends_with("2\r\nhe\r\n"), true)?;
    }
    Ok(())
}

fn tower_timeout(on: Backend) -> Result<(), String> {
    let late = |error: BoxError| match error.is::<Elapsed>() {
        true => StatusCode::GATEWAY_TIMEOUT,
        false => StatusCode::BAD_GATEWAY,
    };
    let in_time = layer(ServiceBuilder::new().timeout(LONG)).on_error(late);
    let server = serve(on, app().wrap(in_time));
    for path in ["/fn", "/async"] {
        same(path, server.connect().get(path).text(), "hello")?;
    }
    let short = layer(ServiceBuilder::new().timeout(SHORT)).on_error(late);
    let server = serve(on, with_one_that_never_ends().wrap(short));
    same("never", server.connect().get("/never").status, 504)
}

fn rate_limit(on: Backend) -> Result<(), String> {
    let slow = ServiceBuilder::new().buffer(8).rate_limit(1, SHORT);
    let server = serve(on, app().wrap(layer(slow)));
    let mut client = server.connect();
    let began = Instant::now();
    for path in ["/fn", "/async", "/fn", "/async"] {
        same(path, client.get(path).text(), "hello")?;
    }
    same("three pauses", began.elapsed() >= 3 * SHORT, true)
}
