//! `Compression` and `Decompression`: the same bytes at both ends, fewer between, and no bomb.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::{Compress, FlushCompress, write::GzEncoder};
use futures_util::stream;
use trijet::{
    Backend, Body, BodyError, Bytes, Router, StatusCode, get,
    middleware::{Coding, Compression, Decompression, ETags},
    post,
};

use super::{asking, values};
use crate::common::{gate::Gate, response::Response, server::start};

on_every_backend!(
    each_coding_gives_the_bytes_back,
    the_coding_is_what_the_client_likes_best,
    what_gets_no_smaller_is_left_alone,
    head_says_what_get_does,
    a_stream_is_heard_as_it_goes,
    tags_are_weak_and_still_compared,
    a_body_that_fails_is_cut_within_its_coding,
    requests_are_decoded,
    unknown_codings_are_refused_with_those_that_are_known,
    broken_and_cut_bodies_are_refused,
    a_bomb_is_not_unpacked,
);

#[cfg(target_os = "linux")]
mod memory {
    use super::*;

    in_children_on_every_backend!("": a_bomb_takes_no_memory);
}

const TEXT: &str = "text/plain";

fn text() -> String {
    "the quick brown fox jumps over the lazy dog; ".repeat(200)
}

/// Larger than a piece, and not the same all along.
fn large() -> Vec<u8> {
    (0..40_000_u32)
        .flat_map(|index| format!("line {} of many\n", index * 7919 % 40_009).into_bytes())
        .collect()
}

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

fn encoded(coding: Coding, data: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 2, 18);
            encoder.write_all(data).unwrap();
            encoder.into_inner()
        }
        Coding::Zstd => zstd::encode_all(data, 1).unwrap(),
        other => panic!("an unknown coding: {other:?}"),
    }
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
            assert_eq!(answer.header("etag"), Some(&*format!("W/{strong}")));
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

/// Handlers of each kind that give back, or count, what they get.
fn echo() -> (Router, Arc<AtomicU64>) {
    let counted = Arc::new(AtomicU64::new(0));
    let (async_count, fn_count) = (counted.clone(), counted.clone());
    let app = Router::new()
        .route("/bytes", post(async |body: Bytes| body))
        .route("/text", post(|text: String| text))
        .route(
            "/fields",
            post(async |fields: trijet::HeaderMap| {
                format!("{:?} {:?}", fields.get("content-encoding"), fields.get("content-length"))
            }),
        )
        .route("/echo", post(async |body: Body| body))
        .route(
            "/count",
            post(move |mut body: Body| {
                let counted = async_count.clone();
                async move {
                    while let Some(piece) = body.next().await {
                        counted.fetch_add(piece?.len() as u64, Ordering::Relaxed);
                    }
                    Ok::<_, BodyError>("whole")
                }
            }),
        )
        .route(
            "/count/fn",
            post(move |body: Body| {
                let mut reader = body.reader();
                let mut piece = [0; 1000];
                loop {
                    match reader.read(&mut piece) {
                        Ok(0) => return StatusCode::OK,
                        Ok(count) => _ = fn_count.fetch_add(count as u64, Ordering::Relaxed),
                        Err(_) => return StatusCode::IM_A_TEAPOT,
                    }
                }
            }),
        );
    (app, counted)
}

