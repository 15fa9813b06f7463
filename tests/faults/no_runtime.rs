//! Futures and calls that need a Tokio runtime, where there is none, and where there is one: on its own backend, and
//! with the feature `tokio-context` on the others.

use std::time::Duration;

use trijet::{Backend, Body, Next, Request, Response, Router, get};

#[cfg(not(feature = "tokio-context"))]
use crate::common::client::get as request;
use crate::common::{log_lines::LogLines, oracle::Oracle};

#[cfg(not(feature = "tokio-context"))]
in_children_on_every_backend!(":": a_tokio_bound_future);
#[cfg(feature = "tokio-context")]
in_children_on_every_backend!(":": a_tokio_bound_future_in_the_context);

const MOMENT: Duration = Duration::from_millis(1);

async fn sleeps() -> &'static str {
    ::tokio::time::sleep(MOMENT).await;
    "slept"
}

fn blocks() -> &'static str {
    ::tokio::runtime::Handle::current().block_on(sleeps())
}

async fn sleeps_in_its_body() -> Body {
    let piece = async { Ok::<_, std::io::Error>(sleeps().await) };
    Body::from_stream(futures_util::stream::once(piece))
}

async fn sleeps_around(request: Request, next: Next) -> Response {
    sleeps().await;
    next.run(request).await
}

/// One that brings its own runtime needs none of the backend's.
fn brings_its_own() -> &'static str {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(sleeps())
}

fn app() -> Router {
    Router::new()
        .route("/async", get(sleeps))
        .route("/fn", get(blocks))
        .route("/body", get(sleeps_in_its_body))
        .route("/middleware", get(async || "slept").wrap(sleeps_around))
        .route("/own", get(brings_its_own))
}

const PATHS: [&str; 4] = ["/async", "/fn", "/body", "/middleware"];

#[cfg(not(feature = "tokio-context"))]
fn a_tokio_bound_future(on: Backend) {
    let lines = LogLines::collect();
    let oracle = Oracle::watch(on, app());
    for path in PATHS {
        lines.forget();
        let mut client = oracle.connect();
        if on == Backend::Tokio {
            client.get(path).says("slept");
            assert_eq!(lines.take(), [""; 0], "{path}");
            continue;
        }
        let answer = client.send(request(path)).response().with_status(500);
        assert!(answer.closes() && !answer.text().contains("Tokio"), "{path}: {answer:?}");
        client.is_ended();
        let told = lines.take();
        let [line] = &told[..] else { panic!("{path}: one line, and not {told:?}") };
        assert!(line.contains("needs a Tokio runtime") && line.contains("TRIJET_BACKEND=tokio"), "{line}");
        assert!(line.contains("`tokio-context`"), "{line}");
    }
    oracle.connect().get("/own").says("slept");
}

#[cfg(feature = "tokio-context")]
fn a_tokio_bound_future_in_the_context(on: Backend) {
    let lines = LogLines::collect();
    let oracle = Oracle::watch(on, app());
    lines.forget();
    for path in PATHS {
        oracle.connect().get(path).says("slept");
    }
    oracle.connect().get("/own").says("slept");
    assert_eq!(lines.take(), [""; 0]);
}
