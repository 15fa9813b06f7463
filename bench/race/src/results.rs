//! What was measured, as it stands in the JSON file: every figure of the page comes from here. It must never measure.

use std::{collections::BTreeMap, fs, io, path::Path};

use kit::machine::Machine;
use serde::{Deserialize, Serialize};

/// The file: each scenario as it was measured last.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Results {
    pub scenarios: BTreeMap<String, Measured>,
    /// What it takes to build a hello world, where that was measured.
    pub builds: Option<Builds>,
}

/// The runs of one scenario, and where and when they were made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Measured {
    pub machine: Machine,
    /// The version of each server.
    pub versions: BTreeMap<String, String>,
    pub is_short: bool,
    pub rounds: usize,
    pub seconds: f64,
    /// Who did not take part, and why.
    pub left_out: BTreeMap<String, String>,
    /// Runs that came to nothing.
    pub failures: Vec<Failure>,
    pub runs: Vec<Run>,
}

/// A run that came to nothing, and why.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Failure {
    pub server: String,
    pub round: usize,
    pub reason: String,
}

/// One server in one round.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Run {
    pub server: String,
    pub round: usize,
    /// Answers a second.
    pub rate: f64,
    pub window_s: f64,
    pub answers: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// What the server's process spent on an answer.
    pub cpu_us: f64,
    pub server_cores: f64,
    /// What the load client used. Near 1, the figure may be about the client.
    pub load_cores: f64,
    /// Processors that were busy with anything else.
    pub other_cores: f64,
    /// Jain's index of the answers on each connection, and how many had none.
    pub jain: f64,
    pub starved: usize,
    /// The bytes of one whole answer; 0 where they were not looked at.
    pub answer_bytes: usize,
    /// Answers that were wrong, and connections that the server has closed.
    pub wrong: u64,
    pub closed: u64,
    pub threads: u64,
    pub resident_kib: u64,
    /// What one idle connection has added to the resident memory; 0 in other scenarios.
    pub idle_kib: f64,
    /// The load average of a minute, before the run.
    pub load_average: f64,
}

/// What it takes to build a hello world.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Builds {
    pub machine: Machine,
    pub builds: Vec<Build>,
}

/// A release build into an empty folder.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Build {
    pub name: String,
    pub version: String,
    /// Processor time of cargo, the compiler and the linker.
    pub cpu_s: f64,
    /// Packages that were compiled.
    pub packages: usize,
    /// The stripped program.
    pub program_bytes: u64,
}

impl Measured {
    /// Notes a failure. Who fails twice is left out from then on: it would take its time in every round.
    pub fn fails(&mut self, server: &str, round: usize, reason: String) {
        if self.failures.iter().any(|failure| failure.server == server) {
            self.left_out.insert(server.to_owned(), format!("it failed twice: {reason}"));
        }
        self.failures.push(Failure { server: server.to_owned(), round, reason });
    }

    /// A figure of each round that a server was in.
    pub fn figures<F>(&self, server: &str, figure: impl Fn(&Run) -> F) -> Vec<(usize, F)> {
        let own = self.runs.iter().filter(|run| run.server == server);
        own.map(|run| (run.round, figure(run))).collect()
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
        fs::write(path, self.text()?)
    }

    fn text(&self) -> serde_json::Result<String> {
        let scenario = |(name, measured): (&String, &Measured)| {
            let head = Measured { runs: Vec::new(), ..measured.clone() };
            let runs: Result<Vec<String>, _> = measured.runs.iter().map(serde_json::to_string).collect();
            // The runs are the last field, so that nothing else can look like them.
            let head = serde_json::to_string(&head)?;
            let head = head.strip_suffix("[]}").unwrap_or(&head);
            Ok(format!("{}:{head}[\n{}\n]}}", serde_json::to_string(name)?, runs?.join(",\n")))
        };
        let scenarios: serde_json::Result<Vec<String>> = self.scenarios.iter().map(scenario).collect();
        let builds = serde_json::to_string(&self.builds)?;
        Ok(format!("{{\"scenarios\":{{\n{}\n}},\n\"builds\":{builds}}}\n", scenarios?.join(",\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_twice_is_left_out() {
        let mut measured = Measured::default();
        measured.fails("one", 0, "first".to_owned());
        measured.fails("other", 0, "first".to_owned());
        assert!(measured.left_out.is_empty());
        measured.fails("one", 1, "second".to_owned());
        assert_eq!(measured.left_out["one"], "it failed twice: second");
        assert_eq!((measured.left_out.len(), measured.failures.len()), (1, 3));
    }

    #[test]
    fn the_file_can_be_read_again() {
        let run = Run { server: "a \"b\"[]}".to_owned(), round: 1, rate: 1.5, ..Run::default() };
        let measured = Measured {
            left_out: BTreeMap::from([("b".to_owned(), "\"runs\":[]}".to_owned())]),
            runs: vec![run.clone(), Run { round: 2, ..run }],
            ..Measured::default()
        };
        let scenarios =
            BTreeMap::from([("json".to_owned(), measured), ("idle".to_owned(), Measured::default())]);
        let builds = Some(Builds { builds: vec![Build::default()], ..Builds::default() });
        let results = Results { scenarios, builds };
        let text = results.text().unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
        assert_eq!(results.scenarios["json"].figures("a \"b\"[]}", |run| run.rate), [(1, 1.5), (2, 1.5)]);
        assert!(text.lines().count() >= 6, "{text}");
    }
}
