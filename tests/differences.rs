//! The table of known differences in ARCHITECTURE.md, row by row, on each backend: a difference that has gone, one
//! that has come, or a row without a probe turns this red.

#![cfg(all(feature = "threaded", feature = "mio", feature = "tokio"))]

mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, OnceLock, mpsc::channel},
    time::Duration,
};

use common::{
    PATIENCE,
    client::get as request,
    gate::Gate,
    server::{start, start_with, start_workers},
};
use trijet::{Backend, Limits, Router, State, get};

const ARCHITECTURE: &str = include_str!("../ARCHITECTURE.md");
const BACKENDS: [Backend; 3] = [Backend::Threaded, Backend::Mio, Backend::Tokio];

/// What a backend does, in the word that stands in the table.
type Probe = fn(Backend) -> String;

const PROBES: [(&str, Probe); 4] = [
    ("the answer of an `async fn` while all threads are taken and no request may queue", without_a_thread),
    ("a request beside an `async fn` that blocks, with one worker", beside_one_that_blocks),
    (
        "a connection beside an `async fn` that blocks past the end of its server, with one worker",
        beside_one_that_never_lets_go,
    ),
    (OF_TOKIO, a_future_of_tokio),
];

const OF_TOKIO: &str =
    "the answer of a handler that awaits `tokio::time::sleep`, without feature `tokio-context`";

/// The rows of the table, without its head.
fn rows() -> Vec<Vec<&'static str>> {
    let section =
        ARCHITECTURE.split_once("\n## Known differences between the backends\n").expect("the section").1;
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn each_row_is_what_each_backend_does() {
    let rows = rows();
    let subjects: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(subjects, PROBES.map(|(subject, _)| subject));
    for (row, (subject, probe)) in rows.iter().zip(PROBES) {
        let is_gone = subject == OF_TOKIO && cfg!(feature = "tokio-context");
        let told = if is_gone { &["200"; 3] } else { &row[1..] };
        assert_eq!(told, BACKENDS.map(probe), "{subject}");
    }
}

/// On threaded a handler of either kind runs on a thread of the limit; elsewhere only a plain `fn` does.
fn without_a_thread(on: Backend) -> String {
    let (gate, (entered, entries)) = (Gate::default(), channel());
    let hold = gate.clone();
    let held = move || {
        entered.send(()).unwrap();
        hold.wait();
    };
    let app = Router::new().route("/hold", get(held)).route("/", get(async || "hello"));
    let limits = Limits { blocking_threads_max: 1, blocking_queue_max: 0, ..Limits::default() };
    let server = start_with(on, app, limits);
    let mut holder = server.connect();
    holder.send(request("/hold"));
    entries.recv_timeout(PATIENCE).expect("the handler runs");
    let status = server.connect().get("/").status;
    gate.open();
    assert_eq!(holder.response().status, 200);
    status.to_string()
}

/// The handler that blocks is itself the client beside it.
fn beside_one_that_blocks(on: Backend) -> String {
    async fn block(State(address): State<Arc<OnceLock<SocketAddr>>>) -> &'static str {
        let mut beside =
            TcpStream::connect(address.get().expect("it is known")).expect("the kernel takes it");
        beside.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        beside.write_all(request("/").as_bytes()).unwrap();
        match beside.read(&mut [0; 256]) {
            Ok(1..) => "answered",
            _ => "waits",
        }
    }
    let address = Arc::<OnceLock<SocketAddr>>::default();
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/block", get(block))
        .state(Arc::clone(&address));
    let server = match on {
        Backend::Threaded => start(on, app),
        _ => start_workers(on, app, Limits::default(), 1),
    };
    address.set(server.address()).unwrap();
    server.connect().get("/block").text().to_owned()
}

fn beside_one_that_never_lets_go(on: Backend) -> String {
    let (gate, (entered, entries)) = (Gate::default(), channel());
    let hold = gate.clone();
    let block = move || {
        let (entered, hold) = (entered.clone(), hold.clone());
        async move {
            entered.send(()).unwrap();
            hold.wait();
        }
    };
    let app = Router::new().route("/block", get(block)).route("/", get(async || "hello"));
    let server = match on {
        Backend::Threaded => start(on, app),
        _ => start_workers(on, app, Limits::default(), 1),
    };
    let mut beside = server.connect();
    beside.get("/").says("hello");
    let mut holder = server.connect();
    holder.send(request("/block"));
    entries.recv_timeout(PATIENCE).expect("the handler runs");
    server.handle().shutdown_now();
    server.ended();
    let is_open = beside.is_silent();
    gate.open();
    holder.is_cut();
    if is_open { "open" } else { "cut" }.to_owned()
}

fn a_future_of_tokio(on: Backend) -> String {
    let app = Router::new().route("/", get(async || tokio::time::sleep(Duration::ZERO).await));
    start(on, app).connect().get("/").status.to_string()
}
