//! Work in every parser that the network reaches is linear in its input: twice as much input, at most 2.5 times
//! the instructions. They are counted, not timed: by callgrind, and only while an input is served. `.ci/run linear`
//! runs it; without `--run`, as under `cargo test`, nothing is done.
//!
//! `--work NAME SIZE …` serves inputs one by one: what callgrind watches, and what to profile.
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

mod feed;
mod inputs;
#[cfg(all(feature = "client-address", feature = "cookies", feature = "multipart"))]
mod web;

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    thread,
};

use inputs::{Input, inputs};

/// The most that twice the input may cost.
const FACTOR_MAX: f64 = 2.5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--work", ref works @ ..] => {
            for work in works.chunks(2) {
                let [name, size] = work[..] else { panic!("a name and a size") };
                let input = inputs().into_iter().find(|input| input.name == name).expect("an input's name");
                println!("{}", input.serve(size.parse().expect("a size")));
            }
            ExitCode::SUCCESS
        }
        ["--run", ref names @ ..] => run(names),
        _ => {
            println!("skipped: instructions are counted by `.ci/run linear`");
            ExitCode::SUCCESS
        }
    }
}

/// The instructions of one input: of next to none, of its size, of twice that.
struct Row {
    name: &'static str,
    size: usize,
    work: [u64; 3],
    answer: String,
}

impl Row {
    /// Work for twice the input over work for it, without what the smallest costs. Where that is most of it,
    /// as for an input that is refused at its beginning, only half is left out, lest noise is compared.
    fn factor(&self) -> f64 {
        let [base, once, twice] = self.work;
        let base = base.min(once / 2);
        twice.saturating_sub(base) as f64 / (once - base) as f64
    }
}

fn run(names: &[&str]) -> ExitCode {
    if let Err(error) = Command::new("valgrind").arg("--version").output() {
        println!("skipped: there is no valgrind to count instructions with: {error}");
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<Input> = inputs()
        .into_iter()
        .filter(|input| names.is_empty() || names.iter().any(|name| input.name.contains(name)))
        .collect();
    let processes = thread::available_parallelism().map_or(1, usize::from);
    let rows: Vec<Row> = thread::scope(|scope| {
        // Dealt out in turn, as neighbours are alike.
        let runs: Vec<_> = (0..processes)
            .map(|process| {
                let share: Vec<&Input> = chosen.iter().skip(process).step_by(processes).collect();
                scope.spawn(move || measure(process, &share))
            })
            .collect();
        let mut shares: Vec<_> =
            runs.into_iter().map(|run| run.join().expect("counted").into_iter()).collect();
        (0..chosen.len()).filter_map(|place| shares[place % processes].next()).collect()
    });
    println!("{:44} {:>8} {:>13} {:>14} {:>7}  answer", "input", "n", "work(n)", "work(2n)", "factor");
    for row in &rows {
        let (Row { name, size, work, answer }, factor) = (row, row.factor());
        println!("{name:44} {size:>8} {:>13} {:>14} {factor:>7.2}  {answer}", work[1], work[2]);
    }
    let beyond: Vec<&str> = rows.iter().filter(|row| row.factor() > FACTOR_MAX).map(|row| row.name).collect();
    if beyond.is_empty() {
        println!("all {} are linear", rows.len());
        return ExitCode::SUCCESS;
    }
    println!("more than {FACTOR_MAX} times the work for twice the input: {}", beyond.join(", "));
    ExitCode::FAILURE
}

/// Serves each input in three sizes in one process, which writes a file of counts after each.
fn measure(process: usize, share: &[&Input]) -> Vec<Row> {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("linear-{}-{process}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let out = folder.join("out");
    let sizes = |input: &Input| [1, input.size, 2 * input.size];
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--collect-atstart=no"]);
    command.args(["--toggle-collect=*feed*measured*", "--dump-after=*measured*"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(std::env::current_exe().unwrap()).arg("--work");
    for input in share {
        command.args(sizes(input).iter().flat_map(|size| [input.name.to_owned(), size.to_string()]));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let mut answers = said.lines();
    let mut counts = (1..).map(|dump| instructions(&folder.join(format!("out.{dump}"))));
    let rows = share
        .iter()
        .map(|input| Row {
            name: input.name,
            size: input.size,
            work: [0; 3].map(|_| counts.next().expect("endless")),
            answer: answers.by_ref().take(3).last().expect("an answer for each").to_owned(),
        })
        .collect();
    _ = fs::remove_dir_all(&folder);
    rows
}

/// The count in a file of callgrind's.
fn instructions(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let count = text.lines().find_map(|line| line.strip_prefix("summary: ")).expect("a count");
    let count = count.trim().parse().expect("a number");
    assert!(count > 0, "{}: nothing was counted", file.display());
    count
}
