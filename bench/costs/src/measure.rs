//! Figures per request: the difference of two runs that differ in their length alone, over what one is longer. What
//! starting and ending cost is in both, and goes. It must never judge a figure.

use std::{collections::BTreeMap, io, path::Path};

use serde::Serialize;

use crate::{
    cases::Case,
    server::{self, Program},
    tools::{ALLOCATIONS, BYTES, Counts, INSTRUCTIONS, Tool},
};

/// What a request costs, as far as it was asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cost {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocations: Option<f64>,
    /// Bytes allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<f64>,
    /// System calls by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub syscalls: BTreeMap<String, f64>,
}

/// More than this share of requests to a server that did not come to rest, and the figures hang on chance.
const RESTLESS_MAX: f64 = 0.01;

/// Requests in the shorter run: a multiple of each case's depth.
const REQUESTS: usize = 512;

/// What happens more seldom happens with time, not with requests.
const SYSCALLS_MIN: f64 = 0.005;

/// Measures by these tools. What is compared is counted so many times, and the least is taken: timers, and
/// threads that miss each other, only ever add.
pub fn measure(
    program: &Program,
    case: &Case,
    tools: &[Tool],
    rounds: usize,
    profile: Option<&Path>,
) -> io::Result<Cost> {
    let mut cost = Cost::default();
    for &tool in tools {
        // System calls are shown, and never compared.
        let rounds = if tool == Tool::Strace { 1 } else { rounds };
        let figures = differ(program, tool, case, rounds, profile.filter(|_| tool == Tool::Callgrind))?;
        match tool {
            Tool::Callgrind => cost.instructions = figures.get(INSTRUCTIONS).copied(),
            Tool::Memcheck => {
                cost.allocations = figures.get(ALLOCATIONS).map(|&count| rounded(count, 100.0));
                cost.bytes = figures.get(BYTES).map(|&count| rounded(count, 1.0));
            }
            Tool::Strace => {
                cost.syscalls = figures.into_iter().filter(|&(_, count)| count >= SYSCALLS_MIN).collect()
            }
        }
    }
    Ok(cost)
}

/// To what repeats, in so many parts of one. What is less than none by that little is none.
fn rounded(figure: f64, parts: f64) -> f64 {
    (figure * parts).round() / parts + 0.0
}

fn differ(
    program: &Program,
    tool: Tool,
    case: &Case,
    rounds: usize,
    profile: Option<&Path>,
) -> io::Result<BTreeMap<String, f64>> {
    let run = |requests, profile| -> io::Result<Counts> {
        let mut counts = Counts::new();
        for round in 0..rounds {
            let run = server::run(program, tool, case, requests, profile)?;
            if run.restless > RESTLESS_MAX {
                let percent = 100.0 * run.restless;
                eprintln!("{}: before {percent:.0} % of the requests the server did not rest", case.name);
            }
            counts = if round == 0 { run.counts } else { least(counts, &run.counts) };
        }
        Ok(counts)
    };
    Ok(per_request(&run(REQUESTS, None)?, &run(3 * REQUESTS, profile)?, 2 * REQUESTS))
}
/// The least of each count.
fn least(mut counts: Counts, others: &Counts) -> Counts {
    for (name, count) in &mut counts {
        *count = others.get(name).map_or(*count, |&other| other.min(*count));
    }
    counts
}

/// What the longer run has more, per request that it has more.
fn per_request(few: &Counts, many: &Counts, requests: usize) -> BTreeMap<String, f64> {
    let before = |name| few.get(name).copied().unwrap_or(0) as f64;
    many.iter()
        .map(|(name, &count)| (name.clone(), (count as f64 - before(name)) / requests as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_each() {
        let counts = |read, futex| Counts::from([("read".to_owned(), read), ("futex".to_owned(), futex)]);
        assert_eq!(least(counts(7, 3), &counts(5, 4)), counts(5, 3));
    }

    #[test]
    fn what_is_in_both_goes() {
        let counts = |of: &[(&str, u64)]| of.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        let few = counts(&[("read", 1010), ("mmap", 7)]);
        let many = counts(&[("read", 3010), ("mmap", 7), ("late", 1000)]);
        let figures = per_request(&few, &many, 2000);
        let expected = [("late", 0.5), ("mmap", 0.0), ("read", 1.0)];
        assert_eq!(figures, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
