//! What a server may send that is no answer: each is told, with the exchange. The server is a script.

use std::{
    io::{self, ErrorKind},
    time::{Duration, SystemTime},
};

use trijet_core::sim::{Connect, Connection, TestClient, Wait};

use crate::client::panic_of;

/// Answers every request with these pieces, and then ends in this way.
#[derive(Clone)]
struct Script(&'static [&'static str], End);

#[derive(Clone, Copy)]
enum End {
    Close,
    Reset,
    Silence,
    /// It takes nothing that is sent, and closes.
    Deaf,
}

impl Connect for Script {
    fn name(&self) -> &str {
        "a script"
    }

    fn connect(&self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(self.clone()))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn advance(&self, _: Duration) {}

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn set_patience(&self, _: Duration) {}
}

impl Connection for Script {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        if matches!(self.1, End::Deaf) { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn pause(&mut self, _: Duration) {}

    fn read(&mut self, into: &mut Vec<u8>, _: Wait) -> io::Result<usize> {
        match (self.0.split_first(), self.1) {
            (Some((piece, rest)), _) => {
                self.0 = rest;
                into.extend_from_slice(piece.as_bytes());
                Ok(piece.len())
            }
            (None, End::Close | End::Deaf) => Ok(0),
            (None, End::Reset) => Err(ErrorKind::ConnectionReset.into()),
            (None, End::Silence) => Err(io::Error::new(ErrorKind::TimedOut, "within 3s")),
        }
    }
}

/// What a request for it panics with.
fn told(pieces: &'static [&'static str], end: End) -> String {
    panic_of(|| _ = TestClient::over(Script(pieces, end)).get("/").send())
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn what_is_no_answer_is_told() {
    for (pieces, end, expected) in [
        (&[][..], End::Close, "the server closed the connection without an answer"),
        (&[], End::Reset, "the server closed the connection without an answer, by a reset"),
        (&[], End::Silence, "no answer within 3s"),
        (
            &[],
            End::Deaf,
            "the server closed the connection without an answer; sending failed before: broken pipe",
        ),
        (&["HTTP/1.1 200 OK\r\n"], End::Close, "the server closed the connection within the response's head"),
        (&["HTTP/1.1 200 OK\r\n"], End::Silence, "no answer within 3s"),
        (&["220 mail.example ESMTP\r\n"], End::Silence, "what the server sent is no response"),
        (
            &["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc"],
            End::Close,
            "the server closed the connection within the response",
        ),
        (
            &["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc"],
            End::Reset,
            "the server closed the connection within the response, by a reset",
        ),
        (
            &["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc"],
            End::Silence,
            "no more of the response within 3s",
        ),
        (&["HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab"], End::Close, "1 byte follows the response"),
        (
            &["HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na", "bcd"],
            End::Close,
            "3 bytes follow the response",
        ),
        (
            &["HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na"],
            End::Close,
            "the response has 2 fields content-length",
        ),
        (&[CHUNKED, "3\r\nabc\r\n"], End::Close, "the server closed the connection within the response"),
        (&[CHUNKED, "3\r\nabcd\r\n"], End::Close, "a chunk of 3 bytes has no line end"),
        (&[CHUNKED, "three\r\n"], End::Close, "`three` is no chunk size"),
        (&[CHUNKED, "0\r\n\r\nx"], End::Close, "1 byte follows the response"),
        (
            &["HTTP/1.1 200 OK\r\n\r\nabc"],
            End::Reset,
            "the server closed the connection within the response, by a reset",
        ),
        (&["HTTP/1.1 200 OK\r\n\r\nabc"], End::Silence, "no more of the response within 3s"),
    ] {
        let text = told(pieces, end);
        let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        assert_eq!(first, format!("GET /: {expected}"));
        assert!(rest.starts_with("> GET / HTTP/1.1\n> host: localhost\n\n< "), "{text}");
    }
}

#[test]
fn it_is_shown_as_it_came() {
    let shown = told(&[CHUNKED, "3\r\na\nc\r\n", "\x07\r\n"], End::Close);
    assert_eq!(
        shown,
        "GET /: `\\x07` is no chunk size\n\n\
         > GET / HTTP/1.1\n> host: localhost\n\n\
         < HTTP/1.1 200 OK\n< transfer-encoding: chunked\n<\n\
         < 3\n< a\\nc\n< \\u{7}\n"
    );
}

#[test]
fn what_is_one_is_taken_however_it_is_cut() {
    let interim = &[
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1",
        ".1 200 OK\r\ncontent-length: 2\r\n\r\nh",
        "i",
    ];
    let response = TestClient::over(Script(interim, End::Silence)).get("/").send();
    response.assert_status(200).assert_no_header("link").assert_text("hi");
    assert!(
        response.to_string().contains("< HTTP/1.1 103 Early Hints\n< link: </a>\n<\n< HTTP/1.1 200 OK\n")
    );
    let trailers = &[CHUNKED, "2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"];
    let response = TestClient::over(Script(trailers, End::Close)).get("/").send();
    assert_eq!((response.text(), &response.trailers["x-sum"]), ("hi", &"7".parse().unwrap()));
    assert!(response.to_string().ends_with("<\n< hi\n< (trailer) x-sum: 7\n"));
    let to_the_end = &["HTTP/1.1 200 OK\r\n\r\n", "ab", "c"];
    let mut exchange = TestClient::over(Script(to_the_end, End::Close)).get("/").open();
    assert_eq!(
        (exchange.read().unwrap(), exchange.read().unwrap(), exchange.read()),
        ("ab".into(), "c".into(), None)
    );
    exchange.finish().assert_text("abc");
    // Who does not take the request may have answered it.
    let deaf = &["HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n"];
    TestClient::over(Script(deaf, End::Deaf)).post("/").body("x").send().assert_status(413);
}

#[test]
fn a_field_that_is_there_twice_is_not_this_one() {
    let twice = &["HTTP/1.1 200 OK\r\nx: a\r\nx: b\r\ncontent-length: 0\r\n\r\n"];
    let response = TestClient::over(Script(twice, End::Silence)).get("/").send();
    let text = panic_of(|| _ = response.assert_header("x", "a"));
    assert!(text.starts_with("GET /: the field x is `a` and `b`, and not `a`\n\n> "), "{text}");
}

#[test]
fn raw_bytes_are_given_as_they_came() {
    const TWO: [&str; 2] =
        ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r", "\nhiHTTP/1.1 204 No Content\r\n\r\n"];
    for (end, is_closed) in [(End::Close, true), (End::Reset, true), (End::Silence, false), (End::Deaf, true)]
    {
        let raw = TestClient::over(Script(&["SSH-2.0\r\n"], end)).raw("x");
        assert_eq!((&*raw.text(), raw.is_closed), ("SSH-2.0\r\n", is_closed));
        let raw = TestClient::over(Script(&TWO, end)).raw("x");
        assert_eq!((raw.text(), raw.is_closed), (TWO.concat(), is_closed));
    }
}

#[test]
fn what_only_the_simulation_has_is_told() {
    let client = TestClient::over(Script(&[], End::Close));
    assert_eq!(panic_of(|| _ = client.sim()), "there is no simulation: this client is connected to a script");
    let expected = "this client keeps no cookies: make it with `with_cookies`";
    assert_eq!(panic_of(|| _ = client.cookie("a")), expected);
}
