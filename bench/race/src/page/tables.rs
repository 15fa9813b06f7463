//! The tables: of a scenario every server with every figure, and of the builds. They must never leave a server out that ran.

use std::fmt::Write;

use super::{
    Page,
    words::{number, range},
};
use crate::{
    results::{Builds, Measured, Run},
    servers::{self, Server},
    standing::{Measure, Place},
    statistics::{Spread, ratios},
};

/// Above this, the load client's processor may have been the measure.
pub(super) const LOAD_CORES_MAX: f64 = 0.9;
/// Above this, others may have been measured too.
pub(super) const OTHER_CORES_MAX: f64 = 0.15;

/// The servers that ran, in their order.
pub(super) fn there(measured: &Measured) -> impl Iterator<Item = &'static Server> {
    servers::ALL.iter().filter(|server| measured.runs.iter().any(|run| run.server == server.name))
}

pub(super) fn race(page: &mut Page, measured: &Measured) {
    let ours: Vec<&Server> = there(measured).filter(|server| server.is_ours()).collect();
    let mut head = vec!["server", "answers/s", "of the floor", "CPU µs/answer", "CPU of the floor", "p99 ms"];
    head.extend(["Jain", "starved", "bytes", "load core"]);
    let against: Vec<String> = ours.iter().map(|own| format!("{} is", own.name)).collect();
    head.extend(against.iter().map(String::as_str));
    let rows: Vec<Vec<String>> = there(measured).map(|server| row(measured, server, &ours)).collect();
    page.table(&head, &rows);
}

fn row(measured: &Measured, server: &Server, ours: &[&Server]) -> Vec<String> {
    let all = |figure: fn(&Run) -> f64| measured.figures(server.name, figure);
    let spread = |figure: fn(&Run) -> f64| Spread::of(all(figure).into_iter().map(|(_, figure)| figure));
    let of_floor = |figure: fn(&Run) -> f64| {
        let floor = measured.figures(server.floor(), figure);
        Spread::of(ratios(&all(figure), &floor))
    };
    let told = |spread: Option<Spread>| spread.map_or_else(|| "–".to_owned(), |spread| range(&spread));
    let one = |spread: Option<f64>| spread.map_or_else(|| "–".to_owned(), number);
    let load = spread(|run| run.load_cores).map(|load| load.median);
    let other = spread(|run| run.other_cores).map_or(0.0, |other| other.most);
    let faults: u64 =
        measured.runs.iter().filter(|run| run.server == server.name).map(|run| run.wrong + run.closed).sum();
    let mut name = server.name.to_owned();
    if other > OTHER_CORES_MAX {
        name += " †";
    }
    if faults > 0 {
        _ = write!(name, " ({faults} faults)");
    }
    let bound = if is_load_bound(measured, server.name) { " ‡" } else { "" };
    let mut cells = vec![
        name,
        told(spread(|run| run.rate)),
        told(of_floor(|run| run.rate)),
        told(spread(|run| run.cpu_us)),
        told(of_floor(|run| run.cpu_us)),
        // In a short window it may be that no request was both sent and answered.
        one(spread(|run| run.p99_ms).map(|spread| spread.median).filter(|p99| *p99 > 0.0)),
        one(spread(|run| run.jain).map(|spread| spread.least)),
        spread(|run| run.starved as f64)
            .map_or_else(|| "–".to_owned(), |spread| format!("{:.0}", spread.most)),
        one(spread(|run| run.answer_bytes as f64).map(|spread| spread.median)),
        format!("{}{bound}", one(load)),
    ];
    for own in ours {
        let place = Measure::Rate.place(measured, own, server).filter(|_| own.name != server.name);
        let word = match place {
            Some(Place::Ahead) => "ahead",
            Some(Place::Equal) => "equal",
            Some(Place::Behind) => "behind",
            None => "–",
        };
        cells.push(word.to_owned());
    }
    cells
}

/// Whether the load client's processor may have been the measure of this server.
pub(super) fn is_load_bound(measured: &Measured, server: &str) -> bool {
    let cores = measured.figures(server, |run| run.load_cores).into_iter().map(|(_, cores)| cores);
    Spread::of(cores).is_some_and(|cores| cores.median >= LOAD_CORES_MAX)
}

pub(super) fn idle(page: &mut Page, measured: &Measured) {
    let spread = |server: &Server, figure: fn(&Run) -> f64| {
        let figures = measured.figures(server.name, figure).into_iter().map(|(_, figure)| figure);
        Spread::of(figures).map_or_else(|| "–".to_owned(), |spread| range(&spread))
    };
    let rows: Vec<Vec<String>> = there(measured)
        .map(|server| {
            vec![
                server.name.to_owned(),
                spread(server, |run| run.idle_kib),
                spread(server, |run| run.resident_kib as f64 / 1024.0),
                spread(server, |run| run.threads as f64),
            ]
        })
        .collect();
    page.table(
        &["server", "KiB for each connection", "resident MiB at the most connections", "threads"],
        &rows,
    );
}

pub(super) fn build(page: &mut Page, builds: &Builds) {
    page.paragraph("## Building a hello world");
    let rows: Vec<Vec<String>> = builds
        .builds
        .iter()
        .map(|build| {
            vec![
                format!("{} {}", build.name, build.version),
                number(build.cpu_s),
                build.packages.to_string(),
                number(build.program_bytes as f64 / 1024.0),
            ]
        })
        .collect();
    page.table(
        &["app", "processor time of a cold release build, s", "packages", "stripped program, KiB"],
        &rows,
    );
    let machine = &builds.machine;
    page.paragraph(&format!("`build`: {}, at `{}`, {}.", machine.date, machine.commit, machine.compiler));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_medians_ranges_ratios_and_who_is_equal() {
        let run = |(server, round, rate): (&str, usize, f64)| Run {
            server: server.to_owned(),
            round,
            rate,
            cpu_us: 1e6 / rate,
            load_cores: 0.95,
            ..Run::default()
        };
        let runs = [
            ("floor-epoll", 0, 1000.0),
            ("trijet-mio", 0, 500.0),
            ("axum", 0, 400.0),
            ("hyper", 0, 520.0),
            ("floor-epoll", 1, 2000.0),
            ("trijet-mio", 1, 1000.0),
            ("axum", 1, 450.0),
            ("hyper", 1, 530.0),
            ("tiny_http", 0, 400.0),
            ("tiny_http", 1, 900.0),
        ];
        let measured = Measured { rounds: 2, runs: runs.map(run).into(), ..Measured::default() };
        let mut page = Page::default();
        race(&mut page, &measured);
        let text = page.text;
        let row = |name: &str| text.lines().find(|line| line.starts_with(&format!("| {name} "))).unwrap();
        assert!(row("trijet-mio").starts_with("| trijet-mio | 1,000 (500–1,000) | 0.500 |"), "{text}");
        assert!(row("trijet-mio").contains("| 2.00 |"), "{text}");
        assert!(row("axum").ends_with("| 0.950 ‡ | ahead |"), "{text}");
        // In the second round all were faster: the shares know nothing of it.
        assert!(row("hyper").ends_with("| equal |") && row("floor-epoll").ends_with("| behind |"), "{text}");
        // Without a floor of its own there is no share; what is left are the answers themselves.
        assert!(
            row("tiny_http").contains("(400–900) | – |") && row("tiny_http").ends_with("| equal |"),
            "{text}"
        );
    }
}
