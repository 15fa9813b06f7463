//! Clients that leave while a handler looks, or on a route that is cancelled then, under many schedules.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use trijet_core::{
    Body, CloseReason, IntoResponse, Next, Request, RequestExt, Response, Router, StatusCode, any,
    extract::Disconnected,
    get, rt,
    sim::{Peer, Settings, Sim},
};

use crate::app::{self, Gate, request, statuses};

type Leave = fn(&Peer);

const WAYS: [(&str, Leave); 3] = [
    ("half-close", |peer| _ = peer.half_close()),
    ("close", |peer| _ = peer.close()),
    ("reset", |peer| _ = peer.reset()),
];

/// What may lie before the end, unread.
fn before(target: &str) -> [String; 4] {
    let upload = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n");
    [
        request("GET", target),
        request("GET", target) + &request("GET", "/").repeat(5),
        format!("{upload}{}", "x".repeat(20)),
        // A part of a body.
        format!("{upload}xx"),
    ]
}

/// Counts how often it was dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drops {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_client_that_leaves_is_noticed_behind_what_is_unread() {
    let noticed = Drops::default();
    let count = noticed.clone();
    let looks = move |client: Disconnected| {
        let count = count.clone();
        async move {
            client.await;
            drop(Counted(count));
        }
    };
    let app = app::build(app::router().route("/looks", any(looks)));
    for seed in 0..100 {
        for (how, leave) in WAYS {
            for bytes in before("/looks") {
                let sim = app::seeded(&app, seed, 2000);
                let peer = sim.connect();
                peer.send(&bytes);
                sim.settle();
                let already = noticed.count();
                sim.advance(Duration::from_secs(20));
                assert_eq!(noticed.count(), already, "seed {seed}: nobody has left");
                leave(&peer);
                sim.settle();
                assert_eq!(noticed.count(), already + 1, "seed {seed}, {how}: {bytes}");
                sim.run();
                if how == "half-close" {
                    let wanted = 1 + bytes.matches("GET / ").count();
                    assert_eq!(statuses(&peer).len(), wanted, "seed {seed}: {}", peer.received_text());
                }
            }
        }
    }
}

#[test]
fn a_plain_fn_sees_the_flag_wherever_it_has_the_handle_from() {
    let through = |request: Request, next: Next| -> Response { next.run_blocking(request) };
    fn asks(request: Request) -> String {
        request.disconnected().is_disconnected().to_string()
    }
    let app = Router::new()
        .route("/extractor", any(|client: Disconnected| client.is_disconnected().to_string()))
        .route("/request", any(asks))
        .route("/below", any(asks).wrap(through))
        .route("/async", any(async |request: Request| asks(request)).wrap(through));
    let app = app::build(app);
    for target in ["/extractor", "/request", "/below", "/async"] {
        for seed in 0..50 {
            let sim = app::seeded(&app, seed, 2000);
            let peer = sim.connect();
            peer.send(request("GET", target)).await_response().send(request("GET", target)).half_close();
            sim.settle();
            let text = peer.received_text();
            let answers: Vec<&str> =
                text.split("\r\n\r\n").skip(1).map(|rest| rest.split("HTTP/").next().unwrap()).collect();
            // By the second the end has come, or is still on its way.
            assert_eq!((answers.len(), answers[0]), (2, "false"), "seed {seed}: {text}");
        }
        let sim = Sim::with_app(app.clone(), Settings::default());
        let peer = sim.connect();
        peer.send(request("GET", target)).half_close();
        sim.settle();
        assert!(peer.received_text().ends_with("true"), "{target}: {}", peer.received_text());
    }
}

#[test]
fn a_route_that_is_cancelled_drops_its_handler_and_no_other_does() {
    let (drops, gate) = (Drops::default(), Gate::default());
    let (count, held) = (drops.clone(), gate.clone());
    let waits = move || {
        let (guard, passed) = (Counted(count.clone()), held.passed());
        async move {
            let _guard = guard;
            passed.await;
        }
    };
    let app = app::router()
        .route("/cancelled", any(waits.clone()).cancel_on_disconnect())
        .route("/kept", any(waits));
    let app = app::build(app);
    for seed in 0..100 {
        for (how, leave) in WAYS {
            for (bytes, kept) in before("/cancelled").into_iter().zip(before("/kept")) {
                let sim = app::seeded(&app, seed, 2000);
                let already = drops.count();
                let [peer, other] = [bytes, kept].map(|bytes| {
                    let peer = sim.connect();
                    peer.send(request("GET", "/") + &bytes);
                    peer
                });
                sim.advance(Duration::from_secs(20));
                assert_eq!(drops.count(), already, "seed {seed}");
                leave(&peer);
                leave(&other);
                sim.run();
                assert_eq!(drops.count(), already + 1, "seed {seed}, {how}");
                assert_eq!(sim.close_reason(&peer), Some(CloseReason::PeerLeft), "seed {seed}, {how}");
                assert_eq!(sim.close_reason(&other), None, "seed {seed}, {how}");
                assert_eq!(statuses(&peer), [200], "what was answered before was sent");
                drop(sim);
                assert_eq!(drops.count(), already + 2);
            }
        }
    }
}

