//! What is refused, with which status: the limits, and the rules of the message format. Each refusal is
//! a whole answer that announces the close, and the close.

use trijet::{Backend, Bytes, Limits, Router, get, post};

use crate::common::{
    client::{get as request, post as upload, post_chunked},
    pattern::Pattern,
    server::{Running, start, start_with},
};

on_every_backend!(
    heads,
    bodies_by_length,
    bodies_in_chunks,
    what_the_format_forbids,
    chunks_that_the_format_forbids,
    a_bad_request_behind_good_ones,
    other_protocols_and_noise,
    settings_that_make_no_sense_are_refused,
);

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/bytes", post(async |body: Bytes| body.len().to_string()))
        .route("/fn", post(|body: Bytes| body.len().to_string()))
        .route("/large", post(|body: Bytes| body.len().to_string()).body_limit(1000))
        .route("/small", post(async |body: Bytes| body.len().to_string()).body_limit(10))
        .fallback(async || "hello")
}

#[track_caller]
fn is_refused(server: &Running, what: &str, bytes: impl AsRef<[u8]>, status: u16) {
    let mut client = server.connect();
    let answer = client.send(bytes).response();
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert!(answer.closes(), "{what}");
    client.is_ended();
}

#[track_caller]
fn is_served(server: &Running, bytes: &str, body: &str) {
    let mut client = server.connect();
    client.send(bytes).response().says(body);
    client.get("/").says("hello");
}

fn heads(on: Backend) {
    let limits = Limits { head_bytes_max: 512, headers_max: 10, target_bytes_max: 100, ..Limits::default() };
    let server = start_with(on, app(), limits);
    let padded = |length: usize| {
        let rest = request("/").len() + "x: \r\n".len();
        request("/").replace("\r\n\r\n", &format!("\r\nx: {}\r\n\r\n", "y".repeat(length - rest)))
    };
    assert_eq!(padded(512).len(), 512);
    is_served(&server, &padded(512), "hello");
    is_refused(&server, "a head over the limit by one", padded(513), 431);
    is_refused(&server, "a head without an end", &padded(600)[..590], 431);
    let counted =
        |count: usize| request("/").replace("\r\n\r\n", &format!("\r\n{}\r\n", "x: y\r\n".repeat(count - 1)));
    is_served(&server, &counted(10), "hello");
    is_refused(&server, "one field too many", counted(11), 431);
    is_served(&server, &request(&format!("/{}", "x".repeat(99))), "hello");
    is_refused(&server, "a target over the limit by one", request(&format!("/{}", "x".repeat(100))), 414);
}

fn bodies_by_length(on: Backend) {
    let server = start_with(on, app(), Limits { body_bytes_max: 100, ..Limits::default() });
    for (path, limit) in [("/bytes", 100), ("/fn", 100), ("/large", 1000), ("/small", 10)] {
        let body = "x".repeat(limit + 1);
        is_served(&server, &upload(path, &body[1..]), &limit.to_string());
        is_refused(&server, path, upload(path, &body), 413);
        // Before a byte of it is there.
        is_refused(&server, path, upload(path, &body).trim_end_matches('x'), 413);
    }
    let huge = |length: &str| format!("POST /fn HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n");
    is_refused(&server, "2^64 - 1", huge("18446744073709551615"), 413);
    is_refused(&server, "2^64", huge("18446744073709551616"), 400);
}

fn bodies_in_chunks(on: Backend) {
    let server = start_with(on, app(), Limits { body_bytes_max: 100, ..Limits::default() });
    for (path, limit) in [("/bytes", 100), ("/fn", 100), ("/large", 1000), ("/small", 10)] {
        let body = "x".repeat(limit + 1);
        is_served(&server, &post_chunked(path, &body[1..]), &limit.to_string());
        is_refused(&server, path, post_chunked(path, &body), 413);
        let head = post_chunked(path, "").replace("0\r\n\r\n0\r\n\r\n", "");
        is_refused(&server, path, format!("{head}{}", "1\r\nx\r\n".repeat(limit + 1)), 413);
    }
}

