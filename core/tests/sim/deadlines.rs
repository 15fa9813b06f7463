//! Deadlines: each at its time, not before, and not put off by a peer that drips.

use std::time::{Duration, SystemTime};

use trijet_core::{
    Body, CloseReason, Router, State, get,
    sim::{Peer, Settings, Sim},
};

use crate::app::{self, Gate, request, statuses};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Lets `peer` send `piece` each `pause`, `times` times.
fn drip(peer: &Peer, piece: &str, pause: Duration, times: usize) {
    for _ in 0..times {
        peer.send(piece).wait(pause);
    }
}

/// Runs until nothing can happen, and gives the second at which the server closed.
fn closed_at(sim: &Sim, peer: &Peer) -> f64 {
    sim.run();
    peer.closed_at().expect("the connection is closed").as_secs_f64()
}

#[test]
fn a_head_has_10_s_from_its_first_byte() {
    let sim = app::sim();
    let peer = sim.connect();
    peer.wait(seconds(60.0)).send("GET / HTTP/1.1\r\n");
    sim.advance(seconds(69.9));
    assert_eq!(peer.received_text(), "");
    sim.advance(seconds(0.1));
    assert_eq!(statuses(&peer), [408]);
    assert!(peer.is_closed());
    sim.run();
    assert_eq!(sim.close_reason(&peer), Some(CloseReason::Timeout));
}

#[test]
fn a_head_that_drips_has_no_more_time() {
    let sim = app::sim();
    let peer = sim.connect();
    drip(&peer, "A", seconds(0.5), 100);
    assert!((10.0..10.02).contains(&closed_at(&sim, &peer)));
    assert_eq!(statuses(&peer), [408]);
}

#[test]
fn a_dripped_head_within_its_time_is_served() {
    let sim = app::sim();
    let peer = sim.connect();
    for byte in request("GET", "/").as_bytes() {
        peer.send([*byte]).wait(seconds(0.3));
    }
    sim.advance(seconds(9.9));
    assert_eq!(statuses(&peer), [200]);
}

#[test]
fn the_next_head_has_its_own_time() {
    let sim = app::sim();
    let peer = sim.connect();
    let head = request("GET", "/");
    // The first bytes of the second head come with the first request.
    peer.send(format!("{head}GET /"))
        .wait(seconds(9.0))
        .send(" HTTP/1.1\r\nHost: a\r\n\r\nGET")
        .wait(seconds(9.0));
    peer.send(&head[3..]);
    sim.advance(seconds(20.0));
    assert_eq!(statuses(&peer), [200, 200, 200]);
}

#[test]
fn an_empty_line_behind_a_request_asks_for_nothing() {
    for behind in ["\r\n", "\r\n\r\n", "\r"] {
        let sim = app::sim();
        let peer = sim.connect();
        peer.send(request("GET", "/")).send(behind);
        assert_eq!(closed_at(&sim, &peer), 75.0, "{behind:?}");
        assert_eq!(statuses(&peer), [200], "{behind:?}");
    }
}

#[test]
fn a_head_behind_an_empty_line_has_its_own_time() {
    let sim = app::sim();
    let peer = sim.connect();
    peer.send(request("GET", "/")).send("\r\n").wait(seconds(60.0)).send("GET / ");
    assert_eq!(closed_at(&sim, &peer), 70.0);
    assert_eq!(statuses(&peer), [200, 408]);
}

#[test]
fn a_date_is_that_of_its_response() {
    let sim = app::sim();
    let peer = sim.connect();
    let drained = "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n";
    peer.send(drained).wait(seconds(4.0)).send("x".repeat(2000) + &request("GET", "/"));
    sim.advance(seconds(3.0));
    sim.set_wall_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_781));
    sim.advance(seconds(1.0));
    let received = peer.received_text();
    let dates: Vec<&str> = received.lines().filter(|line| line.starts_with("date: ")).collect();
    let [first, second] = dates[..] else { panic!("two responses: {received}") };
    assert_ne!(first, second, "the second is of four seconds later");
}

#[test]
fn an_idle_connection_is_closed_silently_after_75_s() {
    let sim = app::sim();
    let (fresh, served) = (sim.connect(), sim.connect());
    served.send(request("GET", "/"));
    sim.settle();
    let received = served.received();
    assert!(sim.is_idle(&fresh) && sim.is_idle(&served));
    sim.advance(seconds(74.9));
    assert!(!fresh.is_closed() && !served.is_closed());
    sim.advance(seconds(0.1));
    for peer in [&fresh, &served] {
        assert!(peer.is_closed());
        assert_eq!(sim.close_reason(peer), Some(CloseReason::IdleTimeout));
    }
    assert_eq!((fresh.received(), served.received()), (Vec::new(), received));
}

const UPLOAD: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";

#[test]
fn a_body_that_stalls_has_30_s() {
    for target in ["/echo", "/echo/fn"] {
        let sim = app::sim();
        let peer = sim.connect();
        // So many bytes would earn 46 s by their rate.
        peer.send(UPLOAD.replace("/echo", target)).send("x".repeat(10_000)).wait(seconds(10.0)).send("x");
        let closed = closed_at(&sim, &peer);
        assert!((40.0..40.02).contains(&closed), "{target}: closed at {closed}");
        assert_eq!(statuses(&peer), [408]);
    }
}

