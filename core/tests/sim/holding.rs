//! A handler that would hold an event loop fails the test that asks for it, by a clock that the test brings.

use std::{
    cell::Cell,
    convert::Infallible,
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use trijet_core::{
    Body, Limits, Next, Request, Response, Router, get, inline, post,
    sim::{Settings, TestClient},
};

thread_local! {
    /// What has passed, as far as the simulation can know.
    static TAKEN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock; it is read once")]
fn clock() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START + TAKEN.get()
}

fn take(milliseconds: u64) -> &'static str {
    TAKEN.set(TAKEN.get() + Duration::from_millis(milliseconds));
    "taken"
}

async fn around(request: Request, next: Next) -> Response {
    take(101);
    next.run(request).await
}

/// A stream of one piece, which takes its time.
struct Piece(bool);

impl futures_core::Stream for Piece {
    type Item = Result<&'static str, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(std::mem::take(&mut self.0).then(|| Ok(take(101))))
    }
}

fn app() -> Router {
    Router::new()
        .route("/short", get(async || take(100)))
        .route("/long", get(async || take(101)))
        .route("/fn", get(|| take(101)))
        .route("/echo", post(|body: String| take(101).len().to_string() + &body))
        .route("/inline", get(inline(|| take(101))))
        .route("/layer", get(async || "hello").wrap(around))
        .route("/stream", get(async || Body::from_stream(Piece(true))))
        .route("/iterator", get(|| Body::from_iter(iter::once_with(|| Ok::<_, Infallible>(take(101))))))
}

fn client(hold_clock: Option<fn() -> Instant>, loop_hold_max: Option<Duration>) -> TestClient {
    let limits = Limits { loop_hold_max, ..Limits::default() };
    TestClient::with_settings(app(), Settings { hold_clock, limits, ..Settings::default() })
}

const LIMIT: Option<Duration> = Some(Duration::from_millis(100));

#[test]
fn what_would_hold_a_loop_fails_the_test() {
    for (path, route) in [
        ("/long", "GET /long"),
        ("/inline", "GET /inline"),
        ("/layer", "GET /layer"),
        ("/stream", "GET /stream"),
    ] {
        let client = client(Some(clock), LIMIT);
        let panic = catch_unwind(AssertUnwindSafe(|| client.get(path).send())).expect_err("it has to panic");
        let text = panic.downcast_ref::<String>().expect("a text");
        assert!(text.starts_with(&format!("GET {path}: {route} held its thread for 101ms")), "{text}");
        assert!(text.contains(&format!("\n\n> GET {path} HTTP/1.1\n")), "{text}");
    }
}

#[test]
fn what_may_block_does_not() {
    let client = client(Some(clock), LIMIT);
    for path in ["/short", "/fn", "/iterator"] {
        assert_eq!(client.get(path).send().text(), "taken", "{path}");
    }
    assert_eq!(client.post("/echo").body("!").send().text(), "5!");
}

#[test]
fn nothing_is_watched_unasked() {
    for client in [client(None, LIMIT), client(Some(clock), None)] {
        assert_eq!(client.get("/long").send().text(), "taken");
    }
}
