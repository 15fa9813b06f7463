//! The counter-experiment, as it is told.

use kit::chart::{Chart, Content, Panel};

use super::{
    Page, STEPS, entry, last, last_ms, name,
    one::{staircase, tries},
    servers,
    two::who,
    words::{list, ms},
};
use crate::results::{Claim, Run};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("The counter-experiment", "is it the `async` that helps?");
    let crowd = claim.part("walls").map(|run| run.case.connections).max().unwrap_or(0);
    page.paragraph(&format!(
        "Now the mistake that everybody makes once: the blocking call of claim 1, written inside an `async fn`. Beside it the same call as a \
         plain `fn`, with the pool as it is by default, and the query of claim 2. {crowd} at once, one worker:",
    ));
    page.picture("counter", &stairs(claim));
    let rows: Vec<Vec<String>> = servers(&claim.runs)
        .into_iter()
        .flat_map(|server| {
            [
                ("blocking call in an `async fn`", "blocking"),
                ("the same in a plain `fn`", "fn"),
                ("`async fn` that waits", "async"),
            ]
            .map(|(words, kind)| {
                let second =
                    one(claim, server, "second", &format!("/query/{kind}/{}", claim.number("delay_ms")));
                let second = second.map_or_else(|| "–".to_owned(), |run| ms(run.came().latency.max_ms));
                vec![format!("{}: {words}", name(server)), last(one(claim, server, "walls", kind)), second]
            })
        })
        .collect();
    page.table(
        &[
            "handler",
            &format!("{crowd} queries took"),
            &format!("a short request {} after a query{}", claim.setting("after_ms"), tries(claim)),
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
    page.answer(claim, &answer(claim));
}

/// The run of a server with one worker.
fn one<'a>(claim: &'a Claim, server: &str, part: &'static str, variant: &str) -> Option<&'a Run> {
    claim
        .part(part)
        .find(|run| run.case.server == server && run.case.variant.ends_with(variant) && count(run) == 1)
}

fn answer(claim: &Claim) -> String {
    /// How many times as long a wall must take to be one.
    const WALL: f64 = 4.0;
    /// How close two walls must be to be the same.
    const NEAR: f64 = 0.15;
    let wall = |server: &str, kind: &str| one(claim, server, "walls", kind).and_then(last_ms);
    let behind = |server: &str, kind: &str| {
        let variant = format!("/query/{kind}/{}", claim.number("delay_ms"));
        Some(one(claim, server, "second", &variant)?.came().latency.max_ms)
    };
    let is_more = |blocking: Option<f64>, free: Option<f64>| matches!((blocking, free), (Some(blocking), Some(free)) if blocking > WALL * free);
    let loops: Vec<&str> = servers(&claim.runs).into_iter().filter(|server| *server != "threaded").collect();
    let names = |of: &[&str]| list(&of.iter().map(|server| name(server).to_owned()).collect::<Vec<_>>());
    let (stand, pass): (Vec<&str>, Vec<&str>) =
        loops.iter().partition(|server| is_more(wall(server, "blocking"), wall(server, "fn")));
    let mut text = String::new();
    if !stand.is_empty() {
        text += &format!(
            "No. On {} a blocking call in an `async fn` is claim 1 again, with one thread",
            names(&stand)
        );
        text += if stand.iter().all(|server| is_more(behind(server, "blocking"), behind(server, "fn"))) {
            ", and worse: routes that have nothing to do with it stand still too. "
        } else {
            ". "
        };
        text += "What helps is that nobody blocks the loop. A plain `fn` says that it may block, so it runs elsewhere, at the price of the hand-over. ";
    }
    if !pass.is_empty() {
        text += &format!("On {} the blocking call did not stand out as it should. ", names(&pass));
    }
    let threaded: Option<Vec<f64>> =
        ["blocking", "fn", "async"].into_iter().map(|kind| wall("threaded", kind)).collect();
    text + &match threaded.as_deref() {
        Some([blocking, rest @ ..]) if rest.iter().all(|other| (other / blocking - 1.0).abs() < NEAR) => {
            "On threaded the word `async` changes nothing.".to_owned()
        }
        Some(each) => format!(
            "On threaded the three took {}.",
            list(&each.iter().map(|last| ms(*last)).collect::<Vec<_>>())
        ),
        None => String::new(),
    }
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
    page.paragraph(&format!(
        "And what the hand-over to the pool costs where there is nothing to wait for (median latency at {} requests a second):",
        claim.number("rate"),
    ));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// The walls of a blocking call, of a plain `fn` and of an `async fn`; and the short requests behind the first two.
    fn runs(server: &str, walls: [f64; 3], behind: [f64; 2]) -> Vec<Run> {
        let one = |part: &str, variant: &str, last: f64| {
            let run = sample::run(part, server).variant(variant).latency(last);
            let mut run = if server == "threaded" { run.threads(1) } else { run.workers(1) };
            run.outcome.flows[0].one_by_one_ms = vec![Some(last)];
            run
        };
        let walls =
            ["blocking", "fn", "async"].into_iter().zip(walls).map(|(kind, last)| one("walls", kind, last));
        let behind = ["behind /query/blocking/200", "behind /query/fn/200"]
            .into_iter()
            .zip(behind)
            .map(|(kind, last)| one("second", kind, last));
        walls.chain(behind).collect()
    }

    #[test]
    fn each_sentence_is_chosen_by_its_runs() {
        let told = |runs: [Vec<Run>; 2]| answer(&sample::claim("counter", runs.concat()));
        let mio = || runs("mio", [3_200.0, 200.0, 200.0], [150.0, 0.3]);
        let threaded = || runs("threaded", [3_200.0; 3], [150.0; 2]);
        let good = told([mio(), threaded()]);
        assert!(
            good.starts_with("No. On mio")
                && good.contains("and worse")
                && good.ends_with("changes nothing."),
            "{good}"
        );
        let calm = told([runs("mio", [3_200.0, 200.0, 200.0], [0.4, 0.3]), threaded()]);
        assert!(calm.starts_with("No. On mio") && !calm.contains("and worse"), "{calm}");
        let other = told([runs("mio", [300.0, 200.0, 200.0], [0.4, 0.3]), threaded()]);
        assert!(other.starts_with("On mio the blocking call did not stand out"), "{other}");
        let differs = told([mio(), runs("threaded", [3_200.0, 3_200.0, 1_600.0], [150.0; 2])]);
        assert!(differs.ends_with("On threaded the three took 3.20 s, 3.20 s and 1.60 s."), "{differs}");
    }
}
