//! The counter-experiment: the same blocking call in an `async fn`, and in a plain `fn`; and what the hand-over costs.

use std::io;

use super::{DELAY, Selection, THREADED, burst, job, once, open, query, second, workers};
use kit::machine::cores;

use crate::{results::Claim, stage::Stage};

/// Requests a second, where the hand-over's cost is looked at: few, so that nobody queues.
const RATE: f64 = 500.0;

pub(super) fn settings() -> Vec<(&'static str, f64)> {
    [super::waits(), vec![("rate", RATE)]].concat()
}

pub(super) fn run(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    // At once.
    let crowd = stage.form(16, 6);
    for backend in &selection.backends {
        for count in [1, cores()].into_iter().take(stage.form(2, 1)) {
            for kind in ["blocking", "fn", "async"] {
                let target = query(kind, DELAY);
                let case = workers("walls", backend, count).variant(kind);
                let case = case.asks(target.clone(), Some(DELAY), crowd);
                claim.runs.push(stage.run(case, once(vec![burst("queries", &target, crowd, 500)], 6_000))?);
                if kind != "async" {
                    let case = workers("second", backend, count);
                    claim.runs.push(second(stage, case, &target, "/hello")?);
                }
            }
        }
        let window = stage.form(2_000, 400);
        for (kind, target) in [("async", "/hello"), ("fn", "/hello/fn"), ("inline", "/hello/inline")] {
            // With a thread for each that asks, on threaded, too.
            let case = workers("hand-over", backend, if backend == THREADED { 4 } else { 1 }).variant(kind);
            let case = case.asks(target.to_owned(), None, 4);
            claim.runs.push(stage.run(case, job(vec![open("hello", target, 4, RATE)], 200, window, 1_000))?);
        }
    }
    Ok(())
}
