//! Claim 3, as it is told: what delay and threads allow, rates that go up, idle connections. The grid of queries under way and the
//! answer have files of their own.

mod answer;
mod flights;

use kit::chart::{Chart, Content, Line, Lines, Panel, Scale};

use super::{
    GREY, Page, colour, how_many, name, servers, servers_entries,
    two::who,
    words::{list, ms, number, set_ms, share, thousands},
};
use crate::results::{Claim, Run};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 3", "where do threads bend?");
    page.paragraph("### How much of what the delay allows");
    ideal(claim, page);
    page.paragraph("### When requests keep coming");
    rates(claim, page);
    page.paragraph("### How many can be under way");
    flights::write(claim, page);
    page.paragraph("### Connections that only wait");
    idle(claim, page);
    page.answer(claim, &answer::answer(claim));
}

/// What threads and delay allow, a second.
fn allowed(run: &Run) -> f64 {
    let case = &run.case;
    let at_once = if case.server == "threaded" {
        case.threads.unwrap_or(0).min(case.connections)
    } else {
        case.connections
    };
    at_once as f64 * 1e3 / case.delay_ms.unwrap_or(1) as f64
}

fn reached(run: &Run) -> f64 {
    run.came().rate / allowed(run)
}

/// The bars that this project has set itself, as shares of what is allowed.
const LOOPS_REACH: f64 = 0.95;
const THREADS_REACH: f64 = 0.90;

fn bar(run: &Run) -> f64 {
    if run.case.server == "threaded" { THREADS_REACH } else { LOOPS_REACH }
}

fn ideal(claim: &Claim, page: &mut Page) {
    let Some(first) = claim.part("ideal").next() else { return };
    page.paragraph(&format!(
        "{} connections always have one query of {} under way. An event loop should answer {} a second; t threads, t every delay.",
        thousands(first.case.connections as f64),
        set_ms(first.case.delay_ms.unwrap_or(0)),
        thousands(first.case.connections as f64 * 1e3 / first.case.delay_ms.unwrap_or(1) as f64),
    ));
    let rows: Vec<Vec<String>> = claim
        .part("ideal")
        .map(|run| {
            let (came, used) = (run.came(), &run.server);
            vec![
                who(run),
                thousands(allowed(run)),
                thousands(came.rate),
                format!("{}{}", share(reached(run)), if reached(run) < bar(run) { " ✗" } else { "" }),
                ms(came.latency.p99_ms),
                came.each.starved.to_string(),
                format!("{:.0} MiB", used.resident_most_mib),
                number(used.switches_per_answer),
                number(used.cpu_us_per_answer),
            ]
        })
        .collect();
    page.table(
        &[
            "server",
            "allowed/s",
            "answers/s",
            "reached",
            "p99",
            "starved",
            "memory",
            "switches/answer",
            "CPU µs/answer",
        ],
        &rows,
    );
    let (right, all) = how_many(claim.part("ideal").map(|run| reached(run) >= bar(run)));
    let bars =
        format!("{:.0} % on an event loop, {:.0} % on threads", LOOPS_REACH * 100.0, THREADS_REACH * 100.0);
    page.paragraph(&if right == all {
        format!("All keep what this project demands of itself: {bars}.")
    } else {
        format!(
            "{right} of {all} keep what this project demands of itself ({bars}); the others are marked ✗."
        )
    });
}

fn due(run: &Run) -> f64 {
    run.case.variant.split(' ').next().and_then(|rate| rate.parse().ok()).unwrap_or(0.0)
}

