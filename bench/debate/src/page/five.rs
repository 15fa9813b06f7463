//! Claim 5, as it is told.

use kit::chart::{Chart, Content, Mark, Panel, Row, Rows, Scale};

use super::{
    Page, colour, how_many, name, servers, servers_entries,
    words::{list, ms, set_ms},
};
use crate::{
    job::Came,
    results::{Claim, Run},
};

/// The project's own bar.
const SOON_MS: u64 = 50;

const KINDS: [(&str, &str, &str); 7] = [
    ("upload", "/upload/reader", "upload, `fn` that reads it itself"),
    ("upload", "/upload/bytes", "upload, `fn` with `Bytes`"),
    ("upload", "/upload/json", "upload, `fn` with `Json`"),
    ("upload", "/upload/async", "upload, `async fn`"),
    ("download", "/download/iterator", "download, iterator in a `fn`"),
    ("download", "/download/stream", "download, stream in an `async fn`"),
    ("download", "/download/whole", "download, bytes at once"),
];

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 5", "what can slow clients stop?");
    page.paragraph(&format!(
        "The older meaning of “async”: the server waits not for a database but for the client. As many clients as the server has threads send half an upload \
         and stop, or ask for {:.0} MiB and do not read. {} later somebody asks for a short route{}. (Threads are those of threaded, or of the pool on \
         mio and Tokio, which have one event loop here.)",
        claim.figure("download_mib"),
        claim.setting("after_ms"),
        probes(claim),
    ));
    page.picture("claim5", &dots(claim));
    let deadline = claim.setting("deadline_ms");
    page.paragraph(&format!(
        "Answered after, as `async fn` / as plain `fn`. With a deadline, a client that stalls for {deadline} is given up (by default after {}); without one, never.",
        claim.setting("deadline_default_ms"),
    ));
    let servers = servers(&claim.runs);
    let head: Vec<String> = ["handler that is stalled".to_owned()]
        .into_iter()
        .chain(
            servers
                .iter()
                .flat_map(|server| [name(server).to_owned(), format!("{}, deadline", name(server))]),
        )
        .collect();
    let rows: Vec<Vec<String>> = KINDS
        .iter()
        .map(|(_, target, words)| {
            let cells = servers.iter().flat_map(|server| {
                ["no deadline", "deadline"]
                    .map(|variant| worst(claim, server, target, variant).map_or_else(|| "–".to_owned(), cell))
            });
            [(*words).to_owned()].into_iter().chain(cells).collect()
        })
        .collect();
    page.table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    page.answer(claim, &answer(claim));
}

/// How often somebody asks.
fn probes(claim: &Claim) -> String {
    match claim.figures.get("probes") {
        Some(probes) if *probes > 1.0 => {
            format!(", and again after as long, {probes} times in all; the slowest counts")
        }
        _ => String::new(),
    }
}

/// Whether all of a flow's requests were.
fn is_answered(came: &Came) -> bool {
    came.answers > 0 && came.answers >= came.due
}

/// The run of the most threads.
fn worst<'a>(claim: &'a Claim, server: &str, target: &str, variant: &str) -> Option<&'a Run> {
    let of = |run: &&Run| {
        run.case.server == server && run.case.target.starts_with(target) && run.case.variant == variant
    };
    claim.runs.iter().filter(of).max_by_key(|run| run.case.threads)
}

fn cell(run: &Run) -> String {
    let words = |flow: &str| match run.flow(flow) {
        Some(came) if is_answered(came) => ms(came.latency.max_ms),
        Some(came) => format!("> {}", ms(came.latency.max_ms)),
        None => "–".to_owned(),
    };
    format!("{} / {}", words("next"), words("next fn"))
}

fn dots(claim: &Claim) -> Chart {
    let most = claim.runs.iter().map(|run| run.came().latency.max_ms).fold(1.0, f64::max);
    let rows = KINDS
        .iter()
        .map(|(_, target, words)| Row {
            name: words.replace('`', ""),
            values: servers(&claim.runs)
                .into_iter()
                .filter_map(|server| worst(claim, server, target, "no deadline"))
                .map(|run| {
                    let waited = run.came().latency.max_ms;
                    let words =
                        if !is_answered(run.came()) { format!("> {}", ms(waited)) } else { String::new() };
                    (waited, colour(&run.case.server), words)
                })
                .collect(),
        })
        .collect();
    Chart {
        title: "How long a short request waits behind stalled clients, by the handler that is stalled"
            .to_owned(),
        legend: servers_entries(&claim.runs),
        panels: vec![Panel {
            title: String::new(),
            content: Content::Rows(Rows {
                across: (
                    "ms until a short async fn was answered (no deadline)".to_owned(),
                    Scale::Log(0.1, most.max(1_000.0)),
                ),
                rows,
                mark: Mark::Dots,
                guide: Some((SOON_MS as f64, set_ms(SOON_MS))),
            }),
        }],
        columns: 1,
        height: 350.0,
    }
}

/// Whether the probes of a flow were answered as soon as they should be.
fn is_soon(run: &Run, flow: &str) -> bool {
    run.flow(flow).is_some_and(|came| is_answered(came) && came.latency.max_ms <= SOON_MS as f64)
}

fn reads_itself(run: &Run) -> bool {
    run.case.target == "/upload/reader"
}

