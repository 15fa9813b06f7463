//! A connection that no thread had time for: a fixed 503, without parsing anything, then a close that
//! lets the client read it. Nothing here blocks: it runs on the poller.

use std::{
    io::{self, IoSlice, Read},
    net::{Shutdown, TcpStream},
    os::fd::AsRawFd,
    time::{Instant, SystemTime},
};

use mio::Interest;
use trijet_backend::send_vectored;
use trijet_core::{
    after,
    h1::{OVERLOADED, refusal_bytes},
};

use super::park_idle;
use crate::{parking::Parked, transport::ThreadedTransport};

/// A refused connection, until its peer closes.
pub(crate) struct Refused {
    transport: ThreadedTransport,
    rest: u64,
    deadline: Instant,
}

/// Refuses a connection that has asked for something. Another would take the refusal for the answer to its
/// next request: it goes on being idle, or is closed where the server stops.
pub(crate) fn refuse(transport: ThreadedTransport) {
    let shared = transport.shared().clone();
    match has_asked(transport.stream()) {
        Ok(true) => answer(transport),
        Ok(false) if shared.life.is_stopping() => {}
        Ok(false) => park_idle(transport, after(Instant::now(), shared.limits.idle_timeout)),
        Err(error) => log::debug!("a connection that was to be refused has failed: {error}"),
    }
}

/// Whether anything has come, be it the end; then the stream no longer blocks.
fn has_asked(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    loop {
        match stream.peek(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.set_nonblocking(false)?;
                return Ok(false);
            }
            peeked => return peeked.map(|_| true),
        }
    }
}

fn answer(transport: ThreadedTransport) {
    let limits = &transport.shared().limits;
    let refused = Refused {
        rest: limits.linger_bytes_max,
        deadline: after(Instant::now(), limits.linger_timeout),
        transport,
    };
    let stream = refused.transport.stream();
    let bytes = refusal_bytes(&OVERLOADED, SystemTime::now());
    match send_all(stream, &bytes).and_then(|()| stream.shutdown(Shutdown::Write)) {
        Ok(()) => refused.read(),
        Err(error) => log::debug!("a connection could not be told that the server is overloaded: {error}"),
    }
}

/// Sends what a fresh socket always has room for.
fn send_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send_vectored(stream, &[IoSlice::new(bytes)])? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            sent => bytes = &bytes[sent..],
        }
    }
    Ok(())
}

impl Refused {
    /// Discards what the client sends, to its end or within bounds.
    pub(crate) fn read(mut self) {
        let mut discarded = [0; 16 << 10];
        loop {
            match self.transport.stream().read(&mut discarded) {
                Ok(count) if count > 0 && self.rest > count as u64 => self.rest -= count as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < self.deadline => {
                    let shared = self.transport.shared().clone();
                    let (socket, deadline) = (self.transport.stream().as_raw_fd(), self.deadline);
                    drop(shared.parking.park(
                        Parked::Refused(self),
                        socket,
                        Interest::READABLE,
                        Some(deadline),
                    ));
                    return;
                }
                // The end, an error, or too much: the connection is closed.
                _ => return,
            }
        }
    }
}
