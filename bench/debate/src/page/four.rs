//! Claim 4, as it is told.

use kit::chart::{Chart, Content, Mark, Panel, Row, Rows, Scale};

use super::{
    Page, colour, name, servers,
    words::{jain, list, thousands, times},
};
use crate::results::{Claim, Run};

const OURS: [&str; 3] = ["threaded", "mio", "tokio"];

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 4", "does sync beat async in hello world?");
    page.paragraph(&format!(
        "In August 2017 somebody posted a hello world of Iron, Rocket and Gotham to [Gotham's issue 27](https://github.com/gotham-rs/gotham/issues/27), and \
         the two blocking servers won against the asynchronous one. What went unseen: the threads, which were {} in all for Gotham, {} for each core for Iron and {} for Rocket; and \
         connections that never got an answer, which the load tool did not show.",
        claim.number("gotham_then"),
        claim.number("iron_then_per_core"),
        claim.number("rocket_then_per_core"),
    ));
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
    page.paragraph(&format!(
        "And without a crowd: as many connections as threads, and {} for each thread; kept alive, and a new one for every request. Answers a second; ✗ marks runs in which connections starved.",
        claim.number("connections_per_thread"),
    ));
    grid(claim, page);
    page.answer(claim, &answer(claim));
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
                Scale::Steps((crowd / 4.0).max(1.0), crowd.max(1.0)),
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
                let starved = if run.came().each.starved > 0 { " ✗" } else { "" };
                format!("{}{starved}", thousands(run.came().rate))
            });
            rows.push([first].into_iter().chain(cells).collect());
        }
    }
    page.table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
}

fn answer(claim: &Claim) -> String {
    let parts = [crowds(claim), few(claim), many(claim), short(claim), starvation(claim)];
    parts.into_iter().flatten().collect::<Vec<String>>().join("\n\n")
}

/// Who left connections without an answer in the crowd of 2017.
fn crowds(claim: &Claim) -> Option<String> {
    let runs: Vec<&Run> = claim.part("2017").chain(claim.part("2017 equal")).collect();
    let starving: Vec<String> = runs
        .iter()
        .filter(|run| run.came().each.starved > 0)
        .map(|run| {
            let count = run.case.workers.or(run.case.threads).unwrap_or(0);
            format!(
                "{} with {count} threads left {} of {} connections without a single answer",
                name(&run.case.server),
                run.came().each.starved,
                run.case.connections
            )
        })
        .collect();
    match (runs.len(), starving.as_slice()) {
        (0, _) => None,
        (all, []) => Some(format!("In the crowd no connection starved, in none of {all} runs.")),
        (_, starving) => Some(format!(
            "Who counts answers alone does not see who had none: {}. The latency there is that of the few who were answered.",
            list(starving)
        )),
    }
}

/// The same question put to two servers: how many answers the first had for each of the second.
struct Pair {
    ratio: f64,
    words: String,
}

/// Threaded beside each event loop, for one handler, in all cells with as many threads and connections.
fn pairs(claim: &Claim, target: &str, variant: &str, is_meant: fn(usize, usize) -> bool) -> Vec<Pair> {
    let count = |run: &Run| run.case.workers.or(run.case.threads).unwrap_or(0);
    let mut pairs = Vec::new();
    for threads in equal(claim, "threaded", target).filter(|run| run.case.variant == variant) {
        for other in ["mio", "tokio"].into_iter().flat_map(|server| equal(claim, server, target)) {
            let (here, there) = (&threads.case, &other.case);
            let is_same = count(threads) == count(other)
                && here.connections == there.connections
                && here.variant == there.variant;
            if is_same && is_meant(count(threads), here.connections) {
                let s = |count: usize| if count == 1 { "" } else { "s" };
                pairs.push(Pair {
                    ratio: threads.came().rate / other.came().rate,
                    words: format!(
                        "threaded {} a second, {} {}, with {} connection{} for {} thread{}",
                        thousands(threads.came().rate),
                        name(&there.server),
                        thousands(other.came().rate),
                        here.connections,
                        s(here.connections),
                        count(threads),
                        s(count(threads)),
                    ),
                });
            }
        }
    }
    pairs
}

