//! What the command line asks for. It must never start or measure anything.

use std::{env, io, path::PathBuf};

use crate::{
    baseline,
    cases::{self, Case},
    server::Program,
    tools::Tool,
};

pub const BACKENDS: [&str; 3] = ["threaded", "mio", "tokio"];

/// What is done with the figures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    Show,
    /// Compare with the baseline.
    Check,
    /// Write the baseline.
    Write,
}

#[derive(Debug)]
pub struct Plan {
    pub purpose: Purpose,
    pub cases: Vec<Case>,
    pub backends: Vec<&'static str>,
    /// Programs that take the number of their threads as their only word.
    pub peers: Vec<PathBuf>,
    pub tools: Vec<Tool>,
    /// A file for the figures.
    pub json: Option<PathBuf>,
    /// A folder for callgrind's files.
    pub profiles: Option<PathBuf>,
    pub baseline: PathBuf,
}

impl Plan {
    pub fn read(words: &[&str]) -> io::Result<Self> {
        let mut plan = Self {
            purpose: Purpose::Show,
            cases: Vec::new(),
            backends: Vec::new(),
            peers: Vec::new(),
            tools: Vec::new(),
            json: None,
            profiles: None,
            baseline: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline.json"),
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut path = || {
                let path = words.next().map(PathBuf::from);
                path.ok_or_else(|| io::Error::other(format!("{word:?} is followed by a path")))
            };
            match word {
                "--check" => plan.purpose = Purpose::Check,
                "--write" => plan.purpose = Purpose::Write,
                "--peer" => plan.peers.push(path()?),
                "--json" => plan.json = Some(path()?),
                "--profiles" => plan.profiles = Some(path()?),
                "--baseline" => plan.baseline = path()?,
                name => plan.choose(name)?,
            }
        }
        plan.complete()
    }

    /// A case, a backend or a tool.
    fn choose(&mut self, name: &str) -> io::Result<()> {
        if let Some(case) = cases::all().into_iter().find(|case| case.name == name) {
            self.cases.push(case);
        } else if let Some(&backend) = BACKENDS.iter().find(|&&backend| backend == name) {
            self.backends.push(backend);
        } else if let Some(&tool) = Tool::ALL.iter().find(|tool| tool.name() == name) {
            self.tools.push(tool);
        } else {
            let mut known: Vec<&str> = cases::all().iter().map(|case| case.name).collect();
            known.extend(BACKENDS);
            known.extend(Tool::ALL.map(Tool::name));
            return Err(io::Error::other(format!("there is no {name:?}; there are {}", known.join(", "))));
        }
        Ok(())
    }

    /// Where nothing is named, all is meant.
    fn complete(mut self) -> io::Result<Self> {
        if self.purpose != Purpose::Show {
            let are_named = !(self.cases.is_empty() && self.backends.is_empty() && self.tools.is_empty());
            if are_named || !self.peers.is_empty() {
                return Err(io::Error::other("the baseline is written and checked as a whole"));
            }
            self.cases = cases::all();
            self.cases.retain(|case| baseline::CASES.contains(&case.name));
            self.tools = vec![Tool::Callgrind, Tool::Memcheck];
        }
        if self.cases.is_empty() {
            self.cases = cases::all();
        }
        // Who names peers alone wants no other.
        if self.backends.is_empty() && self.peers.is_empty() {
            self.backends = BACKENDS.to_vec();
        }
        if self.tools.is_empty() {
            self.tools = Tool::ALL.to_vec();
        }
        Ok(self)
    }

    /// The servers of a case, by name.
    pub fn servers(&self, case: &Case) -> io::Result<Vec<(String, Program)>> {
        let own = env::current_exe()?;
        let backends = self.backends.iter().map(|&backend| {
            let words = vec!["serve".to_owned(), backend.to_owned(), case.routes.to_string()];
            (backend.to_owned(), Program { path: own.clone(), words })
        });
        let is_theirs = cases::OF_PEERS.contains(&case.name);
        let peers = self.peers.iter().filter(|_| is_theirs).map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            (name, Program { path: path.clone(), words: vec!["1".to_owned()] })
        });
        Ok(backends.chain(peers).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &Plan) -> Vec<&str> {
        plan.cases.iter().map(|case| case.name).collect()
    }

    #[test]
    fn nothing_is_all() {
        let plan = Plan::read(&[]).unwrap();
        assert_eq!((plan.backends, plan.tools), (BACKENDS.to_vec(), Tool::ALL.to_vec()));
        assert_eq!(plan.cases.len(), cases::all().len());
    }

    #[test]
    fn what_is_named() {
        let plan = Plan::read(&["fn", "mio", "syscalls", "--json", "out"]).unwrap();
        assert_eq!(names(&plan), ["fn"]);
        assert_eq!(plan.backends, ["mio"]);
        assert_eq!(plan.tools, [Tool::Strace]);
        assert_eq!(plan.json, Some(PathBuf::from("out")));
        assert!(Plan::read(&["fnord"]).is_err());
        assert!(Plan::read(&["--json"]).is_err());
    }

    #[test]
    fn peers_alone_have_their_cases() {
        let plan = Plan::read(&["--peer", "/bin/peer"]).unwrap();
        let with: Vec<&str> = plan
            .cases
            .iter()
            .filter(|case| !plan.servers(case).unwrap().is_empty())
            .map(|case| case.name)
            .collect();
        assert_eq!(with, cases::OF_PEERS);
    }

    #[test]
    fn the_baseline_is_whole() {
        assert_eq!(names(&Plan::read(&["--check"]).unwrap()), baseline::CASES);
        assert!(Plan::read(&["--write", "plaintext"]).is_err());
    }
}
