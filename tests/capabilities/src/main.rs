//! Writes `docs/capabilities.md` from a run of the tests, so that the page cannot say more than they show.
//!
//! `promises.txt` names the tests of each promise; the output of `cargo test` on the standard input says which
//! ran and passed. A name that no passed test bears is an error, on whichever backend it is missing.
//! `write` writes the page, `check` compares it with the one that is there. Both want the tests that
//! `docs/threat-model.md` names.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of the command line")]

mod page;
mod promises;
mod run;
mod threats;

use std::{
    env, fs,
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

fn main() -> ExitCode {
    match work() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(faults) => {
            eprintln!("capabilities: {faults}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<String, String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = home.join("../../docs/capabilities.md");
    let order = env::args().nth(1).unwrap_or_default();
    let promises = promises::parse(&read(&home.join("promises.txt"))?)?;
    let mut output = Vec::new();
    io::stdin()
        .read_to_end(&mut output)
        .map_err(|error| format!("the run on the standard input: {error}"))?;
    let passed = run::passed(&String::from_utf8_lossy(&output))?;
    let page = page::page(&promises, &passed)?;
    threats::check(&read(&home.join("../../docs/threat-model.md"))?, &passed)?;
    let said = format!("{} promises, {} tests passed", promises.len(), passed.len());
    match order.as_str() {
        "write" => fs::write(&target, page).map_err(|error| format!("{}: {error}", target.display()))?,
        "check" if read(&target)? == page => {}
        "check" => {
            return Err("docs/capabilities.md is not what the tests show: run `just capabilities`".to_owned());
        }
        _ => {
            return Err("say `write` or `check`, and give the output of `cargo test` on the standard input"
                .to_owned());
        }
    }
    Ok(said)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
