//! One replay for each advisory of RustSec that tells of a fault a server of HTTP/1.1 can have, on every
//! backend. Each sends what the advisory describes, with a request hidden in it where it is about
//! smuggling, and looks at what a client and the app can see.
//!
//! Not replayed, as there is nothing here yet that could have the fault:
//!
//! | advisory | about | why not yet |
//! | --- | --- | --- |
//! | 2023-0034, 2024-0003, 2024-0332, 2026-0258 (h2) | floods of HTTP/2 frames | HTTP/2 is not spoken: its preface is 505 (below) |
//! | 2020-0043 (ws), 2022-0035 (websocket) | sizes of WebSocket frames | no upgrade is offered: the field is ignored (2026-0033, below) |
//! | 2023-0063, 2024-0373, 2026-0037, 2026-0185 (quinn) | QUIC | HTTP/3 is not spoken |
//! | 2016-0002 (hyper) | host names in certificates | there is no client and no TLS |
//! | 2021-0135, 2022-0043, 2022-0082 (tower-http, warp) | Windows paths in static files | no files are served |
//!
//! 2023-0065 is about WebSocket, but about the head of its handshake: it is replayed.

#![cfg(any(feature = "threaded", feature = "mio", feature = "tokio"))]

#[macro_use]
mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::{
    client::{Client, get as request, post as upload},
    response::Response,
    server::{Running, start},
};
use trijet::{Backend, Body, BodyError, Bytes, Path, Redirect, Router, State, any, get, post};

on_every_backend!(
    rustsec_2017_0002_line_ends_in_response_fields,
    rustsec_2020_0008_a_body_without_framing,
    rustsec_2020_0031_malformed_transfer_encoding,
    rustsec_2020_0093_a_long_body_that_is_not_read,
    rustsec_2021_0020_several_transfer_encodings,
    rustsec_2021_0078_lenient_content_length,
    rustsec_2021_0079_a_chunk_size_that_overflows,
    rustsec_2021_0081_two_framings,
    rustsec_2022_0055_bodies_without_limit,
    rustsec_2023_0065_an_endless_head,
    rustsec_2024_0009_names_and_values_of_the_clients_choice,
    rustsec_2025_0037_answers_that_pass_the_body_by,
    rustsec_2026_0033_an_upgrade_that_was_not_agreed,
    rustsec_2026_0034_bodies_of_http_1_0,
    rustsec_2026_0181_the_largest_chunk_sizes,
    http_2_is_refused,
);

/// How often the request that no client may get served was served.
type Smuggled = Arc<AtomicUsize>;

fn app(smuggled: &Smuggled) -> Router {
    async fn admin(State(smuggled): State<Smuggled>) -> &'static str {
        smuggled.fetch_add(1, Ordering::Relaxed);
        "smuggled"
    }
    async fn pieces(mut body: Body) -> Result<String, BodyError> {
        let mut count = 0;
        while let Some(piece) = body.next().await {
            count += piece?.len();
        }
        Ok(count.to_string())
    }
    Router::new()
        .route("/", get(async || "hello"))
        .route("/admin", any(admin))
        .route("/unread", any(async || "unread"))
        .route("/unread-fn", any(|| "unread"))
        .route("/read", any(async |body: Bytes| body.len().to_string()))
        .route("/read-fn", any(|body: Bytes| body.len().to_string()))
        .route("/text", post(async |body: String| body))
        .route("/pieces", post(pieces).body_limit(u64::MAX))
        .route("/value/{value}", get(async |Path(value): Path<String>| ([("x-value", value)], "told")))
        .route("/name/{name}", get(async |Path(name): Path<String>| ([(name, "value")], "told")))
        .route("/to/{target}", get(async |Path(target): Path<String>| Redirect::to(target)))
        .state(smuggled.clone())
}

/// A server, and a check that nothing was smuggled to it when it goes.
struct Guarded {
    server: Running,
    smuggled: Smuggled,
}

