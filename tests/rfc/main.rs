//! RFC 9110 and RFC 9112, rule by rule: a table with a row for each rule that an origin server has, and
//! for each way in which requests are smuggled. Every row is played on each backend over real sockets and
//! on the simulated one, whole and byte by byte. A rule that fails is shown with its bytes and the answer.
//!
//! `TRIJET_RFC=part-of-a-name` plays these rows alone.

#![cfg(all(feature = "threaded", feature = "mio", feature = "tokio", feature = "testing"))]

#[path = "../common/mod.rs"]
mod common;

mod app;
mod judge;
mod row;
mod rows;
mod simulated;
mod sockets;

use std::{collections::HashSet, env, io::Write, sync::Mutex, thread};

use common::server::start_with;
use row::{Cut, Row};
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
    for (subject, rows) in &subjects {
        tell(&format!("  {subject}: {}", rows.len()));
        for row in rows {
            assert!(names.insert(row.name), "two rows are named {:?}", row.name);
            let words = row.rule.split_whitespace().count();
            assert!((2..=15).contains(&words), "{}: {words} words of the rule", row.name);
            assert!(
                row.section.starts_with("RFC 9110 §") || row.section.starts_with("RFC 9112 §"),
                "{}: {}",
                row.name,
                row.section
            );
            let quotes = (row.rule.matches('“').count(), row.rule.matches('”').count());
            assert!(quotes.0 == quotes.1, "{}: a quote without an end", row.name);
            assert!(!row.steps.is_empty(), "{}: nothing is sent", row.name);
            assert!(sent.insert(row.shown()), "{}: another row sends the same", row.name);
        }
    }
    tell(&format!("rfc: {} rows", names.len()));
    assert!(names.len() >= 250, "the table has shrunk");
}

/// Past the capture of the test harness: a run is to show what it did.
fn tell(line: &str) {
    _ = writeln!(std::io::stderr(), "{line}");
}
