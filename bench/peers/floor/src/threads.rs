//! The blocking floor: a thread for each connection, which reads, waits and writes. It must never hold more than a
//! connection needs.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use crate::{Ends, Floor};

/// Serves for ever.
pub fn serve(floor: Floor, listener: &TcpListener) -> io::Result<()> {
    /// Enough for the buffer of a read, and little where there are thousands.
    const STACK: usize = 128 << 10;
    let floor = Arc::new(floor);
    loop {
        let (stream, _) = listener.accept()?;
        let floor = floor.clone();
        // A client that leaves is no matter.
        thread::Builder::new().stack_size(STACK).spawn(move || _ = one(&floor, stream))?;
    }
}

fn one(floor: &Floor, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 32 << 10];
    let mut ends = Ends::default();
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let count = ends.count(&buffer[..length], floor.request_bytes);
        if count == 0 {
            continue;
        }
        if !floor.wait.is_zero() {
            thread::sleep(floor.wait);
        }
        let (mut sent, mut due) = (0, count * floor.response_bytes);
        while due > 0 {
            let written = stream.write(floor.next(sent, due))?;
            (sent, due) = (sent + written, due - written);
        }
    }
}
