//! Routes with `cancel_on_disconnect`: what they are at is dropped when the client leaves, and a half-close
//! counts as that. No other route is touched.

use std::{
    future::pending,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Instant,
};

use futures_util::{StreamExt, stream};
#[cfg(any(feature = "mio", feature = "tokio"))]
use trijet::Limits;
use trijet::{Backend, Body, Bytes, Next, Request, Response, Router, any, extract::Disconnected, get, post};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload},
    server::{Running, start},
};
#[cfg(any(feature = "mio", feature = "tokio"))]
use crate::common::{gate::Gate, server::start_with};

on_every_backend!(
    the_future_is_dropped_when_the_client_leaves,
    a_half_close_counts_as_leaving,
    middleware_is_dropped_with_its_handler,
    the_answer_of_a_plain_fn_is_dropped,
    a_streamed_body_is_dropped,
    a_client_that_stays_gets_its_answers,
);

/// Tells that it was dropped.
struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

/// A handler that never ends, below a middleware that does not either.
fn served(on: Backend) -> (Running, Receiver<()>, Receiver<()>) {
    let (begun, begins) = channel();
    let (dropped, drops) = channel();
    let in_a_layer = dropped.clone();
    let handler = move || {
        let (begun, guard) = (begun.clone(), Dropped(dropped.clone()));
        async move {
            let _held = guard;
            begun.send(()).unwrap();
            pending::<()>().await;
        }
    };
    let layer = move |request: Request, next: Next| {
        let guard = Dropped(in_a_layer.clone());
        async move {
            let _held = guard;
            next.run(request).await
        }
    };
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/cancelled", any(handler.clone()).cancel_on_disconnect())
        .route("/layered", any(handler.clone()).cancel_on_disconnect().wrap(layer))
        .route("/kept", any(handler));
    (start(on, app), begins, drops)
}

fn the_future_is_dropped_when_the_client_leaves(on: Backend) {
    let (server, begins, drops) = served(on);
    let rows = [
        request("/cancelled"),
        upload("/cancelled", &"x".repeat(10_000)),
        request("/cancelled") + &request("/").repeat(20),
    ];
    let leave: [fn(Client); 2] = [drop, Client::reset];
    for leave in leave {
        for bytes in &rows {
            let (mut client, mut kept) = (server.connect(), server.connect());
            client.send(bytes);
            kept.send(bytes.replace("/cancelled", "/kept"));
            for _ in 0..2 {
                begins.recv_timeout(PATIENCE).expect("the handler begins");
            }
            assert!(drops.try_recv().is_err(), "the client is still there");
            leave(kept);
            leave(client);
            drops.recv_timeout(PATIENCE).expect("the handler is dropped");
            assert!(drops.try_recv().is_err(), "without the word it is kept");
        }
    }
    server.connect().get("/").says("hello");
}

fn a_half_close_counts_as_leaving(on: Backend) {
    let (server, begins, drops) = served(on);
    for at_once in [true, false] {
        let mut client = server.connect();
        client.send(request("/").repeat(3) + &request("/cancelled") + &request("/"));
        if at_once {
            client.half_close();
        }
        begins.recv_timeout(PATIENCE).expect("the handler begins");
        if !at_once {
            client.half_close();
        }
        drops.recv_timeout(PATIENCE).expect("the handler is dropped");
        // What was answered before is sent, and nothing after it.
        for _ in 0..3 {
            client.response().says("hello");
        }
        client.is_ended();
    }
}

fn middleware_is_dropped_with_its_handler(on: Backend) {
    let (server, begins, drops) = served(on);
    let mut client = server.connect();
    client.send(request("/layered"));
    begins.recv_timeout(PATIENCE).expect("the handler begins");
    client.half_close();
    for _ in 0..2 {
        drops.recv_timeout(PATIENCE).expect("both are dropped");
    }
    client.is_ended();
}

