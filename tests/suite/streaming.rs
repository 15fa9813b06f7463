//! Large bodies in both directions, piece by piece: every byte is compared, none is kept.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::mpsc::channel,
    thread,
};

use futures_util::stream;
use trijet::{Backend, Body, BodyError, Limits, Router, get, post};

use crate::common::{
    PATIENCE,
    client::Client,
    pattern::{Pattern, Reader},
    server::{Running, start, start_with},
};

on_every_backend!(
    uploads_through_a_fn,
    uploads_through_an_async_fn,
    downloads_from_a_stream,
    downloads_from_an_iterator,
    downloads_from_a_reader,
    echo_while_it_comes,
    a_tiny_buffer_changes_nothing,
    two_iterators_may_wait_for_each_other,
);

const LENGTH: u64 = 64 << 20;

/// Reads on the thread, and gives how many bytes were right.
fn count(body: Body) -> Result<String, BodyError> {
    let mut reader = body.reader();
    let mut pattern = Pattern::default();
    let mut buffer = vec![0; 50_000];
    loop {
        let count = reader.read(&mut buffer).map_err(|_| BodyError::Disconnected)?;
        if count == 0 {
            return Ok(pattern.position().to_string());
        }
        assert!(pattern.matches(&buffer[..count]), "near {}", pattern.position());
    }
}

async fn count_async(mut body: Body) -> Result<String, BodyError> {
    let mut pattern = Pattern::default();
    while let Some(piece) = body.next().await {
        assert!(pattern.matches(&piece?), "near {}", pattern.position());
    }
    Ok(pattern.position().to_string())
}

async fn from_stream() -> Body {
    Body::from_stream(stream::iter(Reader::new(LENGTH)))
}

fn app() -> Router {
    Router::new()
        .route("/fn", post(count).body_limit(u64::MAX))
        .route("/async", post(count_async).body_limit(u64::MAX))
        .route("/stream", get(from_stream))
        .route("/iter", get(|| Body::from_iter(Reader::new(LENGTH))))
        .route("/reader", get(|| Body::from_reader(Reader::new(LENGTH))))
        .route("/echo", post(async |body: Body| body).body_limit(u64::MAX))
}

#[derive(Clone, Copy)]
enum Framing {
    Length,
    Chunked,
}

fn head(path: &str, framing: Framing, length: u64) -> String {
    let framing = match framing {
        Framing::Length => format!("content-length: {length}"),
        Framing::Chunked => "transfer-encoding: chunked".to_owned(),
    };
    format!("POST {path} HTTP/1.1\r\nhost: t\r\n{framing}\r\n\r\n")
}

fn send_body(mut stream: &TcpStream, framing: Framing, length: u64) {
    let mut sent = Pattern::default();
    while sent.position() < length {
        let rest = usize::try_from(length - sent.position()).unwrap();
        let piece = sent.piece(rest.min(61_003));
        match framing {
            Framing::Length => stream.write_all(piece).unwrap(),
            Framing::Chunked => {
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
                stream.write_all(&chunk).unwrap();
            }
        }
    }
    if let Framing::Chunked = framing {
        stream.write_all(b"0\r\n\r\n").unwrap();
    }
}

fn upload(server: &Running, path: &str) {
    let mut client = server.connect();
    for framing in [Framing::Length, Framing::Chunked] {
        client.send(head(path, framing, LENGTH));
        send_body(client.stream(), framing, LENGTH);
        client.response().says(&LENGTH.to_string());
    }
}

fn uploads_through_a_fn(on: Backend) {
    upload(&start(on, app()), "/fn");
}

fn uploads_through_an_async_fn(on: Backend) {
    upload(&start(on, app()), "/async");
}

fn check_body(client: &mut Client, length: u64) {
    let head = client.head().with_status(200);
    let mut received = Pattern::default();
    client.body(head.ending(), |piece| assert!(received.matches(piece), "near {}", received.position()));
    client.end_of_chunks(head.ending());
    assert_eq!(received.position(), length);
}

fn download(on: Backend, path: &str) {
    let server = start(on, app());
    let mut client = server.connect();
    client.send(crate::common::client::get(path));
    check_body(&mut client, LENGTH);
    client.send(head("/async", Framing::Length, 0)).response().says("0");
}

fn downloads_from_a_stream(on: Backend) {
    download(on, "/stream");
}

fn downloads_from_an_iterator(on: Backend) {
    download(on, "/iter");
}

fn downloads_from_a_reader(on: Backend) {
    download(on, "/reader");
}

fn echo_while_it_comes(on: Backend) {
    let server = start(on, app());
    for framing in [Framing::Length, Framing::Chunked] {
        let mut client = server.connect();
        client.send(head("/echo", framing, LENGTH / 2));
        let sender = client.sender();
        let sending = thread::spawn(move || send_body(&sender, framing, LENGTH / 2));
        check_body(&mut client, LENGTH / 2);
        sending.join().unwrap();
    }
}

/// With marks of a byte the body stream waits after every piece: the way back from waiting is tried
/// at each.
fn a_tiny_buffer_changes_nothing(on: Backend) {
    let limits = Limits { output_high_bytes: 1, output_low_bytes: 0, turn_bytes_max: 1, ..Limits::default() };
    let server = start_with(on, app(), limits);
    let mut client = server.connect();
    for path in ["/stream", "/iter"] {
        client.send(crate::common::client::get(path));
        check_body(&mut client, LENGTH);
    }
    let length = 1 << 20;
    for path in ["/fn", "/async"] {
        client.send(head(path, Framing::Chunked, length));
        send_body(client.stream(), Framing::Chunked, length);
        client.response().says(&length.to_string());
    }
}

/// Each has a thread, whichever of them is asked first.
fn two_iterators_may_wait_for_each_other(on: Backend) {
    const PIECES: usize = 3;
    fn both(is_turned: bool) -> Body {
        let (send, receive) = channel();
        let waits = (0..PIECES).map(move |_| receive.recv_timeout(PATIENCE).map_err(io::Error::other));
        let tells = (0..PIECES).map(move |_| send.send("piece").map(|()| "piece").map_err(io::Error::other));
        let mut bodies = [Body::from_iter(waits), Body::from_iter(tells)];
        if is_turned {
            bodies.reverse();
        }
        let [first, second] = bodies.map(Body::into_stream);
        Body::from_stream(stream::select(first, second))
    }
    let app = Router::new().route("/", get(|| both(false))).route("/turned", get(|| both(true)));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/", "/turned", "/"] {
        client.get(path).says(&"piece".repeat(2 * PIECES));
    }
}
