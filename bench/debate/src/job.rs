//! What the load generator is told, and what it tells: plain data, which goes between processes and into the results.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A load on one server.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Job {
    pub address: Option<SocketAddr>,
    pub flows: Vec<Flow>,
    /// Load before anything is counted; without any, the flows begin when the counting does.
    pub warm_up_ms: u64,
    /// How long is counted; less where nothing is left to be awaited.
    pub window_ms: u64,
    /// How long answers are awaited afterwards.
    pub patience_ms: u64,
    /// What the system may hold for each connection: little makes slow readers.
    pub receive_buffer: Option<usize>,
}

/// Connections that do the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Flow {
    pub name: String,
    pub ask: Ask,
    pub pace: Pace,
    pub connections: usize,
    /// When it begins, after the others.
    pub start_ms: u64,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Ask {
    /// A GET.
    Get { target: String, reuse: Reuse },
    /// A POST of which so many bytes are sent, and then nothing any more.
    Stall { target: String, length: usize, sent: usize },
    /// A GET whose answer is not read.
    Ignore { target: String },
}

/// How long a connection is used.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Reuse {
    Kept,
    Once,
}

/// When requests are due. Each connection has one under way; the others that are due on it wait, and their time counts.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Pace {
    /// So many a second, over all connections in turn, whatever becomes of them.
    Open { rate: f64 },
    /// On each connection as soon as the answer before is there; they begin spread over so many milliseconds.
    Closed { spread_ms: u64 },
    /// One on each connection, with so many microseconds between them.
    Once { gap_us: u64 },
}

/// What came of a job.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outcome {
    pub window_s: f64,
    pub flows: Vec<Came>,
}

/// What came of a flow. Rates and counts are those of the window; latencies are of the requests that were due in it, from
/// the moment when they were due, and for those without an answer up to the end.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Came {
    pub name: String,
    pub connections: u64,
    /// Answers a second.
    pub rate: f64,
    pub answers: u64,
    /// Requests that were due.
    pub due: u64,
    /// Answers that say 503.
    pub refused: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Connections that could not be made.
    pub failed: u64,
    pub wrong: u64,
    /// Connections that the server closed while the client had stopped.
    pub closed: u64,
    pub latency: Latency,
    /// Requests under way, on average over time.
    pub in_flight: f64,
    /// The same by Little's law: answers a second × their mean latency. Where the two differ, requests were left out.
    pub in_flight_by_law: f64,
    pub each: Each,
    /// How late the generator itself was.
    pub late_p99_ms: f64,
    pub late_max_ms: f64,
    /// For a pace of one each: the latencies, in the order in which they were due.
    pub one_by_one_ms: Vec<Option<f64>>,
    /// A few faults, to be read.
    pub faults: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Latency {
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Answers of each connection that was asked for anything in the window.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Each {
    pub min: u64,
    pub median: u64,
    pub max: u64,
    pub jain: f64,
    /// Connections without a single answer, in the window or after it.
    pub starved: u64,
}