fn guarded(on: Backend) -> Guarded {
    let smuggled = Smuggled::default();
    Guarded { server: start(on, app(&smuggled)), smuggled }
}

impl Guarded {
    fn connect(&self) -> Client {
        self.server.connect()
    }

    /// Sends `bytes` with the hidden request behind them; they must be refused with one of `statuses`,
    /// and the connection closed without another answer.
    #[track_caller]
    fn refuses(&self, bytes: &str, statuses: &[u16]) {
        let mut client = self.connect();
        client.send(bytes.to_owned() + &hidden()).half_close();
        let response = client.response();
        assert!(statuses.contains(&response.status), "{bytes:?}: {response:?}");
        assert!(response.closes(), "{bytes:?}");
        client.is_ended();
        self.is_unharmed();
    }

    #[track_caller]
    fn is_unharmed(&self) {
        self.connect().get("/").says("hello");
        assert_eq!(self.smuggled.load(Ordering::Relaxed), 0, "a request was smuggled");
    }
}

fn hidden() -> String {
    request("/admin")
}

/// A chunked POST that ends at once.
fn chunked(fields: &str) -> String {
    format!("POST /read HTTP/1.1\r\nhost: t\r\n{fields}\r\n0\r\n\r\n")
}

fn rustsec_2017_0002_line_ends_in_response_fields(on: Backend) {
    let server = guarded(on);
    let mut client = server.connect();
    for path in
        ["/value/a%0d%0aset-cookie:%20b=1", "/value/a%0ab:c", "/value/a%0d", "/value/%00", "/to/a%0d%0ab:c"]
    {
        let response = client.get(path);
        is_error_without(&response, path);
        client.get("/").says("hello");
    }
    client.get("/value/plain").says("told");
}

fn is_error_without(response: &Response, path: &str) {
    assert_eq!(response.status, 500, "{path}");
    for name in ["set-cookie", "x-value", "location", "b", "c"] {
        assert_eq!(response.header(name), None, "{path}");
    }
}

fn rustsec_2020_0008_a_body_without_framing(on: Backend) {
    let server = guarded(on);
    let mut client = server.connect();
    // Without a length a GET has no body: what follows is a request, of the same client, and is seen as one.
    client.send(request("/") + &request("/unread"));
    client.response().says("hello");
    client.response().says("unread");
    // With one it has, and what is in it is none.
    let body = hidden();
    for path in ["/read", "/read-fn", "/unread", "/unread-fn", "/"] {
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        client.response().with_status(200);
        client.get("/").says("hello");
    }
    server.is_unharmed();
}

fn rustsec_2020_0031_malformed_transfer_encoding(on: Backend) {
    let server = guarded(on);
    for field in [
        "transfer-encoding : chunked",
        "transfer-encoding\t: chunked",
        " transfer-encoding: chunked",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunkedx",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding: chunked\0",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked;q=1",
        "transfer-encoding:",
        "transfer-encoding:\r\n chunked",
        "transfer-encoding: chunked\rx: y",
        "transfer-encoding: chunked\nx: y",
        "transfer\u{2d}encoding: identity",
    ] {
        server.refuses(&chunked(&format!("{field}\r\n")), &[400, 501]);
        server.refuses(&chunked(&format!("content-length: 5\r\n{field}\r\n")), &[400, 501]);
    }
}

fn rustsec_2020_0093_a_long_body_that_is_not_read(on: Backend) {
    let server = guarded(on);
    // As many as to lie across every buffer on the way, and beyond what is drained.
    for length in [1 << 10, 60 << 10, 64 << 10, 200 << 10, 600 << 10] {
        for path in ["/unread", "/unread-fn", "/missing"] {
            let mut body = hidden().repeat(length / hidden().len() + 1);
            // At any offset there is one that begins there.
            body.truncate(length);
            let mut client = server.connect();
            _ = client.try_send(upload(path, &body) + &request("/"));
            let response = client.response();
            assert_ne!(response.text(), "smuggled");
            if response.closes() {
                client.is_cut();
            } else {
                client.response().says("hello");
            }
            server.is_unharmed();
        }
    }
}

