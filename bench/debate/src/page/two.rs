//! Claim 2, as it is told.

use super::{
    Page, colour, how_many, last, last_ms, name, servers, servers_entries,
    words::{ms, set_ms, thousands},
};
use crate::{
    chart::{Chart, Content, Entry, Line, Lines, Panel, Scale},
    results::{Claim, Run},
};

/// The issue's own bar for the second request on an event loop.
const AT_ONCE_MS: u64 = 5;

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 2", "does one event loop serve others meanwhile?");
    page.paragraph(&format!(
        "The same query as an `async fn`, over `trijet::rt`. On mio and Tokio it runs on the event loop and gives the loop back while it \
         waits; on threaded the handler keeps its thread. Again a short request {} after a query:",
        claim.setting("after_ms"),
    ));
    let rows: Vec<Vec<String>> =
        claim.part("second").map(|run| vec![who(run), ms(run.came().latency.max_ms)]).collect();
    page.table(&["server", "second request answered after"], &rows);
    let crowd = claim.part("crowd").map(|run| run.case.connections).max().unwrap_or(0);
    page.paragraph(&format!("And {} queries at once:", thousands(crowd as f64)));
    page.picture("claim2", &crowds(claim, crowd));
    let rows: Vec<Vec<String>> = claim
        .part("crowd")
        .map(|run| {
            let used = &run.server;
            let most = run.database.as_ref().map_or(0, |asked| asked.most);
            vec![
                who(run),
                last(Some(run)),
                thousands(most as f64),
                used.threads.to_string(),
                format!("{:.0} MiB", used.resident_most_mib),
            ]
        })
        .collect();
    page.table(&["server", "all answered after", "most at the database at once", "threads", "memory"], &rows);
    let loops = || claim.part("second").filter(|run| run.case.server != "threaded");
    let (right, all) = how_many(loops().map(|run| run.came().latency.max_ms < AT_ONCE_MS as f64));
    let second = if right == all {
        format!(
            "Yes: an event loop answered the second request in under {}, on a single thread",
            set_ms(AT_ONCE_MS)
        )
    } else {
        format!(
            "Not always in this run: {right} of {all} second requests were answered within {}",
            set_ms(AT_ONCE_MS)
        )
    };
    let delays: Vec<f64> = claim
        .part("crowd")
        .filter(|run| run.case.server != "threaded")
        .filter_map(|run| Some(last_ms(run)? / run.case.delay_ms? as f64))
        .collect();
    let most = delays.iter().copied().fold(0.0, f64::max);
    page.answer(&format!(
        "{second}. {} queries took {most:.1} delays on an event loop at worst, not {}. On threaded, waiting costs a thread each, \
         so the crowd passes in groups, however the handler is written.",
        thousands(crowd as f64),
        thousands(crowd as f64)
    ));
}

/// A server with what it has.
pub(super) fn who(run: &Run) -> String {
    let case = &run.case;
    let (count, unit) = match (case.workers, case.threads) {
        (Some(count), _) if case.server == "mio" => (count, "loop"),
        (Some(count), _) => (count, "worker"),
        (None, Some(count)) => (count, "thread"),
        (None, None) => return name(&case.server).to_owned(),
    };
    format!("{}, {count} {unit}{}", name(&case.server), if count == 1 { "" } else { "s" })
}

fn crowds(claim: &Claim, crowd: usize) -> Chart {
    let lines: Vec<Line> = claim
        .part("crowd")
        .filter(|run| run.case.workers.unwrap_or(1) == 1)
        .map(|run| {
            let mut times: Vec<f64> = run.came().one_by_one_ms.iter().flatten().copied().collect();
            times.sort_by(f64::total_cmp);
            // A step for each millisecond in which answers came: finer cannot be seen.
            let mut answers = 0;
            let mut points = vec![(0.0, 0.0)];
            for together in times.chunk_by(|one, other| one.floor() == other.floor()) {
                points.push((together[0].floor(), f64::from(answers)));
                answers += together.len() as u32;
                points.push((together[0].floor(), f64::from(answers)));
            }
            Line {
                colour: colour(&run.case.server),
                is_dashed: run.case.threads == Some(64),
                label: String::new(),
                points,
                has_dots: false,
            }
        })
        .collect();
    let times = lines.iter().filter_map(|line| Some(line.points.last()?.0)).collect::<Vec<_>>();
    let mut legend = servers_entries(claim.part("crowd"));
    if let Some(threaded) = legend.iter_mut().find(|entry| entry.name == name("threaded")) {
        "threaded, 512 threads".clone_into(&mut threaded.name);
        legend.push(Entry {
            name: "threaded, 64 threads".to_owned(),
            colour: colour("threaded"),
            is_dashed: true,
        });
    }
    Chart {
        title: format!(
            "{} queries of {} at once: how many were answered by when, on {}",
            thousands(crowd as f64),
            claim.setting("delay_ms"),
            servers(claim.part("crowd")).join(", ")
        ),
        legend,
        panels: vec![Panel {
            title: String::new(),
            content: Content::Lines(Lines {
                across: ("ms after the first request".to_owned(), Scale::linear(times)),
                up: ("answers".to_owned(), Scale::Linear(crowd as f64)),
                lines,
                guides: Vec::new(),
            }),
        }],
        columns: 1,
        height: 300.0,
    }
}
