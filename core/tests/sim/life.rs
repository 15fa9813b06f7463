//! Connections beside each other, and the end of the server's life: nobody starves, nobody is cut off
//! without a word, and handlers run to their end.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use trijet_core::{
    Body, CloseReason, Next, Path, Request, Router, State, get, health, post,
    sim::{Peer, Settings, Sim},
};

use crate::{
    app::{self, Choices, Gate, request, statuses},
    golden::Golden,
};

/// How a client goes away.
type Leave = fn(&Peer);
type Log = Arc<Mutex<Vec<String>>>;

#[test]
fn a_stop_waits_for_nothing_that_is_answered() {
    let drained = "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nxxx".to_owned();
    for sent in [request("GET", "/") + "\r\n", request("GET", "/") + "\r", drained] {
        let sim = app::sim();
        let peer = sim.connect();
        peer.send(&sent);
        sim.settle();
        assert_eq!(statuses(&peer), [200], "{sent:?}");
        sim.stop();
        // The client of a body may read its answer first: RFC 9112 §9.6.
        sim.advance(Duration::from_secs(2));
        assert!(peer.is_closed(), "{sent:?}");
        assert_eq!(sim.close_reason(&peer), Some(CloseReason::Stopping), "{sent:?}");
    }
}

#[test]
fn a_call_that_was_given_up_is_not_left_to_the_next_request() {
    /// Polls what is inside once, and then answers for itself.
    async fn impatient(request: Request, next: Next) -> &'static str {
        let mut inside = std::pin::pin!(next.run(request));
        poll_fn(|cx| Poll::Ready(inside.as_mut().poll(cx).is_ready())).await;
        "enough"
    }
    let log = Log::default();
    let note = |State(log): State<Log>| log.lock().unwrap().push("called".to_owned());
    let router = Router::new()
        .route("/note", get(note).wrap(impatient))
        .route("/", get(async || "hello"))
        .state(log.clone());
    let sim = Sim::new(router, Settings::default());
    let peer = sim.connect();
    peer.send(request("GET", "/note"));
    sim.settle();
    assert_eq!((statuses(&peer), log.lock().unwrap().len()), (vec![200], 1), "with its own request");
    peer.send(request("GET", "/"));
    sim.settle();
    assert_eq!((statuses(&peer), log.lock().unwrap().len()), (vec![200, 200], 1));
}

#[test]
fn a_thousand_pipelined_requests_starve_nobody() {
    let log = Log::default();
    let note = async |State(log): State<Log>, Path(who): Path<String>| log.lock().unwrap().push(who);
    let router = Router::new().route("/{who}", get(note)).state(log.clone());
    let sim = Sim::new(router, Settings::default());
    let (greedy, modest) = (sim.connect(), sim.connect());
    greedy.send(request("GET", "/greedy").repeat(1000));
    modest.send(request("GET", "/modest")).await_response().send(request("GET", "/modest"));
    sim.settle();
    assert_eq!((statuses(&greedy).len(), statuses(&modest).len()), (1000, 2));
    let log = log.lock().unwrap();
    let last = log.iter().rposition(|who| who == "modest").unwrap();
    assert!(last <= 3 * 16 + 1, "{last} requests came before");
}

#[test]
fn a_large_body_starves_nobody_though_its_peer_keeps_up() {
    let log = Log::default();
    let note = async |State(log): State<Log>| log.lock().unwrap().push("modest".to_owned());
    let large = async |State(log): State<Log>| {
        Body::from_iter((0..100).map(move |_| {
            log.lock().unwrap().push("greedy".to_owned());
            Ok::<_, std::convert::Infallible>(vec![b'x'; 64 << 10])
        }))
    };
    let upload = async |State(log): State<Log>, mut body: Body| {
        while let Some(Ok(piece)) = body.next().await {
            log.lock()
                .unwrap()
                .extend(std::iter::repeat_n("greedy".to_owned(), piece.len().div_ceil(64 << 10)));
        }
    };
    let router = Router::new()
        .route("/large", get(large))
        .route("/upload", post(upload))
        .route("/modest", get(note))
        .state(log.clone());
    let app = app::build(router);
    let bytes = "x".repeat(2 << 20);
    let upload =
        format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{bytes}", bytes.len());
    for greed in [request("GET", "/large"), upload] {
        // All of it fits into the buffers, so that nothing but the turn ends the work on it.
        let sim = Sim::with_app(app.clone(), Settings { buffer_bytes: 64 << 20, ..Settings::default() });
        let (greedy, modest) = (sim.connect(), sim.connect());
        greedy.send(greed);
        modest.send(request("GET", "/modest"));
        sim.settle();
        let log = std::mem::take(&mut *log.lock().unwrap());
        let before = log.iter().position(|who| who == "modest").unwrap();
        assert!(before <= 20 && log.len() > 30, "{before} of {} pieces came before", log.len());
    }
}

/// An app with a handler that waits for `gate`, and one that blocks until its body is whole.
fn waiting(gate: &Gate, done: &Gate) -> Router {
    #[derive(Clone)]
    struct Gates(Gate, Gate);
    let waits = async |State(Gates(gate, done)): State<Gates>| {
        gate.passed().await;
        done.open();
        "done"
    };
    app::router().route("/waits", get(waits)).state(Gates(gate.clone(), done.clone()))
}

