//! Claim 4, as it is told.

use super::{
    Page, colour, name, servers,
    words::{list, ms, thousands},
};
use crate::{
    chart::{Chart, Content, Mark, Panel, Row, Rows, Scale},
    results::{Claim, Run},
};

const OURS: [&str; 3] = ["threaded", "mio", "tokio"];

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 4", "does sync beat async in hello world?");
    page.paragraph(
        "In August 2017 somebody posted a hello world of Iron, Rocket and Gotham to [Gotham's issue 27](https://github.com/gotham-rs/gotham/issues/27), and \
         the two blocking servers won against the asynchronous one. What went unseen: Gotham served on one thread, while Iron ran eight for each core and Rocket two; and \
         the load tool did not show connections that never got an answer.",
    );
    let peers: Vec<&str> = servers(&claim.runs).into_iter().filter(|server| !OURS.contains(server)).collect();
    if peers.is_empty() {
        page.paragraph("*The peers were not measured in this run.*");
    } else {
        let crowd = claim.part("2017").map(|run| run.case.connections).max().unwrap_or(0);
        page.paragraph(&format!(
            "Here are today's Rocket and Gotham (both on Tokio by now) and Iron 0.6 (still a thread for each connection) with {crowd} kept-alive connections: \
             first with the threads of then, and then with the same number for each. On the right, how many of the connections were answered at all.",
        ));
        page.picture("claim4-2017", &then(claim, "2017", "with the threads of 2017"));
        page.picture(
            "claim4-equal",
            &then(claim, "2017 equal", "with as many threads each as there are cores"),
        );
    }
    page.paragraph("And without a crowd: as many connections as threads, and eight for each thread; kept alive, and a new one for every request. Answers a second; † marks runs in which connections starved.");
    grid(claim, page);
    page.answer(&answer(claim));
}

/// A server, with its threads where they differ.
fn who(run: &Run) -> String {
    let count = run.case.workers.or(run.case.threads).unwrap_or(0);
    format!("{}, {count}", name(&run.case.server))
}

fn then(claim: &Claim, part: &'static str, words: &str) -> Chart {
    let runs: Vec<&Run> = claim.part(part).collect();
    let row = |figure: f64, words: String, run: &Run| Row {
        name: who(run),
        values: vec![(figure, colour(&run.case.server), words)],
    };
    let rates = runs.iter().map(|run| row(run.came().rate, thousands(run.came().rate), run)).collect();
    let served = |run: &Run| run.case.connections as f64 - run.came().each.starved as f64;
    let crowd = runs.iter().map(|run| run.case.connections).max().unwrap_or(0) as f64;
    let connections = runs
        .iter()
        .map(|run| row(served(run), format!("{:.0} of {}", served(run), run.case.connections), run))
        .collect();
    let panel = |title: &str, across: &str, scale: Scale, rows: Vec<Row>| Panel {
        title: title.to_owned(),
        content: Content::Rows(Rows {
            across: (across.to_owned(), scale),
            rows,
            mark: Mark::Bars,
            guide: None,
        }),
    };
    Chart {
        title: format!(
            "Hello world on {crowd} connections {words}: answers a second, and connections that were answered at all"
        ),
        legend: Vec::new(),
        panels: vec![
            panel(
                "answers a second",
                "answers a second",
                Scale::linear(runs.iter().map(|run| run.came().rate)),
                rates,
            ),
            panel(
                "connections that were answered",
                "connections",
                Scale::Steps(crowd / 4.0, crowd.max(1.0)),
                connections,
            ),
        ],
        columns: 2,
        height: 100.0 + 28.0 * runs.len() as f64,
    }
}

fn equal<'a>(claim: &'a Claim, server: &'a str, target: &'a str) -> impl Iterator<Item = &'a Run> {
    claim.part("equal").filter(move |run| run.case.server == server && run.case.target == target)
}

fn grid(claim: &Claim, page: &mut Page) {
    let mut rows = Vec::new();
    let mut head: Vec<String> = Vec::new();
    for server in servers(claim.part("equal")) {
        for (target, kind) in [("/hello", "`async fn`"), ("/hello/fn", "`fn`")] {
            let runs: Vec<&Run> = equal(claim, server, target).collect();
            if runs.is_empty() {
                continue;
            }
            if head.is_empty() {
                head.push("server".to_owned());
                head.extend(runs.iter().map(|run| {
                    let threads = run.case.workers.or(run.case.threads).unwrap_or(0);
                    let unit = if threads == 1 { "thread" } else { "threads" };
                    format!("{threads} {unit}, {} conn., {}", run.case.connections, run.case.variant)
                }));
            }
            let first = if OURS.contains(&server) {
                format!("{}, {kind}", name(server))
            } else {
                name(server).to_owned()
            };
            let cells = runs.iter().map(|run| {
                let starved = if run.came().each.starved > 0 { " †" } else { "" };
                format!("{}{starved}", thousands(run.came().rate))
            });
            rows.push([first].into_iter().chain(cells).collect());
        }
    }
    page.table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
}

fn answer(claim: &Claim) -> String {
    let mut text = String::new();
    let starving: Vec<String> = claim
        .part("2017")
        .chain(claim.part("2017 equal"))
        .filter(|run| run.came().each.starved > 0)
        .map(|run| {
            format!(
                "{} with {} threads left {} of {} connections without a single answer",
                name(&run.case.server),
                run.case.workers.unwrap_or(0),
                run.came().each.starved,
                run.case.connections
            )
        })
        .collect();
    if !starving.is_empty() {
        text += &format!(
            "A thread for each connection is fast for those who have one: {}. Its median latency is that of the few. \
             A load tool that only counts answers reports a winner. ",
            list(&starving)
        );
    }
    let one = |server: &'static str, connections: usize, target: &'static str| {
        equal(claim, server, target).find(|run| {
            run.case.connections == connections
                && run.case.variant == "keep-alive"
                && run.case.workers.or(run.case.threads) == Some(1)
        })
    };
    if let (Some(threads), Some(mio)) = (one("threaded", 1, "/hello"), one("mio", 1, "/hello")) {
        let ratio = threads.came().rate / mio.came().rate;
        let words = if ratio > 1.1 {
            "So yes, where connections are few, a thread that simply blocks in `read` is faster: there is no `epoll` to ask. "
        } else if ratio < 0.9 {
            "So not even where connections are few. "
        } else {
            "So hardly, even where connections are few. "
        };
        text += &format!(
            "With one thread and one connection, threaded answered {} a second (median {}), mio {} ({}). {words}",
            thousands(threads.came().rate),
            ms(threads.came().latency.p50_ms),
            thousands(mio.came().rate),
            ms(mio.came().latency.p50_ms),
        );
    }
    let ours = || {
        OURS.into_iter()
            .flat_map(|server| equal(claim, server, "/hello").chain(equal(claim, server, "/hello/fn")))
    };
    let starved: u64 = ours().map(|run| run.came().each.starved).sum();
    let jain = ours().map(|run| run.came().each.jain).fold(1.0, f64::min);
    text + &if starved == 0 {
        format!(
            "Trijet's threads take turns between connections, and nobody starved on any backend (Jain's index {jain:.2} at least)."
        )
    } else {
        format!("On Trijet {starved} connections starved.")
    }
}
