//! Bodies that come and go piece by piece: who waits for whom, and how much is held meanwhile.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use trijet_core::{
    Body, Router, State, get, post,
    sim::{Peer, Schedule, Settings, Sim, TestClient},
};

use crate::app::{self, Gate, request, statuses};

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn one_more(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

const PIECE: usize = 1 << 10;
const PIECES: usize = 1000;

fn pieces(count: Count) -> impl Iterator<Item = Result<Vec<u8>, Infallible>> {
    (0..PIECES).map(move |_| {
        count.one_more();
        Ok(vec![b'x'; PIECE])
    })
}

/// The same pieces, as a stream.
struct Stream<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Stream<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

fn producers(count: &Count) -> Router {
    Router::new()
        .route("/stream", get(async |State(count): State<Count>| Body::from_stream(Stream(pieces(count)))))
        .route("/iter", get(|State(count): State<Count>| Body::from_iter(pieces(count))))
        .state(count.clone())
}

#[test]
fn a_producer_waits_for_a_slow_reader() {
    for target in ["/stream", "/iter"] {
        let count = Count::default();
        let sim = Sim::new(producers(&count), Settings { buffer_bytes: 4096, ..Settings::default() });
        let peer = sim.connect();
        peer.stop_reading().send(request("GET", target));
        sim.settle();
        // What is queued, what is in the socket, and the piece that went over the mark.
        let ahead = (64 << 10) / PIECE + 4096 / PIECE + 1;
        assert!((60..=ahead).contains(&count.so_far()), "{target}: {}", count.so_far());
        // Below the low mark it goes on.
        let before = count.so_far();
        peer.read(20 << 10);
        sim.settle();
        assert_eq!(count.so_far(), before, "{target}");
        peer.read(20 << 10);
        sim.settle();
        assert!(
            count.so_far() > before + 30 && count.so_far() <= before + 41,
            "{target}: {}",
            count.so_far()
        );
        peer.read_on();
        sim.settle();
        assert_eq!(count.so_far(), PIECES, "{target}");
        assert!(peer.received().ends_with(b"\r\n0\r\n\r\n"), "{target}");
    }
}

const LARGE: usize = 24 << 10;
const HIGH: usize = 64 << 10;
/// What is gathered for one write, in whole pieces.
const GATHERED: usize = (4 * HIGH).div_ceil(LARGE) * LARGE;
/// What is not gathered.
const ALONE: usize = HIGH.div_ceil(LARGE) * LARGE;

/// So many large pieces at `/`, and an answer that never comes at `/wait`.
fn large_pieces(count: &Count, number: usize) -> Sim {
    let large = move |State(count): State<Count>| async move {
        let pieces = (0..number).map(move |_| {
            count.one_more();
            Ok::<_, Infallible>(vec![b'x'; LARGE])
        });
        Body::from_stream(Stream(pieces))
    };
    let router = Router::new()
        .route("/", get(large))
        .route("/wait", get(async || std::future::pending::<&str>().await))
        .state(count.clone());
    Sim::new(router, Settings { buffer_bytes: 4096, ..Settings::default() })
}

fn ask(sim: &Sim, targets: &[&str]) -> Peer {
    let peer = sim.connect();
    peer.stop_reading()
        .send(targets.iter().map(|target| request("GET", target)).collect::<Vec<_>>().concat());
    sim.settle();
    peer
}

/// How much is made for one more that does not read: [`GATHERED`] where there is room for that, else [`ALONE`].
fn made_for_one_more(sim: &Sim, count: &Count) -> usize {
    let before = count.so_far();
    ask(sim, &["/"]);
    (count.so_far() - before) * LARGE
}

/// What a fast peer takes in one write is gathered before it is known to be fast. Slow ones cannot have all of it.
#[test]
fn many_slow_readers_hold_little_more_than_their_high_marks() {
    const SLOW: usize = 40;
    let count = Count::default();
    let sim = large_pieces(&count, PIECES);
    let slow: Vec<_> = (0..SLOW).map(|_| ask(&sim, &["/"])).collect();
    // Each has what is queued, what is in the socket, and the piece that went over the mark.
    let (each, all) = (HIGH + 4096 + LARGE, 2 << 20);
    let made = count.so_far() * LARGE;
    assert!((SLOW * HIGH + all / 2..=SLOW * each + all).contains(&made), "{made}");
    // One that leaves has held it for no longer than that; so has one that reads on to less than its high mark.
    slow.iter().enumerate().for_each(|(index, peer)| {
        match index % 2 {
            0 => peer.reset(),
            _ => peer.read(4 * HIGH - (48 << 10)),
        };
    });
    sim.settle();
    assert_eq!(made_for_one_more(&sim, &count), GATHERED, "it is as at first");
}

#[test]
fn who_has_to_be_waited_for_is_granted_no_more() {
    let count = Count::default();
    let sim = large_pieces(&count, PIECES);
    let slow: Vec<_> = (0..40).map(|_| ask(&sim, &["/"])).collect();
    // Those to whom it was granted leave. The others read on, but never all.
    slow[..10].iter().for_each(|peer| {
        peer.reset();
    });
    sim.settle();
    for bytes in [1 << 10, 50 << 10, 50 << 10] {
        slow[10..].iter().for_each(|peer| {
            peer.read(bytes);
        });
        sim.settle();
    }
    assert_eq!(made_for_one_more(&sim, &count), GATHERED);
}

#[test]
fn nothing_is_held_for_the_end_of_a_body_nor_behind_it() {
    const WHOLE: usize = 10;
    // All of a body is queued, and most of it read.
    let count = Count::default();
    let sim = large_pieces(&count, WHOLE);
    let slow: Vec<_> = (0..10).map(|_| ask(&sim, &["/"])).collect();
    assert_eq!(made_for_one_more(&sim, &count), ALONE, "there is no more");
    slow.iter().for_each(|peer| {
        peer.read(WHOLE * LARGE - (12 << 10));
    });
    sim.settle();
    assert_eq!(made_for_one_more(&sim, &count), WHOLE * LARGE);

    // All of it is read, and the connection goes on with something else.
    let count = Count::default();
    let sim = large_pieces(&count, WHOLE);
    for _ in 0..10 {
        ask(&sim, &["/", "/wait"]).read_on();
        sim.settle();
    }
    assert_eq!(made_for_one_more(&sim, &count), WHOLE * LARGE);
}

#[test]
fn pipelined_responses_wait_for_a_slow_reader() {
    let count = Count::default();
    let large = async |State(count): State<Count>| {
        count.one_more();
        "x".repeat(60 << 10)
    };
    let router = Router::new().route("/", get(large)).state(count.clone());
    let sim = Sim::new(router, Settings { buffer_bytes: 4096, ..Settings::default() });
    let peer = sim.connect();
    peer.stop_reading().send(request("GET", "/").repeat(100));
    sim.settle();
    assert!(count.so_far() <= 3, "{} responses are queued", count.so_far());
    peer.read_on();
    sim.settle();
    assert_eq!((count.so_far(), statuses(&peer).len()), (100, 100));
}

#[test]
fn a_client_that_waits_for_100_gets_it() {
    let (app, mirror) = (app::built(), std::sync::Arc::new(mirror().build().unwrap()));
    let targets = ["/echo", "/echo/fn", "/length"].map(|target| (&app, target));
    let mirrors = ["/", "/stream", "/iter"].map(|target| (&mirror, target));
    for (app, target) in targets.into_iter().chain(mirrors) {
        for seed in 0..50 {
            let sim = app::seeded(app, seed, 100);
            let peer = sim.connect();
            peer.send(format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            ));
            peer.await_text("HTTP/1.1 100 Continue\r\n\r\n").send("hello").await_response();
            sim.advance(std::time::Duration::from_secs(1));
            assert!(peer.is_done(), "{target}, seed {seed}: {peer:?}");
            assert_eq!(statuses(&peer), [100, 200], "{target}, seed {seed}");
        }
    }
}

