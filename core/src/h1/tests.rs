//! Tests of the engine. Each row of a table is a request that names itself; it is played whole, byte by
//! byte, twice, and with a request behind it, and nothing of the outcome may depend on that.

mod known;
mod limits;
mod requests;
mod responses;

use std::time::{Duration, SystemTime};

use super::*;

/// What the tests put behind a request.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// How a request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Whole,
    ByteByByte,
}

fn wall_clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// A server without I/O: it reads each body to its end and answers 200 with an empty body.
struct Server {
    connection: Connection,
    body: Vec<u8>,
    log: Vec<String>,
    is_over: bool,
}

impl Server {
    fn new(limits: &Limits) -> Self {
        let connection = Connection::new(limits.clone().into());
        Self { connection, body: Vec::new(), log: Vec::new(), is_over: false }
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_over {
            let space = self.connection.input_space();
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.connection.receive(count);
            bytes = &bytes[count..];
            self.go_on();
        }
    }

    fn receive_end(&mut self) {
        self.connection.receive_end();
        self.go_on();
    }

    fn go_on(&mut self) {
        while !self.is_over {
            match self.connection.next_event() {
                Event::NeedData => return,
                Event::Request => {
                    let head = self.connection.request().unwrap();
                    let expect = if head.expect() == Expect::Continue { " expects 100" } else { "" };
                    let parts = head.parts().unwrap();
                    self.log.push(format!("{} {}{expect}", parts.method, parts.uri));
                    let limit = self.connection.limits.body_bytes_max;
                    if self.connection.limit_body(limit).is_err() {
                        self.end("too large by its length");
                    }
                }
                Event::Data(data) => self.body.extend_from_slice(&data),
                Event::EndOfMessage(trailers) => {
                    if !self.body.is_empty() {
                        let body = std::mem::take(&mut self.body);
                        self.log.push(format!("{:?}", String::from_utf8_lossy(&body)));
                    }
                    for (name, value) in trailers.iter().flatten() {
                        self.log.push(format!("{name}={}", value.to_str().unwrap()));
                    }
                    self.answer();
                }
                Event::BodyFailed(fault) => {
                    let body = std::mem::take(&mut self.body);
                    self.end(&format!("{fault:?} after {:?}", String::from_utf8_lossy(&body)));
                }
                Event::Refused(refusal) => self.end(refusal.status.as_str()),
                Event::Truncated => self.end("truncated"),
                Event::Closed => self.end("closed"),
            }
        }
    }

    fn answer(&mut self) {
        let connection = &mut self.connection;
        connection.settle();
        let none = HeaderMap::new();
        connection.send_response(
            StatusCode::OK,
            &none,
            BodyLength::Known(0),
            KeepAlive::Implied,
            wall_clock(),
        );
        connection.send_end(None).unwrap();
        match connection.after_exchange() {
            AfterExchange::Next => connection.end_exchange(),
            AfterExchange::Drain | AfterExchange::Close => self.end("close"),
        }
    }

    fn end(&mut self, how: &str) {
        self.log.push(how.to_owned());
        self.is_over = true;
    }
}

/// What `bytes` come to.
fn outcome(bytes: &[u8], arrival: Arrival, limits: &Limits) -> String {
    let mut server = Server::new(limits);
    match arrival {
        Arrival::Whole => server.receive(bytes),
        Arrival::ByteByByte => bytes.chunks(1).for_each(|byte| server.receive(byte)),
    }
    server.receive_end();
    server.log.join(", ")
}

/// Plays one row.
///
/// # Panics
/// If the outcome is not the one expected, or depends on how the bytes come.
fn check(name: &str, request: &[u8], expected: &str, limits: &Limits) {
    for arrival in [Arrival::Whole, Arrival::ByteByByte] {
        assert_eq!(outcome(request, arrival, limits), expected, "{name}, {arrival:?}");
    }
    let (twice, behind) = match expected.strip_suffix("closed") {
        Some(kept) => (format!("{kept}{expected}"), format!("{kept}GET /next, closed")),
        // What is not whole is another request with something behind it.
        None if expected.contains("runcated") => return,
        None => (expected.to_owned(), expected.to_owned()),
    };
    for (second, expected, what) in [(request, twice, "twice"), (NEXT, behind, "with a request behind it")] {
        for arrival in [Arrival::Whole, Arrival::ByteByByte] {
            let bytes = [request, second].concat();
            assert_eq!(outcome(&bytes, arrival, limits), expected, "{name}, {arrival:?}, {what}");
        }
    }
}

fn check_all(rows: &[(&str, &str, &str)]) {
    for (name, request, expected) in rows {
        check(name, request.as_bytes(), expected, &Limits::default());
    }
}
