//! Claim 6, as it is told.

use super::{
    Page, colour, how_many, name, servers, servers_entries,
    two::who,
    words::{ms, number, share},
};
use crate::{
    chart::{Chart, Content, Mark, Panel, Row, Rows, Scale},
    results::{Claim, Run},
};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 6", "and if nobody waits?");
    let cost = claim.figure("cost_us");
    page.paragraph(&format!(
        "The claims above hold “provided requests are not bound by local resources”. So here is a handler that only computes: {} µs of CPU when it is \
         alone. Sixteen connections always ask for it. No way of waiting can answer more than cores ÷ cost, {} a second here with all {} cores; and \
         the generator needs its share of them. Beside it, somebody asks 50 times a second for a route that does nothing.",
        number(cost),
        number(bound(claim, claim.machine.cores)),
        claim.machine.cores,
    ));
    page.picture("claim6", &bars(claim));
    let rows: Vec<Vec<String>> = claim
        .part("burn")
        .map(|run| {
            let short = run.flow("short");
            vec![
                format!("{}, `{}`", who(run), run.case.variant),
                number(run.came().rate),
                share(run.came().rate / bound(claim, at_most(claim, run))),
                format!("{:.2}", run.server.cores),
                short.map_or_else(String::new, |short| ms(short.latency.p50_ms)),
                short.map_or_else(String::new, |short| ms(short.latency.p99_ms)),
            ]
        })
        .collect();
    page.table(
        &["server, handler", "answers/s", "of cores ÷ cost", "cores busy", "short route, p50", "p99"],
        &rows,
    );
    page.answer(&answer(claim));
}

/// Answers a second that so many cores allow.
fn bound(claim: &Claim, cores: usize) -> f64 {
    cores as f64 * 1e6 / claim.figure("cost_us")
}

/// The cores that a run can use: those of its workers, or all, where a pool computes.
fn at_most(claim: &Claim, run: &Run) -> usize {
    let cores = claim.machine.cores;
    match run.case.workers.or(run.case.threads) {
        Some(count) if run.case.variant != "fn" || run.case.server == "threaded" => count.min(cores),
        _ => cores,
    }
}

fn bars(claim: &Claim) -> Chart {
    let kinds = ["async", "fn", "inline"];
    let rows = |count: usize, figure: fn(&Run) -> (f64, String)| {
        kinds
            .iter()
            .map(|kind| Row {
                name: match *kind {
                    "async" => "async fn".to_owned(),
                    kind => kind.to_owned(),
                },
                values: servers(claim.part("burn"))
                    .into_iter()
                    .filter_map(|server| {
                        claim.part("burn").find(|run| {
                            run.case.server == server
                                && run.case.variant == *kind
                                && run.case.workers.or(run.case.threads) == Some(count)
                        })
                    })
                    .map(|run| {
                        let (value, words) = figure(run);
                        (value, colour(&run.case.server), words)
                    })
                    .collect(),
            })
            .collect::<Vec<Row>>()
    };
    let cores = claim.machine.cores;
    let rate = |run: &Run| (run.came().rate, number(run.came().rate));
    let short = |run: &Run| {
        let p99 = run.flow("short").map_or(0.0, |short| short.latency.p99_ms);
        (p99, ms(p99))
    };
    let limit = bound(claim, cores);
    let slowest = claim.runs.iter().map(|run| short(run).0).fold(1.0, f64::max);
    let panel =
        |title: String, across: &str, scale: Scale, rows: Vec<Row>, guide: Option<(f64, String)>| Panel {
            title,
            content: Content::Rows(Rows {
                across: (across.to_owned(), scale),
                rows,
                mark: Mark::Bars,
                guide,
            }),
        };
    let mut panels = Vec::new();
    for count in [1, cores] {
        let unit = if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") };
        panels.push(panel(
            format!("computed, {unit}"),
            "answers a second",
            Scale::Linear(limit * 1.05),
            rows(count, rate),
            Some((limit, "cores ÷ cost".to_owned())),
        ));
        panels.push(panel(
            format!("the short route beside it, {unit}"),
            "p99, ms",
            Scale::Log(0.1, slowest),
            rows(count, short),
            None,
        ));
    }
    Chart {
        title: "A handler that computes: answers a second, and the latency of a short route beside it"
            .to_owned(),
        legend: servers_entries(claim.part("burn")),
        panels,
        columns: 2,
        height: 280.0,
    }
}

fn answer(claim: &Claim) -> String {
    let (right, all) =
        how_many(claim.part("burn").map(|run| run.came().rate <= 1.03 * bound(claim, at_most(claim, run))));
    let mut text = if right == all {
        "No backend answers more than cores ÷ cost, and none can: waiting well buys nothing where nobody waits. ".to_owned()
    } else {
        format!(
            "{right} of {all} runs stay below cores ÷ cost; the others show how far the cost itself could be measured. "
        )
    };
    let short = |server: &str, kind: &str| {
        let run = claim
            .part("burn")
            .find(|run| run.case.server == server && run.case.variant == kind && run.case.workers == Some(1));
        run.and_then(|run| Some(run.flow("short")?.latency.p99_ms))
    };
    let loops: Vec<&str> =
        servers(claim.part("burn")).into_iter().filter(|server| *server != "threaded").collect();
    let better =
        loops.iter().filter_map(|server| Some((*server, short(server, "async")?, short(server, "fn")?)));
    for (server, on_loop, on_pool) in better {
        text += &format!(
            "On {} with one worker the short route's p99 was {} beside an `async fn` that computes, and {} beside a plain `fn`. ",
            name(server),
            ms(on_loop),
            ms(on_pool)
        );
    }
    text + "What computes for milliseconds belongs in a plain `fn`, where the system shares out the cores, and not on a loop, where everybody queues behind it."
}
