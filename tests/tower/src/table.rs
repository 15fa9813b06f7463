//! Tries each row on each backend of this build, and compares what came of it with the page.

use trijet::Backend;

use crate::{
    Probe, Row, bodies,
    common::log_lines::LogLines,
    heads,
    page::{Cell, Page},
    shared, times,
};

const ROWS: [&[Row]; 4] = [heads::ROWS, bodies::ROWS, times::ROWS, shared::ROWS];

/// `TOWER=write` writes the columns of this build into `docs/tower.md`: `.ci/run context` makes two, so that all are.
#[test]
fn the_page_says_what_works() {
    let lines = LogLines::collect();
    let mut page = Page::read();
    for row in ROWS.into_iter().flatten() {
        let cells = Backend::compiled().map(|on| (on, tried(&lines, on, row.name, row.probe)));
        page.add(row, cells.collect());
    }
    page.compare();
}

/// Works, or says in the log that a Tokio runtime is missing. Anything else fails the test.
fn tried(lines: &LogLines, on: Backend, name: &str, probe: Probe) -> Cell {
    lines.forget();
    let tried = probe(on);
    let said = lines.take();
    match tried {
        Ok(()) => Cell::Works,
        Err(_) if said.iter().any(|line| line.contains("needs a Tokio runtime")) => Cell::NeedsTokio,
        Err(what) => panic!("{name} on {on:?}: {what}\n{said:#?}"),
    }
}
