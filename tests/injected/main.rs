//! Faults at the system-call level: a small server in its own process, under a preloaded shim that makes calls
//! fail, be interrupted, come short, and clocks jump; and a client that counts every request and answer.
//! `just faults` runs it, on every backend; it needs a C compiler, and for some cases strace and prlimit. A
//! case that cannot be run says why. Without `--run`, as under `cargo test`, nothing is done.
//!
//! Not to be mixed up with `tests/faults`, which needs no help of the system, and with `tests/planted`, whose faults
//! are in our own code.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its table is what it is for")]

mod calls;
mod client;
mod clocks;
mod connections;
mod process;
mod server;
mod starting;
mod threads;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::OnceLock,
};

use process::Process;

/// How a case ended, where it did not fail.
pub(crate) enum Outcome {
    /// With what was counted.
    Held(String),
    Skipped(String),
}

/// A case: its name, and what is done to a running server. It fails by a panic.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) run: Box<dyn Fn(&Process) -> Outcome + Send + Sync>,
}

pub(crate) fn case(
    name: impl Into<String>,
    run: impl Fn(&Process) -> Outcome + Send + Sync + 'static,
) -> Case {
    Case { name: name.into(), run: Box::new(run) }
}

const BACKENDS: [&str; 3] = ["threaded", "mio", "tokio"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", backend, threads] => server::main(backend, threads),
        ["--run", ref names @ ..] => run(names),
        _ => {
            println!("skipped: faults are injected by `just faults`, since they need a preloaded shim");
            ExitCode::SUCCESS
        }
    }
}

/// The shim, compiled.
pub(crate) static SHIM: OnceLock<PathBuf> = OnceLock::new();

fn run(names: &[&str]) -> ExitCode {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        println!("skipped: the shim is for the GNU C library on Linux");
        return ExitCode::SUCCESS;
    }
    match compile() {
        Ok(shim) => SHIM.set(shim).expect("set once"),
        Err(why) => {
            println!("skipped: the shim cannot be compiled: {why}");
            return ExitCode::SUCCESS;
        }
    }
    let failed: usize = std::thread::scope(|scope| {
        let runs = BACKENDS.map(|backend| scope.spawn(move || on_backend(backend, names)));
        runs.into_iter().map(|run| run.join().expect("a run does not panic")).sum()
    });
    println!("{failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The shim's path, once it is compiled; else why it is not.
fn compile() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/injected/shim.c");
    let shim = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shim.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"])
        .args([&shim, &source])
        .arg("-ldl")
        .output()
        .map_err(|error| format!("{compiler}: {error}"))?;
    match output.status.success() {
        true => Ok(shim),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Runs the cases on one server after the other, of which each lasts until a case fails; how many did.
fn on_backend(backend: &'static str, names: &[&str]) -> usize {
    let cases = [connections::cases(), threads::cases(), calls::cases(), clocks::cases(), starting::cases()];
    let mut failed = 0;
    let mut process = None;
    for case in cases.into_iter().flatten() {
        if !names.is_empty() && !names.iter().any(|name| case.name.contains(name) || *name == backend) {
            continue;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let process: &Process = process.get_or_insert_with(|| Process::start(backend));
            let outcome = (case.run)(process);
            process.calm();
            process.is_back_to_base();
            outcome
        }));
        match outcome {
            Ok(Outcome::Held(counts)) => println!("{backend:8}  {:44} held: {counts}", case.name),
            Ok(Outcome::Skipped(why)) => println!("{backend:8}  {:44} skipped: {why}", case.name),
            Err(_) => {
                failed += 1;
                println!("{backend:8}  {:44} FAILED", case.name);
                process = None;
            }
        }
    }
    if let Some(process) = process
        && catch_unwind(AssertUnwindSafe(|| process.stop())).is_err()
    {
        failed += 1;
        println!("{backend:8}  {:44} FAILED", "the stop after all");
    }
    failed
}
