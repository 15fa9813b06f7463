//! The floor of event loops: one thread and one edge-triggered `epoll`. A connection is a place in a vector by the number
//! of its descriptor. It must never make more system calls for a request than one `recv` and one `send`.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
    time::Instant,
};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    net::{SocketFlags, accept_with},
};

use crate::{Ends, Floor};

struct Connection {
    stream: TcpStream,
    ends: Ends,
    /// Bytes of responses that are to be sent, and those that were.
    due: usize,
    sent: usize,
    /// Which of those that had this descriptor it is.
    number: u32,
}

struct Loop<'f> {
    floor: &'f Floor,
    connections: Vec<Option<Connection>>,
    /// Responses that wait: until when, how many, and for which connection. All wait as long, so this is their order.
    waiting: VecDeque<(Instant, usize, u64)>,
    buffer: Box<[u8]>,
    accepted: u32,
}

const LISTENER: u64 = u64::MAX;

/// Serves for ever.
pub fn serve(floor: &Floor, listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut own = Loop {
        floor,
        connections: Vec::new(),
        waiting: VecDeque::new(),
        buffer: vec![0; 64 << 10].into(),
        accepted: 0,
    };
    let mut events = Vec::with_capacity(1024);
    loop {
        let timeout = own.waiting.front().map(|(until, ..)| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
        });
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for epoll::Event { flags, data } in events.iter().copied() {
            match data.u64() {
                LISTENER => own.accept(listener, &epoll)?,
                place => own.advance(place, flags.contains(EventFlags::RDHUP)),
            }
        }
        own.end_waits();
    }
}

impl Loop<'_> {
    fn accept(&mut self, listener: &TcpListener, epoll: &impl std::os::fd::AsFd) -> io::Result<()> {
        loop {
            let stream = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => TcpStream::from(socket),
                // None is there, or it has gone.
                Err(_) => return Ok(()),
            };
            stream.set_nodelay(true)?;
            let index = stream.as_raw_fd() as usize;
            self.accepted = self.accepted.wrapping_add(1) & 0x7fff_ffff;
            let place = EventData::new_u64(index as u64 | u64::from(self.accepted) << 32);
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(epoll, &stream, place, interest)?;
            if self.connections.len() <= index {
                self.connections.resize_with(index + 1, || None);
            }
            let ends = Ends::default();
            self.connections[index] =
                Some(Connection { stream, ends, due: 0, sent: 0, number: self.accepted });
        }
    }

    fn at(&mut self, place: u64) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(place as u32 as usize)?.as_mut();
        connection.filter(|connection| u64::from(connection.number) == place >> 32)
    }

    /// Reads what is there, and answers what is whole.
    fn advance(&mut self, place: u64, has_ended: bool) {
        let (floor, index) = (self.floor, place as u32 as usize);
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        if u64::from(connection.number) != place >> 32 {
            return;
        }
        let mut count = 0;
        let is_open = loop {
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => break false,
                Ok(length) => {
                    count += connection.ends.count(&self.buffer[..length], floor.request_bytes);
                    // Less than there is room for: whatever comes now is a new edge. The end was told already.
                    if length < self.buffer.len() && !has_ended {
                        break true;
                    }
                }
                Err(error) => break error.kind() == io::ErrorKind::WouldBlock,
            }
        };
        if !is_open {
            self.connections[index] = None;
        } else if floor.wait.is_zero() {
            connection.due += count * floor.response_bytes;
            connection.send(floor);
        } else if count > 0 {
            self.waiting.push_back((Instant::now() + floor.wait, count, place));
        }
    }

    /// Sends what has waited.
    fn end_waits(&mut self) {
        let floor = self.floor;
        while let Some((until, count, place)) = self.waiting.front().copied() {
            if until > Instant::now() {
                return;
            }
            self.waiting.pop_front();
            if let Some(connection) = self.at(place) {
                connection.due += count * floor.response_bytes;
                connection.send(floor);
            }
        }
    }
}

impl Connection {
    /// Sends what is due, as far as the system takes it: for the rest there will be an event.
    fn send(&mut self, floor: &Floor) {
        while self.due > 0 {
            match self.stream.write(floor.next(self.sent, self.due)) {
                Ok(length) => {
                    self.due -= length;
                    self.sent += length;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The client has left; the next event says so.
                Err(_) => self.due = 0,
            }
        }
    }
}
