//! `Compression`: the same bytes at both ends, and fewer between.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::stream;
use trijet::{
    Backend, Body, BodyError, Router, StatusCode, get,
    middleware::{Compression, ETags},
};

use super::{asking, large, text, values};
use crate::common::{
    gate::Gate,
    response::Response,
    server::{start, start_workers, unhurried},
};

on_every_backend!(
    each_coding_gives_the_bytes_back,
    the_coding_is_what_the_client_likes_best,
    what_gets_no_smaller_is_left_alone,
    head_says_what_get_does,
    a_stream_is_heard_as_it_goes,
    short_rows_of_an_iterator_get_smaller,
    a_304_has_the_tag_of_what_the_client_has,
    tags_are_weak_and_still_compared,
    a_body_that_fails_is_cut_within_its_coding,
    a_body_without_end_lets_others_have_their_turn,
);

const TEXT: &str = "text/plain";

fn plain(coding: Option<&str>, data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match coding {
        None => return data.to_vec(),
        Some("gzip") => flate2::read::MultiGzDecoder::new(data).read_to_end(&mut text),
        Some("br") => brotli::Decompressor::new(data, 4096).read_to_end(&mut text),
        Some("zstd") => {
            zstd::stream::read::Decoder::new(data).and_then(|mut reader| reader.read_to_end(&mut text))
        }
        Some(other) => panic!("an unknown coding: {other}"),
    }
    .expect("a whole coding");
    text
}

fn decoded(response: &Response) -> Vec<u8> {
    plain(response.header("content-encoding"), &response.body)
}

fn typed(content_type: &'static str, body: impl Into<Body>) -> ([(&'static str, &'static str); 1], Body) {
    ([("content-type", content_type)], body.into())
}

fn app() -> Router {
    Router::new()
        .route("/text", get(async || text()))
        .route("/fn", get(text))
        .route("/large", get(async || typed(TEXT, large())))
        .route("/reader", get(|| typed(TEXT, Body::from_reader(std::io::Cursor::new(large())))))
        .route("/small", get(async || "small"))
        .route("/png", get(async || typed("image/png", text())))
        .route("/events", get(async || typed("text/event-stream", text())))
        .route("/coded", get(async || ([("content-encoding", "x-own")], text())))
        .route("/kept", get(async || ([("cache-control", "public, no-transform")], text())))
        .route("/digest", get(async || ([("repr-digest", "sha-256=:AAAA:")], text())))
        .route(
            "/part",
            get(async || (StatusCode::PARTIAL_CONTENT, [("content-range", "bytes 0-8999/9000")], text())),
        )
        .route("/ranges", get(async || ([("accept-ranges", "bytes"), ("etag", "\"own\"")], text())))
        .route("/head", trijet::head(async || ([("content-type", TEXT), ("content-length", "9000")], ())))
        .wrap(Compression::new())
}

fn each_coding_gives_the_bytes_back(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for coding in ["gzip", "br", "zstd"] {
        for (path, whole) in [
            ("/text", text().into_bytes()),
            ("/fn", text().into_bytes()),
            ("/large", large()),
            ("/reader", large()),
        ] {
            let answer = client.send(asking("GET", path, &[("accept-encoding", coding)])).response();
            assert_eq!(answer.header("content-encoding"), Some(coding), "{path}");
            assert_eq!(values(&answer, "vary"), ["accept-encoding"], "{path}");
            assert!(answer.body.len() * 2 < whole.len(), "{path} {coding}: {}", answer.body.len());
            assert!(decoded(&answer) == whole, "{path} {coding}");
            // A small body that is whole has its length still.
            assert_eq!(answer.header("content-length").is_some(), whole.len() < 32 << 10, "{path}");
        }
    }
}

fn the_coding_is_what_the_client_likes_best(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip;q=1, br;q=0.9", Some("gzip")),
        ("br;q=0, *", Some("zstd")),
        ("identity", None),
        ("gzip;q=0", None),
        ("deflate", None),
        ("", None),
    ] {
        let answer = client.send(asking("GET", "/text", &[("accept-encoding", accepted)])).response();
        assert_eq!(answer.header("content-encoding"), coding, "{accepted:?}");
        assert_eq!(values(&answer, "vary"), ["accept-encoding"], "{accepted:?}");
        assert_eq!(decoded(&answer), text().into_bytes());
    }
    assert_eq!(client.get("/text").says(&text()).header("content-encoding"), None);
    // Who takes no plain body gets even a small one compressed.
    let only = [("accept-encoding", "identity;q=0, gzip")];
    let answer = client.send(asking("GET", "/small", &only)).response();
    assert_eq!((answer.header("content-encoding"), &*decoded(&answer)), (Some("gzip"), &b"small"[..]));
}

