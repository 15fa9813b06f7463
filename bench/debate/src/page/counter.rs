//! The counter-experiment, as it is told.

use super::{
    Page, STEPS, entry, last, last_ms, name,
    one::staircase,
    servers,
    two::who,
    words::{list, ms},
};
use crate::{
    chart::{Chart, Content, Panel},
    results::{Claim, Run},
};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("The counter-experiment", "is it the `async` that helps?");
    let crowd = claim.part("walls").map(|run| run.case.connections).max().unwrap_or(0);
    page.paragraph(&format!(
        "Now the mistake that everybody makes once: the blocking call of claim 1, written inside an `async fn`. Beside it the same call as a \
         plain `fn`, with the pool as it is by default, and the query of claim 2. {crowd} at once, one worker:",
    ));
    page.picture("counter", &stairs(claim));
    let of = |server: &str, part: &'static str, variant: &str| {
        claim
            .part(part)
            .find(|run| run.case.server == server && run.case.variant.ends_with(variant) && count(run) == 1)
    };
    let rows: Vec<Vec<String>> = servers(&claim.runs)
        .into_iter()
        .flat_map(|server| {
            [
                ("blocking call in an `async fn`", "blocking"),
                ("the same in a plain `fn`", "fn"),
                ("`async fn` that waits", "async"),
            ]
            .map(|(words, kind)| {
                let second = of(server, "second", &format!("/query/{kind}/{}", claim.figure("delay_ms")));
                let second = second.map_or_else(|| "–".to_owned(), |run| ms(run.came().latency.max_ms));
                vec![format!("{}: {words}", name(server)), last(of(server, "walls", kind)), second]
            })
        })
        .collect();
    page.table(
        &[
            "handler",
            &format!("{crowd} queries took"),
            &format!("a short request {} after a query", claim.setting("after_ms")),
        ],
        &rows,
    );
    let named: Vec<String> = watchdog(claim);
    page.paragraph(&match named.as_slice() {
        [] => "The watchdog named nothing in these runs.".to_owned(),
        lines => format!(
            "What the watchdog wrote into the servers' logs meanwhile:\n\n```text\n{}\n```",
            lines.join("\n")
        ),
    });
    hand_over(claim, page);
    let is_wall = |server: &str| {
        let wall = of(server, "walls", "blocking").and_then(last_ms)?;
        let free = of(server, "walls", "fn").and_then(last_ms)?;
        Some(wall > 4.0 * free)
    };
    let loops: Vec<&str> = servers(&claim.runs).into_iter().filter(|server| *server != "threaded").collect();
    page.answer(&if loops.iter().all(|server| is_wall(server) == Some(true)) {
        format!(
            "No. On {} a blocking call in an `async fn` is claim 1 again, with one thread, and worse: routes that have nothing to do with it stand \
             still too. What helps is that nobody blocks the loop. A plain `fn` says that it may block, so it runs elsewhere, at \
             the price of the hand-over. On threaded the word `async` changes nothing.",
            list(&loops.iter().map(|server| name(server).to_owned()).collect::<Vec<_>>())
        )
    } else {
        "In this run the blocking call did not stand out as it should.".to_owned()
    });
}

/// Workers, which on threaded are threads.
fn count(run: &Run) -> usize {
    run.case.workers.or(run.case.threads).unwrap_or(0)
}

/// The lines in which a route is named, the first of each backend.
fn watchdog(claim: &Claim) -> Vec<String> {
    servers(&claim.runs)
        .into_iter()
        .filter_map(|server| {
            let runs = claim.runs.iter().filter(|run| run.case.server == server);
            let line = runs.flat_map(|run| &run.log).find(|line| line.contains("/query/blocking"))?;
            Some(format!("{}: {line}", name(server)))
        })
        .collect()
}

fn hand_over(claim: &Claim, page: &mut Page) {
    let rows: Vec<Vec<String>> = servers(claim.part("hand-over"))
        .into_iter()
        .map(|server| {
            let cells = ["async", "fn", "inline"].map(|kind| {
                let run =
                    claim.part("hand-over").find(|run| run.case.server == server && run.case.variant == kind);
                run.map_or_else(
                    || "–".to_owned(),
                    |run| {
                        format!(
                            "{}, {:.0} µs of CPU",
                            ms(run.came().latency.p50_ms),
                            run.server.cpu_us_per_answer
                        )
                    },
                )
            });
            let who = claim.part("hand-over").find(|run| run.case.server == server).map(who);
            [who.unwrap_or_default()].into_iter().chain(cells).collect()
        })
        .collect();
    page.paragraph("And what the hand-over to the pool costs where there is nothing to wait for (median latency at 500 requests a second):");
    page.table(&["server", "`async fn`", "plain `fn`", "`inline`"], &rows);
}

fn stairs(claim: &Claim) -> Chart {
    let kinds = [
        ("blocking", "blocking call in an async fn"),
        ("fn", "the same in a plain fn"),
        ("async", "async fn that waits"),
    ];
    let panels = servers(&claim.runs).into_iter().map(|server| Panel {
        title: match server {
            "threaded" => "threaded, one thread".to_owned(),
            server => format!("{}, one worker", name(server)),
        },
        content: Content::Lines(staircase(kinds.iter().zip(STEPS).filter_map(|((kind, _), colour)| {
            let run = claim
                .part("walls")
                .find(|run| run.case.server == server && run.case.variant == *kind && count(run) == 1);
            Some((run?, colour, String::new()))
        }))),
    });
    Chart {
        title: "When each of the requests was answered: a blocking call in an async fn, in a plain fn, and a query that waits".to_owned(),
        legend: kinds.iter().zip(STEPS).map(|((_, words), colour)| entry(words, colour)).collect(),
        panels: panels.collect(),
        columns: 3,
        height: 270.0,
    }
}
