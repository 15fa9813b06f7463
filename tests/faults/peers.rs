//! Peers that are slow, stop, leave, reset, speak another protocol or nothing at all, and a system that
//! gives and takes a few bytes at a time, or interrupts every call.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    process::Command,
    thread,
    time::Duration,
};

use futures_util::stream;
use socket2::SockRef;
use trijet::{Backend, Body, BodyError, Bytes, Limits, Router, get, post};

use crate::common::{
    client::{Client, get as request, post as upload, post_chunked},
    oracle::{Bystanders, Oracle},
    pattern::{Pattern, Reader},
    server::unhurried,
};

in_children_on_every_backend!(
    ":":
    slow_readers,
    slow_senders,
    stalls,
    half_closes,
    resets_at_every_phase,
    tls_and_http_2_on_a_plain_port,
    a_mebibyte_of_noise,
    short_reads_and_writes,
    interrupted_calls,
);

const LENGTH: u64 = 2 << 20;
const SHORT: Duration = Duration::from_millis(500);

fn count(body: Body, mut take: impl FnMut(&[u8])) -> Result<String, BodyError> {
    let mut total = 0;
    let mut piece = [0; 10_000];
    let mut reader = body.reader();
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(total.to_string()),
            Ok(count) => {
                total += count;
                take(&piece[..count]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Err(BodyError::Timeout),
            Err(_) => return Err(BodyError::Disconnected),
        }
    }
}

fn read(body: Body) -> Result<String, BodyError> {
    count(body, |_| {})
}

/// As `read`, of the pattern.
fn read_checked(body: Body) -> Result<String, BodyError> {
    let mut pattern = Pattern::default();
    count(body, |piece| assert!(pattern.matches(piece)))
}

async fn collect(body: Bytes) -> String {
    body.len().to_string()
}

/// As `collect`, of the pattern.
async fn check(body: Bytes) -> String {
    assert!(Pattern::default().matches(&body));
    body.len().to_string()
}

fn endless() -> std::iter::RepeatWith<impl FnMut() -> std::io::Result<&'static [u8]>> {
    std::iter::repeat_with(|| Ok(Pattern::default().piece(16 << 10)))
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/fn", get(|| "hello"))
        .route("/collect", post(collect))
        .route("/read", post(read))
        .route("/check", post(check))
        .route("/check/fn", post(read_checked))
        .route("/download", get(async || Body::from_stream(stream::iter(Reader::new(LENGTH)))))
        .route("/download/fn", get(|| Body::from_reader(Reader::new(LENGTH))))
        .route("/endless", get(async || Body::from_stream(stream::iter(endless()))))
        .route("/endless/fn", get(|| Body::from_iter(endless())))
}

const DOWNLOADS: [&str; 2] = ["/download", "/download/fn"];
const UPLOADS: [&str; 2] = ["/collect", "/read"];
const CHECKED: [&str; 2] = ["/check", "/check/fn"];

/// Reads the answer, and fails unless it is whole and right.
fn is_whole(client: &mut Client) {
    let head = client.head().with_status(200);
    let mut pattern = Pattern::default();
    client.body(head.ending(), |piece| assert!(pattern.matches(piece)));
    client.end_of_chunks(head.ending());
    assert_eq!(pattern.position(), LENGTH);
}

fn slow_readers(on: Backend) {
    let oracle = Oracle::watch(on, app());
    let mut clients: Vec<Client> =
        (0..20).map(|_| Client::connect_narrow(oracle.server().address())).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(request(DOWNLOADS[index % 2]));
    }
    // A little each, in turn; then all of it, one after the other.
    let mut parts = vec![0; clients.len()];
    for _ in 0..20 {
        for (client, part) in clients.iter_mut().zip(&mut parts) {
            *part += client.take_in();
        }
    }
    assert!(parts.iter().all(|&part| part > 0));
    for client in &mut clients {
        is_whole(client);
    }
}

