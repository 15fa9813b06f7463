//! The page: words that stand here, and figures that all come from the results. It must never say more than a table does.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    results::{Builds, Measured, Results, Run},
    scenarios::{self, Load, Scenario},
    servers::{self, Server},
    statistics::{Comparison, Spread, ratios},
};

/// The file of the results.
pub fn file(out: &Path) -> io::Result<PathBuf> {
    let folder = out.join("performance");
    fs::create_dir_all(&folder)?;
    Ok(folder.join("race.json"))
}

/// Writes the page.
pub fn write(out: &Path) -> io::Result<()> {
    fs::write(out.join("performance.md"), text(&Results::read(&file(out)?)?))
}

/// Above this, the load client's processor may have been the measure.
const LOAD_CORES_MAX: f64 = 0.9;
/// Above this, others may have been measured too.
const OTHER_CORES_MAX: f64 = 0.15;

fn text(results: &Results) -> String {
    let mut page = String::new();
    paragraph(
        &mut page,
        "<!-- Written by `just race` from docs/performance/race.json. Change bench/race/src/page.rs instead. -->",
    );
    paragraph(&mut page, "# Performance: Trijet beside others");
    paragraph(
        &mut page,
        "Every figure is the median of the rounds, with the least and the most in brackets. The rounds are interleaved: all servers one after the \
         other, then all again. **Ratios are to the floor of the same round**: `floor-epoll` for event loops, `floor-threads` for what gives a \
         connection a thread. A floor sends one fixed response and parses nothing; no server can be expected to reach it. The server has one \
         processor, with one worker or as many threads as there are connections, and the load has the other. **Two servers whose ranges overlap are \
         called equal.**",
    );
    if results.scenarios.values().any(|measured| measured.is_short) {
        paragraph(&mut page, "> **A short run**, which shows that everything works. Its figures say little.");
    }
    for scenario in &scenarios::ALL {
        if let Some(measured) = results.scenarios.get(scenario.name) {
            section(&mut page, scenario, measured);
        }
    }
    if let Some(builds) = &results.builds {
        build(&mut page, builds);
    }
    method(&mut page);
    page
}

fn paragraph(page: &mut String, text: &str) {
    _ = write!(page, "{text}\n\n");
}

fn table(page: &mut String, head: &[&str], rows: &[Vec<String>]) {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    *page += &line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    // All but the first column are figures.
    let rule = |column| if column == 0 { "---" } else { "---:" }.to_owned();
    *page += &line(&(0..head.len()).map(rule).collect::<Vec<_>>());
    rows.iter().for_each(|row| *page += &line(row));
    page.push('\n');
}

fn section(page: &mut String, scenario: &Scenario, measured: &Measured) {
    paragraph(page, &format!("## {}", scenario.title));
    match scenario.load {
        Load::Idle { .. } => idle(page, measured),
        _ => race(page, measured),
    }
    let loads = Spread::of(measured.runs.iter().map(|run| run.load_average));
    let machine = &measured.machine;
    let mut notes = format!(
        "`{}`: {} of {} s, {}, at `{}`; {}, {} cores, Linux {}, {}; load average {}.",
        scenario.name,
        if measured.rounds == 1 { "one round".to_owned() } else { format!("{} rounds", measured.rounds) },
        measured.seconds,
        machine.date,
        machine.commit,
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.compiler,
        loads.map_or_else(|| "unknown".to_owned(), |loads| range(&loads)),
    );
    let versions: Vec<String> =
        measured.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    _ = write!(notes, " {}.", versions.join(", "));
    for failure in &measured.failures {
        _ = write!(notes, " {} failed in round {}: {}.", failure.server, failure.round + 1, failure.reason);
    }
    for (server, reason) in &measured.left_out {
        _ = write!(notes, " {server} is left out: {reason}.");
    }
    paragraph(page, &notes);
}

/// The servers that ran, in their order.
fn there(measured: &Measured) -> impl Iterator<Item = &'static Server> {
    servers::ALL.iter().filter(|server| measured.runs.iter().any(|run| run.server == server.name))
}

fn race(page: &mut String, measured: &Measured) {
    let ours: Vec<&Server> = there(measured).filter(|server| server.is_ours()).collect();
    let mut head = vec!["server", "answers/s", "of the floor", "CPU µs/answer", "CPU of the floor", "p99 ms"];
    head.extend(["Jain", "starved", "bytes", "load core"]);
    let against: Vec<String> = ours.iter().map(|own| format!("{} is", own.name)).collect();
    head.extend(against.iter().map(String::as_str));
    let rows: Vec<Vec<String>> = there(measured).map(|server| row(measured, server, &ours)).collect();
    table(page, &head, &rows);
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
    let bound = if load.is_some_and(|load| load >= LOAD_CORES_MAX) { " ‡" } else { "" };
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
    let rates =
        |name: &str| Spread::of(measured.figures(name, |run| run.rate).into_iter().map(|(_, rate)| rate));
    for own in ours {
        cells.push(match (rates(own.name), rates(server.name)) {
            (Some(_), Some(_)) if own.name == server.name => "–".to_owned(),
            (Some(own), Some(other)) => word(own.compare(&other), ["ahead", "equal", "behind"]),
            _ => "–".to_owned(),
        });
    }
    cells
}

