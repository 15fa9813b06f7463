//! Claim 6: a handler that computes. No way of waiting helps where nobody waits; what does it do to a short route beside it?

use std::io;

use super::{Selection, closed, job, open, workers};
use kit::machine::cores;

use crate::{results::Claim, stage::Stage};

const CONNECTIONS: usize = 16;

/// Requests a second for the short route.
const RATE: f64 = 50.0;

pub(super) fn settings() -> Vec<(&'static str, f64)> {
    vec![("rate", RATE)]
}

pub(super) fn run(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    // What one costs when it is alone: the limit of everything below.
    let alone =
        workers("alone", selection.backends.last().map_or("threaded", String::as_str), 1).variant("inline");
    let alone = alone.asks("/burn/inline".to_owned(), None, 1);
    let flows = vec![closed("burn", "/burn/inline", 1, 1)];
    let alone = stage.run(alone, job(flows, 200, stage.form(3_000, 1_000), 1_000))?;
    claim.figures.insert("cost_us".to_owned(), alone.server.cpu_us_per_answer);
    claim.runs.push(alone);
    for backend in &selection.backends {
        for count in [1, cores()].into_iter().take(stage.form(2, 1)) {
            for kind in ["async", "fn", "inline"] {
                let target = format!("/burn/{kind}");
                let case = workers("burn", backend, count).variant(kind);
                let case = case.asks(target.clone(), None, CONNECTIONS);
                let flows = vec![closed("burn", &target, CONNECTIONS, 50), open("short", "/hello", 4, RATE)];
                claim.runs.push(stage.run(case, job(flows, 300, stage.form(2_500, 500), 5_000))?);
            }
        }
    }
    Ok(())
}
