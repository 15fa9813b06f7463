//! Claim 4: "sync beats async in hello world", beside the frameworks that it was said of: with the threads that they had
//! then, and with as many for each.

use std::io;

use super::{Selection, THREADED, closed, job, workers};
use kit::{machine::cores, peers::Peer};

use crate::{
    job::{Ask, Flow, Reuse},
    results::{Case, Claim},
    stage::{Stage, Subject},
};

/// Connections for each thread, where there are more of them than threads.
const PER_THREAD: usize = 8;
/// The crowd of 2017, for each core: more than any of them had threads.
const CROWD_PER_CORE: usize = 64;
/// The threads of 2017: Gotham's in all; of Iron and Rocket for each core.
const GOTHAM_THEN: usize = 1;
const IRON_THEN: usize = 8;
const ROCKET_THEN: usize = 2;

pub(super) fn settings() -> Vec<(&'static str, f64)> {
    let counts = [
        ("connections_per_thread", PER_THREAD),
        ("gotham_then", GOTHAM_THEN),
        ("iron_then_per_core", IRON_THEN),
        ("rocket_then_per_core", ROCKET_THEN),
    ];
    counts.map(|(name, count)| (name, count as f64)).to_vec()
}

pub(super) fn run(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    claim.notes.extend(selection.left_out.iter().cloned());
    for count in [1, cores()] {
        for connections in [count, PER_THREAD * count] {
            for reuse in [Reuse::Kept, Reuse::Once] {
                for backend in &selection.backends {
                    for target in ["/hello", "/hello/fn"] {
                        let case = ours("equal", backend, count, target, connections);
                        claim.runs.push(hello(stage, None, case, reuse)?);
                    }
                }
                for peer in &selection.peers {
                    let case = theirs("equal", peer, count, connections);
                    claim.runs.push(hello(stage, Some(peer), case, reuse)?);
                }
            }
        }
    }
    crowd(stage, selection, claim)
}

/// As in 2017: each with its own number of threads; then with the same.
fn crowd(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    let connections = CROWD_PER_CORE * cores();
    for peer in &selection.peers {
        let then = match peer.name.as_str() {
            "gotham" => GOTHAM_THEN,
            "iron" => IRON_THEN * cores(),
            _ => ROCKET_THEN * cores(),
        };
        for (part, threads) in [("2017", then), ("2017 equal", cores())] {
            let case = theirs(part, peer, threads, connections);
            claim.runs.push(hello(stage, Some(peer), case, Reuse::Kept)?);
        }
    }
    for backend in &selection.backends {
        let case = ours("2017 equal", backend, cores(), "/hello", connections);
        claim.runs.push(hello(stage, None, case, Reuse::Kept)?);
    }
    Ok(())
}

fn ours(part: &str, backend: &str, count: usize, target: &str, connections: usize) -> Case {
    let mut case = workers(part, backend, count);
    if target == "/hello/fn" && backend != THREADED {
        case.threads = Some(count);
    }
    case.asks(target.to_owned(), None, connections)
}

fn theirs(part: &str, peer: &Peer, threads: usize, connections: usize) -> Case {
    let case =
        Case { part: part.to_owned(), server: peer.name.clone(), workers: Some(threads), ..Case::default() };
    case.asks("/hello".to_owned(), None, connections)
}

fn hello(
    stage: &mut Stage,
    peer: Option<&Peer>,
    case: Case,
    reuse: Reuse,
) -> io::Result<crate::results::Run> {
    let case = case.variant(if reuse == Reuse::Kept { "keep-alive" } else { "close" });
    let ask = Ask::Get { target: case.target.clone(), reuse };
    let flow = Flow { ask, ..closed("hello", &case.target, case.connections, 10) };
    let job = job(vec![flow], stage.form(300, 100), stage.form(1_000, 200), 1_000);
    match peer {
        Some(peer) => {
            let subject = Subject::Peer(peer.program.clone(), case.workers.unwrap_or(1));
            stage.run_on(subject, case, job)
        }
        None => stage.run(case, job),
    }
}
