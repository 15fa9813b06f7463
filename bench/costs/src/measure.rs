//! Figures per request: the difference of two runs that differ in their length alone, over what one is longer. What
//! starting and ending cost is in both, and goes. It must never judge a figure.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    cases::Case,
    server::{self, Program},
    tools::{ALLOCATIONS, BYTES, Counts, INSTRUCTIONS, Tool},
};

/// What a request costs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cost {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocations: Option<f64>,
    /// Bytes allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<f64>,
    /// System calls by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub syscalls: BTreeMap<String, f64>,
}

/// More than this share of requests to a server that did not come to rest, and the figures hang on chance.
const RESTLESS_MAX: f64 = 0.01;

/// Measures by these tools.
pub fn measure(program: &Program, case: &Case, tools: &[Tool], profile: Option<&Path>) -> io::Result<Cost> {
    let mut cost = Cost::default();
    for &tool in tools {
        let figures = differ(program, tool, case, profile)?;
        match tool {
            Tool::Callgrind => cost.instructions = figures.get(INSTRUCTIONS).copied(),
            Tool::Memcheck => {
                cost.allocations = figures.get(ALLOCATIONS).copied();
                cost.bytes = figures.get(BYTES).copied();
            }
            Tool::Strace => {
                cost.syscalls = figures.into_iter().filter(|&(_, count)| count >= 0.005).collect()
            }
        }
    }
    Ok(cost)
}

fn differ(
    program: &Program,
    tool: Tool,
    case: &Case,
    profile: Option<&Path>,
) -> io::Result<BTreeMap<String, f64>> {
    // Multiples of each case's depth.
    let short = match tool {
        Tool::Callgrind | Tool::Strace => 512,
        Tool::Memcheck => 256,
    };
    let few = server::run(program, tool, case, short, None)?;
    let many = server::run(program, tool, case, 3 * short, profile)?;
    let restless = few.restless.max(many.restless);
    if restless > RESTLESS_MAX {
        eprintln!("{}: before {:.0} % of requests the server did not rest", case.name, 100.0 * restless);
    }
    Ok(per_request(&few.counts, &many.counts, 2 * short))
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
    fn what_is_in_both_goes() {
        let counts = |of: &[(&str, u64)]| of.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        let few = counts(&[("read", 1010), ("mmap", 7)]);
        let many = counts(&[("read", 3010), ("mmap", 7), ("late", 1000)]);
        let figures = per_request(&few, &many, 2000);
        let expected = [("late", 0.5), ("mmap", 0.0), ("read", 1.0)];
        assert_eq!(figures, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