#[test]
fn a_handler_runs_to_its_end_though_its_client_leaves() {
    let ways: [(&str, Leave); 3] = [
        ("half-close", |peer| {
            peer.half_close();
        }),
        ("close", |peer| {
            peer.close();
        }),
        ("reset", |peer| {
            peer.reset();
        }),
    ];
    for (how, leave) in ways {
        // Also with an answer that cannot be written any more.
        for before in [0, 1] {
            let (gate, done) = (Gate::default(), Gate::default());
            let sim = Sim::new(waiting(&gate, &done), Settings::default());
            let peer = sim.connect();
            peer.send(request("GET", "/").repeat(before) + &request("GET", "/waits"));
            sim.settle();
            leave(&peer);
            sim.advance(Duration::from_secs(100));
            assert!(!done.is_open() && sim.close_reason(&peer).is_none(), "{how}");
            gate.open();
            sim.run();
            assert!(done.is_open(), "{how}: the handler was dropped");
            assert!(sim.close_reason(&peer).is_some(), "{how}");
            assert_eq!(peer.received_text().ends_with("done"), how == "half-close");
        }
    }
}

#[test]
fn a_stop_serves_what_is_there_and_closes() {
    for seed in 0..50 {
        let (gate, done) = (Gate::default(), Gate::default());
        let sim = app::seeded(&app::build(waiting(&gate, &done)), seed, 2000);
        let [fresh, asking, idle, half, body, busy] = std::array::from_fn(|_| sim.connect());
        idle.send(request("GET", "/"));
        half.send("GET / HTTP/1.1\r\n");
        body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
        busy.send(request("GET", "/waits") + &request("GET", "/"));
        sim.settle();
        asking.send(request("GET", "/"));
        while !asking.is_done() {
            // What was sent before the stop is served after it.
            sim.advance(Duration::ZERO);
        }
        sim.stop();
        sim.settle();
        assert_eq!(fresh.received_text(), "", "seed {seed}");
        assert_eq!((statuses(&idle), statuses(&asking)), (vec![200], vec![200]), "seed {seed}");
        assert!(!fresh.is_closed() && idle.is_closed() && asking.is_closed(), "seed {seed}");
        assert!(!half.is_closed() && !body.is_closed() && !busy.is_closed(), "seed {seed}");
        half.send("Host: a\r\n\r\n");
        body.send("llo");
        gate.open();
        sim.settle();
        for peer in [&half, &body, &busy] {
            assert_eq!(statuses(peer), [200], "seed {seed}: {}", peer.received_text());
            assert!(peer.received_text().contains("\r\nconnection: close\r\n"), "seed {seed}");
            assert!(peer.is_closed() && !peer.is_reset(), "seed {seed}");
        }
        let late = sim.connect();
        assert!(late.is_reset());
        sim.run();
        assert!(fresh.is_closed() && fresh.received().is_empty(), "seed {seed}");
        assert!(sim.elapsed() < Duration::from_secs(3), "seed {seed}: {:?}", sim.elapsed());
    }
}

#[test]
fn a_first_request_that_is_under_way_at_the_stop_is_answered() {
    let sim = app::sim();
    let [asks, drips, silent] = std::array::from_fn(|_| sim.connect());
    asks.wait(Duration::from_millis(1900)).send(request("GET", "/"));
    // Its first byte ends the moment that it is given: the rest of the head has the time of any head.
    drips
        .wait(Duration::from_millis(1900))
        .send("GET / HTTP/1.1\r\n")
        .wait(Duration::from_secs(9))
        .send("Host: a\r\n\r\n");
    sim.settle();
    sim.stop();
    sim.advance(Duration::from_millis(1999));
    assert_eq!((statuses(&asks), silent.is_closed()), (vec![200], false));
    sim.advance(Duration::from_millis(1));
    assert!(silent.is_closed() && silent.received().is_empty());
    sim.run();
    assert_eq!(statuses(&drips), [200]);
}

#[test]
fn who_asks_whether_it_is_ready_is_told_of_the_stop() {
    let router = Router::new().route("/ready", get(health::ready)).route("/live", get(health::live));
    let sim = Sim::new(router, Settings::default());
    let [ready, live] = std::array::from_fn(|_| sim.connect());
    for (peer, path) in [(&ready, "/ready"), (&live, "/live")] {
        let asked = request("GET", path);
        peer.send(&asked).send(&asked[..9]);
        sim.settle();
        assert_eq!(statuses(peer), [200]);
    }
    sim.stop();
    for (peer, path) in [(&ready, "/ready"), (&live, "/live")] {
        peer.send(&request("GET", path)[9..]);
        sim.settle();
    }
    assert_eq!((statuses(&ready), statuses(&live)), (vec![200, 503], vec![200, 200]));
}

