//! Calls that block for a tick, as on threads: time passes within them, and nobody may use that to be
//! waited for longer.

use std::time::Duration;

use trijet_core::{
    CloseReason, Router, get,
    sim::{Peer, Settings, Sim},
};

use crate::app::{self, request, statuses};

const TICK: Duration = Duration::from_millis(20);

fn sim() -> Sim {
    Sim::with_app(app::built(), Settings { tick: TICK, ..Settings::default() })
}

/// Lets `peer` send a byte each half tick.
fn drip(peer: &Peer, bytes: usize) {
    for _ in 0..bytes {
        peer.send("x").wait(TICK / 2);
    }
}

/// Checks the second at which the server closes.
fn check_close(sim: &Sim, peer: &Peer, seconds: std::ops::Range<f64>) {
    sim.run();
    let closed = peer.closed_at().expect("the connection is closed").as_secs_f64();
    assert!(seconds.contains(&closed), "closed at {closed}");
}

#[test]
fn a_dripped_head_has_its_time() {
    let sim = sim();
    let peer = sim.connect();
    peer.send("GET /");
    drip(&peer, 3000);
    check_close(&sim, &peer, 10.0..10.1);
    assert_eq!(statuses(&peer), [408]);
}

#[test]
fn a_dripped_body_has_its_time() {
    for (target, status) in [("/echo", 408), ("/length", 418), ("/ignore", 200)] {
        let sim = sim();
        let peer = sim.connect();
        peer.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"));
        drip(&peer, 3000);
        // 100 bytes a second, where 240 are wanted: over when t = 5 + t * 100 / 240.
        check_close(&sim, &peer, 8.5..8.7);
        assert_eq!(statuses(&peer), [status], "{target}");
    }
}

#[test]
fn a_response_that_is_taken_byte_by_byte_has_its_time() {
    let router = Router::new().route("/", get(async || "x".repeat(1 << 20)));
    let sim = Sim::new(router, Settings { tick: TICK, buffer_bytes: 100, ..Settings::default() });
    let peer = sim.connect();
    peer.stop_reading().send(request("GET", "/"));
    for _ in 0..3000 {
        peer.read(1).wait(TICK / 2);
    }
    // What 100 bytes and 100 B/s earn: over when t = 5 + (100 + 100 t) / 240.
    check_close(&sim, &peer, 9.2..9.4);
    assert_eq!(sim.close_reason(&peer), Some(CloseReason::Timeout));
}

#[test]
fn a_client_that_drips_after_its_answer_is_left() {
    let sim = sim();
    let peer = sim.connect();
    peer.send(request("GET", "/close"));
    drip(&peer, 3000);
    while sim.close_reason(&peer).is_none() {
        sim.advance(TICK);
    }
    assert!(sim.elapsed() < Duration::from_millis(2100), "left after {:?}", sim.elapsed());
}

#[test]
fn a_100_is_not_held_back_by_a_read() {
    let sim = sim();
    let peer = sim.connect();
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    peer.await_text("100 Continue\r\n\r\n").send("a").await_response().half_close();
    sim.settle();
    assert_eq!(statuses(&peer), [100, 200]);
    // One call may block before the request is there; none with something to say.
    assert_eq!(sim.elapsed(), Duration::ZERO);
}