fn rustsec_2021_0020_several_transfer_encodings(on: Backend) {
    let server = guarded(on);
    for fields in [
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\nx: y\r\nTransfer-Encoding: cow\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
    ] {
        server.refuses(&chunked(fields), &[400, 501]);
    }
}

fn rustsec_2021_0078_lenient_content_length(on: Backend) {
    let server = guarded(on);
    for length in
        ["+3", "-3", "3, 3", "3,", "3 3", "0x3", "3.0", "3;", "", "\u{663}", "1_0", "3\x0b", "\"3\""]
    {
        let bytes = format!("POST /read HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\nabc");
        server.refuses(&bytes, &[400]);
    }
    server.refuses(
        "POST /read HTTP/1.1\r\nhost: t\r\ncontent-length: 18446744073709551619\r\n\r\nabc",
        &[400, 413],
    );
}

fn rustsec_2021_0079_a_chunk_size_that_overflows(on: Backend) {
    let server = guarded(on);
    for size in ["10000000000000003", "fffffffffffffffff3", "100000000000000000000000000000003"] {
        for path in ["/read", "/read-fn", "/pieces"] {
            let bytes = format!(
                "POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{size}\r\nabc\r\n0\r\n\r\n"
            );
            server.refuses(&bytes, &[400, 413]);
        }
    }
}

fn rustsec_2021_0081_two_framings(on: Backend) {
    let server = guarded(on);
    for fields in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5\r\ncontent-length: 5\r\n",
        "content-length: 5\r\nContent-Length : 50\r\n",
        "transfer-encoding: chunked\r\ncontent-length: x\r\n",
    ] {
        server.refuses(&chunked(fields), &[400]);
    }
    let one_zero = "POST /read HTTP/1.0\r\nhost: t\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    server.refuses(one_zero, &[400]);
}