fn what_gets_no_smaller_is_left_alone(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for (path, status, coding, varies) in [
        ("/small", 200, None, true),
        ("/png", 200, None, false),
        ("/events", 200, None, false),
        ("/coded", 200, Some("x-own"), false),
        ("/kept", 200, None, false),
        ("/digest", 200, None, false),
        ("/part", 206, None, false),
    ] {
        let answer = client.send(asking("GET", path, &[("accept-encoding", "gzip, br, zstd")])).response();
        assert_eq!((answer.status, answer.header("content-encoding")), (status, coding), "{path}");
        assert_eq!(!values(&answer, "vary").is_empty(), varies, "{path}");
        assert!(answer.text() == "small" || answer.text() == text(), "{path}");
    }
}

fn head_says_what_get_does(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let gzip = [("accept-encoding", "gzip")];
    for path in ["/text", "/large", "/reader", "/small", "/png", "/ranges"] {
        let got = client.send(asking("GET", path, &gzip)).response();
        let head = client.send(asking("HEAD", path, &gzip)).response_to_head();
        for name in ["content-encoding", "content-type", "vary", "etag", "accept-ranges"] {
            assert_eq!(head.header(name), got.header(name), "{path} {name}");
        }
        // Left out or the same, never another.
        let length = head.header("content-length");
        assert!(length.is_none() || length == got.header("content-length"), "{path} {length:?}");
    }
    let head = client.send(asking("HEAD", "/head", &gzip)).response_to_head();
    assert_eq!((head.header("content-encoding"), head.header("content-length")), (Some("gzip"), None));
}

fn a_stream_is_heard_as_it_goes(on: Backend) {
    for coding in ["gzip", "br", "zstd"] {
        let gate = Gate::default();
        let opened = gate.clone();
        let streamed = move || {
            let opened = opened.clone();
            let pieces = stream::unfold(0, move |count| {
                let opened = opened.clone();
                async move {
                    if count == 1 {
                        opened.opened().await;
                    }
                    (count < 2).then(|| (Ok::<_, BodyError>(["first ", "second"][count]), count + 1))
                }
            });
            std::future::ready(typed(TEXT, Body::from_stream(pieces)))
        };
        let server = start(on, Router::new().route("/", get(streamed)).wrap(Compression::new()));
        let mut client = server.connect();
        let head = client.send(asking("GET", "/", &[("accept-encoding", coding)])).head();
        assert_eq!(head.header("content-encoding"), Some(coding));
        // The first piece is here before there is a second: read what comes until it can be told.
        let mut seen = Vec::new();
        while !has_begun(coding, &seen) {
            client.chunk(|piece| seen.extend_from_slice(piece));
        }
        gate.open();
        let ending = head.ending();
        client.body(ending, |piece| seen.extend_from_slice(piece));
        assert_eq!(plain(Some(coding), &seen), b"first second", "{coding}");
    }
}

/// Each row is a hop between threads away from the next, and none may cost a flush of its own.
fn short_rows_of_an_iterator_get_smaller(on: Backend) {
    const ROWS: u32 = 50_000;
    let row = |index: u32| format!("{index}\n");
    let rows = move || typed(TEXT, Body::from_iter((0..ROWS).map(move |at| Ok::<_, BodyError>(row(at)))));
    let server = start(on, Router::new().route("/", get(rows)).wrap(Compression::new()));
    let whole: Vec<u8> = (0..ROWS).flat_map(|at| row(at).into_bytes()).collect();
    for coding in ["gzip", "br", "zstd"] {
        let answer = server.connect().send(asking("GET", "/", &[("accept-encoding", coding)])).response();
        assert!(decoded(&answer) == whole, "{coding}");
        let (coded, plain) = (answer.body.len(), whole.len());
        assert!(coded * 2 < plain, "{coding}: {coded} bytes of {plain}");
    }
}

