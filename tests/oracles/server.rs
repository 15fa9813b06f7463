//! A server without I/O on the engine, which does with each request what its method says: POST is read to
//! its end, PUT is read and may have 10 bytes, PATCH is read without being asked for, all others are
//! answered unread. What it logs and writes must not depend on how the bytes came.

use std::{
    fmt::Write,
    io::IoSlice,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use trijet_core::{
    Limits,
    h1::{AfterExchange, BodyLength, Connection, Event, KeepAlive, SendBody},
};

pub struct Server {
    pub connection: Connection,
    /// What happened, data joined.
    pub log: String,
    /// Everything that was written.
    pub output: Vec<u8>,
    doing: Doing,
    body: Vec<u8>,
}

enum Doing {
    Head,
    /// Collects the body.
    Body(Asks),
    Drain,
    /// Nothing more is done.
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Yes,
    No,
}

pub fn wall_clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

impl Server {
    pub fn new(limits: &Limits) -> Self {
        Self {
            connection: Connection::new(limits.clone().into()),
            log: String::new(),
            output: Vec::new(),
            doing: Doing::Head,
            body: Vec::new(),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.doing, Doing::Over)
    }

    /// Bytes arrive, as many at a time as there is room for.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_over() {
            let space = self.connection.input_space();
            assert!(!space.is_empty(), "no room for a read");
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.connection.receive(count);
            bytes = &bytes[count..];
            self.go_on();
        }
    }

    pub fn receive_end(&mut self) {
        self.connection.receive_end();
        self.go_on();
        assert!(self.is_over(), "it waits for more after the end");
    }

    /// Time passes, and nothing comes: every question that a driver asks meanwhile changes nothing.
    pub fn tick(&mut self) {
        let before = (self.connection.input_len(), self.output.len(), self.log.len());
        _ = self.connection.input_space();
        _ = (self.connection.is_idle(), self.connection.has_begun_head(), self.connection.has_ended());
        self.go_on();
        assert_eq!(
            before,
            (self.connection.input_len(), self.output.len(), self.log.len()),
            "a tick did something"
        );
    }

    fn go_on(&mut self) {
        while !self.is_over() {
            match self.connection.next_event() {
                Event::NeedData => break,
                Event::Request => {
                    let head = self.connection.request().expect("it is being served");
                    let (framing, keep_alive, expect) = (head.framing(), head.keep_alive(), head.expect());
                    let parts = head.parts().expect("few enough fields");
                    writeln!(self.log, "{} {} {:?}", parts.method, parts.uri, parts.version).unwrap();
                    for (name, value) in &parts.headers {
                        writeln!(self.log, "{name}: {}", value.as_bytes().escape_ascii()).unwrap();
                    }
                    writeln!(self.log, "{:?} {:?} {:?}", framing, keep_alive, expect).unwrap();
                    let limit = if parts.method == Method::PUT { 10 } else { 1 << 20 };
                    if self.connection.limit_body(limit).is_err() {
                        self.answer(StatusCode::PAYLOAD_TOO_LARGE);
                        continue;
                    }
                    match parts.method {
                        Method::POST | Method::PUT => {
                            self.connection.ask_body();
                            self.doing = Doing::Body(Asks::Yes);
                        }
                        Method::PATCH => self.doing = Doing::Body(Asks::No),
                        _ => self.answer(StatusCode::OK),
                    }
                }
                Event::Data(data) => {
                    assert!(!data.is_empty(), "data of no bytes");
                    if let Doing::Body(_) = self.doing {
                        self.body.extend_from_slice(&data);
                    }
                }
                Event::EndOfMessage(trailers) => match self.doing {
                    Doing::Body(_) => {
                        self.log_body();
                        for (name, value) in trailers.iter().flatten() {
                            writeln!(self.log, "{name}: {}", value.as_bytes().escape_ascii()).unwrap();
                        }
                        self.answer(StatusCode::OK);
                    }
                    Doing::Drain => self.end_exchange(),
                    Doing::Head | Doing::Over => panic!("the end of a message that did not begin"),
                },
                Event::BodyFailed(fault) => {
                    writeln!(self.log, "{fault:?}").unwrap();
                    match self.doing {
                        Doing::Body(_) => {
                            self.log_body();
                            self.answer(StatusCode::BAD_REQUEST);
                        }
                        Doing::Head | Doing::Drain | Doing::Over => self.doing = Doing::Over,
                    }
                }
                Event::Refused(refusal) => {
                    writeln!(self.log, "{refusal}").unwrap();
                    self.connection.send_refusal(&refusal, wall_clock());
                    self.doing = Doing::Over;
                }
                Event::Closed => {
                    self.log.push_str("closed\n");
                    self.doing = Doing::Over;
                }
                Event::Truncated => {
                    self.log.push_str("truncated\n");
                    self.doing = Doing::Over;
                }
            }
        }
        self.write_out();
    }

    fn log_body(&mut self) {
        let body = std::mem::take(&mut self.body);
        writeln!(self.log, "body {}", body.escape_ascii()).unwrap();
    }

    fn answer(&mut self, status: StatusCode) {
        let connection = &mut self.connection;
        connection.settle();
        let body = Bytes::from_static(b"answer");
        let length = BodyLength::Known(6);
        let none = HeaderMap::new();
        if connection.send_response(status, &none, length, KeepAlive::Implied, wall_clock()) == SendBody::Yes
        {
            connection.send_data(body).expect("the length that was declared");
        }
        connection.send_end(None).expect("the length that was declared");
        match connection.after_exchange() {
            AfterExchange::Next => self.end_exchange(),
            AfterExchange::Drain => self.doing = Doing::Drain,
            AfterExchange::Close => {
                self.log.push_str("close\n");
                self.doing = Doing::Over;
            }
        }
    }

    fn end_exchange(&mut self) {
        assert_eq!(self.connection.after_exchange(), AfterExchange::Next);
        self.connection.end_exchange();
        self.log.push_str("kept\n");
        self.doing = Doing::Head;
    }

    fn write_out(&mut self) {
        while self.connection.output_len() > 0 {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = {
                let slices = self.connection.output_slices(&mut slices);
                slices.iter().for_each(|slice| self.output.extend_from_slice(slice));
                slices.iter().map(|slice| slice.len()).sum()
            };
            assert!(count > 0, "output that is not there");
            self.connection.output_written(count);
        }
    }
}
