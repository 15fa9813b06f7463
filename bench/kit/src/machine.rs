//! The machine: its name and limits, and how busy it is beside what is measured.

use std::{fs, io, process::Command, time::Duration};

use serde::{Deserialize, Serialize};

/// A machine, and how it stood at some moment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
    pub compiler: String,
    /// What was measured, as the repository names it.
    pub commit: String,
    pub date: String,
    /// The load average of a minute, before the first run.
    pub load_before: f64,
    pub open_files: String,
    pub threads: String,
}

/// What a program says that says nothing, or is not there.
const UNKNOWN: &str = "unknown";

/// What the machine is, and how it stands now.
pub fn look() -> io::Result<Machine> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kibibytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let limits = fs::read_to_string("/proc/self/limits")?;
    let limit = |name: &str| {
        let row = limits.lines().find_map(|line| line.strip_prefix(name));
        row.and_then(|row| row.split_whitespace().next()).unwrap_or("?").to_owned()
    };
    Ok(Machine {
        processor: model.map_or(UNKNOWN, |(_, name)| name).to_owned(),
        cores: cores(),
        memory_gib: kibibytes.and_then(|text| text.parse().ok()).unwrap_or(0.0) / f64::from(1 << 20),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        compiler: said("rustc", &["--version"]),
        commit: commit(),
        date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        load_before: load()?,
        open_files: limit("Max open files"),
        threads: limit("Max processes"),
    })
}

/// What is measured, by a name that the repository has. The pages and their results, which a run itself changes, are no
/// part of it.
fn commit() -> String {
    let others = [".", ":!docs/debate", ":!docs/debate.md", ":!docs/performance", ":!docs/performance.md"];
    match (
        git(&["rev-parse", "--short", "HEAD"]),
        git(&[&["status", "--porcelain", "--"], &others[..]].concat()),
    ) {
        (Some(commit), Some(changed)) if changed.is_empty() => commit,
        (Some(commit), Some(_)) => format!("{commit}, with changes"),
        (Some(commit), None) => format!("{commit}, perhaps with changes"),
        (None, _) => UNKNOWN.to_owned(),
    }
}

/// Whether the repository has a commit, by the name that [`look`] gives it; `None` where there is no repository.
pub fn has_commit(name: &str) -> Option<bool> {
    git(&["rev-parse", "HEAD"])?;
    let hash = name.split(',').next().unwrap_or(name);
    Some(git(&["cat-file", "-t", hash]).is_some_and(|kind| kind == "commit"))
}

/// What git says of the repository, if it can say anything.
fn git(arguments: &[&str]) -> Option<String> {
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output = Command::new("git").args(["-C", ROOT]).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The load average of the last minute.
pub fn load() -> io::Result<f64> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0))
}

/// Processors.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// Seconds that all processors together have worked, for anybody, what a hypervisor took included.
pub fn busy_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let row = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = row.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, and behind idle and iowait: irq, softirq, steal.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|index| ticks.get(*index)).sum::<f64>();
    Ok(busy / 100.0)
}

/// What this process has had of the processors.
pub fn own_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What limits threads and memory maps, for the notes.
pub fn limits() -> Vec<String> {
    let names = [
        "/proc/sys/kernel/threads-max",
        "/proc/sys/kernel/pid_max",
        "/proc/sys/vm/max_map_count",
        "/proc/sys/net/core/somaxconn",
        "/proc/sys/net/ipv4/ip_local_port_range",
    ];
    let row = |name: &&str| {
        let value = fs::read_to_string(name).ok()?;
        let value = value.split_whitespace().collect::<Vec<_>>().join("–");
        Some(format!("`{}` {value}", name.rsplit_once('/')?.1))
    };
    names.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_that_is_named_exists() {
        // In a copy without a repository there is nothing to name.
        let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return };
        assert!(commit().starts_with(&head));
        assert_eq!(has_commit(&commit()), Some(true));
        assert_eq!(has_commit("0000000, with changes"), Some(false));
    }
}