#[test]
fn what_a_plain_middleware_waits_for_is_dropped_too() {
    let drops = Drops::default();
    let (count, told) = (drops.clone(), drops.clone());
    let waits = move || {
        let guard = Counted(count.clone());
        async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        }
    };
    let through = |request: Request, next: Next| -> Response { next.run_blocking(request) };
    let plain = move |request: Request, next: Next| {
        let response = next.run_blocking(request);
        assert_eq!((response.status().as_u16(), told.count() % 2), (503, 1), "what is inside goes first");
        drop(Counted(told.clone()));
        response
    };
    let cancelled = any(waits.clone()).cancel_on_disconnect().wrap(through).wrap(plain.clone());
    let late = async |request: Request, next: Next| {
        rt::timeout(Duration::from_secs(10), next.run(request)).await.map_err(|_| StatusCode::GATEWAY_TIMEOUT)
    };
    let app = app::router().route("/cancelled", cancelled).route("/late", any(waits).wrap(plain).wrap(late));
    let app = app::build(app);
    for seed in 0..50 {
        for (how, leave) in WAYS {
            for bytes in before("/cancelled") {
                let sim = app::seeded(&app, seed, 2000);
                let already = drops.count();
                let peer = sim.connect();
                peer.send(bytes).wait(Duration::from_secs(20));
                leave(&peer);
                sim.run();
                assert_eq!(drops.count(), already + 2, "seed {seed}, {how}");
                assert_eq!(sim.close_reason(&peer), Some(CloseReason::PeerLeft), "seed {seed}, {how}");
            }
        }
        let sim = app::seeded(&app, seed, 2000);
        let already = drops.count();
        let peer = sim.connect();
        peer.send(request("GET", "/late")).await_response().send(request("GET", "/"));
        sim.run();
        assert_eq!((drops.count(), statuses(&peer)), (already + 2, vec![504, 200]), "seed {seed}");
    }
}

#[test]
fn a_plain_fn_that_a_task_waits_for_knows_of_no_client() {
    let (told, tells) = std::sync::mpsc::channel();
    let asks = move |request: Request, next: Next| {
        let response = next.run_blocking(request);
        told.send(http::Request::new(()).disconnected().is_disconnected()).unwrap();
        response
    };
    let late = async |request: Request, next: Next| {
        let mut inside = Box::pin(next.run(request));
        match rt::timeout(Duration::from_secs(1), &mut inside).await {
            Ok(response) => response,
            Err(_) => {
                drop(rt::spawn(inside));
                StatusCode::ACCEPTED.into_response()
            }
        }
    };
    let slow = async || rt::sleep(Duration::from_secs(3)).await;
    let app = app::build(Router::new().route("/", get(slow).wrap(asks).wrap(late)));
    for seed in 0..50 {
        let sim = app::seeded(&app, seed, 2000);
        let peer = sim.connect();
        peer.send(request("GET", "/"));
        sim.run();
        assert_eq!((tells.try_recv(), statuses(&peer)), (Ok(false), vec![202]), "seed {seed}");
    }
}

#[test]
fn a_streamed_body_of_a_cancelled_route_is_dropped() {
    /// One piece, then none.
    struct Silent {
        piece: Option<&'static str>,
        _counted: Counted,
    }
    impl futures_core::Stream for Silent {
        type Item = Result<&'static str, std::convert::Infallible>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            self.piece
                .take()
                .map_or(std::task::Poll::Pending, |piece| std::task::Poll::Ready(Some(Ok(piece))))
        }
    }
    let drops = Drops::default();
    let count = drops.clone();
    let events = move || {
        let silent = Silent { piece: Some("first"), _counted: Counted(count.clone()) };
        std::future::ready(Body::from_stream(silent))
    };
    let app = app::build(
        Router::new().route("/cancelled", get(events.clone()).cancel_on_disconnect()).route("/", get(events)),
    );
    for seed in 0..50 {
        for version in ["1.1", "1.0"] {
            let sim = app::seeded(&app, seed, 2000);
            let [peer, other] = ["/cancelled", "/"].map(|target| {
                let peer = sim.connect();
                peer.send(format!("GET {target} HTTP/{version}\r\nHost: a\r\n\r\n")).await_text("first");
                peer.half_close();
                peer
            });
            let already = drops.count();
            sim.run();
            assert_eq!(drops.count(), already + 1, "seed {seed}");
            assert_eq!(sim.close_reason(&other), None, "seed {seed}");
            // Nobody may take it for whole: without a last chunk, or by a reset where only the end tells.
            assert!(peer.is_closed(), "seed {seed}");
            assert_eq!(peer.is_reset(), version == "1.0", "seed {seed}");
            assert!(!peer.received_text().ends_with("0\r\n\r\n"), "seed {seed}");
            drop(sim);
        }
    }
}

#[test]
fn a_handle_says_at_the_end_of_its_exchange_that_nobody_is_there() {
    let (kept, handles) = std::sync::mpsc::channel();
    let also_kept = kept.clone();
    let app = Router::new()
        .route(
            "/async",
            get(move |client: Disconnected| {
                kept.send(client).unwrap();
                async { "hello" }
            }),
        )
        .route("/fn", get(move |request: Request| also_kept.send(request.disconnected()).unwrap()));
    let sim = Sim::new(app, Settings::default());
    for target in ["/async", "/fn"] {
        let peer = sim.connect();
        peer.send(request("GET", target));
        sim.settle();
        assert!(!peer.is_closed());
        let mut handle = handles.try_recv().unwrap();
        assert!(handle.is_disconnected(), "{target}");
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::Pin::new(&mut handle).poll(&mut cx).is_ready());
    }
}

#[test]
fn a_request_without_a_connection_has_nobody_who_leaves() {
    let mut client = http::Request::new(Body::empty()).disconnected();
    assert!(!client.is_disconnected());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(&mut client).poll(&mut cx).is_pending());
}
