//! What a task may take from Tokio in one poll may be used up at any point: nothing that a connection waits for is lost.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use trijet_core::{Limits, Router, get};
use trijet_tokio::Server;

/// A timer that is polled without any of it left is not armed by that.
#[test]
fn an_idle_connection_is_closed_whatever_its_handler_has_taken() {
    // Tokio gives 128, of which a turn takes a few itself.
    for units in 120..=128 {
        let takes = move || async move {
            for _ in 0..units {
                tokio::task::coop::consume_budget().await;
            }
        };
        let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
        let router = Router::new().route("/", get(takes));
        let server = Server::new(router).workers(1).limits(limits).start("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        // Only so that a failing test ends.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = String::new();
        let closed = stream.read_to_string(&mut answer);
        assert!(closed.is_ok() && answer.starts_with("HTTP/1.1 200 OK\r\n"), "{units}: {closed:?}, {answer}");
        server.shutdown();
        server.wait().unwrap();
    }
}
