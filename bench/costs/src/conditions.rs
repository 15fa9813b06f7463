//! What instruction counts hang on beside the code: compiler and processor, the C library, valgrind. It must never be
//! needed to compare allocations.

use std::{env::consts::ARCH, fs, process::Command};

use serde::{Deserialize, Serialize};

/// Under what something was counted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Conditions {
    /// The compiler that made this program.
    pub rustc: String,
    /// The architecture, and what the copying and searching loops choose by.
    pub processor: String,
    /// Its `malloc` and `memcpy` are a small part of each figure.
    pub libc: String,
    pub valgrind: String,
}

impl Conditions {
    pub fn here() -> Self {
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let has_avx2 = flags.split_whitespace().any(|flag| flag == "avx2");
        Self {
            rustc: env!("COSTS_RUSTC").to_owned(),
            processor: format!("{ARCH}{}", if has_avx2 { " with avx2" } else { "" }),
            libc: first_line("ldd"),
            valgrind: first_line("valgrind"),
        }
    }

    /// What differs so that instructions cannot be compared.
    pub fn forbids(&self, other: &Self) -> Vec<String> {
        let pairs = [(&self.rustc, &other.rustc), (&self.processor, &other.processor)];
        differing(&pairs)
    }

    /// What differs, and moves instructions a little.
    pub fn blurs(&self, other: &Self) -> Vec<String> {
        let pairs = [(&self.libc, &other.libc), (&self.valgrind, &other.valgrind)];
        differing(&pairs)
    }
}

fn differing(pairs: &[(&String, &String)]) -> Vec<String> {
    let pairs = pairs.iter().filter(|(there, here)| there != here);
    pairs.map(|(there, here)| format!("{here} here, {there} in the baseline")).collect()
}

fn first_line(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_forbids_and_another_library_blurs() {
        let there = Conditions {
            rustc: "rustc 1.95.0".to_owned(),
            processor: "x86_64".to_owned(),
            libc: "2.36".to_owned(),
            valgrind: "3.19".to_owned(),
        };
        let here = Conditions { rustc: "rustc 1.96.0".to_owned(), libc: "2.41".to_owned(), ..there.clone() };
        assert_eq!(there.forbids(&here), ["rustc 1.96.0 here, rustc 1.95.0 in the baseline"]);
        assert_eq!(there.blurs(&here), ["2.41 here, 2.36 in the baseline"]);
        assert!(there.forbids(&there).is_empty() && there.blurs(&there).is_empty());
    }
}
