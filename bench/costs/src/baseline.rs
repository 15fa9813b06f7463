//! The figures that the repository keeps, and what may become of them: nothing may grow by more than a twentieth. It
//! must never measure.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{conditions::Conditions, table::Row};

/// The growth that is no fault yet.
const GROWTH_MAX: f64 = 0.05;

/// What may come with time, not with requests, where next to nothing is allocated.
const ALLOCATIONS_SLACK: f64 = 0.05;

/// What is guarded.
pub const CASES: [&str; 6] = ["plaintext", "pipelined", "browser", "varied", "echo", "fn"];

/// The file.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct Baseline {
    pub conditions: Conditions,
    /// By case and backend.
    costs: BTreeMap<String, BTreeMap<String, Guarded>>,
    /// The bytes of a hello world, by backend.
    pub programs: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Guarded {
    instructions: u64,
    allocations: f64,
}

/// What is compared with the baseline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    All,
    /// Instructions were counted under other conditions.
    Allocations,
}

/// What became of a row.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// What grew too much, each by its name with the old and the new figure.
    pub grown: Vec<String>,
    /// What shrank so much that the baseline would let it grow again unseen.
    pub shrunk: Vec<String>,
}

impl Baseline {
    pub fn new(conditions: Conditions, rows: &[Row], programs: BTreeMap<String, u64>) -> io::Result<Self> {
        let mut costs: BTreeMap<String, BTreeMap<String, Guarded>> = BTreeMap::new();
        for row in rows {
            let guarded = guarded(row)?;
            costs.entry(row.case.clone()).or_default().insert(row.server.clone(), guarded);
        }
        Ok(Self { conditions, costs, programs })
    }

    pub fn read(file: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
        serde_json::from_str(&text).map_err(io::Error::other)
    }

    pub fn write(&self, file: &Path) -> io::Result<()> {
        fs::write(file, serde_json::to_string_pretty(self)? + "\n")
    }

    /// Compares a row. One that the baseline lacks is a fault of the baseline.
    pub fn judge(&self, row: &Row, scope: Scope) -> io::Result<Verdict> {
        let name = format!("{} on {}", row.case, row.server);
        let old = self.costs.get(&row.case).and_then(|servers| servers.get(&row.server));
        let old =
            old.ok_or_else(|| io::Error::other(format!("the baseline has no {name}: write it anew")))?;
        let new = guarded(row)?;
        let mut verdict = Verdict::default();
        verdict.add(&name, "allocations", old.allocations, new.allocations, ALLOCATIONS_SLACK);
        if scope == Scope::All {
            verdict.add(&name, "instructions", old.instructions as f64, new.instructions as f64, 0.0);
        }
        Ok(verdict)
    }
}

impl Verdict {
    fn add(&mut self, name: &str, what: &str, old: f64, new: f64, slack: f64) {
        let text =
            || format!("{name}: {old} {what} per request became {new} ({:+.1} %)", 100.0 * (new - old) / old);
        let allowed = old * GROWTH_MAX + slack;
        if new > old + allowed {
            self.grown.push(text());
        } else if new < old - allowed {
            self.shrunk.push(text());
        }
    }
}

fn guarded(row: &Row) -> io::Result<Guarded> {
    let lacks = || io::Error::other(format!("{} on {} was not measured in full", row.case, row.server));
    Ok(Guarded {
        instructions: row.cost.instructions.ok_or_else(lacks)?.round() as u64,
        allocations: row.cost.allocations.ok_or_else(lacks)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Cost;

    fn row(server: &str, instructions: f64, allocations: f64) -> Row {
        let cost =
            Cost { instructions: Some(instructions), allocations: Some(allocations), ..Cost::default() };
        Row { case: "plaintext".to_owned(), server: server.to_owned(), cost }
    }

    fn baseline() -> Baseline {
        let rows = [row("mio", 10_000.0, 6.0), row("tokio", 10_000.0, 0.0)];
        Baseline::new(Conditions::here(), &rows, BTreeMap::from([("mio".to_owned(), 1 << 20)])).unwrap()
    }

    #[test]
    fn a_twentieth_is_let_through() {
        for (instructions, allocations) in [(10_000.0, 6.0), (10_499.0, 6.3), (9_501.0, 5.7)] {
            let verdict = baseline().judge(&row("mio", instructions, allocations), Scope::All).unwrap();
            assert_eq!(verdict, Verdict::default(), "{instructions} {allocations}");
        }
        let verdict = baseline().judge(&row("tokio", 10_000.0, 0.04), Scope::All).unwrap();
        assert_eq!(verdict, Verdict::default(), "what comes with time");
    }

    #[test]
    fn more_is_named() {
        let verdict = baseline().judge(&row("mio", 10_501.0, 7.0), Scope::All).unwrap();
        let grown = [
            "plaintext on mio: 6 allocations per request became 7 (+16.7 %)",
            "plaintext on mio: 10000 instructions per request became 10501 (+5.0 %)",
        ];
        assert_eq!(verdict.grown, grown);
        let verdict = baseline().judge(&row("mio", 10_501.0, 7.0), Scope::Allocations).unwrap();
        assert_eq!(verdict.grown, grown[..1]);
        let verdict = baseline().judge(&row("tokio", 9_000.0, 1.0), Scope::All).unwrap();
        assert_eq!((verdict.grown.len(), verdict.shrunk.len()), (1, 1));
    }

    #[test]
    fn what_the_baseline_lacks_is_a_fault() {
        assert!(baseline().judge(&row("threaded", 1.0, 1.0), Scope::All).is_err());
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let text = serde_json::to_string(&baseline()).unwrap();
        assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), baseline());
    }
}