fn what_the_format_forbids(on: Backend) {
    let server = start(on, app());
    let cases: &[(&str, &str, u16)] = &[
        ("no host", "GET / HTTP/1.1\r\n\r\n", 400),
        ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        ("a malformed host", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("userinfo in the host", "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", 400),
        ("a port that is none", "GET / HTTP/1.1\r\nhost: a:b\r\n\r\n", 400),
        ("an open IPv6 host", "GET / HTTP/1.1\r\nhost: [::1\r\n\r\n", 400),
        ("white space before the colon", "GET / HTTP/1.1\r\nhost : t\r\n\r\n", 400),
        ("a folded field", "GET / HTTP/1.1\r\nhost: t\r\nx: y\r\n z\r\n\r\n", 400),
        ("a bare LF", "GET / HTTP/1.1\nhost: t\r\n\r\n", 400),
        ("NUL in a value", "GET / HTTP/1.1\r\nhost: t\r\nx: \0\r\n\r\n", 400),
        ("three empty lines", "\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: t\r\n\r\n", 400),
        ("a target that is an authority", "GET foo HTTP/1.1\r\nhost: t\r\n\r\n", 400),
        ("a fragment", "GET /a#b HTTP/1.1\r\nhost: t\r\n\r\n", 400),
        ("a backslash in the target", "GET /a\\b HTTP/1.1\r\nhost: t\r\n\r\n", 400),
        ("raw UTF-8 in the target", "GET /ä HTTP/1.1\r\nhost: t\r\n\r\n", 400),
        ("no version", "GET /\r\nhost: t\r\n\r\n", 400),
        ("version 2.0", "GET / HTTP/2.0\r\nhost: t\r\n\r\n", 505),
        ("an unknown expectation", "GET / HTTP/1.1\r\nhost: t\r\nexpect: tea\r\n\r\n", 417),
        ("a length with a sign", "POST /fn HTTP/1.1\r\nhost: t\r\ncontent-length: +5\r\n\r\nhello", 400),
        ("a list of lengths", "POST /fn HTTP/1.1\r\nhost: t\r\ncontent-length: 5, 5\r\n\r\nhello", 400),
        (
            "two lengths",
            "POST /fn HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
            400,
        ),
        (
            "a length and a coding",
            "POST /fn HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "two codings",
            "POST /fn HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
        ),
        ("chunked twice", "POST /fn HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked, chunked\r\n\r\n", 400),
        (
            "an unknown coding",
            "POST /fn HTTP/1.1\r\nhost: t\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            501,
        ),
        ("chunked left out", "POST /fn HTTP/1.1\r\nhost: t\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        ("https on a plain socket", "GET https://t/ HTTP/1.1\r\nhost: t\r\n\r\n", 421),
        ("a coding in 1.0", "POST /fn HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ];
    for (what, bytes, status) in cases {
        is_refused(&server, what, bytes, *status);
        // What comes behind it is not looked at.
        is_refused(&server, what, format!("{bytes}{}", request("/")), *status);
    }
    let mut client = server.connect();
    client.send("GET / HTTP/1.9\r\nhost: t\r\n\r\n").response().says("hello");
}

fn chunks_that_the_format_forbids(on: Backend) {
    let server = start(on, app());
    let long_extension = format!("5;x={}\r\nhello\r\n0\r\n\r\n", "y".repeat(300));
    let many_extensions = "1;x=yyyyyyyyyyyyyyyyyyyy\r\nx\r\n".repeat(300);
    let many_trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(33));
    let cases = [
        ("an empty size", "\r\n\r\n", 400),
        ("a bare LF", "5\nhello\r\n0\r\n\r\n", 400),
        ("a bare LF in an extension", "5;x\ny\r\nhello\r\n0\r\n\r\n", 400),
        ("an empty extension", "5;\r\nhello\r\n0\r\n\r\n", 400),
        ("NUL in an extension", "5;x=\0\r\nhello\r\n0\r\n\r\n", 400),
        ("2^64 - 1", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", 400),
        ("2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n", 400),
        ("2^63", "8000000000000000\r\nhello\r\n0\r\n\r\n", 413),
        ("a size with a prefix", "0x5\r\nhello\r\n0\r\n\r\n", 400),
        ("data longer than its size", "4\r\nhello\r\n0\r\n\r\n", 400),
        ("a long size line", &long_extension, 400),
        ("many extensions", &many_extensions, 400),
        ("many trailers", &many_trailers, 400),
    ];
    for path in ["/bytes", "/fn"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
        for (what, body, status) in cases {
            is_refused(&server, what, format!("{head}{body}"), status);
        }
        is_served(&server, &format!("{head}5 ; x=\"y\"\r\nhello\r\n00\r\nx: y\r\n\r\n"), "5");
    }
}

fn a_bad_request_behind_good_ones(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    client.send(request("/") + &upload("/fn", "hello") + "GET / HTTP/1.1\r\n\r\n" + &request("/"));
    client.response().says("hello");
    client.response().says("5");
    assert!(client.response().with_status(400).closes());
    client.is_ended();
}

fn other_protocols_and_noise(on: Backend) {
    let server = start(on, app());
    is_refused(&server, "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505);
    is_refused(&server, "TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 hello\r\n\r\n", 400);
    let mut noise = Pattern::default();
    for _ in 0..16 {
        let mut client = server.connect();
        for _ in 0..16 {
            client.send(noise.piece(60_000));
        }
        assert!(client.response().closes());
        client.is_ended();
    }
    server.connect().get("/").says("hello");
}

fn settings_that_make_no_sense_are_refused(on: Backend) {
    let start = move || start_with(on, app(), Limits { headers_max: 0, ..Limits::default() });
    let panic = std::panic::catch_unwind(start).err().expect("it does not start");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(text.contains("headers_max"), "{text}");
}
