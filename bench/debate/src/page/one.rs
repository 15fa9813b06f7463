//! Claim 1, as it is told.

use kit::chart::{Chart, Content, Line, Lines, Panel, Scale};

use super::{
    Page, STEPS, entry, how_many, last, last_ms, name, servers,
    words::{list, ms},
};
use crate::results::{Claim, Run};

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 1", "while a thread waits, does everybody behind it wait too?");
    page.paragraph(&format!(
        "The handler is a plain `fn` that asks the database over a blocking socket, and the database takes {}. First: one \
         thread for such handlers, one query, and {} later somebody asks for a route that does nothing{}. (On threaded the thread \
         is the server's only one; on mio and Tokio it is the pool's, as that is where a plain `fn` runs.)",
        claim.setting("delay_ms"),
        claim.setting("after_ms"),
        tries(claim),
    ));
    second(claim, page);
    let crowd = claim.part("walls").map(|run| run.case.connections).max().unwrap_or(0);
    let counts = counts(claim);
    page.paragraph(&format!(
        "Then {crowd} queries at once, with {} threads:",
        list(&counts.iter().map(usize::to_string).collect::<Vec<_>>())
    ));
    page.picture("claim1", &walls(claim));
    let rows: Vec<Vec<String>> = counts.iter().map(|threads| row(claim, *threads)).collect();
    let servers = servers(&claim.runs);
    let mut head = vec!["threads".to_owned(), format!("{crowd} queries should take")];
    head.extend(servers.iter().map(|server| name(server).to_owned()));
    head.push("busiest server, in cores".to_owned());
    page.table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    page.answer(claim, &answer(claim));
}

fn answer(claim: &Claim) -> String {
    /// How far a crowd may be from what threads and delay say.
    const NEAR: f64 = 0.15;
    /// Cores below which a server counts as idle.
    const IDLE: f64 = 0.1;
    let measured: Vec<&Run> = claim.part("walls").collect();
    let near = |run: &&Run| last_ms(run).is_some_and(|last| (last / wall(run) - 1.0).abs() < NEAR);
    let (right, all) = how_many(measured.iter().map(near));
    let busiest = measured.iter().map(|run| run.server.cores).fold(0.0, f64::max);
    let cpu = if busiest < IDLE {
        ", and all the while the server's processors had next to nothing to do".to_owned()
    } else {
        format!(", with up to {busiest:.2} cores busy")
    };
    if right == all {
        format!(
            "Yes, and on every backend alike: requests pass in groups of as many as there are threads, one group per delay{cpu}. \
             More threads move the wall; they do not remove it. It is no matter of HTTP or of this framework: a thread that waits is a \
             thread that does nothing else."
        )
    } else {
        format!(
            "Mostly: {right} of {all} crowds took as long as threads and delay say, within {:.0} %{cpu}.",
            NEAR * 100.0
        )
    }
}

