//! The grid of claim 3: so many queries under way, each with such a delay.

use kit::chart::{Chart, Content, Entry, Line, Lines, Panel, Scale};

use super::spans;
use crate::{
    page::{
        Page, colour, servers,
        words::{ms, number, set_ms, thousands},
    },
    results::{Claim, Run},
};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    let delays = delays(claim);
    page.paragraph(&format!(
        "A number of connections, each of which always has one query under way, for delays from {} to {}. Threaded runs with its \
         {}, and with as many as there are queries, once for the same `async fn` and once for a `fn` that blocks in `read`; mio and Tokio with one worker (more are in the list of all runs).",
        delays.first().copied().map_or_else(String::new, set_ms),
        delays.last().copied().map_or_else(String::new, set_ms),
        pool(claim),
    ));
    let panels = delays.iter().map(|delay| {
        flight_panel(
            claim,
            *delay,
            format!("a delay of {}", set_ms(*delay)),
            "p99, ms",
            |run| run.came().latency.p99_ms,
            true,
        )
    });
    page.picture(
        "claim3-latency",
        &Chart {
            title: "99th percentile of the latency by the number of queries under way, for each delay"
                .to_owned(),
            legend: flight_legend(claim),
            panels: panels.collect(),
            columns: 2,
            height: 270.0,
        },
    );
    let Some(last) = delays.last().copied() else { return };
    let middle = delays.iter().copied().find(|delay| *delay == 100).unwrap_or(last);
    page.picture(
        "claim3-cost",
        &Chart {
            title: "Memory and context switches by the number of queries under way".to_owned(),
            legend: flight_legend(claim),
            panels: vec![
                flight_panel(
                    claim,
                    last,
                    format!("memory, a delay of {}", set_ms(last)),
                    "MiB resident (most)",
                    |run| run.server.resident_most_mib,
                    false,
                ),
                flight_panel(
                    claim,
                    middle,
                    format!("context switches, a delay of {}", set_ms(middle)),
                    "for each answer",
                    |run| run.server.switches_per_answer,
                    false,
                ),
            ],
            columns: 2,
            height: 270.0,
        },
    );
    let most = claim.part("flights").map(|run| run.case.connections).max().unwrap_or(0);
    let rows: Vec<Vec<String>> = delays
        .iter()
        .flat_map(|delay| {
            series(claim).into_iter().filter_map(|Series { name, server, variant, .. }| {
                let run = along(claim, server, variant, *delay)
                    .into_iter()
                    .find(|run| run.case.connections == most)?;
                let (came, used) = (run.came(), &run.server);
                Some(vec![
                    format!("{}, {name}", set_ms(*delay)),
                    thousands(came.rate),
                    ms(came.latency.p50_ms),
                    ms(came.latency.p99_ms),
                    used.threads.to_string(),
                    format!("{:.0} MiB", used.resident_most_mib),
                    number(used.switches_per_answer),
                    number(used.cpu_us_per_answer),
                ])
            })
        })
        .collect();
    page.paragraph(&format!("At {} under way:", thousands(most as f64)));
    page.table(
        &[
            "delay, server",
            "answers/s",
            "p50",
            "p99",
            "threads",
            "memory",
            "switches/answer",
            "CPU µs/answer",
        ],
        &rows,
    );
}

/// Runs of the grid that make one line.
struct Series {
    name: String,
    server: &'static str,
    variant: &'static str,
    colour: &'static str,
    is_dashed: bool,
}

/// Of the backends that were measured.
fn series(claim: &Claim) -> Vec<Series> {
    const BLOCKING: &str = "#a8431f";
    let one = |name: &str, server, variant, is_dashed| Series {
        name: name.to_owned(),
        server,
        variant,
        colour: colour(server),
        is_dashed,
    };
    let all = [
        one(&pool(claim), "threaded", "default", false),
        one("a thread each", "threaded", "raised", true),
        Series { colour: BLOCKING, ..one("a thread each, blocking fn", "threaded", "raised fn", true) },
        one("mio", "mio", "", false),
        one("Tokio", "tokio", "", false),
    ];
    let measured = servers(claim.part("flights"));
    all.into_iter().filter(|series| measured.contains(&series.server)).collect()
}

/// The pool of threads as it is when nobody sets it.
pub(super) fn pool(claim: &Claim) -> String {
    let runs = claim.part("flights").filter(|run| run.case.variant == "default");
    format!("{} threads", runs.filter_map(|run| run.case.threads).max().unwrap_or(0))
}

/// The runs of a line, for one delay. Where few are under way, the two numbers of threads are one run.
pub(super) fn along<'a>(claim: &'a Claim, server: &str, variant: &str, delay: u64) -> Vec<&'a Run> {
    let all = claim.part("flights").filter(|run| {
        run.case.server == server && run.case.delay_ms == Some(delay) && run.case.workers.unwrap_or(1) == 1
    });
    let all: Vec<&Run> = all.collect();
    let is_raised =
        |at: usize| all.iter().any(|run| run.case.connections == at && run.case.variant == "raised");
    let stands_for = |run: &&&Run| {
        run.case.variant == variant
            || (variant == "raised" && run.case.variant == "default" && !is_raised(run.case.connections))
    };
    all.iter().filter(stands_for).copied().collect()
}

pub(super) fn delays(claim: &Claim) -> Vec<u64> {
    let mut delays: Vec<u64> = claim.part("flights").filter_map(|run| run.case.delay_ms).collect();
    delays.sort_unstable();
    delays.dedup();
    delays
}

fn flight_lines(claim: &Claim, delay: u64, figure: fn(&Run) -> f64) -> Vec<Line> {
    let line = |Series { server, variant, colour, is_dashed, .. }| Line {
        colour,
        is_dashed,
        label: String::new(),
        points: along(claim, server, variant, delay)
            .iter()
            .map(|run| (run.case.connections as f64, figure(run)))
            .collect(),
        has_dots: true,
    };
    series(claim).into_iter().map(line).collect()
}

fn flight_panel(
    claim: &Claim,
    delay: u64,
    title: String,
    up: &str,
    figure: fn(&Run) -> f64,
    is_log: bool,
) -> Panel {
    let lines = flight_lines(claim, delay, figure);
    let (across, figures) = spans(&lines);
    let scale = if is_log { Scale::log(figures) } else { Scale::linear(figures) };
    let guides = if is_log { vec![(delay as f64, "the delay itself".to_owned())] } else { Vec::new() };
    Panel {
        title,
        content: Content::Lines(Lines {
            across: ("queries under way".to_owned(), Scale::log(across)),
            up: (up.to_owned(), scale),
            lines,
            guides,
        }),
    }
}

fn flight_legend(claim: &Claim) -> Vec<Entry> {
    series(claim)
        .into_iter()
        .map(|series| Entry { name: series.name, colour: series.colour, is_dashed: series.is_dashed })
        .collect()
}
