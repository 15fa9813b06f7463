//! What a request takes, as `just costs` counted it: the baseline that the repository guards, and a file with system calls and
//! peers, where there is one. It must never count.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, de::DeserializeOwned};

/// The file beside the results that `just costs --json` may have written.
pub const FILE: &str = "costs.json";

/// What there is.
#[derive(Debug, Default)]
pub struct Costs {
    pub baseline: Baseline,
    pub counted: Option<Counted>,
}

/// Under what instructions were counted.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Conditions {
    pub rustc: String,
    pub processor: String,
    pub libc: String,
    pub valgrind: String,
}

/// `bench/costs/baseline.json`.
#[derive(Debug, Default, Deserialize)]
pub struct Baseline {
    pub conditions: Conditions,
    /// By case and backend.
    pub costs: BTreeMap<String, BTreeMap<String, Guarded>>,
}

/// For one request.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Guarded {
    pub instructions: u64,
    pub allocations: f64,
}

/// What `costs --json` writes.
#[derive(Debug, Default, Deserialize)]
pub struct Counted {
    pub conditions: Conditions,
    pub rows: Vec<Row>,
}

/// One case on one server: a backend, or the program of a peer.
#[derive(Debug, Default, Deserialize)]
pub struct Row {
    pub case: String,
    pub server: String,
    pub instructions: Option<f64>,
    pub allocations: Option<f64>,
    /// By name.
    #[serde(default)]
    pub syscalls: BTreeMap<String, f64>,
}

impl Costs {
    /// Reads the repository's baseline, and the file in this folder if it is there.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../costs/baseline.json");
        let counted = folder.join(FILE);
        Ok(Self {
            baseline: read(&baseline)?,
            counted: if counted.exists() { Some(read(&counted)?) } else { None },
        })
    }

    /// What was guarded of a case on a backend.
    pub fn guarded(&self, case: &str, backend: &str) -> Option<Guarded> {
        self.baseline.costs.get(case)?.get(backend).copied()
    }

    /// The rows of the file, if there is one.
    pub fn rows(&self) -> &[Row] {
        self.counted.as_ref().map_or(&[], |counted| &counted.rows)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let told = |error| io::Error::other(format!("{}: {error}", path.display()));
    let text = fs::read(path).map_err(|error| told(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| told(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_of_the_repository_can_be_read() {
        let costs = Costs::read(Path::new("/nowhere")).unwrap();
        assert!(costs.guarded("plaintext", "mio").is_some_and(|guarded| guarded.instructions > 0));
        assert!(costs.guarded("plaintext", "none").is_none() && costs.rows().is_empty());
    }

    #[test]
    fn what_costs_writes_can_be_read() {
        let text = r#"{"conditions":{"rustc":"r","processor":"p","libc":"l","valgrind":"v"},"rows":[
            {"case":"json","server":"peer-hyper","instructions":9.5,"allocations":2.0,"bytes":7.0,"syscalls":{"recvfrom":1.0}},
            {"case":"json","server":"mio"}]}"#;
        let counted: Counted = serde_json::from_str(text).unwrap();
        assert_eq!(counted.rows[0].syscalls["recvfrom"], 1.0);
        assert!(counted.rows[1].instructions.is_none() && counted.rows[1].syscalls.is_empty());
    }
}
