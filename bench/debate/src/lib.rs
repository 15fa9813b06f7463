//! `debate [--short] [--peers] [--out FOLDER] [CLAIM…] [BACKEND…]` measures; `debate page [--out FOLDER]` writes the page
//! from what was measured before. `serve`, `database` and `generate` are the processes that it starts.
//!
//! A library only for `handover`, which measures something of its own and has its place on the same page.

mod app;
mod claims;
mod database;
mod flow;
mod generate;
pub mod handover;
mod job;
pub mod page;
mod results;
pub mod rule;
#[cfg(test)]
mod sample;
mod stage;

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use claims::Selection;
use kit::peers;
use results::Results;
use stage::{BURN, Stage};
use trijet::Backend;

/// Does what the program's arguments say.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("serve") => app::run(),
        Some("database") => database::run(),
        Some("generate") => generate::run(),
        _ => measure(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("debate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &[String]) -> io::Result<()> {
    let (mut is_full, mut with_peers, mut only_page, mut out) = (true, false, false, None);
    let (mut names, mut backends) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--short" => is_full = false,
            "--peers" => with_peers = true,
            "--out" => out = arguments.next().map(PathBuf::from),
            "page" => only_page = true,
            name => match (claims::known(name), name.parse::<Backend>()) {
                (Some(claim), _) => names.push(claim),
                (None, Ok(backend)) => backends.push(backend.to_string()),
                (None, Err(_)) => {
                    let known = claims::all().join(", ");
                    return Err(io::Error::other(format!("there is no claim {name:?}; there are {known}")));
                }
            },
        }
    }
    // What is not whole does not replace what the repository has.
    let is_whole = is_full && backends.is_empty();
    let out = out.map_or_else(|| folder(is_whole || only_page), Ok)?;
    if !only_page {
        if names.is_empty() {
            names = claims::all();
        }
        if backends.is_empty() {
            backends = ["threaded", "mio", "tokio"].map(str::to_owned).to_vec();
        }
        run(&out, is_full, with_peers && names.contains(&"claim4"), names, backends)?;
    }
    page::write(&out)?;
    println!("{}", out.join("debate.md").display());
    Ok(())
}

fn run(
    out: &Path,
    is_full: bool,
    with_peers: bool,
    names: Vec<&'static str>,
    backends: Vec<String>,
) -> io::Result<()> {
    let (peers, left_out) = if with_peers {
        peers::build(&["rocket", "gotham", "iron"])?
    } else {
        (
            Vec::new(),
            vec!["Rocket, Gotham and Iron are left out, as they were not asked for (`--peers`)".to_owned()],
        )
    };
    let file = page::file(out)?;
    let mut results = Results::read(&file)?;
    let mut stage = Stage::new(is_full, app::rounds_for(BURN))?;
    let selection = Selection { claims: names, backends, peers, left_out };
    for name in &selection.claims {
        let claim = claims::measure(&mut stage, &selection, name)?;
        let (disturbed, not_judged) = claim.doubtful();
        println!(
            "=== {name}: {:.0} s, {} runs, {disturbed} of them disturbed, {not_judged} too short to be judged",
            claim.took_s,
            claim.runs.len(),
        );
        results.claims.insert((*name).to_owned(), claim);
        // Each is kept at once: the next may fail.
        results.write(&file)?;
    }
    Ok(())
}

/// Where results go: to the repository's own, or beside the build.
///
/// # Errors
/// Where this program does not know where it is.
pub fn folder(is_whole: bool) -> io::Result<PathBuf> {
    if is_whole {
        return Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"));
    }
    let program = env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or(io::ErrorKind::NotFound)?;
    Ok(target.join("debate"))
}
