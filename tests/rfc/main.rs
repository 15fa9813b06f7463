//! RFC 9110 and RFC 9112, rule by rule: a table with a row for each rule that an origin server has, and
//! for each way in which requests are smuggled. Every row is played on each backend over real sockets and
//! on the simulated one, whole and byte by byte. A rule that fails is shown with its bytes and the answer.
//!
//! `TRIJET_RFC=part-of-a-name` plays these rows alone. `TRIJET_RFC_TEXTS=folder` compares the quotes with
//! `rfc9110.txt` and `rfc9112.txt` in there, as the RFC Editor publishes them.

#![cfg(all(feature = "threaded", feature = "mio", feature = "tokio", feature = "testing"))]

#[path = "../common/mod.rs"]
mod common;

mod app;
mod corpus;
mod judge;
mod quotes;
mod row;
mod rows;
mod simulated;
mod sockets;

use std::{collections::HashSet, env, io::Write, sync::Mutex, thread};

use common::server::start_with;
use row::{Cut, Level, Row};
use trijet::Backend;

/// Rows that are played at the same time on each server: most of the time is spent in waiting.
const PLAYERS: usize = 2;

fn chosen() -> Vec<Row> {
    let part = env::var("TRIJET_RFC").unwrap_or_default();
    rows::all().into_iter().flat_map(|(_, rows)| rows).filter(|row| row.name.contains(&part)).collect()
}

/// Fails with all that was found, each with its row.
fn report(faults: &[String], on: &str) {
    assert!(faults.is_empty(), "{} rules fail on {on}:\n\n{}", faults.len(), faults.join("\n\n"));
}

fn on_sockets(on: Backend) {
    let server = start_with(on, app::app(), app::limits());
    let (rows, faults) = (chosen(), &Mutex::new(Vec::new()));
    let address = server.address();
    thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(PLAYERS).max(1)) {
            scope.spawn(move || {
                for row in part {
                    for cut in [Cut::Whole, Cut::Bytes] {
                        let got = sockets::play(row, cut, address);
                        faults.lock().unwrap().extend(judge::fault(row, cut, &got));
                    }
                }
            });
        }
    });
    report(&faults.lock().unwrap(), on.name());
}

#[test]
fn on_threaded() {
    on_sockets(Backend::Threaded);
}

#[test]
fn on_mio() {
    on_sockets(Backend::Mio);
}

#[test]
fn on_tokio() {
    on_sockets(Backend::Tokio);
}

#[test]
fn on_simulated() {
    let mut faults = Vec::new();
    for row in chosen() {
        for cut in [Cut::Whole, Cut::Bytes] {
            let got = simulated::play(&row, cut);
            faults.extend(judge::fault(&row, cut, &got));
        }
    }
    report(&faults, "simulated");
}

/// The table is what it says it is.
#[test]
fn the_table() {
    let subjects = rows::all();
    let mut names = HashSet::new();
    let mut sent = HashSet::new();
    let mut faults = Vec::new();
    for (subject, rows) in &subjects {
        tell(&format!("  {subject}: {}", rows.len()));
        for row in rows {
            let words = row.rule.split_whitespace().count();
            let marks = (row.rule.matches('“').count(), row.rule.matches('”').count());
            let (rfc, _) = row.section.split_once(" §").unwrap_or_default();
            let checks = [
                (names.insert(row.name), "another row has this name"),
                (words <= 15, "more than 15 words of the rule"),
                (["RFC 9110", "RFC 9112"].contains(&rfc), "a section of another text"),
                (marks.0 == marks.1 && marks.0 > 0, "no quote, or one without an end"),
                (Level::said(row.rule).is_none_or(|said| said == row.level), "a level other than its words"),
                (!row.steps.is_empty(), "nothing is sent"),
                (sent.insert(row.shown()), "another row sends the same"),
            ];
            let wrong = checks.iter().filter(|(holds, _)| !holds);
            faults.extend(wrong.map(|(_, fault)| format!("{}: {fault}", row.name)));
        }
    }
    tell(&format!("rfc: {} rows", names.len()));
    faults.extend(corpus::faults(&subjects));
    if let Some(texts) = env::var_os("TRIJET_RFC_TEXTS") {
        faults.extend(quotes::faults(&subjects, texts.as_ref()));
        tell("rfc: each quote was looked for in its section");
    }
    assert!(faults.is_empty(), "{} faults of the table:\n{}", faults.len(), faults.join("\n"));
    assert!(names.len() >= 250, "the table has shrunk");
}

/// Past the capture of the test harness: a run is to show what it did.
fn tell(line: &str) {
    _ = writeln!(std::io::stderr(), "{line}");
}