/// The numbers of threads that crowds met.
fn counts(claim: &Claim) -> Vec<usize> {
    let mut counts: Vec<usize> = claim.part("walls").filter_map(|run| run.case.threads).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// As long as a crowd must take.
fn wall(run: &Run) -> f64 {
    let groups = run.case.connections.div_ceil(run.case.threads.unwrap_or(1));
    groups as f64 * run.case.delay_ms.unwrap_or(0) as f64
}

fn second(claim: &Claim, page: &mut Page) {
    let rows: Vec<Vec<String>> = servers(claim.part("second"))
        .into_iter()
        .map(|server| {
            let mut row = vec![name(server).to_owned()];
            row.extend(
                claim
                    .part("second")
                    .filter(|run| run.case.server == server)
                    .map(|run| ms(run.came().latency.max_ms)),
            );
            row
        })
        .collect();
    let head: Vec<String> = claim
        .part("second")
        .filter(|run| Some(run.case.server.as_str()) == servers(claim.part("second")).first().copied())
        .map(|run| match run.case.threads {
            Some(1) => "second request, 1 thread".to_owned(),
            threads => format!("{} threads", threads.unwrap_or(0)),
        })
        .collect();
    let head: Vec<&str> = ["backend"].into_iter().chain(head.iter().map(String::as_str)).collect();
    page.table(&head, &rows);
}

fn row(claim: &Claim, threads: usize) -> Vec<String> {
    // With one event loop: with several, it is the same, as the pool is one.
    let of = |server: &str| {
        claim.part("walls").find(|run| {
            run.case.server == server
                && run.case.threads == Some(threads)
                && run.case.workers.unwrap_or(1) == 1
        })
    };
    let servers = servers(&claim.runs);
    let mut row = vec![threads.to_string()];
    row.push(servers.first().and_then(|server| of(server)).map_or_else(String::new, |run| ms(wall(run))));
    row.extend(servers.iter().map(|server| last(of(server))));
    let cores =
        servers.iter().filter_map(|server| of(server)).map(|run| run.server.cores).fold(0.0, f64::max);
    row.push(format!("{cores:.2}"));
    row
}

fn walls(claim: &Claim) -> Chart {
    let panels = servers(&claim.runs).into_iter().map(|server| Panel {
        title: name(server).to_owned(),
        content: Content::Lines(staircase(
            claim
                .part("walls")
                .filter(|run| run.case.server == server && run.case.workers.unwrap_or(1) == 1)
                .zip(STEPS)
                .map(|(run, colour)| (run, colour, String::new())),
        )),
    });
    let words =
        |count: usize| format!("{count} thread{} for waiting handlers", if count == 1 { "" } else { "s" });
    Chart {
        title: format!(
            "When each of the requests was answered, by the number of threads, on {}",
            list(&servers(&claim.runs).into_iter().map(|server| name(server).to_owned()).collect::<Vec<_>>())
        ),
        legend: counts(claim)
            .into_iter()
            .zip(STEPS)
            .map(|(count, colour)| entry(&words(count), colour))
            .collect(),
        panels: panels.collect(),
        columns: 3,
        height: 270.0,
    }
}

/// When each answer came to a crowd.
pub(super) fn staircase<'a>(runs: impl Iterator<Item = (&'a Run, &'static str, String)>) -> Lines {
    let lines: Vec<Line> = runs
        .map(|(run, colour, label)| {
            let mut each: Vec<f64> = run.came().one_by_one_ms.iter().flatten().copied().collect();
            each.sort_by(f64::total_cmp);
            Line {
                colour,
                is_dashed: false,
                label,
                points: each
                    .iter()
                    .enumerate()
                    .map(|(index, latency)| (index as f64 + 1.0, *latency))
                    .collect(),
                has_dots: true,
            }
        })
        .collect();
    let crowd = lines.iter().map(|line| line.points.len() as f64).fold(4.0, f64::max);
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.1).collect::<Vec<_>>();
    Lines {
        across: ("answer, in their order".to_owned(), Scale::Steps((crowd / 4.0).max(1.0), crowd)),
        up: ("answered after, ms".to_owned(), Scale::linear(most)),
        lines,
        guides: Vec::new(),
    }
}

/// How often a second request was tried.
pub(super) fn tries(claim: &Claim) -> String {
    match claim.part("second").map(|run| run.case.connections).max() {
        None | Some(0 | 1) => String::new(),
        Some(tries) => format!(" (tried {tries} times; the slowest counts)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn crowd(last_ms: f64, cores: f64) -> Run {
        let mut run = sample::run("walls", "mio").threads(2).asks("/query/fn/200", 4).delay(200);
        run.outcome.flows[0].one_by_one_ms = vec![Some(200.0), Some(last_ms)];
        run.server.cores = cores;
        run
    }

    #[test]
    fn the_answer_is_chosen_by_the_crowds() {
        let told = |runs| answer(&sample::claim("claim1", runs));
        assert!(told(vec![crowd(401.0, 0.0)]).starts_with("Yes"));
        assert!(told(vec![crowd(401.0, 0.0)]).contains("next to nothing to do. More"));
        assert!(
            told(vec![crowd(401.0, 0.3)]).contains("one group per delay, with up to 0.30 cores busy. More")
        );
        assert!(told(vec![crowd(401.0, 0.0), crowd(201.0, 0.0)]).starts_with("Mostly: 1 of 2 crowds"));
    }
}
