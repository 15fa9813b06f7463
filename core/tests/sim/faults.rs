//! Faults of the app: a panic anywhere costs its own exchange, and nothing more.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use trijet_core::{
    Body, Bytes, IntoResponse, Next, Request, Response, Router, StatusCode, get, inline,
    sim::{Settings, Sim},
};

use crate::app::{Items, request, statuses};

/// Panics as the item of so many, when it is polled, and, where that is asked for, when it is dropped.
struct Panics {
    at: usize,
    on_drop: bool,
}

impl futures_core::Stream for Panics {
    type Item = Result<&'static str, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        assert!(self.at > 0, "secret of the stream");
        self.at -= 1;
        Poll::Ready(Some(Ok("item")))
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        assert!(!self.on_drop || std::thread::panicking(), "secret of the drop");
    }
}

struct Unresponsive;

impl IntoResponse for Unresponsive {
    fn into_response(self) -> Response {
        panic!("secret of the response")
    }
}

/// Suspends once.
async fn yields() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn sim() -> Sim {
    let router = Router::new()
        .route("/fn", get(|| -> &str { panic!("secret of the fn") }))
        .route("/inline", get(inline(|| -> &str { panic!("secret of the fn in place") })))
        .route("/async", get(async || -> &str { panic!("secret of the async fn") }))
        .route("/later", get(later))
        .route("/value", get(async || -> &str { std::panic::panic_any(7) }))
        .route("/response", get(async || Unresponsive))
        .route("/response/fn", get(|| Unresponsive))
        .route("/stream", get(async || Body::from_stream(Panics { at: 0, on_drop: false })))
        .route(
            "/iter",
            get(|| Body::from_iter((0..1).map(|_| -> Result<Bytes, Infallible> { panic!("secret") }))),
        )
        .route("/middleware", get(|| "").wrap(async |_: Request, _: Next| -> Response { panic!("secret") }))
        .route("/middleware/fn", get(|| "").wrap(|_: Request, _: Next| -> Response { panic!("secret") }))
        .route("/stream/second", get(async || Body::from_stream(Panics { at: 1, on_drop: false })))
        .route("/iter/second", get(|| Body::from_iter((0..2).map(second))))
        .route("/drop", get(dropped))
        .route("/never", get(std::future::pending::<()>))
        .route("/fine", get(async || "fine"));
    Sim::new(router, Settings::default())
}

async fn later() -> &'static str {
    yields().await;
    panic!("secret of later")
}

async fn dropped() -> Response {
    // HEAD drops the body unread.
    Body::from_stream(Panics { at: 1, on_drop: true }).into_response()
}

fn second(item: u32) -> Result<Bytes, Infallible> {
    assert!(item == 0, "secret of the second item");
    Ok("item".into())
}

#[test]
fn a_panic_before_the_head_is_a_500_and_a_close() {
    for target in [
        "/fn",
        "/inline",
        "/async",
        "/later",
        "/value",
        "/response",
        "/response/fn",
        "/stream",
        "/middleware",
        "/middleware/fn",
    ] {
        let sim = sim();
        let (peer, other) = (sim.connect(), sim.connect());
        peer.send(request("GET", target)).send(request("GET", "/fine"));
        sim.settle();
        let text = peer.received_text();
        assert_eq!(statuses(&peer), [500], "{target}: {text}");
        assert!(text.contains("\r\nconnection: close\r\n") && !text.contains("secret"), "{target}: {text}");
        assert!(peer.is_closed(), "{target}");
        other.send(request("GET", "/fine"));
        sim.settle();
        assert_eq!(statuses(&other), [200], "{target}: the others never notice");
    }
}

