//! `costs [CASE…] [BACKEND…] [TOOL…] [--peer PROGRAM]… [--json FILE] [--profiles FOLDER]` tells what a request costs in
//! instructions, allocations and system calls; `costs --check` compares them, and the size of a hello world, with the
//! baseline, `costs --write` writes it, and `--baseline FILE` names another. `serve` is the process that it starts. Nothing here may look at a clock for a figure.

mod app;
mod baseline;
mod cases;
mod client;
mod conditions;
mod measure;
mod plan;
mod programs;
mod server;
mod table;
mod tools;

use std::{env, fs, io, process::ExitCode};

use baseline::{Baseline, Scope, Verdict};
use cases::Case;
use conditions::Conditions;
use plan::{Plan, Purpose};
use serde::Serialize;
use server::Program;
use table::Row;
use tools::Tool;

/// How often each is counted, where the least is the figure.
const ROUNDS: usize = 3;

/// How often in turn, before what has grown is a fault. What crosses threads hangs on who runs when, which only adds: on a
/// machine that is busy with something else up to a tenth, and now and then 3 counts do not find it without.
const ATTEMPTS: [usize; 3] = [1, ROUNDS, 3 * ROUNDS];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["serve", backend, routes] => app::serve(backend, routes).map(|()| true),
        _ => Plan::read(&words).and_then(run),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("costs: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures. False where something has grown, or could not be measured.
fn run(mut plan: Plan) -> io::Result<bool> {
    if cfg!(debug_assertions) {
        return Err(io::Error::other("a debug build tells nothing about costs: run it with --release"));
    }
    plan.tools = usable(&plan)?;
    if let Some(folder) = &plan.profiles {
        fs::create_dir_all(folder)?;
    }
    if plan.purpose == Purpose::Check {
        return check(&plan);
    }
    println!("{}", table::head());
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    each(&plan, |case, name, program| {
        match measure(&plan, case, name, program, ROUNDS) {
            Ok(row) => {
                println!("{}", table::row(&row));
                rows.push(row);
            }
            // A peer that cannot do this may do the next.
            Err(error) => failures.push(error),
        }
        Ok(())
    })?;
    table::ratios(&rows).iter().for_each(|ratio| println!("{ratio}"));
    failures.iter().for_each(|error| eprintln!("{error}"));
    if plan.purpose == Purpose::Write && failures.is_empty() {
        Baseline::new(Conditions::here(), &rows, programs::sizes()?)?.write(&plan.baseline)?;
        println!("{}; `just race page` brings docs/performance.md up to it", plan.baseline.display());
    }
    if let Some(file) = &plan.json {
        #[derive(Serialize)]
        struct Figures {
            conditions: Conditions,
            rows: Vec<Row>,
        }
        let figures = Figures { conditions: Conditions::here(), rows };
        fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    Ok(failures.is_empty())
}

/// Compares with the baseline. What has grown is measured again, with more and more care, before it is a fault.
fn check(plan: &Plan) -> io::Result<bool> {
    let baseline = Baseline::read(&plan.baseline)?;
    let here = Conditions::here();
    let forbidding = baseline.conditions.forbids(&here);
    forbidding.iter().for_each(|line| println!("only allocations are compared, and no programs: {line}"));
    baseline.conditions.blurs(&here).iter().for_each(|line| println!("a little may come of this: {line}"));
    let scope = if forbidding.is_empty() { Scope::All } else { Scope::Allocations };
    println!("{}", table::head());
    let (mut grown, mut shrunk) = (Vec::new(), Vec::new());
    each(plan, |case, name, program| {
        let mut verdict = Verdict::default();
        for rounds in ATTEMPTS {
            let row = measure(plan, case, name, program, rounds)?;
            println!("{}", table::row(&row));
            verdict = baseline.judge(&row, scope)?;
            if verdict.grown.is_empty() {
                break;
            }
        }
        grown.extend(verdict.grown);
        shrunk.extend(verdict.shrunk);
        Ok(())
    })?;
    if scope == Scope::All {
        let [larger, smaller] = programs::judge(&baseline.programs, &programs::sizes()?)?;
        grown.extend(larger);
        shrunk.extend(smaller);
    }
    shrunk.iter().for_each(|line| println!("less: {line}; `costs --write` keeps what was won"));
    grown.iter().for_each(|line| println!("MORE: {line}"));
    if grown.is_empty() {
        println!(
            "no request costs more than 5 % more, and no program 2 %, than in {}",
            plan.baseline.display()
        );
    }
    Ok(grown.is_empty())
}

/// Each case on each server.
fn each(plan: &Plan, mut measured: impl FnMut(&Case, &str, &Program) -> io::Result<()>) -> io::Result<()> {
    for case in &plan.cases {
        for (name, program) in plan.servers(case)? {
            measured(case, &name, &program)?;
        }
    }
    Ok(())
}

fn measure(plan: &Plan, case: &Case, name: &str, program: &Program, rounds: usize) -> io::Result<Row> {
    let file = |folder: &std::path::PathBuf| folder.join(format!("callgrind.{}.{name}", case.name));
    let profile = plan.profiles.as_ref().map(file);
    let cost = measure::measure(program, case, &plan.tools, rounds, profile.as_deref())
        .map_err(|error| io::Error::other(format!("{} on {name}: {error}", case.name)))?;
    Ok(Row { case: case.name.to_owned(), server: name.to_owned(), cost })
}

/// The tools that are there. A baseline needs all of its own.
fn usable(plan: &Plan) -> io::Result<Vec<Tool>> {
    if !server::addresses_can_be_fixed() {
        println!("addresses are random, as `setarch -R` is refused here: figures repeat less well");
    }
    let (there, lacking): (Vec<Tool>, Vec<Tool>) =
        plan.tools.iter().partition(|tool| server::can_run(tool.program(), &["--version"]));
    for tool in &lacking {
        println!("no {} are counted: there is no {}", tool.name(), tool.program());
    }
    if there.is_empty() || (plan.purpose != Purpose::Show && !lacking.is_empty()) {
        return Err(io::Error::other("the tools are not there"));
    }
    Ok(there)
}
