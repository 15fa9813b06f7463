//! Plays a row over a real socket and gives all that came.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::{
    judge::Got,
    row::{Cut, Row, Step},
};

/// Only so that a failing row ends: none waits this long to pass.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn play(row: &Row, cut: Cut, address: SocketAddr) -> Got {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut got = Got { bytes: Vec::new(), fault: None };
    let mut awaited = 0;
    for step in &row.steps {
        match step {
            Step::Send(bytes) => send(&stream, bytes, cut),
            Step::Await(text) => match wait_for(&stream, &mut got.bytes, awaited, text.as_bytes()) {
                Ok(end) => awaited = end,
                Err(error) => {
                    got.fault = Some(format!("{text:?} never came: {error}"));
                    return got;
                }
            },
            Step::HalfClose => _ = stream.shutdown(Shutdown::Write),
        }
    }
    if let Err(error) = (&stream).read_to_end(&mut got.bytes) {
        got.fault = Some(format!("the server did not end its direction: {error}"));
    }
    got
}

/// A server that has closed is right to refuse: its answer tells.
fn send(mut stream: &TcpStream, bytes: &[u8], cut: Cut) {
    for piece in bytes.chunks(cut.size(bytes.len())) {
        if stream.write_all(piece).is_err() {
            return;
        }
        if matches!(cut, Cut::Bytes) {
            thread::yield_now();
        }
    }
}

/// Gives where the text ends.
fn wait_for(
    mut stream: &TcpStream,
    received: &mut Vec<u8>,
    from: usize,
    text: &[u8],
) -> Result<usize, io::Error> {
    loop {
        if let Some(at) = received[from..].windows(text.len()).position(|window| window == text) {
            return Ok(from + at + text.len());
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => received.extend_from_slice(&piece[..count]),
        }
    }
}