fn rates(claim: &Claim, page: &mut Page) {
    page.paragraph(&format!(
        "Now the queries of {} are due at a rate that does not ask whether the server can keep up. Latency counts from when a request was due.",
        claim.setting("delay_ms"),
    ));
    let mut threads: Vec<usize> = claim.part("rates").filter_map(|run| run.case.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let of = |server: &str, threads: Option<usize>| {
        claim
            .part("rates")
            .filter(move |run| run.case.server == server && run.case.threads == threads)
            .collect::<Vec<&Run>>()
    };
    let series: Vec<(String, Vec<&Run>, bool)> = servers(claim.part("rates"))
        .into_iter()
        .flat_map(|server| match server {
            "threaded" => threads
                .iter()
                .map(|count| {
                    (format!("{count} threads"), of(server, Some(*count)), Some(count) == threads.first())
                })
                .collect(),
            _ => vec![(name(server).to_owned(), of(server, None), false)],
        })
        .collect();
    let lines: Vec<Line> = series
        .iter()
        .map(|(label, runs, is_dashed)| Line {
            colour: runs.first().map_or(GREY, |run| colour(&run.case.server)),
            is_dashed: *is_dashed,
            label: label.clone(),
            points: runs.iter().map(|run| (due(run), run.came().latency.p99_ms)).collect(),
            has_dots: true,
        })
        .collect();
    let (across, up) = spans(&lines);
    page.picture(
        "claim3-rates",
        &Chart {
            title: "99th percentile of the latency by the rate at which requests are due".to_owned(),
            legend: Vec::new(),
            panels: vec![Panel {
                title: String::new(),
                content: Content::Lines(Lines {
                    across: ("requests due a second".to_owned(), Scale::linear(across)),
                    up: ("p99, ms".to_owned(), Scale::log(up)),
                    lines,
                    guides: Vec::new(),
                }),
            }],
            columns: 1,
            height: 310.0,
        },
    );
    let rows: Vec<Vec<String>> = series
        .iter()
        .map(|(label, runs, _)| {
            let most = runs.iter().map(|run| run.came().rate).fold(0.0, f64::max);
            vec![label.clone(), kept(runs), thousands(most)]
        })
        .collect();
    page.table(&["server", "highest rate that was kept up with", "most answers/s"], &rows);
}

/// The highest rate that was kept up with, among those that were tried.
fn kept(runs: &[&Run]) -> String {
    /// Of what was due.
    const KEPT: f64 = 0.95;
    let highest = |runs: &mut dyn Iterator<Item = &&Run>| runs.map(|run| due(run)).fold(0.0, f64::max);
    let kept = highest(&mut runs.iter().filter(|run| run.came().rate > KEPT * due(run)));
    match kept {
        0.0 => "none that was tried".to_owned(),
        kept if kept >= highest(&mut runs.iter()) => {
            format!("at least {}, the most that was tried", thousands(kept))
        }
        kept => thousands(kept),
    }
}

fn spans(lines: &[Line]) -> (Vec<f64>, Vec<f64>) {
    lines.iter().flat_map(|line| line.points.iter().copied()).unzip()
}

fn idle(claim: &Claim, page: &mut Page) {
    let Some(most) = claim.part("idle").map(|run| run.case.connections).max() else { return };
    page.paragraph(&format!(
        "Kept-alive connections, {} requests a second among them. On threaded a poller watches those that are idle.",
        claim.number("idle_rate"),
    ));
    let lines: Vec<Line> = servers(claim.part("idle"))
        .into_iter()
        .map(|server| Line {
            colour: colour(server),
            is_dashed: false,
            label: String::new(),
            points: of_idle(claim, server)
                .map(|run| (run.case.connections as f64, run.server.resident_most_mib))
                .collect(),
            has_dots: true,
        })
        .collect();
    let (across, up) = spans(&lines);
    page.picture(
        "claim3-idle",
        &Chart {
            title: "Memory by the number of idle connections".to_owned(),
            legend: servers_entries(claim.part("idle")),
            panels: vec![Panel {
                title: String::new(),
                content: Content::Lines(Lines {
                    across: ("connections".to_owned(), Scale::linear(across)),
                    up: ("MiB resident (most)".to_owned(), Scale::linear(up)),
                    lines,
                    guides: Vec::new(),
                }),
            }],
            columns: 1,
            height: 250.0,
        },
    );
    let rows: Vec<Vec<String>> = servers(claim.part("idle"))
        .into_iter()
        .filter_map(|server| {
            let few = of_idle(claim, server).next()?;
            let many = of_idle(claim, server).find(|run| run.case.connections == most)?;
            let more = (many.server.resident_most_mib - few.server.resident_most_mib) * 1024.0 * 1024.0;
            let each = more / (many.case.connections - few.case.connections).max(1) as f64;
            Some(vec![
                name(server).to_owned(),
                many.server.threads.to_string(),
                format!("{:.0} MiB", many.server.resident_most_mib),
                format!("{} B", thousands(each.max(0.0))),
                ms(many.came().latency.p99_ms),
                format!("{:.2}", many.server.cores),
            ])
        })
        .collect();
    page.paragraph(&format!("With {} connections:", thousands(most as f64)));
    page.table(
        &["server", "threads", "memory", "more for each connection", "p99 of those that ask", "cores busy"],
        &rows,
    );
    page.paragraph(&format!(
        "The system's own limits here: {} open files and {} threads for a process, {}.",
        claim.machine.open_files,
        claim.machine.threads,
        list(&claim.notes)
    ));
}

fn of_idle<'a>(claim: &'a Claim, server: &'a str) -> impl Iterator<Item = &'a Run> {
    claim.part("idle").filter(move |run| run.case.server == server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_highest_rate_that_was_tried_is_a_lower_bound() {
        let run = |due: u32, rate: f64| sample::run("rates", "mio").variant(&format!("{due} due")).rate(rate);
        let told = |runs: &[Run]| kept(&runs.iter().collect::<Vec<_>>());
        assert_eq!(
            told(&[run(2_000, 2_000.0), run(4_000, 4_001.0)]),
            "at least 4,000, the most that was tried"
        );
        assert_eq!(told(&[run(2_000, 2_000.0), run(4_000, 2_500.0)]), "2,000");
        assert_eq!(told(&[run(4_000, 2_500.0)]), "none that was tried");
    }
}