fn slow_senders(on: Backend) {
    const BODY: u64 = 2_000;
    let oracle = Oracle::watch(on, app());
    let mut clients: Vec<Client> = (0..40).map(|_| oracle.connect()).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        let path = UPLOADS[index % 2];
        client.send(format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {BODY}\r\n\r\n"));
    }
    let mut body = Pattern::default();
    while body.position() < BODY {
        let piece = body.piece(usize::try_from(BODY - body.position()).unwrap().min(97));
        for client in &mut clients {
            client.send(piece);
        }
        thread::yield_now();
    }
    for client in &mut clients {
        client.response().says(&BODY.to_string());
        client.get("/").says("hello");
    }
}

fn stalls(on: Backend) {
    let limits = Limits { stall_timeout: SHORT, linger_timeout: SHORT, ..Limits::default() };
    let oracle = Oracle::watch_with(on, app(), limits, Bystanders::Served);
    let mut senders = Vec::new();
    for path in UPLOADS.into_iter().cycle().take(20) {
        for whole in [upload(path, "some"), post_chunked(path, "some")] {
            let mut client = oracle.connect();
            client.send(whole.split_once("me").expect("the body").0);
            senders.push(client);
        }
    }
    let mut readers: Vec<Client> =
        (0..20).map(|_| Client::connect_narrow(oracle.server().address())).collect();
    for (index, client) in readers.iter_mut().enumerate() {
        client.send(request(["/endless", "/endless/fn"][index % 2])).head().with_status(200);
    }
    for mut client in senders {
        assert!(client.response().with_status(408).closes());
        client.is_ended();
    }
    oracle.await_closed_by_server();
    drop(readers);
}

fn half_closes(on: Backend) {
    let oracle = Oracle::watch(on, app());
    for _ in 0..10 {
        for path in ["/", "/fn"] {
            let mut client = oracle.connect();
            client.send(request(path).repeat(20)).half_close();
            for _ in 0..20 {
                client.response().says("hello");
            }
            client.is_ended();
        }
        for path in UPLOADS {
            for body in [upload(path, ""), post_chunked(path, "").replacen("0\r\n\r\n", "", 1)] {
                let mut client = oracle.connect();
                client.send(body).half_close();
                client.response().says("0");
                client.is_ended();
            }
        }
        for path in DOWNLOADS {
            let mut client = oracle.connect();
            client.send(request(path)).half_close();
            is_whole(&mut client);
            client.is_ended();
        }
        let mut client = oracle.connect();
        client.half_close().is_ended();
    }
}

fn resets_at_every_phase(on: Backend) {
    let oracle = Oracle::watch(on, app());
    let body = upload("/collect", "0123456789");
    let chunks = post_chunked("/read", "0123456789");
    let cuts = |whole: String| (0..=whole.len()).map(move |cut| whole[..cut].to_owned());
    for phase in cuts(body).chain(cuts(chunks)) {
        let mut client = oracle.connect();
        client.send(phase);
        client.reset();
    }
    for path in ["/endless", "/endless/fn", "/download", "/download/fn"] {
        for index in 0..20 {
            let mut client = oracle.connect();
            client.send(request(path).repeat(3));
            if index % 2 == 0 {
                client.head().with_status(200);
                client.read_some(index * 10_000);
            }
            client.reset();
        }
    }
    for path in ["/", "/fn", "/missing"] {
        for _ in 0..50 {
            let mut client = oracle.connect();
            client.send(request(path).repeat(20));
            client.reset();
        }
    }
}

#[track_caller]
fn is_refused(client: &mut Client, status: u16) {
    assert!(client.response().with_status(status).closes());
    client.is_ended();
}

/// The first bytes of a TLS 1.3 handshake: a record of 512 bytes, as clients send it.
fn client_hello() -> Vec<u8> {
    let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    hello.extend_from_slice(Pattern::default().piece(517 - hello.len()));
    hello
}