/// Less of a difference is none.
const SAME: f64 = 0.1;

/// Who is faster in these comparisons, with the widest on either side.
fn compared(pairs: &[Pair]) -> Option<String> {
    let by = |one: &&Pair, other: &&Pair| one.ratio.total_cmp(&other.ratio);
    let (most, least) = (pairs.iter().max_by(by)?, pairs.iter().min_by(by)?);
    let faster = pairs.iter().filter(|pair| pair.ratio > 1.0 + SAME).count();
    let slower = pairs.iter().filter(|pair| pair.ratio < 1.0 / (1.0 + SAME)).count();
    let all = pairs.len();
    let threads = format!("{} times as fast at most: {}", times(most.ratio), most.words);
    let loops = format!("{} times as fast at most: {}", times(1.0 / least.ratio), least.words);
    Some(match (faster, slower) {
        (0, 0) => {
            format!(
                "threads and event loops are equally fast, within {:.0} % in all {all} comparisons",
                SAME * 100.0
            )
        }
        (_, 0) if faster == all => format!("threads are faster in all {all} comparisons ({threads})"),
        (0, _) if slower == all => format!("event loops are faster in all {all} comparisons ({loops})"),
        (_, 0) => {
            format!("threads are faster in {faster} of {all} comparisons ({threads}), and slower in none")
        }
        (0, _) => {
            format!("event loops are faster in {slower} of {all} comparisons ({loops}), and slower in none")
        }
        _ => format!(
            "neither wins: of {all} comparisons threads are faster in {faster} ({threads}), and event loops in {slower} ({loops})"
        ),
    })
}

