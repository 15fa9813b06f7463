//! What was measured, as it stands in the JSON file: every figure of the page comes from here. It measures nothing.

use std::{collections::BTreeMap, fs, io, path::Path};

use kit::machine::Machine;
use serde::{Deserialize, Serialize};

use crate::{
    database::Asked,
    job::{Came, Outcome},
    page::set_ms,
    rule::{Verdict, judge},
};

/// For a setting that the results of an older program do not have.
const UNKNOWN: &str = "(?)";

/// The file: each claim as it was measured last.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Results {
    pub claims: BTreeMap<String, Claim>,
}

/// The runs of one claim, and where and when they were made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Claim {
    pub name: String,
    pub machine: Machine,
    pub is_full: bool,
    /// Seconds that the runs took.
    pub took_s: f64,
    pub runs: Vec<Run>,
    /// What else there is to say: limits of the system, what was left out, and why.
    pub notes: Vec<String>,
    /// Figures that belong to no run.
    pub figures: BTreeMap<String, f64>,
}

/// What is varied.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Case {
    /// Within a claim, which experiment.
    pub part: String,
    /// A backend, or a peer's name.
    pub server: String,
    /// Event loops or Tokio's workers; on threaded and with peers, threads.
    pub workers: Option<usize>,
    /// Threads for plain `fn` handlers; on threaded for all.
    pub threads: Option<usize>,
    /// What was asked for.
    pub target: String,
    pub delay_ms: Option<u64>,
    pub connections: usize,
    /// Anything else: the kind of a stall, keep-alive or close.
    pub variant: String,
}

/// One measurement.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    pub case: Case,
    pub outcome: Outcome,
    pub server: Used,
    pub database: Option<Asked>,
    pub generator_cores: f64,
    /// Processors that were busy with anything else.
    pub other_cores: f64,
    /// Warnings of the server.
    pub log: Vec<String>,
}

/// What a server used within the window.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Used {
    pub threads: u64,
    pub resident_mib: f64,
    pub resident_most_mib: f64,
    /// Processors kept busy, on average.
    pub cores: f64,
    pub cpu_us_per_answer: f64,
    /// How often a thread has left its processor to wait, and because another was to run.
    pub waits: u64,
    pub ousted: u64,
    pub switches_per_answer: f64,
}

impl Run {
    /// The flow that a run is about.
    pub fn came(&self) -> &Came {
        &self.outcome.flows[0]
    }

    pub fn flow(&self, name: &str) -> Option<&Came> {
        self.outcome.flows.iter().find(|flow| flow.name == name)
    }
}

impl Claim {
    /// Runs of a part, in the order in which they were made.
    pub fn part(&self, part: &'static str) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.case.part == part)
    }

    /// How many runs were disturbed, and how many were too short to tell.
    pub fn doubtful(&self) -> (usize, usize) {
        self.runs.iter().fold((0, 0), |(disturbed, not_judged), run| match judge(run) {
            Verdict::Undisturbed => (disturbed, not_judged),
            Verdict::Disturbed(_) => (disturbed + 1, not_judged),
            Verdict::NotJudged => (disturbed, not_judged + 1),
        })
    }

    /// A time that was set.
    pub fn setting(&self, name: &str) -> String {
        self.figures.get(name).map_or_else(|| UNKNOWN.to_owned(), |time| set_ms(*time as u64))
    }

    /// A number that was set.
    pub fn number(&self, name: &str) -> String {
        self.figures.get(name).map_or_else(|| UNKNOWN.to_owned(), ToString::to_string)
    }

    pub fn figure(&self, name: &str) -> f64 {
        self.figures.get(name).copied().unwrap_or(f64::NAN)
    }
}

impl Results {
    /// Reads the file, if there is one.
    pub fn read(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes the file, a line for each run, so that two of them can be compared.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let claims: Result<Vec<String>, serde_json::Error> = self
            .claims
            .iter()
            .map(|(name, claim)| {
                let runs: Result<Vec<String>, _> = claim.runs.iter().map(serde_json::to_string).collect();
                let head = serde_json::to_string(&Claim { runs: Vec::new(), ..claim.clone() })?;
                let whole = head.replace("\"runs\":[]", &format!("\"runs\":[\n{}\n]", runs?.join(",\n")));
                Ok(format!("\"{name}\":{whole}"))
            })
            .collect();
        fs::write(path, format!("{{\"claims\":{{\n{}\n}}}}\n", claims?.join(",\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_can_be_read_again() {
        let claim = Claim {
            name: "claim1".to_owned(),
            machine: Machine { kernel: "\"runs\":[]".to_owned(), ..Machine::default() },
            is_full: true,
            took_s: 0.5,
            runs: Vec::new(),
            notes: vec!["a \"word\"".to_owned()],
            figures: BTreeMap::from([("cost".to_owned(), 1.25)]),
        };
        let results = Results { claims: BTreeMap::from([("claim1".to_owned(), claim)]) };
        let path = std::env::temp_dir().join(format!("debate-{}.json", std::process::id()));
        results.write(&path).unwrap();
        let read = Results::read(&path);
        fs::remove_file(&path).unwrap();
        let read = read.unwrap().claims.remove("claim1").unwrap();
        assert_eq!(read.machine.kernel, "\"runs\":[]");
        assert_eq!(
            (read.notes, read.figures),
            (vec!["a \"word\"".to_owned()], results.claims["claim1"].figures.clone())
        );
    }
}