fn answer(claim: &Claim) -> String {
    let (reading, rest): (Vec<&Run>, Vec<&Run>) = claim.runs.iter().partition(|run| reads_itself(run));
    let (on_threads, on_loops): (Vec<&Run>, Vec<&Run>) =
        reading.into_iter().partition(|run| run.case.server == "threaded");
    let parts = [threads(&on_threads), loops(&on_loops), elsewhere(&rest)];
    parts.into_iter().flatten().collect::<Vec<String>>().join(" ")
}

/// A `fn` that reads by itself, on threaded.
fn threads(runs: &[&Run]) -> Option<String> {
    let (waited, all) = how_many(runs.iter().map(|run| !is_soon(run, "next")));
    (all > 0).then(|| {
        if waited == all {
            "A handler that reads the client's bytes by itself lends its thread to the client: on threaded the next request then waits, until the deadline or for \
             ever."
                .to_owned()
        } else {
            format!("On threaded, in {waited} of {all} runs the next request waited behind a `fn` that reads by itself.")
        }
    })
}

/// The same on an event loop, where it holds a thread of the pool.
fn loops(runs: &[&Run]) -> Option<String> {
    let (by_fn, all) = how_many(runs.iter().map(|run| !is_soon(run, "next fn")));
    let (by_async, _) = how_many(runs.iter().map(|run| !is_soon(run, "next")));
    (all > 0).then(|| match (by_fn, by_async) {
        (by_fn, 0) if by_fn == all => {
            "On an event loop it holds a thread of the pool: other `fn` routes wait for it, `async fn` routes do not.".to_owned()
        }
        _ => format!(
            "On an event loop, in {all} runs, another `fn` route waited for it in {by_fn} and an `async fn` route in {by_async}."
        ),
    })
}

/// Where the framework does the reading or the writing: for both kinds of short routes.
fn elsewhere(runs: &[&Run]) -> Option<String> {
    let flows = ["next", "next fn"];
    let each = || runs.iter().flat_map(|run| flows.map(|flow| (*run, flow)));
    let (right, all) = how_many(each().map(|(run, flow)| is_soon(run, flow)));
    if all == 0 {
        return None;
    }
    let soon = set_ms(SOON_MS);
    if right == all {
        return Some(format!(
            "Where the framework does the reading (`Bytes`, `Json`, an `async fn`) or the writing (every response), a slow client holds no thread, on threads no more than on \
             event loops: in all {} runs, both the `async fn` and the `fn` were answered within {soon}, with and without deadlines.",
            runs.len()
        ));
    }
    let late: Vec<(&Run, &str)> = each().filter(|(run, flow)| !is_soon(run, flow)).collect();
    let slowest =
        late.iter().filter_map(|(run, flow)| Some(run.flow(flow)?.latency.max_ms)).fold(0.0, f64::max);
    let mut who: Vec<String> = Vec::new();
    for (run, _) in &late {
        let kind = run.case.target.split('/').take(3).collect::<Vec<_>>().join("/");
        let words = format!("{} with `{kind}`", name(&run.case.server));
        if !who.contains(&words) {
            who.push(words);
        }
    }
    Some(format!(
        "Where the framework does the reading (`Bytes`, `Json`, an `async fn`) or the writing (every response), {right} of {all} short routes were answered within {soon}; the \
         others ({}) took {} at most, or never had an answer.",
        list(&who),
        ms(slowest)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// A run whose `async fn` and `fn` were answered after so long, or not at all.
    fn stalled(server: &str, target: &str, next: Option<f64>, next_fn: Option<f64>) -> Run {
        let probe = |name: &str, after: Option<f64>| {
            let mut flow = sample::run("", "").latency(after.unwrap_or(2_000.0)).outcome.flows.remove(0);
            (flow.name, flow.due, flow.answers) = (name.to_owned(), 4, if after.is_some() { 4 } else { 3 });
            flow
        };
        let mut run = sample::run("upload", server).asks(target, 4);
        run.outcome.flows = vec![probe("next", next), probe("next fn", next_fn)];
        run
    }

    #[test]
    fn each_sentence_is_chosen_by_its_runs() {
        let told = |runs| answer(&sample::claim("claim5", runs));
        let good = || {
            vec![
                stalled("threaded", "/upload/reader", None, None),
                stalled("mio", "/upload/reader", Some(1.0), None),
                stalled("mio", "/upload/json", Some(1.0), Some(2.0)),
            ]
        };
        let words = told(good());
        assert!(words.contains("until the deadline or for ever. On an event loop it holds a thread of the pool: other `fn` routes wait"), "{words}");
        assert!(words.ends_with("in all 1 runs, both the `async fn` and the `fn` were answered within 50 ms, with and without deadlines."), "{words}");
        let with = |run| told(good().into_iter().chain([run]).collect());
        let words = with(stalled("threaded", "/upload/reader", Some(1.0), None));
        assert!(words.starts_with("On threaded, in 1 of 2 runs"), "{words}");
        let words = with(stalled("tokio", "/upload/reader", None, None));
        assert!(
            words.contains("in 2 runs, another `fn` route waited for it in 2 and an `async fn` route in 1."),
            "{words}"
        );
        // One of four probes without an answer is enough, and so is a `fn` alone that waits.
        let words = with(stalled("tokio", "/upload/bytes", Some(1.0), None));
        assert!(
            words.contains("3 of 4 short routes")
                && words.contains("(Tokio with `/upload/bytes`) took 2.00 s"),
            "{words}"
        );
    }
}