fn rustsec_2022_0055_bodies_without_limit(on: Backend) {
    const LIMIT: usize = 2 << 20;
    let server = guarded(on);
    for path in ["/read", "/read-fn", "/text"] {
        // Told by the length: refused before a byte of it.
        let mut client = server.connect();
        client.send(format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n", LIMIT + 1));
        assert!(client.response().with_status(413).closes());
        // Found while it is read, at the first chunk that goes over it.
        let mut client = server.connect();
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send(head + &chunk.repeat(LIMIT >> 16) + "1\r\n");
        assert!(client.response().with_status(413).closes());
    }
    server.is_unharmed();
}

/// That the work for it is linear is counted in `core/src/h1/tests/limits.rs`.
fn rustsec_2023_0065_an_endless_head(on: Backend) {
    let server = guarded(on);
    let mut client = server.connect();
    client.send(
        "GET / HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ",
    );
    for _ in 0..100 {
        // The server may have refused already.
        if client.try_send("x".repeat(200)).is_err() {
            break;
        }
    }
    assert!(client.response().with_status(431).closes());
    server.is_unharmed();
}

fn rustsec_2024_0009_names_and_values_of_the_clients_choice(on: Backend) {
    let server = guarded(on);
    let mut client = server.connect();
    for path in
        ["/name/x-a%0d%0aset-cookie", "/name/x%20a", "/name/b:c", "/name/%c3%a4", "/value/%0d%0a%0d%0ahidden"]
    {
        is_error_without(&client.get(path), path);
        client.get("/").says("hello");
    }
    assert_eq!(client.get("/name/x-a").says("told").header("x-a"), Some("value"));
}

fn rustsec_2025_0037_answers_that_pass_the_body_by(on: Backend) {
    let server = guarded(on);
    let body = hidden();
    let length = body.len();
    // Answered by a handler, as not found, as not allowed, by the router itself, and without a body.
    for line in ["GET /unread", "POST /missing", "POST /", "OPTIONS /", "HEAD /unread", "DELETE /unread-fn"] {
        let mut client = server.connect();
        client.send(
            format!("{line} HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n{body}") + &request("/"),
        );
        let first = if line.starts_with("HEAD") { client.response_to_head() } else { client.response() };
        assert!(!first.closes() && first.text() != "smuggled", "{line}");
        client.response().says("hello");
        // In chunks: there is no telling how much is left, and the connection ends.
        let mut client = server.connect();
        client.send(format!(
            "{line} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n{}",
            request("/")
        ));
        let first = if line.starts_with("HEAD") { client.response_to_head() } else { client.response() };
        assert!(first.closes(), "{line}");
        client.is_cut();
    }
    server.is_unharmed();
}

fn rustsec_2026_0033_an_upgrade_that_was_not_agreed(on: Backend) {
    let server = guarded(on);
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let mut client = server.connect();
    // No 101, and what follows stays HTTP: of the length that was told, and then the next request.
    client.send(format!("GET / HTTP/1.1\r\nhost: t\r\n{upgrade}\r\n") + &request("/unread"));
    client.response().says("hello");
    client.response().says("unread");
    let body = hidden();
    client.send(format!(
        "POST /unread HTTP/1.1\r\nhost: t\r\n{upgrade}content-length: {}\r\n\r\n{body}",
        body.len()
    ));
    client.response().says("unread");
    client.get("/").says("hello");
    // What is no HTTP is refused.
    client.send(format!("GET / HTTP/1.1\r\nhost: t\r\n{upgrade}\r\n\u{81}\u{5}hello\r\n\r\n"));
    client.response().says("hello");
    assert!(client.response().with_status(400).closes());
    server.is_unharmed();
}

fn rustsec_2026_0034_bodies_of_http_1_0(on: Backend) {
    let server = guarded(on);
    // Without a length there is no body, and the close of the client does not make one.
    let mut client = server.connect();
    client.send("POST /read HTTP/1.0\r\nhost: t\r\n\r\n".to_owned() + &hidden()).half_close();
    client.response().says("0");
    client.is_ended();
    let mut client = server.connect();
    client
        .send("POST /read HTTP/1.0\r\nhost: t\r\nconnection: keep-alive\r\n\r\n".to_owned() + &request("/"));
    client.response().says("0");
    client.response().says("hello");
    server.is_unharmed();
    for coding in ["chunked", "identity", "gzip, chunked", "chunked, chunked", "identity, chunked"] {
        let bytes = format!("POST /read HTTP/1.0\r\nhost: t\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
        server.refuses(&bytes, &[400]);
        if coding != "chunked" {
            server.refuses(&chunked(&format!("transfer-encoding: {coding}\r\n")), &[400, 501]);
        }
    }
}

fn rustsec_2026_0181_the_largest_chunk_sizes(on: Backend) {
    let server = guarded(on);
    for size in ["fffffffffffffffd", "fffffffffffffffe", "ffffffffffffffff", "7fffffffffffffff"] {
        // The last path has no limit: there the bytes run out, or the sum of the sizes overflows.
        for path in ["/read", "/read-fn", "/pieces"] {
            for first in ["", "1\r\na\r\n"] {
                let bytes = format!(
                    "POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{first}{size}\r\nabc\r\n0\r\n\r\n"
                );
                server.refuses(&bytes, &[400, 413]);
            }
        }
    }
}

fn http_2_is_refused(on: Backend) {
    let server = guarded(on);
    let mut client = server.connect();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").half_close();
    let response = client.response();
    assert!(matches!(response.status, 400 | 505) && response.closes(), "{response:?}");
    client.is_ended();
    server.is_unharmed();
}