#[test]
fn a_request_that_races_with_the_stop_is_answered() {
    let sim = app::sim();
    let peer = sim.connect();
    sim.settle();
    peer.send(request("GET", "/"));
    sim.stop();
    sim.settle();
    assert_eq!(statuses(&peer), [200]);
    assert!(peer.received_text().contains("\r\nconnection: close\r\n"));
}

#[test]
fn what_still_runs_30_s_after_the_stop_is_cut() {
    let (gate, done) = (Gate::default(), Gate::default());
    let sim = Sim::new(waiting(&gate, &done), Settings::default());
    let peer = sim.connect();
    peer.send(request("GET", "/waits"));
    sim.settle();
    sim.stop();
    sim.advance(Duration::from_millis(29_999));
    assert_eq!(sim.close_reason(&peer), None);
    sim.advance(Duration::from_millis(1));
    assert_eq!(sim.close_reason(&peer), Some(CloseReason::Stopping));
    assert!(peer.is_closed() && peer.received().is_empty() && !done.is_open());
}

#[test]
fn a_call_that_waits_too_long_for_a_thread_is_answered_with_503() {
    let ran = Gate::default();
    let short = |State(ran): State<Gate>| ran.open();
    let router = app::router().route("/short", get(short)).state(ran.clone());
    let sim = Sim::new(router, Settings::default());
    let (holds, queued, patient) = (sim.connect(), sim.connect(), sim.connect());
    // The one thread waits for this body.
    holds.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5001\r\n\r\n").send("x".repeat(5000));
    holds.wait(Duration::from_secs(8)).send("x").await_response();
    queued.wait(Duration::from_secs(1)).send(request("GET", "/short")).await_response();
    patient.wait(Duration::from_secs(4)).send(request("GET", "/fn")).await_response();
    sim.advance(Duration::from_secs(10));
    assert_eq!((statuses(&queued), statuses(&holds), statuses(&patient)), (vec![503], vec![200], vec![200]));
    assert!(queued.received_text().contains("\r\nretry-after: 1\r\n"));
    assert!(!ran.is_open(), "a call that was given up ran nevertheless");
    assert!(!queued.is_closed(), "it may ask again");
}

#[test]
fn clients_that_leave_anywhere_leave_nothing_behind() {
    let all = Golden::short();
    for seed in 0..300_u64 {
        let sim = app::seeded(&app::built(), seed, 2000);
        let mut choices = Choices(seed);
        let mut any = |count| choices.below(count);
        let peers: Vec<_> = (0..8)
            .map(|_| {
                let golden = &all[any(all.len())];
                let peer = sim.connect();
                peer.send(&golden.sent[..any(golden.sent.len() + 1)]);
                match any(4) {
                    0 => peer.reset(),
                    1 => peer.close(),
                    2 => peer.half_close(),
                    _ => peer.stop_reading(),
                };
                peer
            })
            .collect();
        let honest = sim.connect();
        honest.send(request("GET", "/")).await_response().send(request("GET", "/stream")).await_response();
        sim.settle();
        assert_eq!(statuses(&honest), [200, 200], "seed {seed}");
        sim.run();
        for peer in &peers {
            assert!(sim.close_reason(peer).is_some(), "seed {seed}: {peer:?}");
        }
    }
}

#[test]
fn a_client_that_leaves_between_requests_is_no_event() {
    let ways: [Leave; 3] = [
        |peer| {
            peer.half_close();
        },
        |peer| {
            peer.close();
        },
        |peer| {
            peer.reset();
        },
    ];
    for leave in ways {
        let sim = app::sim();
        let peer = sim.connect();
        peer.send(request("GET", "/")).await_response();
        sim.settle();
        assert!(sim.is_idle(&peer));
        leave(&peer);
        sim.settle();
        assert_eq!(sim.close_reason(&peer), Some(CloseReason::PeerClosed));
    }
}

#[test]
fn a_connection_that_was_served_is_idle_at_once() {
    let sim = app::sim();
    let peers: Vec<_> = ["/", "/fn", "/stream", "/iter", "/empty"]
        .into_iter()
        .map(|target| {
            let peer = sim.connect();
            peer.send(request("GET", target));
            peer
        })
        .collect();
    let upload = sim.connect();
    upload.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    sim.settle();
    assert!(peers.iter().chain([&upload]).all(|peer| sim.is_idle(peer)));
}

#[test]
fn a_route_has_its_own_limit_in_both_directions() {
    let router = Router::new()
        .route("/small", post(async |body: String| body).body_limit(1))
        .route("/large", post(async |body: String| body).body_limit(100));
    let limits = trijet_core::Limits { body_bytes_max: 10, ..trijet_core::Limits::default() };
    let sim = Sim::new(router, Settings { limits, ..Settings::default() });
    for (target, length, status) in
        [("/small", 1, 200), ("/small", 2, 413), ("/large", 100, 200), ("/large", 101, 413)]
    {
        for body in [
            format!("Content-Length: {length}\r\n\r\n{}", "x".repeat(length)),
            format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length)),
        ] {
            let peer = sim.connect();
            peer.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\n{body}"));
            sim.settle();
            assert_eq!(statuses(&peer), [status], "{target} with {length}: {}", peer.received_text());
        }
    }
}
