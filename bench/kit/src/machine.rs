//! The machine: its name and limits, and how busy it is beside what is measured.

use std::{fs, io, process::Command};

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
    let load = fs::read_to_string("/proc/loadavg")?;
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
        load_before: load.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        open_files: limit("Max open files"),
        threads: limit("Max processes"),
    })
}

/// What is measured. The pages and their results, which a run itself changes, are no part of it.
fn commit() -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let commit = said("git", &["-C", root, "rev-parse", "--short", "HEAD"]);
    let others = [".", ":!docs/debate", ":!docs/debate.md", ":!docs/performance", ":!docs/performance.md"];
    let changed = said("git", &[&["-C", root, "status", "--porcelain", "--"], &others[..]].concat());
    if changed == UNKNOWN { commit } else { format!("{commit}, with changes") }
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
