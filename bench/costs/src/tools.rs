//! The tools that watch a server: how each is started, and what is read from what it says at its end. Text in, numbers
//! out: it must never start anything.

use std::{collections::BTreeMap, path::Path};

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tool {
    /// Instructions in user space, of all threads.
    Callgrind,
    /// Allocations, and their bytes.
    Memcheck,
    /// System calls.
    Strace,
}

/// What a tool has counted, by name.
pub type Counts = BTreeMap<String, u64>;

pub const INSTRUCTIONS: &str = "instructions";
pub const ALLOCATIONS: &str = "allocations";
pub const BYTES: &str = "bytes";

impl Tool {
    pub const ALL: [Self; 3] = [Self::Callgrind, Self::Memcheck, Self::Strace];

    /// What it counts, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Callgrind => INSTRUCTIONS,
            Self::Memcheck => ALLOCATIONS,
            Self::Strace => "syscalls",
        }
    }

    /// What has to be installed.
    pub fn program(self) -> &'static str {
        match self {
            Self::Callgrind | Self::Memcheck => "valgrind",
            Self::Strace => "strace",
        }
    }

    /// The words before the server's own. All keep the server in the process that was started.
    pub fn words(self, profile: Option<&Path>) -> Vec<String> {
        // By fair turns, what wakes whom hangs less on which thread happens to be faster.
        let words: &[&str] = match self {
            Self::Callgrind => &["valgrind", "--fair-sched=yes", "--tool=callgrind"],
            // Only its count of allocations is wanted.
            Self::Memcheck => &["valgrind", "--fair-sched=yes", "--leak-check=no", "--undef-value-errors=no"],
            // By `-D`, the server is not a child of the tracer.
            Self::Strace => &["strace", "-D", "-f", "-c", "-U", "calls,name"],
        };
        let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        if self == Self::Callgrind {
            let file = profile.unwrap_or(Path::new("/dev/null"));
            words.push(format!("--callgrind-out-file={}", file.display()));
        }
        words
    }

    /// Reads what it said; nothing where that is not what it says at its end.
    pub fn read(self, said: &str) -> Option<Counts> {
        match self {
            Self::Callgrind => read_callgrind(said),
            Self::Memcheck => read_memcheck(said),
            Self::Strace => read_strace(said),
        }
    }
}

/// `==7== Collected : 1234`
fn read_callgrind(said: &str) -> Option<Counts> {
    let count = said.lines().find_map(|line| line.split_once("Collected : "))?.1;
    Some(Counts::from([(INSTRUCTIONS.to_owned(), count.trim().parse().ok()?)]))
}

/// `==7==   total heap usage: 1,234 allocs, 1,230 frees, 56,789 bytes allocated`
fn read_memcheck(said: &str) -> Option<Counts> {
    let usage = said.lines().find_map(|line| line.split_once("total heap usage: "))?.1;
    let number = |unit| {
        let words = usage.split(", ").find_map(|part| part.strip_suffix(unit))?;
        words.replace(',', "").parse().ok()
    };
    Some(Counts::from([
        (ALLOCATIONS.to_owned(), number(" allocs")?),
        (BYTES.to_owned(), number(" bytes allocated")?),
    ]))
}

/// A table of two columns, between lines of dashes.
fn read_strace(said: &str) -> Option<Counts> {
    let mut rows = said.lines().skip_while(|line| !line.starts_with("----"));
    rows.next()?;
    let mut counts = Counts::new();
    for row in rows.by_ref().take_while(|line| !line.starts_with("----")) {
        let (count, name) = row.trim().split_once(' ')?;
        counts.insert(name.trim().to_owned(), count.parse().ok()?);
    }
    // Cut off, it would lack calls.
    rows.next().is_some_and(|row| row.trim().ends_with("total")).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<const N: usize>(of: [(&str, u64); N]) -> Option<Counts> {
        Some(of.map(|(name, count)| (name.to_owned(), count)).into())
    }

    #[test]
    fn callgrind() {
        let said = "==7== Callgrind, a call-graph\n==7== Events    : Ir\n==7== Collected : 3075541\n==7== \n";
        assert_eq!(Tool::Callgrind.read(said), counts([(INSTRUCTIONS, 3_075_541)]));
        assert_eq!(Tool::Callgrind.read("==7== Callgrind, a call-graph\n"), None);
    }

    #[test]
    fn memcheck() {
        let said = "==7==     in use at exit: 8 bytes in 1 blocks\n\
            ==7==   total heap usage: 1,234 allocs, 1,230 frees, 56,789 bytes allocated\n";
        assert_eq!(Tool::Memcheck.read(said), counts([(ALLOCATIONS, 1234), (BYTES, 56_789)]));
        assert_eq!(Tool::Memcheck.read("==7== Memcheck, a memory error detector\n"), None);
    }

    #[test]
    fn strace() {
        let said = "    calls syscall\n--------- ----------------\n     3000 recvfrom\n       42 mmap\n\
            --------- ----------------\n     3042 total\n";
        assert_eq!(Tool::Strace.read(said), counts([("recvfrom", 3000), ("mmap", 42)]));
        let cut = said.split_once("       42").unwrap().0;
        assert_eq!(Tool::Strace.read(cut), None);
    }
}