/// The request's body as the response's.
fn mirror() -> Router {
    Router::new()
        .route("/", post(async |body: Body| body))
        .route("/stream", post(async |body: Body| Body::from_stream(body.into_stream())))
        .route("/iter", post(|body: Body| Body::from_reader(body.reader())))
}

#[test]
fn an_echo_answers_while_the_client_still_sends() {
    let app = app::build(mirror());
    for target in ["/", "/stream", "/iter"] {
        for seed in 0..50 {
            let sim = app::seeded(&app, seed, 100);
            let peer = sim.connect();
            peer.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
            for letter in ["a", "b", "c"] {
                peer.send(format!("1\r\n{letter}\r\n")).await_text(format!("1\r\n{letter}\r\n"));
            }
            peer.send("0\r\n\r\n").await_text("0\r\n\r\n");
            sim.advance(std::time::Duration::from_secs(1));
            assert!(peer.is_done(), "{target}, seed {seed}: {peer:?}");
        }
    }
}

#[test]
fn an_echo_gives_every_byte_under_any_schedule() {
    let sent: String = (0..3000).map(|number| format!("{number} ")).collect();
    for target in ["/", "/stream", "/iter"] {
        for seed in 0..20 {
            let schedule = trijet_core::sim::Schedule::Seeded(seed);
            let client = TestClient::with_settings(mirror(), Settings { schedule, ..Settings::default() });
            let by_length = client.post(target).body(&sent).send();
            assert!(by_length.text() == sent, "{target}, seed {seed}");
            let by_chunks = client.post(target).chunks(sent.as_bytes().chunks(700)).send();
            assert!(by_chunks.text() == sent, "{target}, seed {seed}");
        }
    }
}