/// The same for both kinds of handlers, which on event loops run in different places.
fn kinds(claim: &Claim, when: &str, variant: &str, is_meant: fn(usize, usize) -> bool) -> Option<String> {
    let kinds = [("/hello", "an `async fn`"), ("/hello/fn", "a plain `fn`")];
    let told = kinds.into_iter().filter_map(|(target, kind)| {
        Some(format!("for {kind}, {}", compared(&pairs(claim, target, variant, is_meant))?))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| format!("{when}: {}.", told.join("; ")))
}

fn few(claim: &Claim) -> Option<String> {
    let is_few = |threads, connections| connections <= threads;
    kinds(claim, "On kept-alive connections, no more of them than threads", "keep-alive", is_few)
}

fn many(claim: &Claim) -> Option<String> {
    let is_many = |threads, connections| connections > threads;
    kinds(claim, "On kept-alive connections, more of them than threads", "keep-alive", is_many)
}

fn short(claim: &Claim) -> Option<String> {
    kinds(claim, "With a new connection for every request", "close", |_, _| true)
}

/// Whether connections starved on ours.
fn starvation(claim: &Claim) -> Option<String> {
    let ours: Vec<&Run> = claim.runs.iter().filter(|run| OURS.contains(&run.case.server.as_str())).collect();
    let starved: u64 = ours.iter().map(|run| run.came().each.starved).sum();
    let index = ours.iter().map(|run| run.came().each.jain).fold(f64::INFINITY, f64::min);
    match (ours.len(), starved) {
        (0, _) => None,
        (all, 0) => Some(format!(
            "On Trijet's backends no connection starved, in none of {all} runs (Jain's index at least {}).",
            jain(index)
        )),
        (all, starved) => Some(format!(
            "On Trijet's backends {starved} connections starved in {all} runs (Jain's index {} at worst).",
            jain(index)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn equal(server: &str, count: usize, connections: usize, variant: &str, rate: f64) -> Run {
        let run = sample::run("equal", server).asks("/hello", connections).variant(variant).rate(rate);
        if server == "threaded" { run.threads(count) } else { run.workers(count) }
    }

    /// Threaded and Tokio with one thread and connection, and with two of each.
    fn told(rates: [f64; 4]) -> String {
        let [one, other, two, others] = rates;
        let runs = vec![
            equal("threaded", 1, 1, "keep-alive", one),
            equal("tokio", 1, 1, "keep-alive", other),
            equal("threaded", 2, 2, "keep-alive", two),
            equal("tokio", 2, 2, "keep-alive", others),
        ];
        few(&sample::claim("claim4", runs)).unwrap()
    }

    #[test]
    fn one_cell_decides_nothing() {
        let mixed = told([32_000.0, 27_000.0, 49_000.0, 58_000.0]);
        assert_eq!(
            mixed,
            "On kept-alive connections, no more of them than threads: for an `async fn`, neither wins: of 2 comparisons threads are faster in 1 (1.2 times as fast at most: \
             threaded 32,000 a second, Tokio 27,000, with 1 connection for 1 thread), and event loops in 1 (1.2 times as fast at most: threaded 49,000 a second, Tokio 58,000, \
             with 2 connections for 2 threads)."
        );
        assert!(told([32.0, 27.0, 58.0, 49.0]).contains("threads are faster in all 2"));
        assert!(told([27.0, 32.0, 49.0, 58.0]).contains("event loops are faster in all 2"));
        assert!(told([32.0, 27.0, 58.0, 58.0]).contains("threads are faster in 1 of 2 comparisons"));
        assert!(told([27.0, 32.0, 58.0, 58.0]).contains("event loops are faster in 1 of 2 comparisons"));
        assert!(told([30.0, 30.0, 58.0, 58.0]).contains("equally fast, within 10 % in all 2"));
    }

    /// Each sentence has its own cells: other numbers of connections, others that are not kept, another kind of handler.
    #[test]
    fn cells_are_not_mixed() {
        let runs = vec![
            equal("threaded", 1, 8, "keep-alive", 10.0),
            equal("mio", 1, 8, "keep-alive", 30.0),
            equal("threaded", 1, 1, "close", 10.0),
            equal("mio", 1, 1, "close", 20.0),
            equal("mio", 2, 1, "close", 90.0),
            equal("threaded", 1, 1, "close", 30.0).asks("/hello/fn", 1),
            equal("mio", 1, 1, "close", 20.0).asks("/hello/fn", 1),
        ];
        let claim = sample::claim("claim4", runs);
        assert!(few(&claim).is_none());
        let words = many(&claim).unwrap();
        assert!(
            words.contains("for an `async fn`, event loops are faster in all 1 comparisons (3.0 times"),
            "{words}"
        );
        let words = short(&claim).unwrap();
        assert!(
            words.contains("for an `async fn`, event loops are faster in all 1 comparisons (2.0 times"),
            "{words}"
        );
        assert!(
            words.contains("for a plain `fn`, threads are faster in all 1 comparisons (1.5 times"),
            "{words}"
        );
    }

    #[test]
    fn starvation_is_said_and_the_index_is_not_rounded_up() {
        let told = |runs: Vec<Run>| starvation(&sample::claim("claim4", runs)).unwrap();
        let run = |jain, starved| equal("mio", 1, 8, "keep-alive", 1.0).each(1, 2, jain, starved);
        assert!(
            told(vec![run(1.0, 0), run(0.9989, 0)])
                .ends_with("in none of 2 runs (Jain's index at least 0.998).")
        );
        assert!(
            told(vec![run(0.5, 3)]).contains("3 connections starved in 1 runs (Jain's index 0.500 at worst)")
        );
        let crowd =
            |starved| sample::run("2017", "iron").workers(16).asks("/hello", 128).each(0, 9, 0.1, starved);
        let told = |run| crowds(&sample::claim("claim4", vec![run])).unwrap();
        assert!(told(crowd(112)).contains("Iron with 16 threads left 112 of 128 connections"));
        assert!(told(crowd(0)).contains("no connection starved"));
    }
}
