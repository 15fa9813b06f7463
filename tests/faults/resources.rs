//! A pool without a free thread, and memory that clients would like to take.

use std::{sync::mpsc::channel, time::Duration};

use futures_util::stream;
use trijet::{Backend, Body, Limits, Router, get, post};

use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    gate::Gate,
    oracle::{Bystanders, Oracle},
    pattern::{Pattern, Reader},
};

in_children_on_every_backend!(
    ":":
    an_exhausted_pool,
    bodies_that_nobody_reads,
    responses_that_nobody_reads,
);

/// Every request gets its answer: 200, or 503 where there was no room to wait. Then all is well again.
fn an_exhausted_pool(on: Backend) {
    const THREADS: usize = 4;
    const CROWD: usize = 200;
    let (entered, entries) = channel();
    let gate = Gate::default();
    let held = gate.clone();
    let app = Router::new().route("/", get(async || "hello")).route("/fn", get(|| "hello")).route(
        "/hold",
        get(move || {
            entered.send(()).unwrap();
            held.wait();
            "held"
        }),
    );
    let limits = Limits {
        blocking_threads_max: THREADS,
        blocking_queue_max: THREADS,
        blocking_queue_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    let oracle = Oracle::watch_with(on, app, limits, Bystanders::Absent);
    let mut holders: Vec<Client> = (0..THREADS).map(|_| oracle.connect()).collect();
    for client in &mut holders {
        client.send(request("/hold"));
        entries.recv_timeout(PATIENCE).unwrap();
    }
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| oracle.connect()).collect();
    for client in &mut crowd {
        client.send(request("/fn"));
    }
    if on != Backend::Threaded {
        oracle.connect().get("/").says("hello");
    }
    // All but those that may wait are answered now.
    let mut refused = 0;
    crate::common::eventually("all but the queue are refused", || {
        crowd.retain_mut(|client| {
            if client.is_silent() {
                return true;
            }
            let answer = client.response().with_status(503);
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            refused += 1;
            false
        });
        refused >= CROWD - THREADS
    });
    gate.open();
    for client in &mut holders {
        client.response().says("held");
    }
    for client in &mut crowd {
        client.response().says("hello");
    }
    // Not before: as long as the queue is full, another request is one too many.
    for client in &mut holders {
        client.get("/fn").says("hello");
    }
    oracle.connect().get("/fn").says("hello");
}

const CROWD: usize = 100;
const MIB: u64 = 1 << 20;

/// At most 96 KiB a connection, beyond the 64 KiB that each client has to read into.
fn holds_little(oracle: &Oracle) {
    let most = CROWD as u64 * ((96 << 10) + (64 << 10));
    let grown = oracle.memory_grown();
    assert!(grown <= most, "{grown} bytes for {CROWD} connections, where {most} are allowed");
}

fn bodies_that_nobody_reads(on: Backend) {
    let (entered, entries) = channel();
    let gate = Gate::default();
    let held = gate.clone();
    let hold = move |mut body: Body| {
        let (entered, held) = (entered.clone(), held.clone());
        async move {
            // One piece is asked for, and no more.
            let first = body.next().await.map(|piece| piece.map(|piece| piece.len()));
            entered.send(()).unwrap();
            held.opened().await;
            let mut count = first.transpose()?.unwrap_or(0);
            while let Some(piece) = body.next().await {
                count += piece?.len();
            }
            Ok::<_, trijet::BodyError>(count.to_string())
        }
    };
    let app = Router::new().route("/", post(hold).body_limit(MIB));
    let oracle = Oracle::watch(on, app);
    let mut clients: Vec<Client> = (0..CROWD).map(|_| oracle.connect()).collect();
    let mut bodies = vec![Pattern::default(); CROWD];
    for (client, body) in clients.iter_mut().zip(&mut bodies) {
        client.send(format!("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: {MIB}\r\n\r\n"));
        // As much as the system's own buffers take.
        client.stream().set_nonblocking(true).unwrap();
        while body.position() < MIB {
            let piece = body.piece(usize::try_from(MIB - body.position()).unwrap().min(32 << 10));
            match std::io::Write::write(&mut client.stream(), piece) {
                Ok(count) => *body = body.back(piece.len() - count),
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                    *body = body.back(piece.len());
                    break;
                }
            }
        }
        client.stream().set_nonblocking(false).unwrap();
        entries.recv_timeout(PATIENCE).unwrap();
    }
    holds_little(&oracle);
    gate.open();
    for (client, mut body) in clients.iter_mut().zip(bodies) {
        while body.position() < MIB {
            let rest = usize::try_from(MIB - body.position()).unwrap();
            client.send(body.piece(rest));
        }
        client.response().says(&MIB.to_string());
    }
}

fn responses_that_nobody_reads(on: Backend) {
    const LENGTH: u64 = 64 * MIB;
    let app = Router::new()
        .route("/stream", get(async || Body::from_stream(stream::iter(Reader::new(LENGTH)))))
        .route("/iter", get(|| Body::from_iter(Reader::new(LENGTH))))
        .route("/reader", get(|| Body::from_reader(Reader::new(LENGTH))));
    let oracle = Oracle::watch(on, app);
    let mut clients: Vec<Client> =
        (0..CROWD).map(|_| Client::connect_narrow(oracle.server().address())).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(request(["/stream", "/iter", "/reader"][index % 3])).head().with_status(200);
    }
    // The producers wait, and nobody else does.
    let mut other = oracle.connect();
    for _ in 0..100 {
        other.get("/bystander").says("async");
        other.get("/bystander/fn").says("fn");
    }
    holds_little(&oracle);
}
