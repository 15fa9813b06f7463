//! The load, on the thread that calls: what a server answered to its first request, a lean loop for small answers, and the
//! client of the loads for all others. It must never know which server it asks.

mod client;
mod idle;
mod lean;
mod probe;

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use trijet_load::measure::jain;

pub use idle::Idle;
pub use probe::Shape;

use crate::scenarios::{Ask, Load, Scenario};

/// A load that can be let run.
pub enum Runner {
    Lean(lean::Lean),
    Client(client::Loop),
}

impl Runner {
    /// Connects. Nothing is asked yet.
    pub fn new(address: SocketAddr, scenario: &Scenario, ask: Ask, shape: Shape) -> io::Result<Self> {
        let (width, churns) = (scenario.connections, scenario.load == Load::Churn);
        match scenario.load {
            Load::Small { depth } => Ok(Self::Lean(lean::Lean::new(address, width, depth, ask, shape)?)),
            Load::Large | Load::Churn => Ok(Self::Client(client::Loop::new(address, width, churns, ask)?)),
            Load::Idle { .. } => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Asks and is answered for so long, and gives what was counted.
    pub fn run(&mut self, time: Duration) -> io::Result<Counted> {
        let now = Instant::now();
        self.counted().since = now;
        match self {
            Self::Lean(lean) => lean.run(now + time)?,
            Self::Client(client) => client.run(now + time)?,
        }
        let counted = self.counted();
        let next = Counted::new(counted.each.len());
        Ok(std::mem::replace(counted, next))
    }

    fn counted(&mut self) -> &mut Counted {
        match self {
            Self::Lean(lean) => &mut lean.counted,
            Self::Client(client) => &mut client.counted,
        }
    }
}

/// What was counted.
#[derive(Debug)]
pub struct Counted {
    pub answers: u64,
    /// By connection.
    pub each: Vec<u64>,
    /// Answers that were wrong, and connections that the server has closed.
    pub wrong: u64,
    pub closed: u64,
    /// From the sending to the last byte, in microseconds; of requests sent since this moment, as nothing was read before.
    latency: Histogram<u64>,
    since: Instant,
}

impl Counted {
    fn new(width: usize) -> Self {
        // From a microsecond to a minute, to three digits.
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are right");
        Self { answers: 0, each: vec![0; width], wrong: 0, closed: 0, latency, since: Instant::now() }
    }

    fn answer(&mut self, slot: usize, count: usize, sent: Instant, at: Instant) {
        self.answers += count as u64;
        self.each[slot] += count as u64;
        if sent >= self.since {
            self.latency.saturating_record_n((at - sent).as_micros() as u64, count as u64);
        }
    }

    /// Says so where a server does nothing right: there is nothing to measure.
    fn check(&self) -> io::Result<()> {
        const FAULTS: u64 = 1000;
        if self.wrong + self.closed > FAULTS.max(self.answers) {
            let (wrong, closed) = (self.wrong, self.closed);
            return Err(io::Error::other(format!("{wrong} wrong answers and {closed} closed connections")));
        }
        Ok(())
    }

    /// Jain's index of the connections.
    pub fn jain(&self) -> f64 {
        jain(self.each.iter().copied())
    }

    /// Connections without any answer.
    pub fn starved(&self) -> usize {
        self.each.iter().filter(|count| **count == 0).count()
    }

    /// The latency at this quantile, in milliseconds.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// The longest that anything may take that has to come.
const PATIENCE: Duration = Duration::from_secs(5);

fn connect(address: SocketAddr) -> io::Result<std::net::TcpStream> {
    let stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
