//! Answers that come before the body was read: the framing alone decides whether the connection is kept.

use std::{io::Write, thread, time::Duration};

use trijet::{Backend, Bytes, Limits, Router, get, post};

use crate::common::{
    client::{get as request, post as upload},
    server::{Running, start, start_with},
};

on_every_backend!(
    a_small_rest_is_drained,
    a_small_rest_may_come_after_the_answer,
    nothing_is_left_of_a_large_one_that_is_read,
    a_large_rest_is_announced_as_a_close,
    chunks_are_announced_as_a_close,
    the_answer_is_readable_while_the_client_still_sends,
    one_that_never_ends_is_let_go,
    a_refused_body_is_no_request,
);

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello").post(async || "not read").body_limit(u64::MAX))
        .route("/fn", post(|| "not read").body_limit(u64::MAX))
        .route("/bytes", post(async |body: Bytes| body.len().to_string()))
}

fn head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n")
}

/// The largest body that is drained, by the default limits.
fn drained() -> usize {
    usize::try_from(Limits::default().drain_bytes_max).unwrap()
}

fn a_small_rest_is_drained(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for path in ["/", "/fn", "/missing"] {
        for length in [1, 1000, drained()] {
            // A body that looks like requests, with a true one behind it.
            let body = request("/fn").repeat(length / 20 + 1);
            client.send(upload(path, &body[..length]) + &request("/"));
            assert!(!client.response().closes(), "{path} {length}");
            client.response().says("hello");
        }
    }
}

fn a_small_rest_may_come_after_the_answer(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for path in ["/", "/fn"] {
        client.send(head(path, 10) + "1234");
        assert!(!client.response().says("not read").closes());
        client.send("567890").send(request("/")).response().says("hello");
    }
}

/// Nobody asks for the end of a body whose length was declared: with its last byte it is known.
fn nothing_is_left_of_a_large_one_that_is_read(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let length = drained() + 1;
    for _ in 0..2 {
        client.send(upload("/bytes", &"x".repeat(length)));
        assert!(!client.response().says(&length.to_string()).closes());
    }
}

fn a_large_rest_is_announced_as_a_close(on: Backend) {
    let server = start(on, app());
    for path in ["/", "/fn", "/missing"] {
        let mut client = server.connect();
        client.send(head(path, drained() + 1));
        assert!(client.response().closes(), "{path}");
        client.is_ended();
    }
}

fn chunks_are_announced_as_a_close(on: Backend) {
    let server = start(on, app());
    for body in ["", "1\r\nx\r\n", "1\r\nx\r\n0\r\n\r\n"] {
        let mut client = server.connect();
        client.send(format!("POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
        assert!(client.response().says("not read").closes(), "{body:?}");
        client.is_ended();
    }
}

fn send_all(server: &Running, path: &str, status: u16) {
    let mut client = server.connect();
    let length = 8 << 20;
    client.send(head(path, length));
    let mut sender = client.sender();
    // Nothing is read before everything is sent: a connection closed too early is reset by then.
    for piece in vec![b'x'; length].chunks(100_000) {
        sender.write_all(piece).expect("the server reads on");
    }
    assert!(client.response().with_status(status).closes());
    client.is_ended();
}

fn the_answer_is_readable_while_the_client_still_sends(on: Backend) {
    let limits = Limits { linger_timeout: Duration::from_secs(60), ..Limits::default() };
    let server = start_with(on, app(), limits);
    send_all(&server, "/", 200);
    send_all(&server, "/fn", 200);
    send_all(&server, "/bytes", 413);
}

fn one_that_never_ends_is_let_go(on: Backend) {
    let limits = Limits {
        linger_timeout: Duration::from_millis(300),
        linger_bytes_max: 1 << 40,
        connections_max: Some(1),
        ..Limits::default()
    };
    let server = start_with(on, app(), limits);
    let mut client = server.connect();
    client.send(head("/", 1 << 40));
    assert!(client.response().closes());
    let mut sender = client.sender();
    let sending = thread::spawn(move || while sender.write_all(&[b'x'; 1000]).is_ok() {});
    // There is room for one: this is served once the other is gone.
    server.connect().get("/").says("hello");
    sending.join().unwrap();
}

fn a_refused_body_is_no_request(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    client.send(head("/bytes", 3 << 20)).send(request("/"));
    client.response().with_status(413);
    client.is_ended();
}
