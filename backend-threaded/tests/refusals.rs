//! Who is told that the server is overloaded, and who is not.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use trijet_core::{Limits, Router, get};
use trijet_threaded::{Server, ServerHandle};

const PATIENCE: Duration = Duration::from_secs(10);

fn connect(server: &ServerHandle) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn rest(mut stream: &TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
fn idle_connections_are_closed_silently_however_many_there_are() {
    let limits = Limits { blocking_queue_max: 2, ..Limits::default() };
    let server = Server::new(Router::new().route("/", get(async || "hello")))
        .workers(1)
        .limits(limits)
        .start("127.0.0.1:0")
        .unwrap();
    let clients: Vec<TcpStream> = (0..50)
        .map(|_| {
            let client = connect(&server);
            (&client).write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"hello") {
                let mut byte = [0];
                (&client).read_exact(&mut byte).unwrap();
                answer.push(byte[0]);
            }
            client
        })
        .collect();
    // Nothing depends on this pause: after some ticks more of them are parked, and the test is sharper.
    thread::sleep(Duration::from_millis(200));
    server.shutdown();
    let said: Vec<String> = clients.iter().map(rest).filter(|said| !said.is_empty()).collect();
    assert!(said.is_empty(), "{} of 50 were told something, such as {:?}", said.len(), said[0]);
    server.wait().unwrap();
}

#[test]
fn a_connection_that_has_asked_nothing_is_not_refused() {
    let (begin, begun) = mpsc::channel();
    let (go_on, held) = mpsc::channel::<()>();
    let (begin, held) = (Mutex::new(begin), Mutex::new(held));
    let hold = Arc::new(move || {
        begin.lock().unwrap().send(()).unwrap();
        held.lock().unwrap().recv().unwrap();
    });
    let limits = Limits { blocking_queue_timeout: Duration::from_millis(100), ..Limits::default() };
    let router = Router::new().route("/hold", get(move || hold())).route("/", get(async || "hello"));
    let server = Server::new(router).workers(1).limits(limits).start("127.0.0.1:0").unwrap();
    let holding = connect(&server);
    (&holding).write_all(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    begun.recv().unwrap();
    // The only thread is taken: both wait for it, longer than they may.
    let silent = connect(&server);
    let asking = connect(&server);
    (&asking).write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(rest(&asking).starts_with("HTTP/1.1 503 "));
    go_on.send(()).unwrap();
    (&silent).write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let answer = rest(&silent);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    server.shutdown_now();
    server.wait().unwrap();
}
