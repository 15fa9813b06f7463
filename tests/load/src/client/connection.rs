//! One connection of the client: what is to be sent, what is awaited, and how far its answer has come.
//! It never waits: the client tells it when its socket can do something.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::Shutdown,
    sync::Arc,
    time::Instant,
};

use bytes::{Buf, Bytes};
use mio::net::TcpStream;

use super::{
    Answer, What,
    answer::{Fault, Reader},
    exchange::Exchange,
};

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) is_connected: bool,
    /// Nothing is read but on demand.
    pub(super) is_paused: bool,
    pub(super) answers: u64,
    /// A half-close, once all is sent.
    pub(super) ends: bool,
    out: VecDeque<Bytes>,
    pending: VecDeque<Pending>,
    reader: Reader,
}

struct Pending {
    exchange: Arc<Exchange>,
    due: Instant,
}

/// What reading came to.
pub(super) enum Progress {
    /// Nothing more is there.
    Blocked,
    /// The bound was reached.
    More,
    /// The connection is over.
    Over,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_connected: false,
            is_paused: false,
            answers: 0,
            ends: false,
            out: VecDeque::new(),
            pending: VecDeque::new(),
            reader: Reader::default(),
        }
    }

    /// Awaits an answer that was due to be asked for at `due`.
    pub(super) fn expect(&mut self, exchange: Arc<Exchange>, due: Instant) {
        self.pending.push_back(Pending { exchange, due });
    }

    pub(super) fn unanswered(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn queue(&mut self, bytes: Bytes) {
        self.out.push_back(bytes);
    }

    /// Whether everything has been given to the system.
    pub(super) fn has_sent(&self) -> bool {
        self.out.is_empty()
    }

    /// Writes what can be written.
    pub(super) fn write(&mut self) {
        while let Some(bytes) = self.out.front_mut() {
            match self.stream.write(bytes) {
                Ok(count) => {
                    bytes.advance(count);
                    if bytes.is_empty() {
                        self.out.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer has closed. What it has said before is still to be read.
                Err(_) => self.out.clear(),
            }
        }
        // Freed, as an idle connection is to cost next to nothing.
        self.out = VecDeque::new();
        if std::mem::take(&mut self.ends) {
            // Where the peer has gone already, reading tells.
            _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// Reads at most about `most` bytes, and tells of what they mean.
    pub(super) fn read(&mut self, scratch: &mut [u8], most: usize, mut tell: impl FnMut(What)) -> Progress {
        let mut rest = most;
        while rest > 0 {
            let space = rest.min(scratch.len());
            let count = match self.stream.read(&mut scratch[..space]) {
                Ok(0) => return self.end(false, tell),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Blocked,
                Err(_) => return self.end(true, tell),
            };
            rest -= count;
            if let Err(fault) = self.receive(&scratch[..count], &mut tell) {
                tell(What::Wrong(fault));
                return Progress::Over;
            }
        }
        Progress::More
    }

    fn receive(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(What)) -> Result<(), Fault> {
        let at = Instant::now();
        while !bytes.is_empty() {
            let Some(Pending { exchange, due }) = self.pending.front() else {
                return Err(Fault::Unasked(
                    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned(),
                ));
            };
            if let Some(whole) = self.reader.receive(&mut bytes, exchange)? {
                let answer = Answer { status: whole.status, closes: whole.closes, due: *due, at };
                self.pending.pop_front();
                self.answers += 1;
                tell(What::Answered(answer));
            }
        }
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
        Ok(())
    }

    fn end(&mut self, by_reset: bool, mut tell: impl FnMut(What)) -> Progress {
        match (self.reader.receive_end(), self.pending.front()) {
            (Err(fault), _) => tell(What::Wrong(fault)),
            (Ok(Some(whole)), Some(pending)) => {
                tell(What::Answered(Answer {
                    status: whole.status,
                    closes: true,
                    due: pending.due,
                    at: Instant::now(),
                }));
                self.pending.pop_front();
                tell(What::Closed { unanswered: self.unanswered(), by_reset, within_answer: false });
            }
            (Ok(_), _) => tell(What::Closed {
                unanswered: self.unanswered(),
                by_reset,
                within_answer: !self.reader.is_at_start(),
            }),
        }
        Progress::Over
    }
}
