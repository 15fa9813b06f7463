//! Made-up runs, for tests of what is said of them.

use kit::machine::Machine;

use crate::{
    job::{Came, Each, Latency, Outcome},
    results::{Case, Claim, Run, Used},
};

/// A run of a second without any fault, on which everybody had the same.
pub(crate) fn run(part: &str, server: &str) -> Run {
    let case = Case { part: part.to_owned(), server: server.to_owned(), connections: 1, ..Case::default() };
    let each = Each { min: 1, median: 1, max: 1, jain: 1.0, starved: 0 };
    let came = Came { name: "flow".to_owned(), connections: 1, answers: 1, due: 1, each, ..Came::default() };
    Run {
        case,
        outcome: Outcome { window_s: 1.0, flows: vec![came] },
        server: Used::default(),
        database: None,
        generator_cores: 0.0,
        other_cores: 0.0,
        log: Vec::new(),
    }
}

pub(crate) fn claim(name: &str, runs: Vec<Run>) -> Claim {
    Claim {
        name: name.to_owned(),
        machine: Machine { cores: 2, ..Machine::default() },
        is_full: true,
        took_s: 1.0,
        runs,
        notes: Vec::new(),
        figures: crate::claims::settings(name),
    }
}

impl Run {
    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.case.workers = Some(workers);
        self
    }

    pub(crate) fn threads(mut self, threads: usize) -> Self {
        self.case.threads = Some(threads);
        self
    }

    pub(crate) fn asks(mut self, target: &str, connections: usize) -> Self {
        (self.case.target, self.case.connections) = (target.to_owned(), connections);
        self
    }

    pub(crate) fn delay(mut self, delay_ms: u64) -> Self {
        self.case.delay_ms = Some(delay_ms);
        self
    }

    pub(crate) fn variant(mut self, variant: &str) -> Self {
        self.case.variant = variant.to_owned();
        self
    }

    pub(crate) fn rate(mut self, rate: f64) -> Self {
        self.outcome.flows[0].rate = rate;
        self
    }

    pub(crate) fn latency(mut self, ms: f64) -> Self {
        self.outcome.flows[0].latency =
            Latency { mean_ms: ms, p50_ms: ms, p90_ms: ms, p99_ms: ms, max_ms: ms };
        self
    }

    pub(crate) fn cpu(mut self, us: f64) -> Self {
        self.server.cpu_us_per_answer = us;
        self
    }

    pub(crate) fn memory(mut self, mib: f64) -> Self {
        self.server.resident_most_mib = mib;
        self
    }

    pub(crate) fn each(mut self, min: u64, max: u64, jain: f64, starved: u64) -> Self {
        self.outcome.flows[0].each = Each { min, median: min, max, jain, starved };
        self
    }
}
