//! Who paid for a good average: said of each server in every claim, of all its runs.

use super::{
    name, servers,
    two::who,
    words::{jain, list, thousands},
};
use crate::results::{Claim, Run};

/// From here on, shares count as even.
const EVEN: f64 = 0.95;

/// The rule, for readers.
pub(super) fn rule() -> String {
    format!(
        "**Unfair** is a run in which a connection starved, or in which Jain's index is below {EVEN} and some connection had at least two answers more than another. \
         (Where they differ by one at most, whole answers cannot be shared out any better, and a low index only says that the window was short.) \
         The index is rounded down."
    )
}

/// Whether connections had shares as even as whole answers can be.
fn is_even(run: &Run) -> bool {
    let each = &run.came().each;
    each.jain >= EVEN || each.max - each.min <= 1
}

/// Connections without an answer. Clients that stall have nothing that is due.
fn starved(run: &Run) -> u64 {
    let asks = |index: usize| index == 0 || run.outcome.flows[index].due > 0;
    let flows = run.outcome.flows.iter().enumerate().filter(|(index, _)| asks(*index));
    flows.map(|(_, flow)| flow.each.starved).sum()
}

fn case(run: &Run) -> String {
    let case = &run.case;
    let variant = if case.variant.is_empty() { String::new() } else { format!(", {}", case.variant) };
    format!("{}: `{}` × {}{variant}", who(run), case.target, thousands(case.connections as f64))
}

/// What is said of a claim.
pub(super) fn told(claim: &Claim) -> String {
    let (good, bad): (Vec<&str>, Vec<&str>) = servers(&claim.runs).into_iter().partition(|server| {
        claim
            .runs
            .iter()
            .filter(|run| run.case.server == *server)
            .all(|run| is_even(run) && starved(run) == 0)
    });
    let mut text: Vec<String> = bad.iter().map(|server| of(claim, server)).collect();
    if !good.is_empty() {
        let names: Vec<String> = good.iter().map(|server| name(server).to_owned()).collect();
        text.push(format!("On {} nobody starved, and no share was uneven.", list(&names)));
    }
    text.join(" ")
}

/// What was unfair on a server that was.
fn of(claim: &Claim, server: &str) -> String {
    let runs: Vec<&Run> = claim.runs.iter().filter(|run| run.case.server == server).collect();
    let all = runs.len();
    let hungry: Vec<&&Run> = runs.iter().filter(|run| starved(run) > 0).collect();
    let uneven: Vec<&&Run> = runs.iter().filter(|run| !is_even(run)).collect();
    let mut parts = Vec::new();
    if let Some(worst) = hungry.iter().max_by_key(|run| starved(run)) {
        parts.push(format!(
            "connections starved in {} of {all} runs, {} at most ({})",
            hungry.len(),
            thousands(starved(worst) as f64),
            case(worst)
        ));
    }
    let index = |run: &Run| run.came().each.jain;
    if let Some(worst) = uneven.iter().min_by(|one, other| index(one).total_cmp(&index(other))) {
        let each = &worst.came().each;
        parts.push(format!(
            "shares were uneven in {} of {all}, with a Jain's index of {} at worst ({}; {} to {} answers for each)",
            uneven.len(),
            jain(each.jain),
            case(worst),
            thousands(each.min as f64),
            thousands(each.max as f64),
        ));
    }
    if hungry.is_empty() {
        parts.push("nobody starved".to_owned());
    }
    format!("{}: {}.", name(server), parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, run};

    #[test]
    fn each_server_is_told_of_by_what_it_did() {
        let runs = vec![
            run("flights", "threaded").threads(64).asks("/q", 2_000).each(0, 1, 0.224, 1_424),
            run("flights", "threaded").threads(64).asks("/q", 10).each(5, 5, 1.0, 0),
            run("flights", "mio").workers(1).asks("/q", 9_000).each(0, 1, 0.114, 0),
            run("flights", "tokio").workers(1).asks("/q", 9_000).variant("kept").each(0, 57, 0.467, 0),
        ];
        assert_eq!(
            told(&sample::claim("claim3", runs)),
            "threaded: connections starved in 1 of 2 runs, 1,424 at most (threaded, 64 threads: `/q` × 2,000). \
             Tokio: shares were uneven in 1 of 1, with a Jain's index of 0.467 at worst (Tokio, 1 worker: `/q` × 9,000, kept; 0 to 57 answers for each); nobody starved. \
             On mio nobody starved, and no share was uneven."
        );
    }

    /// A flow beside the one that a run is about may starve, too.
    #[test]
    fn every_flow_counts() {
        let mut one = run("upload", "mio");
        one.outcome.flows.push(run("", "").each(0, 0, 1.0, 2).outcome.flows.remove(0));
        assert_eq!(
            told(&sample::claim("claim5", vec![one])),
            "mio: connections starved in 1 of 1 runs, 2 at most (mio: `` × 1)."
        );
    }
}