#[test]
fn an_echo_with_expect_asks_before_its_head() {
    for target in ["/", "/stream"] {
        let sim = Sim::new(mirror(), Settings::default());
        let peer = sim.connect();
        peer.send(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        ));
        peer.await_text("100 Continue\r\n\r\n").send("hello").await_response();
        sim.advance(std::time::Duration::from_secs(1));
        assert!(peer.is_done(), "{target}: {}", peer.received_text());
        assert_eq!(statuses(&peer), [100, 200], "{target}");
    }
}

#[test]
fn the_first_response_leaves_while_the_second_handler_waits_for_its_effect() {
    let gate = Gate::default();
    let waits = async |State(gate): State<Gate>| {
        gate.passed().await;
        "passed"
    };
    let opens = async |State(gate): State<Gate>| {
        gate.open();
        "opened"
    };
    let router = Router::new()
        .route("/", get(async || "first"))
        .route("/waits", get(waits))
        .route("/opens", get(opens))
        .state(gate);
    let sim = Sim::new(router, Settings::default());
    let peer = sim.connect();
    peer.send(request("GET", "/")).send(request("GET", "/waits")).await_text("first");
    sim.settle();
    assert!(peer.is_done(), "the first response is held back");
    sim.connect().send(request("GET", "/opens"));
    sim.settle();
    assert!(peer.received_text().ends_with("passed"));
}

#[test]
fn a_body_that_outlives_its_exchange_says_so() {
    let kept: Arc<std::sync::Mutex<Option<Body>>> = Arc::default();
    let keep = async |State(kept): State<Arc<std::sync::Mutex<Option<Body>>>>, body: Body| {
        *kept.lock().unwrap() = Some(body);
        "kept"
    };
    let sim = Sim::new(Router::new().route("/", post(keep)).state(kept.clone()), Settings::default());
    let peer = sim.connect();
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab").send(request("GET", "/nowhere"));
    sim.settle();
    assert_eq!(statuses(&peer), [200, 404]);
    let mut body = kept.lock().unwrap().take().expect("the handler ran");
    let mut next = std::pin::pin!(body.next());
    let polled = next.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    let error = match polled {
        std::task::Poll::Ready(Some(Err(error))) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(error, "the exchange that this body belongs to is over");
}

#[test]
fn a_reader_in_an_async_fn_fails_at_once() {
    let reads = async |body: Body| {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut body.reader(), &mut text)
            .map_or_else(|error| error.to_string(), |_| text)
    };
    let client = TestClient::new(Router::new().route("/", post(reads)));
    let response = client.post("/").body("hello").send();
    assert!(response.text().contains("inside an async fn"), "{}", response.text());
}

#[test]
fn a_response_larger_than_every_buffer_arrives_whole() {
    let app = app::build(Router::new().route("/full", get(async || "0123456789".repeat(50_000))));
    for seed in 0..10 {
        let sim = app::seeded(&app, seed, 1 << 20);
        let peer = sim.connect();
        peer.send(request("GET", "/full").repeat(2)).await_response().await_response();
        sim.settle();
        assert!(peer.is_done(), "seed {seed}");
        assert!(peer.received().ends_with("0123456789".repeat(50_000).as_bytes()), "seed {seed}");
    }
}

#[test]
fn a_100_is_not_waited_for_where_nobody_can_ask_for_the_body() {
    /// A stream that has nothing to say yet.
    struct Silent;
    impl futures_core::Stream for Silent {
        type Item = Result<&'static str, Infallible>;

        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Pending
        }
    }
    let sim =
        Sim::new(Router::new().route("/", post(async || Body::from_stream(Silent))), Settings::default());
    let peer = sim.connect();
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    sim.settle();
    let received = peer.received_text();
    assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "RFC 9110 §10.1.1: {received:?}");
    assert!(received.contains("\r\nconnection: close\r\n"), "{received:?}");
}

#[test]
fn what_is_written_and_what_is_read_alternate_under_any_schedule() {
    let router = || Router::new().route("/", post(async |body: Body| Body::from_stream(body.into_stream())));
    for seed in 0..64 {
        let settings = Settings { schedule: Schedule::Seeded(seed), ..Settings::default() };
        let client = TestClient::with_settings(router(), settings);
        let mut exchange = client.post("/").open();
        for text in ["one", "two", "three"] {
            exchange.write(text);
            // A schedule may cut what is written.
            let mut read = Vec::new();
            while read.len() < text.len() {
                read.extend_from_slice(&exchange.read().unwrap());
            }
            assert_eq!(read, text.as_bytes(), "seed {seed}");
        }
        exchange.finish().assert_text("onetwothree");
        assert_eq!(client.elapsed(), std::time::Duration::ZERO, "seed {seed}");
        // One that is left is forgotten.
        drop(client.post("/").open());
        client.post("/").body("again").send().assert_text("again");
    }
}
