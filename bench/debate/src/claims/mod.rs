//! The claims: each is a function that makes its runs. What they mean is said by the page. This file chooses, and holds
//! what they share.

mod counter;
mod five;
mod four;
mod one;
mod six;
mod three;
mod two;

use std::{collections::BTreeMap, io, time::Instant};

use kit::{machine, peers::Peer};

use crate::{
    job::{Ask, Flow, Job, Pace, Reuse},
    results::{Case, Claim},
    stage::Stage,
};

type Runs = fn(&mut Stage, &Selection, &mut Claim) -> io::Result<()>;
/// What the page tells of how a claim was measured, beside what each run's case has.
type Settings = fn() -> Vec<(&'static str, f64)>;

const CLAIMS: [(&str, Runs, Settings); 7] = [
    ("claim1", one::run, waits),
    ("claim2", two::run, waits),
    ("counter", counter::run, counter::settings),
    ("claim3", three::run, three::settings),
    ("claim4", four::run, four::settings),
    ("claim5", five::run, five::settings),
    ("claim6", six::run, six::settings),
];

/// What is measured.
pub struct Selection {
    pub claims: Vec<&'static str>,
    pub backends: Vec<String>,
    pub peers: Vec<Peer>,
    /// Why some peers are left out.
    pub left_out: Vec<String>,
}

/// The name as it stands here, if it is one of a claim.
pub fn known(name: &str) -> Option<&'static str> {
    CLAIMS.iter().map(|(known, ..)| *known).find(|known| *known == name)
}

/// All names.
pub fn all() -> Vec<&'static str> {
    CLAIMS.iter().map(|(name, ..)| *name).collect()
}

/// The settings of a claim, which its results have among their figures.
pub fn settings(name: &str) -> BTreeMap<String, f64> {
    let settings = CLAIMS.iter().find(|(known, ..)| *known == name).map(|(.., settings)| settings());
    settings.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn waits() -> Vec<(&'static str, f64)> {
    vec![("delay_ms", DELAY as f64), ("after_ms", AFTER_MS as f64)]
}

/// Makes the runs of a claim.
pub fn measure(stage: &mut Stage, selection: &Selection, name: &str) -> io::Result<Claim> {
    let run = CLAIMS.iter().find(|(known, ..)| *known == name).map(|(_, run, _)| run);
    let run = run.ok_or(io::ErrorKind::NotFound)?;
    let mut claim = Claim {
        name: name.to_owned(),
        machine: machine::look()?,
        is_full: stage.is_full,
        took_s: 0.0,
        runs: Vec::new(),
        notes: Vec::new(),
        figures: settings(name),
    };
    println!("\n=== {name} (load average {} before)", claim.machine.load_before);
    let start = Instant::now();
    run(stage, selection, &mut claim)?;
    claim.took_s = start.elapsed().as_secs_f64();
    Ok(claim)
}

/// The delay of a query where nothing else is said.
const DELAY: u64 = 200;
const THREADED: &str = "threaded";

/// A backend with so many workers. On threaded a worker is a thread.
fn workers(part: &str, backend: &str, workers: usize) -> Case {
    let threads = (backend == THREADED).then_some(workers);
    let workers = (backend != THREADED).then_some(workers);
    Case { part: part.to_owned(), server: backend.to_owned(), workers, threads, ..Case::default() }
}

impl Case {
    fn asks(mut self, target: String, delay_ms: Option<u64>, connections: usize) -> Self {
        (self.target, self.delay_ms, self.connections) = (target, delay_ms, connections);
        self
    }

    fn variant(mut self, variant: &str) -> Self {
        self.variant = variant.to_owned();
        self
    }

    fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }
}

fn query(kind: &str, delay_ms: u64) -> String {
    format!("/query/{kind}/{delay_ms}")
}

fn flow(name: &str, target: &str, connections: usize, pace: Pace) -> Flow {
    let ask = Ask::Get { target: target.to_owned(), reuse: Reuse::Kept };
    Flow { name: name.to_owned(), ask, pace, connections, start_ms: 0 }
}

/// One request on each connection, so many microseconds apart.
fn burst(name: &str, target: &str, connections: usize, gap_us: u64) -> Flow {
    flow(name, target, connections, Pace::Once { gap_us })
}

/// Always one request under way on each connection.
fn closed(name: &str, target: &str, connections: usize, spread_ms: u64) -> Flow {
    flow(name, target, connections, Pace::Closed { spread_ms })
}

fn open(name: &str, target: &str, connections: usize, rate: f64) -> Flow {
    flow(name, target, connections, Pace::Open { rate })
}

impl Flow {
    fn after(mut self, start_ms: u64) -> Self {
        self.start_ms = start_ms;
        self
    }
}

fn job(flows: Vec<Flow>, warm_up_ms: u64, window_ms: u64, patience_ms: u64) -> Job {
    Job { address: None, flows, warm_up_ms, window_ms, patience_ms, receive_buffer: None }
}

/// Each has one answer, or the time is over.
fn once(flows: Vec<Flow>, at_most_ms: u64) -> Job {
    job(flows, 0, at_most_ms, 0)
}

/// How long after a query the next request comes.
const AFTER_MS: u64 = 50;

/// How often that is tried: one try would be over before anybody could tell whether others disturbed it.
const TRIES: usize = 4;
/// From one try to the next: the query has its answer, and then there is some peace.
const TRY_US: u64 = (DELAY + 50) * 1_000;

/// A query that waits, and [`AFTER_MS`] later a request that need not: how long does that take?
fn second(stage: &mut Stage, case: Case, waiting: &str, short: &str) -> io::Result<crate::results::Run> {
    let case = case.asks(short.to_owned(), Some(DELAY), TRIES).variant(&format!("behind {waiting}"));
    let flows =
        vec![burst("second", short, TRIES, TRY_US).after(AFTER_MS), burst("first", waiting, TRIES, TRY_US)];
    stage.run(case, once(flows, 4_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule;

    #[test]
    fn tries_last_long_enough_to_be_judged_and_do_not_overlap() {
        assert!((TRIES as u64 - 1) * TRY_US + DELAY * 1_000 > (rule::WINDOW_S * 1e6) as u64);
        const { assert!(TRY_US > DELAY * 1_000 && AFTER_MS < DELAY) };
        for name in all() {
            assert!(!settings(name).is_empty(), "{name}");
        }
    }
}
