//! The lean loop: small answers, counted by the length that the first one had, with the status and content of each compared.
//! One `recv` and one `send` for a request, as in the server, or its own processor would be the measure. It must never
//! parse.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::Instant,
};

use bytes::Bytes;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{Counted, Shape, connect};
use crate::scenarios::Ask;

pub struct Lean {
    pub counted: Counted,
    address: SocketAddr,
    poll: Poll,
    events: Events,
    slots: Vec<Slot>,
    /// Each as many times as are sent at once.
    requests: Vec<Bytes>,
    next: usize,
    depth: usize,
    content: Bytes,
    shape: Shape,
    buffer: Box<[u8]>,
}

struct Slot {
    stream: TcpStream,
    /// Answers that are to come, and since when.
    left: usize,
    sent: Instant,
    /// The beginning of an answer whose end has not come.
    held: Vec<u8>,
}

/// What has become of what was read.
enum Came {
    /// Answers, all of them right.
    Answers(usize),
    Wrong,
}

impl Lean {
    pub fn new(address: SocketAddr, width: usize, depth: usize, ask: Ask, shape: Shape) -> io::Result<Self> {
        let mut lean = Self {
            counted: Counted::new(width),
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            slots: Vec::with_capacity(width),
            requests: ask.requests.iter().map(|request| request.repeat(depth).into()).collect(),
            next: 0,
            depth,
            content: ask.content,
            shape,
            buffer: vec![0; 64 << 10].into(),
        };
        for slot in 0..width {
            let stream = lean.open(slot)?;
            lean.slots.push(Slot { stream, left: 0, sent: Instant::now(), held: Vec::new() });
        }
        Ok(lean)
    }

    fn open(&self, slot: usize) -> io::Result<TcpStream> {
        let stream = connect(self.address)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(&mut stream, Token(slot), Interest::READABLE)?;
        Ok(stream)
    }

    /// Asks and is answered until then.
    pub fn run(&mut self, until: Instant) -> io::Result<()> {
        for slot in 0..self.slots.len() {
            if self.slots[slot].left == 0 {
                self.ask(slot)?;
            }
        }
        loop {
            let now = Instant::now();
            if now >= until {
                return self.counted.check();
            }
            match self.poll.poll(&mut self.events, Some(until - now)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
            for event in &events {
                self.receive(event.token().0)?;
            }
            self.events = events;
        }
    }

    fn ask(&mut self, slot: usize) -> io::Result<()> {
        let request = &self.requests[self.next];
        self.next = (self.next + 1) % self.requests.len();
        let slot = &mut self.slots[slot];
        slot.left = self.depth;
        slot.sent = Instant::now();
        match slot.stream.write(request) {
            Ok(length) if length == request.len() => Ok(()),
            // All before it was answered, so that there is room.
            Ok(_) => Err(io::Error::other("a small request did not fit into a socket")),
            // What the server has closed, the next event tells.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads what has come, and asks again once all is answered.
    fn receive(&mut self, index: usize) -> io::Result<()> {
        loop {
            let slot = &mut self.slots[index];
            let length = match slot.stream.read(&mut self.buffer) {
                Ok(0) => return self.reopen(index),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return self.reopen(index),
            };
            match slot.take(&self.buffer[..length], &self.shape, &self.content) {
                Came::Answers(count) => {
                    let is_over = slot.left == 0;
                    if count > 0 {
                        self.counted.answer(index, count, slot.sent, Instant::now());
                    }
                    if is_over {
                        self.ask(index)?;
                    }
                }
                Came::Wrong => {
                    self.counted.wrong += 1;
                    return self.reopen(index);
                }
            }
            // Less than there is room for: what comes now is a new event.
            if length < self.buffer.len() {
                return Ok(());
            }
        }
    }

    /// The server has closed, or said something wrong.
    fn reopen(&mut self, index: usize) -> io::Result<()> {
        self.counted.closed += 1;
        self.counted.check()?;
        let stream = self.open(index)?;
        let slot = &mut self.slots[index];
        slot.stream = stream;
        slot.held.clear();
        self.ask(index)
    }
}

impl Slot {
    fn take(&mut self, bytes: &[u8], shape: &Shape, content: &Bytes) -> Came {
        if self.held.is_empty() && bytes.len().is_multiple_of(shape.whole) {
            return self.take_whole(bytes, shape, content);
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let end = held.len() - held.len() % shape.whole;
        let (whole, rest) = held.split_at(end);
        self.held.extend_from_slice(rest);
        // An answer of another length would be awaited for ever.
        if rest.len() >= STATUS.len() && !rest.starts_with(STATUS) {
            return Came::Wrong;
        }
        self.take_whole(whole, shape, content)
    }

    fn take_whole(&mut self, bytes: &[u8], shape: &Shape, content: &Bytes) -> Came {
        let content_end = shape.content_at + content.len();
        let mut count = 0;
        for answer in bytes.chunks_exact(shape.whole) {
            if !answer.starts_with(STATUS) || answer[shape.content_at..content_end] != content[..] {
                return Came::Wrong;
            }
            count += 1;
        }
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Came::Answers(count)
            }
            None => Came::Wrong,
        }
    }
}

const STATUS: &[u8] = b"HTTP/1.1 200";

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread, time::Duration};

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

    /// Sends what it is told for each request, in pieces of so many bytes; then, it closes.
    fn server(answers: Vec<Vec<u8>>, piece: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for answer in answers {
                _ = stream.read(&mut [0; 1000]).unwrap();
                for piece in answer.chunks(piece) {
                    _ = stream.write_all(piece);
                    thread::sleep(Duration::from_millis(1));
                }
            }
            // The next connections are never accepted.
            thread::sleep(Duration::from_secs(60));
        });
        address
    }

    fn run(answers: Vec<Vec<u8>>, piece: usize, depth: usize) -> Counted {
        let content = Bytes::from_static(b"hello");
        let requests = vec![Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n")];
        let ask = Ask { requests, content, floor: ("", String::new()), has_body: false, wait_ms: 0 };
        let shape = Shape { whole: ANSWER.len(), content_at: ANSWER.len() - 5 };
        let mut lean = Lean::new(server(answers, piece), 1, depth, ask, shape).unwrap();
        lean.run(Instant::now() + Duration::from_millis(400)).unwrap();
        lean.counted
    }

    #[test]
    fn answers_are_counted_however_they_come() {
        for piece in [1, 7, ANSWER.len(), 1000] {
            let counted = run(vec![ANSWER.repeat(2); 2], piece, 2);
            assert_eq!((counted.answers, &counted.each[..], counted.wrong), (4, &[4][..], 0), "{piece}");
        }
    }

    #[test]
    fn what_is_wrong_is_counted_and_the_connection_is_made_anew() {
        let wrong = [&b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhellO"[..], b"HTTP/1.1 503 Busy\r\n\r\n"];
        for wrong in wrong {
            let counted = run(vec![ANSWER.to_vec(), wrong.to_vec()], 1000, 1);
            assert_eq!((counted.answers, counted.wrong, counted.closed), (1, 1, 1));
        }
    }
}
