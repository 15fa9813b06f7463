//! One blocking connection that asks one thing at a time.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: vec![0; 4096] }
    }

    pub(crate) fn send(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        self.stream.write_all(request.as_bytes()).expect("the connection stands");
    }

    /// A whole answer, which comes in one piece here.
    pub(crate) fn receive(&mut self) {
        let count = self.stream.read(&mut self.buffer).expect("an answer");
        assert!(self.buffer[..count].starts_with(b"HTTP/1.1 200 "), "{:?}", &self.buffer[..count]);
    }

    /// How long each of `count` requests takes, one after the other.
    pub(crate) fn times(&mut self, path: &str, count: usize) -> Vec<Duration> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        (0..count)
            .map(|_| {
                let start = Instant::now();
                self.stream.write_all(request.as_bytes()).expect("the connection stands");
                self.receive();
                start.elapsed()
            })
            .collect()
    }
}
