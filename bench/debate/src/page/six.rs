//! Claim 6, as it is told.

use kit::chart::{Chart, Content, Mark, Panel, Row, Rows, Scale};

use super::{
    Page, colour, how_many, name, servers, servers_entries,
    two::who,
    words::{ms, number, share},
};
use crate::results::{Claim, Run};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 6", "and if nobody waits?");
    let cost = claim.figure("cost_us");
    page.paragraph(&format!(
        "The claims above hold “provided requests are not bound by local resources”. So here is a handler that only computes: {} µs of CPU when it is \
         alone. {} connections always ask for it. No way of waiting can answer more than cores ÷ cost, {} a second here with all {} cores; and \
         the generator needs its share of them. Beside it, somebody asks {} times a second for a route that does nothing.",
        number(cost),
        claim.part("burn").map(|run| run.case.connections).max().unwrap_or(0),
        number(bound(claim, claim.machine.cores)),
        claim.machine.cores,
        claim.number("rate"),
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
    page.answer(claim, &answer(claim));
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
    /// How precisely the cost itself is known, as a share.
    const KNOWN: f64 = 0.03;
    let shares: Vec<f64> =
        claim.part("burn").map(|run| run.came().rate / bound(claim, at_most(claim, run))).collect();
    let (right, all) = how_many(shares.iter().map(|share| *share <= 1.0 + KNOWN));
    let mut text = if right == all {
        format!(
            "No backend answers more than cores ÷ cost, within {:.0} %: waiting well buys nothing where nobody waits. ",
            KNOWN * 100.0
        )
    } else {
        format!(
            "{right} of {all} runs stay below cores ÷ cost, within {:.0} %; the others reached up to {} of it, so that the cost alone was measured too high, or others had the processor then. ",
            KNOWN * 100.0,
            share(shares.iter().copied().fold(0.0, f64::max))
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
    let beside: Vec<(&str, f64, f64)> = loops
        .iter()
        .filter_map(|server| Some((*server, short(server, "async")?, short(server, "fn")?)))
        .collect();
    for (server, on_loop, on_pool) in &beside {
        text += &format!(
            "On {} with one worker the short route's p99 was {} beside an `async fn` that computes, and {} beside a plain `fn`. ",
            name(server),
            ms(*on_loop),
            ms(*on_pool)
        );
    }
    let (better, all) = how_many(beside.iter().map(|(_, on_loop, on_pool)| on_pool < on_loop));
    text + match (better, all) {
        (_, 0) => "",
        (better, all) if better == all => {
            "What computes for milliseconds belongs in a plain `fn`, where the system shares out the cores, and not on a loop, where everybody queues behind it."
        }
        (0, _) => "In this run a plain `fn` was no better a place for what computes than the loop itself.",
        _ => {
            "In this run a plain `fn` was a better place for what computes than the loop itself on some backends only."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn burn(server: &str, kind: &str, rate: f64, short_ms: f64) -> Run {
        let mut run = sample::run("burn", server).workers(1).asks("/burn", 16).variant(kind).rate(rate);
        let mut short = sample::run("", "").latency(short_ms).outcome.flows.remove(0);
        "short".clone_into(&mut short.name);
        run.outcome.flows.push(short);
        run
    }

    #[test]
    fn each_sentence_is_chosen_by_its_runs() {
        let told = |runs| {
            let mut claim = sample::claim("claim6", runs);
            claim.figures.insert("cost_us".to_owned(), 5_000.0);
            answer(&claim)
        };
        let mio = |fn_ms| vec![burn("mio", "async", 200.0, 190.0), burn("mio", "fn", 400.0, fn_ms)];
        let good = told(mio(17.0));
        assert!(
            good.starts_with("No backend answers more") && good.contains("belongs in a plain `fn`"),
            "{good}"
        );
        assert!(told(mio(191.0)).ends_with("no better a place for what computes than the loop itself."));
        let some =
            [mio(17.0), vec![burn("tokio", "async", 200.0, 1.0), burn("tokio", "fn", 400.0, 2.0)]].concat();
        assert!(told(some).ends_with("on some backends only."));
        let fast = told(vec![burn("mio", "async", 220.0, 190.0), burn("mio", "fn", 400.0, 17.0)]);
        assert!(
            fast.starts_with(
                "1 of 2 runs stay below cores ÷ cost, within 3 %; the others reached up to 110.0 %"
            ),
            "{fast}"
        );
    }
}
