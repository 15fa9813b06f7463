//! Claim 1: while a blocking thread waits for the database, a second request waits too; k threads move the wall to k.

use std::io;

use super::{DELAY, Selection, burst, once, query, second, workers};
use kit::machine::cores;

use crate::{results::Claim, stage::Stage};

/// Of those who wait. The last makes a crowd of three groups.
const THREADS: [usize; 3] = [1, 2, 8];

pub(super) fn run(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    let target = query("fn", DELAY);
    // At once: so many that eight threads, too, take long enough to be judged.
    let crowd = stage.form(24, 6);
    for backend in &selection.backends {
        for threads in [1, cores()] {
            let case = workers("second", backend, 1).threads(threads);
            claim.runs.push(second(stage, case, &target, "/hello/fn")?);
        }
        for loops in [1, cores()] {
            for threads in THREADS {
                // On threaded, threads are the workers. With more loops it is the same.
                if loops > 1 && (backend == super::THREADED || !stage.is_full) {
                    continue;
                }
                let case = workers("walls", backend, loops).threads(threads);
                let case = case.asks(target.clone(), Some(DELAY), crowd);
                claim.runs.push(stage.run(case, once(vec![burst("queries", &target, crowd, 500)], 10_000))?);
            }
        }
    }
    Ok(())
}