fn idle(page: &mut String, measured: &Measured) {
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
    table(
        page,
        &["server", "KiB for each connection", "resident MiB at the most connections", "threads"],
        &rows,
    );
}

fn build(page: &mut String, builds: &Builds) {
    paragraph(page, "## Building a hello world");
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
    table(
        page,
        &["app", "processor time of a cold release build, s", "packages", "stripped program, KiB"],
        &rows,
    );
    let machine = &builds.machine;
    paragraph(page, &format!("`build`: {}, at `{}`, {}.", machine.date, machine.commit, machine.compiler));
}

fn method(page: &mut String) {
    paragraph(page, "## How this was measured");
    paragraph(
        page,
        "- **Each figure has a process of its own**: the server is started, asked once, with the answer compared byte by byte, warmed up, \
         measured and ended. Every connection asks again as soon as it was answered.\n\
         - **CPU** is what the server's process spent (`/proc`), user and system, within the same window.\n\
         - **‡ marks a load client that used 0.9 of its processor or more**: the server might have had more to give; its CPU for an answer still \
         compares. **†**: something else kept more than 0.15 of a processor busy in some round.\n\
         - **Jain's index** of the answers on each connection (1: all had the same) is the least of the rounds, and **starved** are connections \
         without an answer in the window, the most of the rounds.\n\
         - **“ahead”, “equal”, “behind”** are about answers a second: equal is where the ranges of the rounds overlap.\n\
         - **Bytes** are those of a whole answer; servers add header fields of their own.",
    );
    page.truncate(page.trim_end().len());
    page.push_str("\n\n`just race` repeats it; `just race json axum trijet-mio` a part, into the build folder. The source is in `bench/race`.\n");
}

fn word(comparison: Comparison, [more, equal, less]: [&str; 3]) -> String {
    match comparison {
        Comparison::More => more,
        Comparison::Equal => equal,
        Comparison::Less => less,
    }
    .to_owned()
}

/// The median, and the ends in brackets.
fn range(spread: &Spread) -> String {
    let Spread { median, least, most } = *spread;
    if least == most {
        return number(median);
    }
    format!("{} ({}–{})", number(median), number(least), number(most))
}

/// Three digits that count, or all before the point.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if digits > 0 || value.abs() < 1000.0 {
        return text;
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(runs: &[(&str, usize, f64)]) -> Measured {
        let run = |(server, round, rate): &(&str, usize, f64)| Run {
            server: (*server).to_owned(),
            round: *round,
            rate: *rate,
            cpu_us: 1e6 / rate,
            load_cores: 0.95,
            ..Run::default()
        };
        Measured { rounds: 2, runs: runs.iter().map(run).collect(), ..Measured::default() }
    }

    #[test]
    fn a_row_has_medians_ranges_ratios_and_who_is_equal() {
        let measured = measured(&[
            ("floor-epoll", 0, 1000.0),
            ("trijet-mio", 0, 500.0),
            ("axum", 0, 400.0),
            ("hyper", 0, 520.0),
            ("floor-epoll", 1, 2000.0),
            ("trijet-mio", 1, 1000.0),
            ("axum", 1, 450.0),
            ("hyper", 1, 530.0),
        ]);
        let mut page = String::new();
        race(&mut page, &measured);
        let row = |name: &str| page.lines().find(|line| line.starts_with(&format!("| {name} "))).unwrap();
        assert!(row("trijet-mio").starts_with("| trijet-mio | 1,000 (500–1,000) | 0.500 |"), "{page}");
        assert!(row("trijet-mio").contains("| 2.00 |"), "{page}");
        assert!(row("axum").ends_with("| 0.950 ‡ | ahead |"), "{page}");
        assert!(row("hyper").ends_with("| equal |") && row("floor-epoll").ends_with("| equal |"), "{page}");
    }

    #[test]
    fn the_page_has_what_was_left_out_and_nothing_that_was_not_measured() {
        let mut measured = measured(&[("axum", 0, 400.0)]);
        measured.left_out.insert("nginx".to_owned(), "it is not installed".to_owned());
        let mut results = Results::default();
        results.scenarios.insert("json".to_owned(), measured);
        let page = text(&results);
        assert!(page.contains("nginx is left out: it is not installed."));
        assert!(page.contains("## JSON") && !page.contains("## Upload") && !page.contains("## Building"));
        // Without a floor there is no ratio.
        assert!(page.contains("| axum | 400 | – | 2,500 | – |"), "{page}");
    }

    /// No figure of the page that the repository has was typed: the results give it again, letter by letter.
    #[test]
    fn the_page_is_what_the_results_make_of_it() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let Ok(page) = fs::read_to_string(docs.join("performance.md")) else { return };
        let results = Results::read(&docs.join("performance/race.json")).unwrap();
        assert!(page == text(&results), "docs/performance.md is not what `race page` writes");
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let numbers = [0.0, 0.1234, 1.234, 12.34, 123.4, 1234.4, 1234567.0, -1234.0].map(number);
        assert_eq!(numbers, ["0", "0.123", "1.23", "12.3", "123", "1,234", "1,234,567", "-1,234"]);
    }
}
