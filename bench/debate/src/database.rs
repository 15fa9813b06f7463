//! The remote database, which does nothing but wait: a line with a number of milliseconds is answered after so long.
//! `stats` tells what has been asked since the last `reset`. One thread; a timer of the kernel that is precise to
//! microseconds, where a poll's own timeout is precise to a millisecond.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
    unix::SourceFd,
};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use serde::{Deserialize, Serialize};
use slab::Slab;
use trijet_load::measure::Tally;

/// What has been asked since the last `reset`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Asked {
    /// Queries that wait now.
    pub now: u64,
    /// The most that have waited at a time.
    pub most: u64,
    /// How many have waited on average over time.
    pub mean: f64,
    /// Queries answered.
    pub answers: u64,
    /// How much later than asked for an answer was given, at the 99th percentile.
    pub late_p99_ms: f64,
}

/// Addresses, which apps take in turn: the ports of closed connections are not free for a while.
const LISTENERS: usize = 16;
const BACKLOG: i32 = 4096;
const TIMER: Token = Token(LISTENERS);
const FIRST: usize = LISTENERS + 1;

struct Database {
    poll: Poll,
    listeners: Vec<TcpListener>,
    connections: Slab<Connection>,
    accepted: usize,
    timer: OwnedFd,
    timer_at: Option<Instant>,
    waiting: BinaryHeap<Reverse<Due>>,
    since: Since,
}

struct Connection {
    stream: TcpStream,
    generation: usize,
    line: Vec<u8>,
}

/// When which connection is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    index: usize,
    generation: usize,
}

/// Counts since the last `reset`.
struct Since {
    start: Instant,
    now: u64,
    most: u64,
    /// Seconds of waiting, up to `changed`.
    area: f64,
    changed: Instant,
    tally: Tally,
}

/// Runs the database until its standard input ends; tells its addresses.
pub fn run() -> io::Result<()> {
    let mut database = Database::new()?;
    let addresses: io::Result<Vec<String>> =
        database.listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect();
    println!("{}", addresses?.join(" "));
    thread::spawn(|| {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    database.serve()
}

impl Database {
    fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listeners = Vec::new();
        for index in 0..LISTENERS {
            let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            // Mio's own 128 are too few for a thousand queries at once: what is over them is tried again a second later.
            rustix::net::listen(&listener, BACKLOG)?;
            poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
            listeners.push(listener);
        }
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listeners,
            connections: Slab::new(),
            accepted: 0,
            timer,
            timer_at: None,
            waiting: BinaryHeap::new(),
            since: Since::new(0),
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                match event.token() {
                    Token(index) if index < LISTENERS => self.accept(index)?,
                    // Setting it anew takes its event away.
                    TIMER => self.timer_at = None,
                    Token(token) => self.read(token - FIRST),
                }
            }
            self.answer_due();
            self.set_timer()?;
        }
    }

    fn accept(&mut self, listener: usize) -> io::Result<()> {
        loop {
            let mut stream = match self.listeners[listener].accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => continue,
            };
            stream.set_nodelay(true)?;
            self.accepted += 1;
            let entry = self.connections.vacant_entry();
            let token = Token(FIRST + entry.key());
            self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
            entry.insert(Connection { stream, generation: self.accepted, line: Vec::new() });
        }
    }

    fn read(&mut self, index: usize) {
        let mut bytes = [0; 256];
        loop {
            let Some(connection) = self.connections.get_mut(index) else { return };
            match connection.stream.read(&mut bytes) {
                Ok(count) if count > 0 => connection.line.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    self.connections.remove(index);
                    return;
                }
            }
            while let Some(end) = self.connections[index].line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.connections[index].line.drain(..=end).collect();
                self.receive(index, String::from_utf8_lossy(&line).trim());
            }
        }
    }

    fn receive(&mut self, index: usize, line: &str) {
        let now = Instant::now();
        if let Ok(delay) = line.parse() {
            let generation = self.connections[index].generation;
            self.waiting.push(Reverse(Due { at: now + Duration::from_millis(delay), index, generation }));
            self.since.change(now, 1);
            return;
        }
        let answer = match line {
            "stats" => serde_json::to_string(&self.since.asked(now)).unwrap_or_default(),
            "reset" => {
                self.since = Since::new(self.since.now);
                "ok".to_owned()
            }
            _ => format!("{line:?} is no query"),
        };
        self.say(index, &format!("{answer}\n"));
    }

    fn answer_due(&mut self) {
        let mut now = Instant::now();
        while let Some(Reverse(due)) = self.waiting.peek().copied() {
            if due.at > now {
                now = Instant::now();
                if due.at > now {
                    return;
                }
            }
            self.waiting.pop();
            self.since.change(now, -1);
            self.since.tally.sends(due.at);
            let is_there = self.connections.get(due.index).map(|connection| connection.generation);
            if is_there == Some(due.generation) {
                self.say(due.index, "ok\n");
            }
        }
    }

    /// A few bytes, which any socket has room for whose peer reads.
    fn say(&mut self, index: usize, line: &str) {
        // Where the peer has gone, reading tells.
        _ = self.connections[index].stream.write(line.as_bytes());
    }

    fn set_timer(&mut self) -> io::Result<()> {
        let next = self.waiting.peek().map(|Reverse(due)| due.at);
        let Some(at) = next.filter(|_| next != self.timer_at) else { return Ok(()) };
        // None at all would stop the timer.
        let rest = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: rest.as_secs() as i64, tv_nsec: i64::from(rest.subsec_nanos()) };
        timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        self.timer_at = next;
        Ok(())
    }
}

impl Since {
    fn new(waiting: u64) -> Self {
        let now = Instant::now();
        Self { start: now, now: waiting, most: waiting, area: 0.0, changed: now, tally: Tally::default() }
    }

    fn change(&mut self, now: Instant, by: i64) {
        self.area += self.now as f64 * now.saturating_duration_since(self.changed).as_secs_f64();
        self.changed = now;
        self.now = self.now.saturating_add_signed(by);
        self.most = self.most.max(self.now);
    }

    fn asked(&mut self, now: Instant) -> Asked {
        self.change(now, 0);
        Asked {
            now: self.now,
            most: self.most,
            mean: self.area / (now - self.start).as_secs_f64(),
            answers: self.tally.sent,
            late_p99_ms: self.tally.lateness_ms(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net,
    };

    use super::*;

    #[test]
    fn queries_wait_side_by_side_and_are_counted() {
        let mut database = Database::new().unwrap();
        let addresses: Vec<SocketAddr> =
            database.listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        thread::spawn(move || database.serve());
        let connect = |index: usize| BufReader::new(net::TcpStream::connect(addresses[index]).unwrap());
        let hear = |connection: &mut BufReader<net::TcpStream>| {
            let mut line = String::new();
            connection.read_line(&mut line).unwrap();
            line
        };
        let (mut one, mut two, mut control) = (connect(0), connect(1), connect(2));
        control.get_mut().write_all(b"reset\n").unwrap();
        assert_eq!(hear(&mut control), "ok\n");
        one.get_mut().write_all(b"300\n").unwrap();
        // In two parts.
        two.get_mut().write_all(b"30").unwrap();
        two.get_mut().write_all(b"0\n").unwrap();
        assert_eq!((hear(&mut one), hear(&mut two)), ("ok\n".to_owned(), "ok\n".to_owned()));
        control.get_mut().write_all(b"stats\n").unwrap();
        let asked: Asked = serde_json::from_str(&hear(&mut control)).unwrap();
        assert_eq!((asked.answers, asked.now), (2, 0));
    }
}
