//! `docs/tower.md`: its text, and its table with a column for each backend, with a Tokio context and without.

use std::{collections::BTreeMap, env, fmt::Write, fs};

use trijet::Backend;

use crate::Row;

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tower.md");
pub(crate) const HEAD: &str = include_str!("head.md");

/// A build has those of its feature.
const COLUMNS: [&str; 5] = ["threaded", "mio", "tokio", "threaded, `tokio-context`", "mio, `tokio-context`"];

/// What came of a row on a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Works,
    NeedsTokio,
}

impl Cell {
    fn text(self) -> &'static str {
        match self {
            Self::Works => "✓",
            Self::NeedsTokio => "✗ no Tokio",
        }
    }
}

pub(crate) struct Page {
    old: String,
    /// The cells of the page that is there, by the name of their row: those of the other build stay.
    cells: BTreeMap<String, Vec<String>>,
    new: String,
}

impl Page {
    pub(crate) fn read() -> Self {
        let old = fs::read_to_string(PLACE).unwrap_or_default();
        let rows = old.lines().filter(|line| line.starts_with('|')).map(|line| {
            let mut cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
            (cells.next().unwrap_or_default(), cells.collect())
        });
        let mut new = HEAD.to_owned();
        _ = writeln!(new, "| | {} | |", COLUMNS.join(" | "));
        _ = writeln!(new, "| --- | {} | --- |", ["---"; COLUMNS.len()].join(" | "));
        Self { cells: rows.collect(), old, new }
    }

    pub(crate) fn add(&mut self, row: &Row, tried: Vec<(Backend, Cell)>) {
        let name = format!("{}: {}", row.place, row.name);
        let mut cells: Vec<String> = self.cells.remove(&name).unwrap_or_default();
        cells.resize(COLUMNS.len(), "?".to_owned());
        for (backend, cell) in tried {
            cells[column(backend)] = cell.text().to_owned();
        }
        _ = writeln!(self.new, "| {name} | {} | {} |", cells.join(" | "), row.note);
    }

    pub(crate) fn compare(self) {
        if env::var_os("TOWER").is_some_and(|order| order == "write") {
            return fs::write(PLACE, self.new).expect("the page is written");
        }
        let changed: Vec<&str> =
            self.new.lines().filter(|line| !self.old.lines().any(|old| old == *line)).collect();
        assert!(
            self.new == self.old,
            "docs/tower.md is not what the test shows: run `TOWER=write .ci/run context`\n{changed:#?}"
        );
    }
}

fn column(backend: Backend) -> usize {
    let with_context = cfg!(feature = "tokio-context");
    match (backend.name(), with_context) {
        ("threaded", false) => 0,
        ("mio", false) => 1,
        // It is its own context.
        ("tokio", _) => 2,
        ("threaded", true) => 3,
        ("mio", true) => 4,
        (other, _) => panic!("there is a backend {other}, and no column for it"),
    }
}
