//! `race [--short] [--rounds N] [--seconds S] [--out FOLDER] [SERVER…] [SCENARIO…]` builds the servers, measures them in
//! interleaved rounds, and writes the page; `race page [--out FOLDER]` writes it from what was measured before. It must never
//! end a process that it did not start.

mod builds;
mod costs;
mod load;
mod nginx;
mod page;
mod processors;
mod results;
mod scenarios;
mod servers;
mod stage;
mod standing;
mod statistics;
mod versions;

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use kit::{
    machine::{self, Machine},
    peers,
};
use processors::Processors;
use results::{Builds, Measured, Results};
use scenarios::{Load, Scenario};
use servers::Server;
use stage::{Stage, load_average};

fn main() -> ExitCode {
    match Orders::read(env::args().skip(1)).and_then(|orders| run(&orders)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("race: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for.
struct Orders {
    is_short: bool,
    only_page: bool,
    with_builds: bool,
    rounds: usize,
    seconds: f64,
    out: PathBuf,
    servers: Vec<&'static Server>,
    scenarios: Vec<&'static Scenario>,
}

/// What stands among the scenarios, though nobody serves in it.
const BUILD: &str = "build";

impl Orders {
    fn read(mut arguments: impl Iterator<Item = String>) -> io::Result<Self> {
        let (mut is_short, mut only_page, mut with_builds) = (false, false, false);
        let (mut rounds, mut seconds, mut out) = (None, None, None);
        let (mut servers, mut scenarios) = (Vec::new(), Vec::new());
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| io::Error::other(format!("{argument} of what?")));
            match argument.as_str() {
                "--short" => is_short = true,
                "--rounds" => rounds = Some(value()?.parse().map_err(io::Error::other)?),
                "--seconds" => seconds = Some(value()?.parse().map_err(io::Error::other)?),
                "--out" => out = Some(PathBuf::from(value()?)),
                "page" => only_page = true,
                BUILD => with_builds = true,
                name => match (Server::named(name), Scenario::named(name)) {
                    (Some(server), _) => servers.push(server),
                    (None, Some(scenario)) => scenarios.push(scenario),
                    (None, None) => return Err(unknown(name)),
                },
            }
        }
        // What is not whole does not replace what the repository has.
        let is_whole = !is_short && servers.is_empty();
        let out = out.map_or_else(|| folder(is_whole || only_page), Ok)?;
        if servers.is_empty() {
            servers = servers::ALL.iter().collect();
        }
        if scenarios.is_empty() && !with_builds {
            scenarios = scenarios::ALL.iter().collect();
            with_builds = !is_short;
        }
        // In the order of all, however they were named: the floors come first.
        servers.sort_by_key(|server| servers::ALL.iter().position(|other| other.name == server.name));
        let (rounds, seconds) = (
            rounds.unwrap_or(if is_short { 1 } else { 5 }),
            seconds.unwrap_or(if is_short { 0.3 } else { 2.0 }),
        );
        Ok(Self { is_short, only_page, with_builds, rounds, seconds, out, servers, scenarios })
    }
}

fn unknown(name: &str) -> io::Error {
    let servers = servers::ALL.iter().map(|server| server.name).collect::<Vec<_>>().join(", ");
    let scenarios = scenarios::ALL.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
    io::Error::other(format!(
        "there is no server and no scenario {name:?}; there are {servers}; {scenarios}, {BUILD}"
    ))
}

fn run(orders: &Orders) -> io::Result<()> {
    if !orders.only_page {
        measure(orders)?;
    }
    page::write(&orders.out)?;
    println!("{}", orders.out.join("performance.md").display());
    Ok(())
}

fn measure(orders: &Orders) -> io::Result<()> {
    let (servers, left_out) = build(&orders.servers)?;
    await_quiet(orders.is_short);
    processors::raise_files()?;
    // Asked before this thread stays on one of them.
    let cores = machine::cores();
    let processors = Processors::choose()?;
    if processors.server == processors.load {
        println!("there is one processor only: server and load share it, and the figures say little");
    }
    let stage = Stage {
        processors,
        programs: programs()?,
        warm_up: Duration::from_secs_f64(if orders.is_short { 0.1 } else { 0.5 }),
        window: Duration::from_secs_f64(orders.seconds),
        idle_divisor: if orders.is_short { 5 } else { 1 },
    };
    let file = page::file(&orders.out)?;
    let mut results = Results::read(&file)?;
    for scenario in &orders.scenarios {
        let mut measured = Measured {
            machine: Machine { cores, ..machine::look()? },
            versions: versions::of_servers(&servers),
            is_short: orders.is_short,
            rounds: orders.rounds,
            seconds: orders.seconds,
            left_out: left_out.clone(),
            ..Measured::default()
        };
        println!("=== {}: {}", scenario.name, scenario.title);
        rounds(&stage, scenario, &servers, &mut measured);
        results.scenarios.insert(scenario.name.to_owned(), measured);
        // Each is kept at once: the next may fail.
        results.write(&file)?;
    }
    if orders.with_builds {
        println!("=== {BUILD}");
        let builds = builds::measure()?;
        results.builds = Some(Builds { machine: Machine { cores, ..builds.machine }, ..builds });
        results.write(&file)?;
    }
    Ok(())
}

/// A B C …, A B C …: what changes on the machine meanwhile, changes for all.
fn rounds(stage: &Stage, scenario: &Scenario, servers: &[&'static Server], measured: &mut Measured) {
    for server in servers {
        if let Some(reason) = server.cannot(scenario) {
            println!("{:16} is left out: {reason}", server.name);
            measured.left_out.insert(server.name.to_owned(), reason.to_owned());
        }
    }
    for round in 0..measured.rounds {
        for server in servers {
            if measured.left_out.contains_key(server.name) {
                continue;
            }
            match stage.run(server, scenario, round) {
                Ok(run) => {
                    println!("{}", row(&run, scenario.load));
                    measured.runs.push(run);
                }
                Err(error) => {
                    println!("{round:2} {:16} failed: {error}", server.name);
                    measured.fails(server.name, round, error.to_string());
                }
            }
        }
    }
}

/// Builds the programs; gives those servers that are there, and why the others are not.
fn build(servers: &[&'static Server]) -> io::Result<(Vec<&'static Server>, BTreeMap<String, String>)> {
    let mut packages: Vec<&str> = servers.iter().filter_map(|server| server.package()).collect();
    packages.dedup();
    let (built, _) = peers::build(&packages)?;
    let (mut there, mut left_out) = (Vec::new(), BTreeMap::new());
    for server in servers {
        let reason = match server.package() {
            Some(package) if built.iter().any(|peer| peer.name == package) => None,
            Some(_) => Some("it cannot be built".to_owned()),
            None => nginx::version().err().map(|error| format!("it is not installed: {error}")),
        };
        match reason {
            None => there.push(*server),
            Some(reason) => {
                println!("{:16} is left out: {reason}", server.name);
                left_out.insert(server.name.to_owned(), reason);
            }
        }
    }
    Ok((there, left_out))
}

/// Others would be measured too. What was built here has to fade from the average first.
fn await_quiet(is_short: bool) {
    const QUIET: f64 = 0.5;
    let until = Instant::now() + Duration::from_secs(if is_short { 0 } else { 120 });
    while load_average() > QUIET && Instant::now() < until {
        thread::sleep(Duration::from_secs(1));
    }
    let load = load_average();
    println!(
        "load average {load}{}",
        if load > QUIET { ": this machine has other things to do" } else { "" }
    );
}

/// A line for the terminal.
fn row(run: &results::Run, load: Load) -> String {
    let what = match load {
        Load::Idle { .. } => format!("{:8.2} KiB for each of {}", run.idle_kib, run.answers),
        _ => format!("{:9.0}/s {:7.2} µs", run.rate, run.cpu_us),
    };
    format!(
        "{:2} {:16} {what} p50 {:8.2} p99 {:8.2} ms | J {:.2} starved {} | cores {:.2} load {:.2} others {:.2} | {} B, wrong {} closed {} | {} threads {} MiB",
        run.round,
        run.server,
        run.p50_ms,
        run.p99_ms,
        run.jain,
        run.starved,
        run.server_cores,
        run.load_cores,
        run.other_cores,
        run.answer_bytes,
        run.wrong,
        run.closed,
        run.threads,
        run.resident_kib >> 10,
    )
}

/// Where this program was built, the peers are.
fn programs() -> io::Result<PathBuf> {
    Ok(target()?.join("release"))
}

fn target() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    Ok(program.ancestors().nth(2).ok_or(io::ErrorKind::NotFound)?.to_owned())
}

/// The repository's own, or beside the build.
fn folder(is_whole: bool) -> io::Result<PathBuf> {
    if is_whole {
        return Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"));
    }
    let folder = target()?.join("race");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
