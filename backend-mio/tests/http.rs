//! The backend under core's driver: real sockets, real requests, each written as bytes.

use std::{
    collections::HashMap,
    future::poll_fn,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Barrier, mpsc},
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use trijet_core::{Limits, Router, get};
use trijet_mio::{Server, ServerHandle};

const PATIENCE: Duration = Duration::from_secs(10);

struct Client(TcpStream);

impl Client {
    fn connect(server: &ServerHandle) -> Self {
        let stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn send(&mut self, path: &str) {
        // In one piece: several small ones would each wait for the peer's delayed acknowledgement.
        self.0.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).unwrap();
    }

    /// The next response's head and body.
    fn response(&mut self) -> (String, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    fn ask(&mut self, path: &str) -> String {
        self.send(path);
        self.response().1
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

async fn hello() -> &'static str {
    "Hello, World!"
}

async fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

fn blocking_thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

/// A handler that tells when it has begun, and goes on when its waker is woken.
fn parking() -> (Router, mpsc::Receiver<Waker>) {
    let (send, parked) = mpsc::channel();
    let parks = move || {
        let send = send.clone();
        async move {
            let mut begun = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut begun, true) {
                    return Poll::Ready(());
                }
                send.send(cx.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
            "parked"
        }
    };
    (Router::new().route("/", get(hello)).route("/park", get(parks)), parked)
}

fn stop(server: &ServerHandle) {
    server.shutdown();
    server.wait().unwrap();
}

#[test]
fn requests_are_kept_alive_and_pipelined() {
    let router = Router::new().route("/", get(hello)).route("/thread", get(thread_name));
    let server = Server::new(router).workers(2).start("127.0.0.1:0").unwrap();
    let mut client = Client::connect(&server);
    for _ in 0..100 {
        assert_eq!(client.ask("/"), "Hello, World!");
    }
    // More than one turn may serve.
    for _ in 0..50 {
        client.send("/");
        client.send("/thread");
    }
    for _ in 0..50 {
        assert_eq!(client.response().1, "Hello, World!");
        assert!(client.response().1.starts_with("trijet-mio-"));
    }
    stop(&server);
}

#[test]
fn an_end_with_the_request_still_gets_the_answer() {
    let server = Server::new(Router::new().route("/", get(hello))).start("127.0.0.1:0").unwrap();
    for _ in 0..200 {
        let mut client = Client::connect(&server);
        client.send("/");
        client.0.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.response().1, "Hello, World!");
        assert_eq!(client.rest(), "");
    }
    stop(&server);
}

#[test]
fn plain_functions_run_on_the_pool_and_a_full_pool_answers_503() {
    let gate = Arc::new(Barrier::new(2));
    let (send, begun) = mpsc::channel();
    let held = gate.clone();
    let block = move || {
        send.send(()).unwrap();
        held.wait();
        "done"
    };
    let router = Router::new()
        .route("/", get(hello))
        .route("/thread", get(blocking_thread_name))
        .route("/block", get(block));
    let limits = Limits { blocking_threads_max: 1, blocking_queue_max: 0, ..Limits::default() };
    let server = Server::new(router).workers(1).limits(limits).start("127.0.0.1:0").unwrap();
    let mut first = Client::connect(&server);
    assert_eq!(first.ask("/thread"), "trijet-blocking");
    first.send("/block");
    begun.recv_timeout(PATIENCE).unwrap();
    let mut second = Client::connect(&server);
    assert_eq!(second.ask("/"), "Hello, World!", "the loop goes on");
    second.send("/block");
    assert!(second.response().0.starts_with("http/1.1 503"));
    gate.wait();
    assert_eq!(first.response().1, "done");
    stop(&server);
}

#[test]
fn a_handler_is_woken_from_another_thread_after_a_half_close() {
    let (router, parked) = parking();
    let server = Server::new(router).start("127.0.0.1:0").unwrap();
    let mut client = Client::connect(&server);
    client.send("/park");
    let waker = parked.recv_timeout(PATIENCE).unwrap();
    client.0.shutdown(Shutdown::Write).unwrap();
    thread::spawn(move || waker.wake()).join().unwrap();
    assert_eq!(client.response().1, "parked");
    assert_eq!(client.rest(), "");
    stop(&server);
}

#[test]
fn a_stop_closes_idle_connections_and_finishes_requests() {
    let (router, parked) = parking();
    let server = Server::new(router).workers(2).start("127.0.0.1:0").unwrap();
    let mut idle: Vec<_> = (0..8).map(|_| Client::connect(&server)).collect();
    for client in &mut idle[..4] {
        assert_eq!(client.ask("/"), "Hello, World!");
    }
    let mut busy: Vec<_> = (0..4).map(|_| Client::connect(&server)).collect();
    let held: Vec<_> = busy
        .iter_mut()
        .map(|client| {
            client.send("/park");
            parked.recv_timeout(PATIENCE).unwrap()
        })
        .collect();
    server.shutdown();
    assert!(idle.iter_mut().all(|client| client.rest().is_empty()));
    held.into_iter().for_each(Waker::wake);
    for client in &mut busy {
        let (head, body) = client.response();
        assert!(head.contains("connection: close"), "{head}");
        assert_eq!((body.as_str(), client.rest().as_str()), ("parked", ""));
    }
    server.wait().unwrap();
}

#[test]
fn over_the_limit_connections_wait_until_one_ends() {
    let (router, parked) = parking();
    let limits = Limits { connections_max: Some(1), ..Limits::default() };
    let server = Server::new(router).workers(2).limits(limits).start("127.0.0.1:0").unwrap();
    let mut first = Client::connect(&server);
    assert_eq!(first.ask("/"), "Hello, World!");
    let mut second = Client::connect(&server);
    second.send("/park");
    for _ in 0..10 {
        assert_eq!(first.ask("/"), "Hello, World!");
    }
    assert!(parked.try_recv().is_err());
    drop(first);
    parked.recv_timeout(PATIENCE).unwrap().wake();
    assert_eq!(second.response().1, "parked");
    stop(&server);
}

#[test]
fn three_hundred_connections_are_spread_evenly() {
    let server =
        Server::new(Router::new().route("/", get(thread_name))).workers(2).start("127.0.0.1:0").unwrap();
    let mut clients: Vec<_> = (0..300).map(|_| Client::connect(&server)).collect();
    let mut counts = HashMap::<String, usize>::new();
    for client in &mut clients {
        *counts.entry(client.ask("/")).or_default() += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [150, 150]);
    stop(&server);
}