fn tls_and_http_2_on_a_plain_port(on: Backend) {
    let limits = Limits { head_timeout: SHORT, ..Limits::default() };
    let oracle = Oracle::watch_with(on, app(), limits, Bystanders::Served);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for _ in 0..50 {
        is_refused(oracle.connect().send(preface), 505);
        // A line end among the random bytes, or none until the time is over.
        let mut client = oracle.connect();
        let answer = client.send(client_hello()).response();
        assert!([400, 408].contains(&answer.status) && answer.closes(), "{answer:?}");
        client.is_ended();
        is_refused(oracle.connect().send([&client_hello()[..], b"\r\n\r\n"].concat()), 400);
    }
}

fn a_mebibyte_of_noise(on: Backend) {
    // They are left to end what they send.
    let limits = Limits { linger_timeout: Duration::from_secs(60), ..Limits::default() };
    let oracle = Oracle::watch_with(on, app(), limits, Bystanders::Served);
    let mut noise = Pattern::default();
    for round in 0..16 {
        let mut client = oracle.connect();
        // In pieces of any size, behind a good request or at once.
        if round % 2 == 0 {
            client.send(request("/"));
        }
        let mut rest = 1 << 20;
        while rest > 0 {
            let piece = noise.piece(rest.min(101 + round * 4_001));
            client.send(piece);
            rest -= piece.len();
        }
        if round % 2 == 0 {
            client.response().says("hello");
        }
        assert!(client.response().closes());
        client.is_ended();
    }
}

/// Sends and reads what there is of everything, and fails unless all of it is right.
fn exchanges(address: SocketAddr, upload: u64, connect: fn(SocketAddr) -> Client) {
    let mut client = connect(address);
    for path in CHECKED {
        client.send(format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {upload}\r\n\r\n"));
        let mut body = Pattern::default();
        while body.position() < upload {
            client.send(body.piece(usize::try_from(upload - body.position()).unwrap()));
        }
        client.response().says(&upload.to_string());
    }
    for path in DOWNLOADS {
        client.send(request(path));
        is_whole(&mut client);
    }
    client.send(request("/").repeat(300));
    for _ in 0..300 {
        client.response().says("hello");
    }
}

fn connect_tiny(address: SocketAddr) -> Client {
    let client = Client::connect_narrow(address);
    SockRef::from(client.stream()).set_send_buffer_size(1).unwrap();
    client
}

/// Accepted sockets have the buffers of their listener. Those for reading are not quite as small as the system
/// allows, since it sends next to nothing into a window smaller than a segment.
fn short_reads_and_writes(on: Backend) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_send_buffer_size(1).unwrap();
    SockRef::from(&listener).set_recv_buffer_size(8 << 10).unwrap();
    let oracle = Oracle::watch_on(on, app(), unhurried(), listener);
    let address = oracle.server().address();
    let threads: Vec<_> = (0..4)
        .map(|index| {
            let connect = [connect_tiny, Client::connect][index % 2];
            thread::spawn(move || exchanges(address, 100_000, connect))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A process that is stopped and goes on has its calls interrupted, on Linux: `epoll_wait`, and those on
/// sockets with a timeout. See signal(7).
fn interrupted_calls(on: Backend) {
    let oracle = Oracle::watch(on, app());
    let this = std::process::id();
    let mut stopper = Command::new("sh")
        .args([
            "-c",
            &format!(
                "i=0; while [ $i -lt 300 ] && kill -STOP {this} && kill -CONT {this}; do i=$((i+1)); done"
            ),
        ])
        .spawn()
        .unwrap();
    let address = oracle.server().address();
    let mut rounds = 0;
    while rounds < 2 || stopper.try_wait().unwrap().is_none() {
        exchanges(address, LENGTH, Client::connect);
        rounds += 1;
    }
    assert!(stopper.wait().unwrap().success());
}