#[test]
fn a_slow_body_has_the_time_that_its_bytes_earn() {
    let sim = app::sim();
    let (slow, fast) = (sim.connect(), sim.connect());
    for (peer, piece) in [(&slow, "x".repeat(10)), (&fast, "x".repeat(30))] {
        peer.send(UPLOAD);
        drip(peer, &piece, seconds(0.1), 600);
    }
    // 5 s, and 10 bytes each 100 ms at 240 B/s: over when t = 5 + t * 100 / 240.
    let closed = closed_at(&sim, &slow);
    assert!((8.5..8.6).contains(&closed), "closed at {closed}");
    assert_eq!(statuses(&slow), [408]);
    // In 60 s it earns as much as 18,000 bytes do.
    let closed = closed_at(&sim, &fast);
    assert!((80.0..80.1).contains(&closed), "closed at {closed}");
}

#[test]
fn an_unread_body_that_is_drained_has_the_same_time() {
    let sim = app::sim();
    let peer = sim.connect();
    peer.send(UPLOAD.replace("/echo", "/ignore"));
    drip(&peer, &"x".repeat(10), seconds(0.1), 600);
    let closed = closed_at(&sim, &peer);
    assert!((8.5..8.6).contains(&closed), "closed at {closed}");
    assert_eq!(statuses(&peer), [200]);
}

#[test]
fn a_plain_fn_that_reads_is_told_of_the_timeout() {
    let sim = app::sim();
    let peer = sim.connect();
    peer.send(UPLOAD.replace("/echo", "/length")).send("x".repeat(10_000));
    sim.run();
    assert!(peer.received_text().ends_with("the body came too slowly"));
}

fn large() -> Router {
    Router::new().route("/", get(async || "x".repeat(1 << 20)))
}

#[test]
fn a_response_that_is_not_taken_has_30_s() {
    let sim = Sim::new(large(), Settings::default());
    let peer = sim.connect();
    peer.stop_reading().send(request("GET", "/")).wait(seconds(10.0)).read(1);
    sim.advance(seconds(39.9));
    assert_eq!(sim.close_reason(&peer), None);
    sim.advance(seconds(0.2));
    assert_eq!(sim.close_reason(&peer), Some(CloseReason::Timeout));
}

#[test]
fn a_response_that_is_taken_slowly_has_the_time_that_its_bytes_earn() {
    let sim = Sim::new(large(), Settings { buffer_bytes: 1000, ..Settings::default() });
    let peer = sim.connect();
    peer.stop_reading().send(request("GET", "/"));
    for _ in 0..600 {
        peer.read(10).wait(seconds(0.1));
    }
    // 5 s and what the first 1000 bytes and 100 B/s earn: over when t = 5 + (1000 + 100 t) / 240.
    sim.advance(seconds(15.5));
    assert_eq!(sim.close_reason(&peer), None);
    sim.advance(seconds(0.5));
    assert_eq!(sim.close_reason(&peer), Some(CloseReason::Timeout));
}

#[test]
fn a_handler_that_takes_its_time_is_not_the_peers_fault() {
    let gate = Gate::default();
    let wait = async |State(gate): State<Gate>, mut body: Body| {
        let first = body.next().await.is_some();
        gate.passed().await;
        format!("{first} {}", body.bytes().await.map_or(0, |rest| rest.len()))
    };
    let sim =
        Sim::new(Router::new().route("/", trijet_core::post(wait)).state(gate.clone()), Settings::default());
    let peer = sim.connect();
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    sim.advance(seconds(1000.0));
    gate.open();
    sim.advance(seconds(4.0));
    peer.send("bc");
    sim.settle();
    assert!(peer.received_text().ends_with("true 2"), "{}", peer.received_text());
}

#[test]
fn a_body_that_nobody_waits_for_any_more_has_no_deadline() {
    let (enough, finish) = (Gate::default(), Gate::default());
    let gives_up = async |State(gates): State<[Gate; 2]>, mut body: Body| {
        let mut enough = std::pin::pin!(gates[0].passed());
        let mut next = Box::pin(async move { body.next().await.is_some() });
        std::future::poll_fn(|cx| {
            assert!(next.as_mut().poll(cx).is_pending(), "nothing was sent");
            enough.as_mut().poll(cx)
        })
        .await;
        drop(next);
        gates[1].passed().await;
        "answered"
    };
    let router =
        Router::new().route("/", trijet_core::post(gives_up)).state([enough.clone(), finish.clone()]);
    let sim = Sim::new(router, Settings::default());
    let peer = sim.connect();
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    sim.advance(seconds(1.0));
    enough.open();
    sim.advance(seconds(100.0));
    finish.open();
    sim.settle();
    assert!(peer.received_text().ends_with("answered"));
    assert!(!peer.received_text().contains("connection: close"), "it was taken for too slow");
}

#[test]
fn a_client_that_never_ends_is_left_after_2_s() {
    let sim = app::sim();
    let peer = sim.connect();
    peer.send(request("GET", "/close"));
    drip(&peer, "x", seconds(0.1), 100);
    sim.advance(seconds(1.9));
    assert!(peer.is_closed());
    assert_eq!(sim.close_reason(&peer), None);
    sim.advance(seconds(0.2));
    assert_eq!(sim.close_reason(&peer), Some(CloseReason::Announced));
}
