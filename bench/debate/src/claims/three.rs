//! Claim 3: where thread-per-request bends. Many queries under way, at the default number of threads and with one for each;
//! rates that go up; idle connections.

use std::io;

use super::{DELAY, Selection, THREADED, closed, job, open, query, workers};
use kit::machine::{self, cores};
use trijet::Limits;

use crate::{
    results::{Case, Claim},
    stage::Stage,
};

/// Of idle connections, so many ask for something in a second.
const NOW_AND_THEN: f64 = 100.0;

/// The pool as it is when nobody sets it.
fn threads() -> usize {
    Limits::default().blocking_threads_max
}

pub(super) fn settings() -> Vec<(&'static str, f64)> {
    vec![("delay_ms", DELAY as f64), ("idle_rate", NOW_AND_THEN)]
}

pub(super) fn run(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    claim.notes.extend(machine::limits());
    for backend in &selection.backends {
        ideal(stage, backend, claim)?;
        rates(stage, backend, claim)?;
        flights(stage, backend, claim)?;
        idle(stage, backend, claim)?;
    }
    Ok(())
}

/// A thousand connections that always ask: how close to what the delay allows?
fn ideal(stage: &mut Stage, backend: &str, claim: &mut Claim) -> io::Result<()> {
    const CONNECTIONS: usize = 1_000;
    let counts: &[usize] = if backend == THREADED { &[64, 256, threads()] } else { &[1, cores()] };
    let most = stage.form(counts.len(), 2);
    for count in counts.iter().rev().take(most).rev() {
        let target = query("async", DELAY);
        let case = workers("ideal", backend, *count).asks(target.clone(), Some(DELAY), CONNECTIONS);
        let flows = vec![closed("queries", &target, CONNECTIONS, DELAY)];
        let run = stage.run(case, job(flows, 1_000, stage.form(4_000, 1_000), 20_000))?;
        claim.runs.push(run);
    }
    Ok(())
}

/// Requests that are due whatever becomes of those before.
fn rates(stage: &mut Stage, backend: &str, claim: &mut Claim) -> io::Result<()> {
    const CONNECTIONS: usize = 2_000;
    let counts: &[usize] = if backend == THREADED { &[64, threads()] } else { &[1] };
    let rates: &[f64] = stage.form(&[250.0, 500.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0], &[3_000.0]);
    for count in counts {
        for rate in rates {
            let target = query("async", DELAY);
            let case = workers("rates", backend, *count).asks(target.clone(), Some(DELAY), CONNECTIONS);
            let flows = vec![open("queries", &target, CONNECTIONS, *rate)];
            let case = case.variant(&format!("{rate} due"));
            claim.runs.push(stage.run(case, job(flows, 500, stage.form(1_500, 500), 2 * DELAY))?);
        }
    }
    Ok(())
}

fn flights(stage: &mut Stage, backend: &str, claim: &mut Claim) -> io::Result<()> {
    let default = threads();
    let flights: &[usize] = stage.form(&[10, 100, 1_000, 9_000], &[10, 1_000]);
    let delays: &[u64] = stage.form(&[1, 10, 100, 1_000], &[10]);
    for delay in delays {
        for flight in flights {
            let raised = || workers("flights", backend, *flight);
            let cases: Vec<Case> = match (backend, *flight > default) {
                // With fewer under way than threads, more threads are the same. And a thread that blocks in `read`
                // waits otherwise than one that is parked.
                (THREADED, true) => {
                    let pool = workers("flights", backend, default).variant("default");
                    vec![pool, raised().variant("raised"), raised().variant("raised fn")]
                }
                (THREADED, false) => vec![workers("flights", backend, default).variant("default")],
                (_, true) => [1, cores()].map(|count| workers("flights", backend, count)).into(),
                (_, false) => vec![workers("flights", backend, 1)],
            };
            for case in cases {
                let target = query(if case.variant == "raised fn" { "fn" } else { "async" }, *delay);
                let case = case.asks(target.clone(), Some(*delay), *flight);
                let spread = (*delay).max(*flight as u64 / 5);
                let warm_up = stage.form(500, 200).max(spread + 2 * delay).max(*flight as u64 / 3);
                let window = stage.form(1_000.max(*flight as u64 / 6), 300).max(2 * delay);
                let flows = vec![closed("queries", &target, *flight, spread)];
                claim.runs.push(stage.run(case, job(flows, warm_up, window, 30_000))?);
            }
        }
    }
    Ok(())
}

/// Connections that ask for something now and then.
fn idle(stage: &mut Stage, backend: &str, claim: &mut Claim) -> io::Result<()> {
    let counts: &[usize] = stage.form(&[10, 1_000, 9_000], &[1_000]);
    for count in counts {
        let mut case = Case { part: "idle".to_owned(), server: backend.to_owned(), ..Case::default() };
        case.workers = (backend != THREADED).then_some(1);
        let case = case.asks("/hello".to_owned(), None, *count);
        let flows = vec![open("now and then", "/hello", *count, NOW_AND_THEN)];
        claim.runs.push(stage.run(case, job(flows, 300, stage.form(2_000, 500), 1_000))?);
    }
    Ok(())
}
