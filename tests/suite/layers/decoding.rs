//! `Decompression`: what clients have compressed, whole and plain, and no bomb.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::{Compress, FlushCompress, write::GzEncoder};
use trijet::{
    Backend, Body, BodyError, Bytes, Limits, Router, StatusCode,
    middleware::{BodyLimit, Coding, Decompression},
    post,
};

use super::{large, text};
use crate::common::server::{start, start_with};

on_every_backend!(
    requests_are_decoded,
    unknown_codings_are_refused_with_those_that_are_known,
    broken_and_cut_bodies_are_refused,
    a_bomb_is_not_unpacked,
    more_comes_out_where_that_is_said,
);

#[cfg(target_os = "linux")]
mod memory {
    use super::*;

    in_children_on_every_backend!("": a_bomb_takes_no_memory);
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

/// So many MiB of zeros in gzip: one MiB compressed, and again and again. Of a GiB that is about a MiB.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut compress = Compress::new(flate2::Compression::fast(), false);
    let mut piece = Vec::with_capacity(64 << 10);
    compress.compress_vec(&vec![0; 1 << 20], &mut piece, FlushCompress::Full).unwrap();
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for _ in 0..mebibytes {
        bytes.extend_from_slice(&piece);
    }
    assert!(bytes.len() < mebibytes << 13, "{}", bytes.len());
    bytes
}

fn a_bomb_is_not_unpacked(on: Backend) {
    let (app, counted) = echo();
    let limits = Limits { body_bytes_max: 16 << 20, ..Limits::default() };
    let server = start_with(on, app.wrap(Decompression::new()), limits);
    let most = 2 << 20;
    let zeros = vec![0; most + 1];
    let mut bombs = vec![("gzip".to_owned(), bomb(1024))];
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

/// It has a limit of its own, and so has what stands inside of it: that of the route is for what comes in.
fn more_comes_out_where_that_is_said(on: Backend) {
    let most = 8 << 20;
    let (app, _) = echo();
    let limited = echo().0.wrap(BodyLimit::new(most + 1));
    let app = app.nest("/limited", limited).wrap(Decompression::new().bytes_max(most));
    let server = start(on, app);
    let whole = vec![b'a'; most as usize];
    let over = vec![b'a'; most as usize + 1];
    for path in ["/bytes", "/text", "/limited/bytes"] {
        let answer = server.connect().send(upload(path, "gzip", &encoded(Coding::Gzip, &whole))).response();
        assert!(answer.status == 200 && answer.body == whole, "{path}: {}", answer.status);
        server
            .connect()
            .send(upload(path, "gzip", &encoded(Coding::Gzip, &over)))
            .response()
            .with_status(413);
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
    let limits = Limits { body_bytes_max: 16 << 20, ..Limits::default() };
    // All of it may come out, and none of it is kept: what it takes then is what decoding takes.
    let layer = Decompression::new().bytes_max(u64::MAX);
    let server = start_with(on, app.wrap(layer), limits);
    let bomb = bomb(128);
    // Its end is missing, so it is refused there.
    let before = peak();
    let answer = server.connect().send(upload("/count", "gzip", &bomb)).response();
    assert_eq!((answer.status, counted.load(Ordering::Relaxed)), (400, 128 << 20));
    let grown = peak() - before;
    assert!(grown < 8 << 20, "{} KiB more", grown >> 10);
}
