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
        Ok(false) => park_idle(transport),
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
    /// Discards what the client sends, to its end or within bounds, a turn at a time: the poller has others to see to,
    /// now more than ever.
    pub(crate) fn read(mut self) {
        let mut discarded = [0; 16 << 10];
        let mut turn = self.transport.shared().limits.turn_bytes_max;
        while turn > 0 {
            let room = turn.min(discarded.len());
            match self.transport.stream().read(&mut discarded[..room]) {
                Ok(count) if count > 0 && self.rest > count as u64 => {
                    self.rest -= count as u64;
                    turn -= count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The end, an error, or too much: the connection is closed.
                _ => return,
            }
        }
        if Instant::now() < self.deadline {
            self.park();
        }
    }

    /// Leaves it to the poller until there is more, which may be at once.
    fn park(self) {
        let shared = self.transport.shared().clone();
        let (socket, deadline) = (self.transport.stream().as_raw_fd(), self.deadline);
        // What comes back is closed: the server is cut, or the system has no room for it.
        drop(shared.parking.park(Parked::Refused(self), socket, Interest::READABLE, Some(deadline)));
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::io::Write;

    use trijet_core::{Limits, Router};

    use super::*;
    use crate::alone::{connect, shared};

    #[test]
    fn a_refused_connection_is_read_a_turn_at_a_time() {
        const TURN: usize = 20_000;
        const SENT: usize = 50_000;
        let shared = shared(Router::new(), Limits { turn_bytes_max: TURN, ..Limits::default() });
        let (mut client, transport) = connect(&shared);
        client.write_all(&[b'x'; SENT]).unwrap();
        let start = Instant::now();
        while transport.stream().peek(&mut [0; SENT]).unwrap() < SENT {
            assert!(start.elapsed().as_secs() < 20, "not all has arrived");
        }
        let whole = shared.limits.linger_bytes_max;
        refuse(transport);
        let mut rests = Vec::new();
        while rests.last() != Some(&(whole - SENT as u64)) {
            let due = after(Instant::now(), shared.limits.linger_timeout);
            let parked = shared.parking.take_due(due).pop();
            let Some(Parked::Refused(refused)) = parked else { panic!("it is gone after {rests:?}") };
            rests.push(refused.rest);
            // As the poller does, once it has seen to the others.
            refused.read();
        }
        assert_eq!(rests, [TURN, 2 * TURN, SENT].map(|read| whole - read as u64));
        // What is parked holds what it is parked in.
        drop(shared.parking.take_all());
    }
}
