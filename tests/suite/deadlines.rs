//! Time limits: each is absolute in its phase, so that a peer that drips cannot put it off. A drip goes
//! on far longer than the limit; an answer within that is the limit's.

use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures_util::stream;
use trijet::{Backend, Body, BodyError, Bytes, Limits, Router, get, post};

use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    pattern::Pattern,
    server::{start_with, unhurried},
};

on_every_backend!(
    a_head_that_never_ends,
    a_dripped_head_that_never_ends,
    a_dripped_head_in_time_is_served,
    the_next_head_has_a_time_of_its_own,
    an_idle_connection_is_closed_silently,
    a_body_that_stalls,
    a_body_that_drips,
    a_rest_that_never_comes_is_not_waited_for,
    a_reader_that_stalls,
    a_reader_that_drips,
);

const SHORT: Duration = Duration::from_millis(300);
/// Later than any of the deadlines, on a busy machine too.
const LATE: Duration = Duration::from_secs(5);

fn read_fn(body: Body) -> Result<String, BodyError> {
    let mut text = Vec::new();
    match std::io::Read::read_to_end(&mut body.reader(), &mut text) {
        Ok(count) => Ok(count.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err(BodyError::Timeout),
        Err(_) => Err(BodyError::Disconnected),
    }
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello").post(async || "not read"))
        .route("/bytes", post(async |body: Bytes| body.len().to_string()))
        .route("/fn-bytes", post(|body: Bytes| body.len().to_string()))
        .route("/read", post(read_fn))
}

/// Sends bytes one at a time until it is stopped, the peer is gone, or it is clearly too late.
struct Drip {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drip {
    fn start(mut stream: TcpStream, every: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let start = Instant::now();
            while !stopped.load(Ordering::Relaxed) && start.elapsed() < LATE && stream.write_all(b"x").is_ok()
            {
                thread::sleep(every);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Faster and slower than any tick of a backend.
const DRIPS: [Duration; 2] = [Duration::from_millis(3), Duration::from_millis(40)];

#[track_caller]
fn is_408_in_time(client: &mut Client, start: Instant) {
    let answer = client.response().with_status(408);
    let elapsed = start.elapsed();
    assert!(elapsed < LATE && elapsed >= SHORT * 9 / 10, "{elapsed:?}");
    assert!(answer.closes());
    client.is_ended();
}

fn a_head_that_never_ends(on: Backend) {
    let server = start_with(on, app(), Limits { head_timeout: SHORT, ..unhurried() });
    for part in ["G", "GET / HTTP/1.1\r\nhost: t\r\n", "\r\nG"] {
        let mut client = server.connect();
        let start = Instant::now();
        is_408_in_time(client.send(part), start);
    }
}

fn a_dripped_head_that_never_ends(on: Backend) {
    let server = start_with(on, app(), Limits { head_timeout: SHORT, linger_timeout: SHORT, ..unhurried() });
    for every in DRIPS {
        let mut client = server.connect();
        let start = Instant::now();
        client.send("GET / HTTP/1.1\r\nx: ");
        let _drip = Drip::start(client.sender(), every);
        is_408_in_time(&mut client, start);
    }
}

fn a_dripped_head_in_time_is_served(on: Backend) {
    let server = start_with(on, app(), unhurried());
    let mut client = server.connect();
    for byte in request("/").as_bytes() {
        client.send([*byte]);
        thread::yield_now();
    }
    client.response().says("hello");
}

fn the_next_head_has_a_time_of_its_own(on: Backend) {
    // Much longer than a busy machine oversleeps; four heads take longer than one may.
    const ALLOWED: Duration = Duration::from_secs(2);
    let server = start_with(on, app(), Limits { head_timeout: ALLOWED, ..unhurried() });
    let mut client = server.connect();
    for _ in 0..4 {
        client.send("GET / HTTP/1.1\r\n");
        thread::sleep(ALLOWED / 3);
        client.send("host: t\r\n\r\n").response().says("hello");
    }
}

fn an_idle_connection_is_closed_silently(on: Backend) {
    let server = start_with(on, app(), Limits { idle_timeout: SHORT, ..unhurried() });
    let start = Instant::now();
    let mut silent = server.connect();
    let mut used = server.connect();
    used.get("/").says("hello");
    for client in [&mut silent, &mut used] {
        client.is_ended();
        let elapsed = start.elapsed();
        assert!(elapsed >= SHORT * 9 / 10 && elapsed < LATE, "{elapsed:?}");
    }
}

const FRAMINGS: [(&str, &str); 2] = [
    ("content-length: 1000000", "some"),
    // The chunk is as long as the other body, and begins in the same way.
    ("transfer-encoding: chunked", "f4240\r\nsome"),
];

fn head(path: &str, framing: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: t\r\n{framing}\r\n\r\n")
}

fn a_body_that_stalls(on: Backend) {
    let server = start_with(on, app(), Limits { stall_timeout: SHORT, ..unhurried() });
    let mut clients = Vec::new();
    for path in ["/bytes", "/fn-bytes", "/read"] {
        for (framing, body) in FRAMINGS {
            for body in ["", body] {
                let (mut client, start) = (server.connect(), Instant::now());
                client.send(head(path, framing) + body);
                clients.push((client, start));
            }
        }
    }
    for (mut client, start) in clients {
        is_408_in_time(&mut client, start);
    }
}

fn a_body_that_drips(on: Backend) {
    let limits = Limits {
        progress_grace: SHORT,
        progress_bytes_per_second_min: 100_000,
        linger_timeout: SHORT,
        ..unhurried()
    };
    let server = start_with(on, app(), limits);
    let mut clients = Vec::new();
    for path in ["/bytes", "/fn-bytes", "/read"] {
        for (framing, body) in FRAMINGS {
            for every in DRIPS {
                let (mut client, start) = (server.connect(), Instant::now());
                client.send(head(path, framing) + body);
                let drip = Drip::start(client.sender(), every);
                clients.push((client, start, drip));
            }
        }
    }
    for (mut client, start, _drip) in clients {
        is_408_in_time(&mut client, start);
    }
}

fn a_rest_that_never_comes_is_not_waited_for(on: Backend) {
    let server = start_with(on, app(), Limits { stall_timeout: SHORT, ..unhurried() });
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\nsome");
    assert!(!client.response().says("not read").closes());
    client.is_ended();
}

/// A download that tells how much of it was made, and when it is dropped.
fn endless(made: &Arc<AtomicU64>, dropped: &mpsc::Sender<()>) -> Router {
    struct Made(Arc<AtomicU64>, mpsc::Sender<()>);
    impl Drop for Made {
        fn drop(&mut self) {
            _ = self.1.send(());
        }
    }
    let (made, dropped) = (made.clone(), dropped.clone());
    let pieces = move || {
        let made = Made(made.clone(), dropped.clone());
        std::iter::repeat_with(move || {
            made.0.fetch_add(16 << 10, Ordering::Relaxed);
            std::io::Result::Ok(Pattern::default().piece(16 << 10))
        })
    };
    let also_pieces = pieces.clone();
    Router::new()
        .route("/stream", get(move || std::future::ready(Body::from_stream(stream::iter(pieces())))))
        .route("/iter", get(move || Body::from_iter(also_pieces())))
}

fn a_reader_that_stalls(on: Backend) {
    let (made, (dropped, drops)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
    let server = start_with(on, endless(&made, &dropped), Limits { stall_timeout: SHORT, ..unhurried() });
    for path in ["/stream", "/iter"] {
        made.store(0, Ordering::Relaxed);
        let mut client = Client::connect_narrow(server.address());
        client.send(request(path));
        drops.recv_timeout(PATIENCE).expect("the reader is given up");
        // It was made only as fast as it was taken: what the system's own buffers hold, and 64 KiB.
        let made = made.load(Ordering::Relaxed);
        assert!(made < 12 << 20, "{made} bytes were made for a client that read none");
        client.is_cut();
    }
}

fn a_reader_that_drips(on: Backend) {
    let (made, (dropped, drops)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
    let limits = Limits { progress_grace: SHORT, progress_bytes_per_second_min: 200_000_000, ..unhurried() };
    let server = start_with(on, endless(&made, &dropped), limits);
    for path in ["/stream", "/iter"] {
        let mut client = Client::connect_narrow(server.address());
        client.send(request(path));
        let start = Instant::now();
        while drops.try_recv().is_err() {
            assert!(start.elapsed() < LATE, "{path}: a reader at a hundredth of the rate is still served");
            client.read_some(1 << 10);
            thread::sleep(Duration::from_millis(5));
        }
        client.is_cut();
    }
}
