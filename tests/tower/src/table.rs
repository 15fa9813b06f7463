//! Tries each row on each backend of this build, and compares what came of it with the page.

use trijet::Backend;

use crate::{
    Failed, Row, Stage, bodies,
    common::log_lines::LogLines,
    crates, heads,
    page::{Cell, HEAD, Page},
    shared, times,
};

pub(crate) const ROWS: [&[Row]; 4] = [heads::ROWS, bodies::ROWS, times::ROWS, shared::ROWS];

/// `TOWER=write` writes the columns of this build into `docs/tower.md`: `.ci/run context` makes two, so that all are.
#[test]
fn the_page_says_what_works() {
    let lines = LogLines::collect();
    let mut page = Page::read();
    for row in ROWS.into_iter().flatten() {
        let cells = Backend::compiled().map(|on| (on, tried(&lines, on, row)));
        page.add(row, cells.collect());
    }
    page.compare();
}

/// Works, or is answered with 500 and says in the log that a Tokio runtime is missing. Anything else fails the test, and so
/// do others that notice it.
fn tried(lines: &LogLines, on: Backend, row: &Row) -> Cell {
    lines.forget();
    let stage = Stage::new(on);
    let tried = (row.probe)(&stage);
    stage.others_have_noticed_nothing();
    let said = lines.take();
    let asks_for_tokio = said.iter().any(|line| line.contains("needs a Tokio runtime"));
    match tried {
        Ok(()) if !asks_for_tokio => Cell::Works,
        Err(Failed { status: Some(500), .. }) if asks_for_tokio => Cell::NeedsTokio,
        Ok(()) => panic!("{} on {on:?} works, and says otherwise:\n{said:#?}", row.name),
        Err(Failed { what, .. }) => panic!("{} on {on:?}: {what}\n{said:#?}", row.name),
    }
}

/// No layer of the two crates is left out without a word.
#[test]
fn the_page_has_every_layer() {
    for (place, layers) in crates::layers() {
        let rows = ROWS.into_iter().flatten().filter(|row| row.place == place);
        let tried = rows.map(|row| row.name.rsplit("::").next().unwrap_or_default());
        let untried = crates::UNTRIED.iter().filter(|each| each.0 == place).map(|each| each.1);
        let known: Vec<&str> = tried.chain(untried).collect();
        for layer in &layers {
            let times = known.iter().filter(|name| *name == layer).count();
            assert_eq!(times, 1, "{place}: {layer} is in so many rows, or among the untried");
        }
        for (_, name) in crates::UNTRIED.iter().filter(|each| each.0 == place) {
            assert!(layers.contains(*name), "{place} has no {name}");
        }
    }
    for (_, name) in crates::UNTRIED {
        assert!(HEAD.contains(&format!("`{name}`")), "the page does not say why {name} is not tried");
    }
}