fn the_answer_of_a_plain_fn_is_dropped(on: Backend) {
    let (told, events) = channel();
    let handler = move |client: Disconnected| {
        told.send("begun").unwrap();
        let start = Instant::now();
        while !client.is_disconnected() && start.elapsed() < PATIENCE {
            thread::yield_now();
        }
        told.send("ended").unwrap();
        "for nobody"
    };
    let server = start(on, Router::new().route("/", get(handler).cancel_on_disconnect()));
    let mut client = server.connect();
    client.send(request("/"));
    assert_eq!(events.recv_timeout(PATIENCE), Ok("begun"));
    client.half_close();
    assert_eq!(events.recv_timeout(PATIENCE), Ok("ended"), "it cannot be stopped");
    client.is_ended();
}

/// One thread, which is held. (On threaded the second request waits for it before it is parsed.)
#[cfg(any(feature = "mio", feature = "tokio"))]
fn a_plain_fn_that_waits_for_a_thread_never_runs(on: Backend) {
    let (told, events) = channel();
    let gate = Gate::default();
    let held = gate.clone();
    let also_told = told.clone();
    let app = Router::new()
        .route(
            "/hold",
            get(move || {
                told.send("holds").unwrap();
                held.wait();
                "held"
            }),
        )
        .route("/fn", get(move || also_told.send("runs").unwrap()).cancel_on_disconnect())
        .route("/last", get(|| "last"));
    let limits = Limits { blocking_threads_max: 1, blocking_queue_timeout: PATIENCE, ..Limits::default() };
    let server = start_with(on, app, limits);
    let (mut holder, mut client) = (server.connect(), server.connect());
    holder.send(request("/hold"));
    assert_eq!(events.recv_timeout(PATIENCE), Ok("holds"));
    client.send(request("/fn")).half_close().is_ended();
    gate.open();
    holder.response().says("held");
    holder.get("/last").says("last");
    assert!(events.try_recv().is_err(), "it ran for nobody");
}

#[cfg(feature = "mio")]
#[test]
fn a_plain_fn_that_waits_for_a_thread_never_runs_on_mio() {
    a_plain_fn_that_waits_for_a_thread_never_runs(Backend::Mio);
}

#[cfg(feature = "tokio")]
#[test]
fn a_plain_fn_that_waits_for_a_thread_never_runs_on_tokio() {
    a_plain_fn_that_waits_for_a_thread_never_runs(Backend::Tokio);
}

fn a_streamed_body_is_dropped(on: Backend) {
    let (dropped, drops) = channel();
    let events = move || {
        let guard = Dropped(dropped.clone());
        let silent = stream::once(async move {
            let _held = guard;
            pending::<Result<&'static str, std::io::Error>>().await
        });
        std::future::ready(Body::from_stream(stream::iter([Ok("first")]).chain(silent)))
    };
    let app = Router::new()
        .route("/cancelled", get(events.clone()).cancel_on_disconnect())
        .route("/kept", get(events));
    let server = start(on, app);
    let mut kept = server.connect();
    kept.send(request("/kept")).head().with_status(200);
    kept.half_close();
    let mut client = server.connect();
    client.send(request("/cancelled")).head().with_status(200);
    assert!(drops.try_recv().is_err());
    client.half_close();
    drops.recv_timeout(PATIENCE).expect("the body is dropped");
    // Without its last chunk: the client can tell that it is not whole.
    assert_eq!(client.everything(), (b"5\r\nfirst\r\n".to_vec(), Ok(())));
    assert!(drops.try_recv().is_err(), "without the word it is kept");
}

fn a_client_that_stays_gets_its_answers(on: Backend) {
    let through = async |request: Request, next: Next| -> Response { next.run(request).await };
    let app = Router::new()
        .route("/async", any(async || "hello").cancel_on_disconnect())
        .route("/fn", any(|| "hello").cancel_on_disconnect().wrap(through))
        .route("/echo", post(async |body: Bytes| body).cancel_on_disconnect())
        .route("/stream", get(async || Body::from_stream(stream::iter([Ok::<_, std::io::Error>("hello")]))));
    let server = start(on, app);
    let mut client = server.connect();
    for _ in 0..50 {
        for path in ["/async", "/fn", "/stream"] {
            client.get(path).says("hello");
        }
        client.send(upload("/fn", "unread")).response().says("hello");
        client.send(upload("/echo", "hello")).response().says("hello");
    }
    client.send(request("/fn").repeat(50));
    for _ in 0..50 {
        client.response().says("hello");
    }
    client.half_close().is_ended();
}
