//! Limits: each is held to the byte, however the bytes come; and what it costs to find that out.

use super::*;

/// Plays one request at its limit, and one beyond.
fn check_limit(name: &str, request: impl Fn(usize) -> String, most: usize, within: &str, beyond: &str) {
    let limits = Limits { body_bytes_max: 10, ..Limits::default() };
    check(name, request(most).as_bytes(), within, &limits);
    check(&format!("{name}, by one"), request(most + 1).as_bytes(), beyond, &limits);
}

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

#[test]
fn heads() {
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n".len();
    let sized =
        |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(bytes - frame));
    check_limit("a head", sized, 16 << 10, "GET /, closed", "431");
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    check_limit("fields", fields, 100, "GET /, closed", "431");
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1));
    let within = format!("GET /{}, closed", "x".repeat(8191));
    check_limit("a target", target, 8 << 10, &within, "414");
    let method = |bytes: usize| format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "B".repeat(bytes));
    check_limit("a method", method, 32, &format!("{} /, closed", "B".repeat(32)), "501");
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    for start in ["GET / HTTP/1.1\r\nHost: a\r\nA: ", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let head = format!("{start}{}", "x".repeat((16 << 10) - start.len()));
        let mut server = Server::new(&Limits::default());
        server.receive(&head.as_bytes()[..head.len() - 1]);
        assert_eq!(server.log, [""; 0]);
        server.receive(&head.as_bytes()[head.len() - 1..]);
        assert_eq!(server.log, ["431"]);
    }
}

#[test]
fn bodies() {
    let length = |bytes: usize| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    check_limit("a length", length, 10, "POST /, \"xxxxxxxxxx\", closed", "POST /, too large by its length");
    let chunk = |bytes: usize| chunked(&format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes)));
    check_limit("a chunk", chunk, 10, "POST /, \"xxxxxxxxxx\", closed", "POST /, TooLarge after \"\"");
    let chunks = |count: usize| chunked(&format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(count)));
    let beyond = "POST /, TooLarge after \"xxxxxxxxxx\"";
    check_limit("chunks", chunks, 10, "POST /, \"xxxxxxxxxx\", closed", beyond);
}

#[test]
fn chunk_lines() {
    let line = |bytes: usize| chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(bytes - 4)));
    let beyond = "POST /, Malformed(\"a chunk-size line is too long\") after \"\"";
    check_limit("a chunk-size line", line, 256, "POST /, \"a\", closed", beyond);
    // 8 chunks, each with the same part of the extensions; what is left over is the last one's.
    let extensions = |bytes: usize| {
        let piece = format!("1;{}\r\na\r\n", "x".repeat(99)).repeat(bytes / 100);
        chunked(&format!("{piece}0;{}\r\n\r\n", "x".repeat(bytes % 100 - 1)))
    };
    let limits = Limits::default();
    let within = outcome(extensions(4096).as_bytes(), Arrival::Whole, &limits);
    assert!(within.ends_with("a\", closed"), "{within}");
    check("extensions", extensions(4096).as_bytes(), &within, &limits);
    let data = "a".repeat(40);
    let beyond = format!("POST /, Malformed(\"the chunk extensions are too long\") after {data:?}");
    check("extensions, by one", extensions(4097).as_bytes(), &beyond, &limits);
}

#[test]
fn trailers() {
    let count = |count: usize| chunked(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(count)));
    let within = format!("POST /{}, closed", ", a=b".repeat(32));
    let beyond = "POST /, Malformed(\"there are too many trailer fields\") after \"\"";
    check_limit("trailers", count, 32, &within, beyond);
    let bytes = |bytes: usize| chunked(&format!("0\r\nA:{}\r\n\r\n", "x".repeat(bytes - 4)));
    let within = format!("POST /, a={}, closed", "x".repeat(4092));
    let beyond = "POST /, Malformed(\"the trailer section is too large\") after \"\"";
    check_limit("bytes of trailers", bytes, 4096, &within, beyond);
}

/// The bytes looked at or copied for `request`, sent a byte at a time.
fn work_for(request: &str) -> usize {
    work::take();
    let outcome = outcome(request.as_bytes(), Arrival::ByteByByte, &Limits::default());
    assert!(outcome.ends_with("closed"), "{outcome}");
    work::take()
}

#[test]
fn a_dripped_head_costs_what_its_length_says() {
    type Kind = (&'static str, fn(usize) -> String);
    let kinds: [Kind; 3] = [
        ("many fields", |bytes| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field(bytes / 90).repeat(90))),
        ("one field", |bytes| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field(bytes))),
        ("a target", |bytes| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes / 2))),
    ];
    for (name, head) in kinds {
        let [half, whole] = [8 << 10, 16 << 10].map(|bytes| work_for(&head(bytes - 100)));
        assert!(half >= 4 << 10, "{name}: nothing is counted");
        assert!(whole * 2 <= half * 5, "{name}: {half} bytes for 8 KiB, {whole} for 16 KiB");
    }
}

#[test]
fn dripped_trailers_cost_what_their_length_says() {
    let [half, whole] =
        [2 << 10, 4 << 10].map(|bytes| work_for(&chunked(&format!("0\r\n{}\r\n", field(bytes)))));
    assert!(half >= 2 << 10 && whole * 2 <= half * 5, "{half} bytes for 2 KiB, {whole} for 4 KiB");
}

/// A field line of so many bytes.
fn field(bytes: usize) -> String {
    format!("A: {}\r\n", "x".repeat(bytes - 5))
}
