//! The links app as its users run it, on each backend that is compiled in.

#![expect(clippy::print_stdout, reason = "figures of the run, shown with --nocapture")]

mod api;
mod kill;
mod page;
#[expect(dead_code, reason = "it serves the tests of the other examples too")]
#[path = "../../../../tests/examples/process.rs"]
mod process;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use process::{Answer, Client, Process};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN: &str = "c2VjcmV0";
/// With the token that the servers here are given.
const AUTHORIZED: (&str, &str) = ("Authorization", "Bearer c2VjcmV0");

/// The facade's default backend, and those of the features.
const BACKENDS: &[&str] = &[
    "threaded",
    #[cfg(feature = "mio")]
    "mio",
    #[cfg(feature = "tokio")]
    "tokio",
];

/// Runs `test` with the app and its database on each backend.
fn on_each_backend(name: &str, test: impl Fn(&Process, &Path)) {
    for backend in BACKENDS {
        let file = fresh(&format!("{name}-{backend}"));
        let process = start_with(backend, &file, &[]);
        test(&process, &file);
        process.interrupt();
        clear(&file);
    }
}

/// Starts the app with these variables beside its database and its token.
fn start_with(backend: &str, file: &Path, variables: &[(&str, &str)]) -> Process {
    let mut all = vec![("LINKS_DB", file.as_os_str()), ("LINKS_TOKEN", OsStr::new(TOKEN))];
    all.extend(variables.iter().map(|(name, value)| (*name, OsStr::new(*value))));
    Process::start(Path::new(env!("CARGO_BIN_EXE_links")), backend, &all)
}

/// A place for a database that does not exist yet.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("links-{name}-{}", std::process::id()));
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the database");
    folder.join("links.db")
}

fn clear(file: &Path) {
    fs::remove_dir_all(file.parent().expect("its folder")).expect("cleared away");
}

/// Asks the API, with the token.
fn api(client: &mut Client, method: &str, target: &str, body: &str) -> Answer {
    let fields = [AUTHORIZED, ("Content-Type", JSON)];
    let fields = if body.is_empty() { &fields[..1] } else { &fields };
    client.ask_with(method, target, fields, body.as_bytes())
}

/// Sends the form of the page, with values that need no escaping.
fn shorten(client: &mut Client, url: &str, code: &str) -> Answer {
    client.ask("POST", "/", FORM, format!("url={url}&code={code}").as_bytes())
}