#[test]
fn a_panic_after_the_head_cuts_the_response() {
    // The head does not wait for an iterator, which may block for long.
    for (target, end) in
        [("/stream/second", "4\r\nitem\r\n"), ("/iter/second", "4\r\nitem\r\n"), ("/iter", "")]
    {
        let sim = sim();
        let peer = sim.connect();
        peer.send(request("GET", target)).send(request("GET", "/fine"));
        sim.settle();
        let text = peer.received_text();
        assert!(text.ends_with(&format!("\r\n\r\n{end}")), "{target}: {text}");
        assert_eq!(statuses(&peer), [200], "{target}");
        assert!(peer.is_closed(), "{target}");
    }
}

#[test]
fn a_panic_of_a_destructor_costs_nothing() {
    let sim = sim();
    let peer = sim.connect();
    peer.send(request("HEAD", "/drop")).send(request("GET", "/fine"));
    sim.settle();
    assert_eq!(statuses(&peer), [200, 200]);
}

#[test]
fn an_informational_status_is_no_answer() {
    let router = Router::new().route("/", get(async || StatusCode::CONTINUE));
    let sim = Sim::new(router, Settings::default());
    let peer = sim.connect();
    peer.send(request("GET", "/"));
    sim.settle();
    assert_eq!(statuses(&peer), [500]);
}

#[test]
fn a_stream_that_fails_before_its_first_byte_is_a_500() {
    let fails =
        async || Body::from_stream(Items(vec![Err::<Bytes, _>(std::io::Error::other("secret"))].into()));
    let sim = Sim::new(Router::new().route("/", get(fails)), Settings::default());
    let peer = sim.connect();
    peer.send(request("GET", "/"));
    sim.settle();
    assert_eq!(statuses(&peer), [500], "{}", peer.received_text());
    assert!(!peer.received_text().contains("secret") && peer.is_closed());
}

/// The wall clock is for `Date` alone.
#[test]
fn a_wall_clock_that_jumps_changes_nothing_but_the_date() {
    let sim = sim();
    let (peer, slow, idle) = (sim.connect(), sim.connect(), sim.connect());
    idle.send(request("GET", "/fine"));
    slow.send("GET /fine HT");
    sim.settle();
    let day = Duration::from_secs(24 * 3600);
    let start = Settings::default().wall_clock;
    let jumps = [
        (start + 10_000 * day, "Thu, 24 Mar 2022 08:49:37 GMT"),
        (start - 1_000 * day, "Mon, 10 Feb 1992 08:49:37 GMT"),
        (SystemTime::UNIX_EPOCH, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (start, "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    for (index, (time, date)) in jumps.into_iter().enumerate() {
        sim.set_wall_clock(time);
        peer.send(request("GET", "/fine"));
        sim.settle();
        let text = peer.received_text();
        assert_eq!(statuses(&peer).len(), index + 1);
        assert!(text.rsplit("HTTP/1.1 ").next().is_some_and(|last| last.contains(date)), "{text}");
    }
    slow.send("TP/1.1\r\nHost: a\r\n\r\n");
    sim.settle();
    assert_eq!(statuses(&slow), [200]);
    assert!(sim.is_idle(&idle) && sim.is_idle(&peer), "no time has passed for them");
}

/// As after a suspend: what is due then ends, each in its own way, and new requests are served.
#[test]
fn a_clock_that_jumps_far_ahead_ends_only_what_is_due() {
    for jump in [Duration::from_secs(3600), Duration::from_secs(400 * 24 * 3600)] {
        let sim = sim();
        let [idle, half, held] = [(); 3].map(|()| sim.connect());
        idle.send(request("GET", "/fine"));
        half.send("GET /fine HT");
        held.send(request("GET", "/never"));
        sim.settle();
        sim.advance(jump);
        assert_eq!(sim.close_reason(&idle), Some(trijet_core::CloseReason::IdleTimeout));
        assert_eq!(statuses(&half), [408]);
        assert!(half.is_closed());
        assert_eq!(sim.close_reason(&held), None, "its handler takes its time: that is not the peer's fault");
        let new = sim.connect();
        new.send(request("GET", "/fine"));
        sim.settle();
        assert_eq!(statuses(&new), [200]);
        assert!(sim.is_idle(&new));
    }
}
