//! Claim 3, as it is told.

use super::{
    GREY, Page, colour, how_many, name, servers, servers_entries,
    two::who,
    words::{list, ms, number, set_ms, share, thousands},
};
use crate::{
    chart::{Chart, Content, Entry, Line, Lines, Panel, Scale},
    results::{Claim, Run},
};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 3", "where do threads bend?");
    page.paragraph("### How much of what the delay allows");
    ideal(claim, page);
    page.paragraph("### When requests keep coming");
    rates(claim, page);
    page.paragraph("### How many can be under way");
    flights(claim, page);
    page.paragraph("### Connections that only wait");
    idle(claim, page);
    page.answer(&answer(claim));
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

/// The bars that this project has set itself.
fn bar(run: &Run) -> f64 {
    if run.case.server == "threaded" { 0.90 } else { 0.95 }
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
    page.paragraph(&if right == all {
        "All keep what this project demands of itself: 95 % on an event loop, 90 % on threads.".to_owned()
    } else {
        format!("{right} of {all} keep what this project demands of itself (95 % on an event loop, 90 % on threads); the others are marked ✗.")
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
    let threads: Vec<usize> = [64, 512].into_iter().collect();
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
                .map(|count| (format!("{count} threads"), of(server, Some(*count)), *count == 64))
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
            let kept = runs
                .iter()
                .filter(|run| run.came().rate > 0.95 * due(run))
                .map(|run| due(run))
                .fold(0.0, f64::max);
            let most = runs.iter().map(|run| run.came().rate).fold(0.0, f64::max);
            vec![label.clone(), thousands(kept), thousands(most)]
        })
        .collect();
    page.table(&["server", "highest rate that was kept up with", "most answers/s"], &rows);
}

fn spans(lines: &[Line]) -> (Vec<f64>, Vec<f64>) {
    lines.iter().flat_map(|line| line.points.iter().copied()).unzip()
}

/// Runs of the grid that make one line.
struct Series {
    name: &'static str,
    server: &'static str,
    variant: &'static str,
    colour: &'static str,
    is_dashed: bool,
}

/// Of the backends that were measured.
fn series(claim: &Claim) -> Vec<Series> {
    const BLOCKING: &str = "#a8431f";
    let one = |name, server, variant, is_dashed| Series {
        name,
        server,
        variant,
        colour: colour(server),
        is_dashed,
    };
    let all = [
        one("512 threads", "threaded", "default", false),
        one("a thread each", "threaded", "raised", true),
        Series { colour: BLOCKING, ..one("a thread each, blocking fn", "threaded", "raised fn", true) },
        one("mio", "mio", "", false),
        one("Tokio", "tokio", "", false),
    ];
    let measured = servers(claim.part("flights"));
    all.into_iter().filter(|series| measured.contains(&series.server)).collect()
}

/// The runs of a line, for one delay. Where few are under way, the two numbers of threads are one run.
fn along<'a>(claim: &'a Claim, server: &str, variant: &str, delay: u64) -> Vec<&'a Run> {
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

fn delays(claim: &Claim) -> Vec<u64> {
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
        .map(|series| Entry {
            name: series.name.to_owned(),
            colour: series.colour,
            is_dashed: series.is_dashed,
        })
        .collect()
}

fn flights(claim: &Claim, page: &mut Page) {
    page.paragraph(
        "A number of connections, each of which always has one query under way, for delays from a millisecond to a second. Threaded runs with its \
         512 threads, and with as many as there are queries, once for the same `async fn` and once for a `fn` that blocks in `read`; mio and Tokio with one worker (two are in the list of all runs).",
    );
    let delays = delays(claim);
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

fn idle(claim: &Claim, page: &mut Page) {
    let Some(most) = claim.part("idle").map(|run| run.case.connections).max() else { return };
    page.paragraph("Kept-alive connections, of which a hundred a second ask for something short. Here threaded needs no thread for each: its poller watches those that are idle.");
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

/// From how many under way the latency is more than twice the delay.
fn bend(claim: &Claim, variant: &str, delay: u64) -> Option<usize> {
    along(claim, "threaded", variant, delay)
        .into_iter()
        .find(|run| run.came().latency.p50_ms > 2.0 * delay as f64)
        .map(|run| run.case.connections)
}

fn answer(claim: &Claim) -> String {
    let delays = delays(claim);
    let told: Vec<String> = delays
        .iter()
        .map(|delay| match bend(claim, "default", *delay) {
            Some(at) => format!("by {} under way at a delay of {}", thousands(at as f64), set_ms(*delay)),
            None => format!("nowhere up to the most at a delay of {}", set_ms(*delay)),
        })
        .collect();
    let mut text = format!(
        "A pool of threads bends where its threads are all waiting: with the default of 512, half of the requests took more than \
         twice the delay {}. ",
        list(&told)
    );
    let longest = delays.last().copied().unwrap_or(0);
    let most = |server: &str, variant: &str| along(claim, server, variant, longest).last().copied();
    if let (Some(threads), Some(mio)) = (most("threaded", "raised fn"), most("mio", "")) {
        let memory = threads.server.resident_most_mib / mio.server.resident_most_mib;
        let cpu = threads.server.cpu_us_per_answer / mio.server.cpu_us_per_answer;
        let kept = threads.came().rate / mio.came().rate;
        text += &format!(
            "With a thread for each, that blocks in `read`, threads went on: at {} under way and a delay of {} they answered {} of what the event loop did, with {memory:.1} times its memory and \
             {cpu:.1} times its CPU for each answer. ",
            thousands(threads.case.connections as f64),
            set_ms(longest),
            share(kept),
        );
        text += if kept > 0.9 {
            "Threads do not fall off a cliff; they cost more, and somebody has to choose their number. "
        } else {
            "Here that many threads no longer keep up. "
        };
    }
    if let (Some(parked), Some(blocked)) = (most("threaded", "raised"), most("threaded", "raised fn")) {
        let ratio = parked.server.cpu_us_per_answer / blocked.server.cpu_us_per_answer;
        if ratio > 1.3 {
            text += &format!(
                "How a thread waits matters, too: one that is parked until a waker calls cost {ratio:.1} times the CPU of one that blocks in `read`. (Since \
                 Linux 6.16 a process has a table of waiting threads of its own, whose size follows the cores and not the threads, so that each wake-up \
                 has to search among thousands.) "
            );
        }
    }
    text + "At short delays nobody's way of waiting matters: the processors are the limit. And connections that only wait cost threads nothing where a poller \
            keeps them."
}