fn a_304_has_the_tag_of_what_the_client_has(on: Backend) {
    let app = Router::new()
        .route("/text", get(async || text()))
        .route("/png", get(async || typed("image/png", text())))
        .wrap(ETags::new())
        .wrap(Compression::new());
    let server = start(on, app);
    let mut client = server.connect();
    for (path, is_coded) in [("/text", true), ("/png", false)] {
        let gzip = ("accept-encoding", "gzip");
        let answer = client.send(asking("GET", path, &[gzip])).response().with_status(200);
        let tag = answer.header("etag").unwrap();
        assert_eq!(tag.starts_with("W/"), is_coded, "{path} {tag}");
        let same = client.send(asking("GET", path, &[gzip, ("if-none-match", tag)])).response();
        assert_eq!((same.status, same.header("etag")), (304, Some(tag)), "{path}");
        assert_eq!(values(&same, "vary"), ["accept-encoding"], "{path}");
    }
}

/// Whether the first piece can be read of what has come so far.
fn has_begun(coding: &str, data: &[u8]) -> bool {
    let mut text = [0; 6];
    let is_whole = match coding {
        "gzip" => flate2::read::GzDecoder::new(data).read_exact(&mut text),
        "br" => brotli::Decompressor::new(data, 16).read_exact(&mut text),
        _ => zstd::stream::read::Decoder::new(data).and_then(|mut reader| reader.read_exact(&mut text)),
    };
    is_whole.is_ok() && text == *b"first "
}

fn tags_are_weak_and_still_compared(on: Backend) {
    let app = Router::new()
        .route("/", get(async || text()))
        .route("/own", get(async || ([("accept-ranges", "bytes"), ("etag", "\"own\"")], text())))
        .wrap(ETags::new())
        .wrap(Compression::new());
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/", "/own"] {
        let strong = client.get(path).header("etag").unwrap().to_owned();
        assert!(strong.starts_with('"'));
        let coded = client.send(asking("GET", path, &[("accept-encoding", "br")])).response();
        assert_eq!(coded.header("etag"), Some(&*format!("W/{strong}")));
        assert_eq!(coded.header("accept-ranges"), None);
        for tag in [strong.clone(), format!("W/{strong}")] {
            let fields = [("accept-encoding", "br"), ("if-none-match", &*tag)];
            let answer = client.send(asking("GET", path, &fields)).response();
            assert_eq!((answer.status, values(&answer, "vary")), (304, vec!["accept-encoding"]));
            assert_eq!(answer.header("etag"), Some(&*tag));
        }
    }
}

fn a_body_that_fails_is_cut_within_its_coding(on: Backend) {
    let failing = async || {
        let pieces = [Ok("x".repeat(100_000)), Err("planted by the suite")];
        typed(TEXT, Body::from_stream(stream::iter(pieces)))
    };
    let server = start(on, Router::new().route("/", get(failing)).wrap(Compression::new()));
    for coding in ["gzip", "br", "zstd"] {
        let mut client = server.connect();
        client.send(asking("GET", "/", &[("accept-encoding", coding)]));
        let (all, _) = client.everything();
        // A whole body would end in an empty chunk.
        assert!(!all.ends_with(b"0\r\n\r\n"), "{coding}");
    }
}

/// What is compressed to next to nothing never waits for its client: it has to give way by itself.
fn a_body_without_end_lets_others_have_their_turn(on: Backend) {
    static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
    for coding in ["gzip", "br", "zstd"] {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let endless = move || {
            let ends = ends.clone();
            let zeros = std::iter::from_fn(move || {
                (!ends.load(Ordering::Relaxed)).then_some(Ok::<_, BodyError>(&ZEROS[..]))
            });
            std::future::ready(typed(TEXT, Body::from_stream(stream::iter(zeros))))
        };
        let app = Router::new().route("/", get(async || "hello")).route("/endless", get(endless));
        // On threaded a response that is made holds its thread, as all work does there.
        let workers = if on.name() == "threaded" { 2 } else { 1 };
        let server = start_workers(on, app.wrap(Compression::new()), unhurried(), workers);
        let mut client = server.connect();
        let head = client.send(asking("GET", "/endless", &[("accept-encoding", coding)])).head();
        for _ in 0..3 {
            server.connect().get("/").says("hello");
        }
        is_over.store(true, Ordering::Relaxed);
        let ending = head.ending();
        client.body(ending, |_| ());
    }
}
