//! A script: bytes, where they are cut into writes, and how they were made. Playing one gives all that
//! the server sent and how it ended.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
};

use crate::{common::PATIENCE, grammar::KINDS};

#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) bytes: Vec<u8>,
    /// In order, within the bytes.
    pub(crate) cuts: Vec<usize>,
    pub(crate) kinds: [bool; KINDS.len()],
}

/// What a server made of a script.
#[derive(PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// The server's direction was ended, or how else it was not.
    pub(crate) end: Result<(), io::ErrorKind>,
}

impl Script {
    pub(crate) fn new(bytes: Vec<u8>, cuts: Vec<usize>) -> Self {
        Self { bytes, cuts, kinds: [false; KINDS.len()] }
    }

    /// Plays it. The script ends in a half-close, so that the answer has an end.
    pub(crate) fn play(&self, address: SocketAddr) -> Answer {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let sent: usize = self.bytes.len();
        // Where a whole script and its answers fit in the system's buffers, one thread does.
        if sent < 16 << 10 {
            let sent = self.send(&stream);
            return receive(&stream).after(sent);
        }
        thread::scope(|scope| {
            let sending = scope.spawn(|| self.send(&stream));
            let answer = receive(&stream);
            answer.after(sending.join().expect("sending does not panic"))
        })
    }

    /// Fails where the server has reset the connection: the system tells that once, here or to the reader.
    fn send(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut start = 0;
        for &cut in self.cuts.iter().chain([&self.bytes.len()]) {
            stream.write_all(&self.bytes[start..cut])?;
            start = cut;
            thread::yield_now();
        }
        stream.shutdown(Shutdown::Write)
    }
}

impl Answer {
    /// The answer with what sending came to.
    fn after(self, sent: io::Result<()>) -> Self {
        match (sent, self.end) {
            (Err(_), Ok(())) => Self { end: Err(io::ErrorKind::ConnectionReset), ..self },
            _ => self,
        }
    }
}

fn receive(mut stream: &TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).map(drop).map_err(|error| error.kind());
    mask_dates(&mut bytes);
    Answer { bytes, end }
}

/// `date: Sun, 22 Nov 2026 22:09:10 GMT`, wherever it stands at the start of a line.
fn mask_dates(bytes: &mut [u8]) {
    const NAME: &[u8] = b"\r\ndate: ";
    const VALUE: usize = 29;
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(NAME.len()).position(|window| window == NAME) {
        let start = from + at + NAME.len();
        let end = (start + VALUE).min(bytes.len());
        bytes[start..end].fill(b'#');
        from = end;
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\", cut at {:?}", self.bytes.escape_ascii(), self.cuts)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 2_000;
        let shown = &self.bytes[..self.bytes.len().min(SHOWN)];
        write!(f, "{} bytes, end {:?}: {}", self.bytes.len(), self.end, shown.escape_ascii())
    }
}
