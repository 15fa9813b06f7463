//! Claim 5, as it is told.

use super::{
    Page, colour, how_many, name, servers, servers_entries,
    words::{list, ms, set_ms},
};
use crate::{
    chart::{Chart, Content, Mark, Panel, Row, Rows, Scale},
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
         and stop, or ask for {:.0} MiB and do not read. {} later somebody asks for a short route. (Threads are those of threaded, or of the pool on \
         mio and Tokio, which have one event loop here.)",
        claim.figure("download_mib"),
        claim.setting("after_ms"),
    ));
    page.picture("claim5", &dots(claim));
    let deadline = claim.setting("deadline_ms");
    page.paragraph(&format!(
        "Answered after, as `async fn` / as plain `fn`. With a deadline, a client that stalls for {deadline} is given up (by default after 30 s); without one, never.",
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
    page.answer(&answer(claim));
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
        Some(came) if came.answers > 0 => ms(came.latency.max_ms),
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
                        if run.came().answers == 0 { format!("> {}", ms(waited)) } else { String::new() };
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

fn answer(claim: &Claim) -> String {
    let holds_thread = |run: &&Run| run.case.target == "/upload/reader";
    let soon = |run: &Run| run.came().answers > 0 && run.came().latency.max_ms <= SOON_MS as f64;
    let others = claim.runs.iter().filter(|run| !(holds_thread(run) && run.case.server == "threaded"));
    let others: Vec<&Run> = others.collect();
    let (right, all) = how_many(others.iter().map(|run| soon(run)));
    let late: Vec<&&Run> = others.iter().filter(|run| !soon(run)).collect();
    let held = claim.runs.iter().filter(holds_thread).filter(|run| run.case.server == "threaded");
    let (waited, held) = how_many(held.map(|run| !soon(run)));
    let mut text = if waited == held {
        "A handler that reads the client's bytes by itself lends its thread to the client: on threaded the next request then waits, until the deadline or for ever. ".to_owned()
    } else {
        format!("On threaded, {waited} of {held} requests waited behind a `fn` that reads by itself. ")
    };
    text += &if right == all {
        format!(
            "Everywhere else ({all} runs) it was answered within {}, with and without deadlines: ",
            set_ms(SOON_MS)
        )
    } else {
        let slowest = late.iter().map(|run| run.came().latency.max_ms).fold(0.0, f64::max);
        let mut who: Vec<String> = late
            .iter()
            .map(|run| {
                let kind = run.case.target.split('/').take(3).collect::<Vec<_>>().join("/");
                format!("{} with `{kind}`", name(&run.case.server))
            })
            .collect();
        who.dedup();
        format!(
            "Elsewhere {right} of {all} were answered within {}; the others ({}) took {} at most. In general: ",
            set_ms(SOON_MS),
            list(&who),
            ms(slowest)
        )
    };
    text + "where the framework does the reading (`Bytes`, `Json`, an `async fn`) or the writing (every response), a slow client holds no thread, on threads \
            no more than on event loops. On mio and Tokio a `fn` that reads by itself holds a thread of the pool: other `fn` routes wait for it, `async fn` routes do not."
}