fn upload(path: &str, coding: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn upload_in_chunks(path: &str, coding: &str, body: &[u8], size: usize) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-encoding: {coding}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn requests_are_decoded(on: Backend) {
    let server = start(on, echo().0.wrap(Decompression::new()));
    let mut client = server.connect();
    for coding in Coding::ALL {
        for whole in [Vec::new(), b"hello".to_vec(), text().into_bytes(), large()] {
            let body = encoded(coding, &whole);
            for path in ["/bytes", "/text", "/echo"] {
                let answer = client.send(upload(path, coding.name(), &body)).response().with_status(200);
                assert!(answer.body == whole, "{coding:?} {path}");
            }
        }
        // Byte by byte.
        let body = encoded(coding, text().as_bytes());
        client.send(upload_in_chunks("/bytes", coding.name(), &body, 1)).response().says(&text());
        let twice = encoded(Coding::Gzip, &body);
        client.send(upload("/text", &format!("{}, gzip", coding.name()), &twice)).response().says(&text());
        client.send(upload("/fields", coding.name(), &body)).response().says("None None");
    }
    client.send(upload("/text", "identity", b"plain")).response().says("plain");
    client.send(upload("/text", "X-GZIP", &encoded(Coding::Gzip, b"old"))).response().says("old");
    // Members and frames one after the other are one body.
    for coding in [Coding::Gzip, Coding::Zstd] {
        let both = [encoded(coding, b"one "), encoded(coding, b"two")].concat();
        client.send(upload("/text", coding.name(), &both)).response().says("one two");
    }
}

fn unknown_codings_are_refused_with_those_that_are_known(on: Backend) {
    let server = start(on, echo().0.wrap(Decompression::new()));
    let mut client = server.connect();
    for coding in ["compress", "deflate", "gzip, rot13", "gzip, gzip, gzip", "gzip;q=1", "*", "gzip gzip"] {
        let refused = client.send(upload("/bytes", coding, b"body")).response().with_status(415);
        assert_eq!(refused.header("accept-encoding"), Some("zstd, br, gzip"), "{coding}");
    }
    let ten = vec!["gzip"; 1000].join(",");
    client.send(upload("/bytes", &ten, b"body")).response().with_status(415);
}

fn broken_and_cut_bodies_are_refused(on: Backend) {
    let server = start(on, echo().0.wrap(Decompression::new()));
    for coding in Coding::ALL {
        let whole = encoded(coding, text().as_bytes());
        let mut cases = vec![b"no coding at all".to_vec(), vec![0xff; 100], [&whole[..], b"rest"].concat()];
        // Cut at every byte.
        cases.extend((0..whole.len()).map(|end| whole[..end].to_vec()));
        for body in cases {
            let mut client = server.connect();
            let answer = client.send(upload("/bytes", coding.name(), &body)).response();
            assert_eq!(answer.status, 400, "{coding:?} {} bytes: {:?}", body.len(), answer.text());
        }
    }
    // Of a checksum, a bit.
    let mut body = encoded(Coding::Gzip, b"checked");
    let at = body.len() - 8;
    body[at] ^= 1;
    server.connect().send(upload("/bytes", "gzip", &body)).response().with_status(400);
}

/// A GiB of zeros in gzip, about a MiB: one MiB compressed, and again and again.
fn bomb() -> Vec<u8> {
    let mut compress = Compress::new(flate2::Compression::fast(), false);
    let mut piece = Vec::with_capacity(64 << 10);
    compress.compress_vec(&vec![0; 1 << 20], &mut piece, FlushCompress::Full).unwrap();
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for _ in 0..1024 {
        bytes.extend_from_slice(&piece);
    }
    assert!(bytes.len() < 10 << 20, "{}", bytes.len());
    bytes
}

fn a_bomb_is_not_unpacked(on: Backend) {
    let (app, counted) = echo();
    let limits = trijet::Limits { body_bytes_max: 16 << 20, ..trijet::Limits::default() };
    let server = crate::common::server::start_with(on, app.wrap(Decompression::new()), limits);
    let most = 2 << 20;
    let zeros = vec![0; most + 1];
    let mut bombs = vec![("gzip".to_owned(), bomb())];
    for coding in Coding::ALL {
        let one_over = encoded(coding, &zeros);
        let name = coding.name();
        bombs.push((format!("{name}, gzip"), encoded(Coding::Gzip, &one_over)));
        bombs.push((name.to_owned(), one_over));
        server
            .connect()
            .send(upload("/count", name, &encoded(coding, &zeros[..most])))
            .response()
            .says("whole");
    }
    for (coding, body) in bombs {
        server.connect().send(upload("/bytes", &coding, &body)).response().with_status(413);
        counted.store(0, Ordering::Relaxed);
        server.connect().send(upload("/count", &coding, &body)).response().with_status(413);
        assert!(counted.swap(0, Ordering::Relaxed) <= most as u64, "{coding}");
        server.connect().send(upload("/count/fn", &coding, &body)).response().with_status(418);
        assert!(counted.load(Ordering::Relaxed) <= most as u64, "{coding}");
    }
}

/// The most memory that this process has had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let row = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a row");
    row.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

#[cfg(target_os = "linux")]
fn a_bomb_takes_no_memory(on: Backend) {
    let (app, counted) = echo();
    let limits = trijet::Limits { body_bytes_max: 16 << 20, ..trijet::Limits::default() };
    // All of it may come out, and none of it is kept: what it takes then is what decoding takes.
    let layer = Decompression::new().bytes_max(u64::MAX);
    let server = crate::common::server::start_with(on, app.wrap(layer), limits);
    let bomb = bomb();
    // Its end is missing, so it is refused there.
    let before = peak();
    let answer = server.connect().send(upload("/count", "gzip", &bomb)).response();
    assert_eq!((answer.status, counted.load(Ordering::Relaxed)), (400, 1 << 30));
    let grown = peak() - before;
    assert!(grown < 8 << 20, "{} KiB more", grown >> 10);
}
