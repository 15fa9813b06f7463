//! Claim 2: an event loop serves others while a handler waits; a thousand queries take the time of one.

use std::io;

use super::{DELAY, Selection, THREADED, burst, once, query, second, workers};
use kit::machine::cores;

use crate::{results::Claim, stage::Stage};

pub(super) fn run(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    let crowd = stage.form(1_000, 200);
    let target = query("async", DELAY);
    for backend in &selection.backends {
        for count in [1, cores()] {
            claim.runs.push(second(stage, workers("second", backend, count), &target, "/hello")?);
        }
        // A single thread would take three minutes.
        let counts = if backend == THREADED { [64, 512] } else { [1, cores()] };
        for count in counts {
            let case = workers("crowd", backend, count).asks(target.clone(), Some(DELAY), crowd);
            claim.runs.push(stage.run(case, once(vec![burst("queries", &target, crowd, 0)], 10_000))?);
        }
    }
    Ok(())
}
