//! What claim 3 has come to. Each sentence is made of all the cells of the grid that it speaks of, and has a form for each way
//! in which they can come out.

use super::{
    flights::{along, delays, pool},
    of_idle, reached,
};
use crate::{
    page::{
        name, servers,
        words::{list, number, range, set_ms, share, thousands, times},
    },
    results::{Claim, Run},
};

/// Less of a difference is none.
const SAME: f64 = 0.1;
/// Where the median latency is more than so many delays, it is no longer the delay that tells.
const BEND: f64 = 2.0;
/// Who answers so much of what another does keeps up with it.
const KEEPS_UP: f64 = 0.9;

/// All runs with the same delay and as many queries under way, with one event loop or worker.
struct Cell<'a> {
    delay_ms: u64,
    flight: usize,
    loops: Vec<&'a Run>,
    /// The pool at its default; more threads, parked; more threads, that block in `read`.
    pool: Option<&'a Run>,
    parked: Option<&'a Run>,
    blocked: Option<&'a Run>,
}

impl Cell<'_> {
    fn name(&self) -> String {
        format!("{} under way at {}", thousands(self.flight as f64), set_ms(self.delay_ms))
    }

    fn raised(&self) -> impl Iterator<Item = &Run> {
        [self.parked, self.blocked].into_iter().flatten()
    }

    fn threads(&self) -> impl Iterator<Item = &Run> {
        self.pool.into_iter().chain(self.raised())
    }

    /// What the best of the event loops answered.
    fn best_loop(&self) -> Option<&Run> {
        fastest(self.loops.iter().copied())
    }
}

fn fastest<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<&'a Run> {
    runs.max_by(|one, other| rate(one).total_cmp(&rate(other)))
}

fn rate(run: &Run) -> f64 {
    run.came().rate
}

fn cells(claim: &Claim) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for delay_ms in delays(claim) {
        let mut flights: Vec<usize> = claim
            .part("flights")
            .filter(|run| run.case.delay_ms == Some(delay_ms))
            .map(|run| run.case.connections)
            .collect();
        flights.sort_unstable();
        flights.dedup();
        for flight in flights {
            let all = claim.part("flights").filter(|run| {
                run.case.delay_ms == Some(delay_ms)
                    && run.case.connections == flight
                    && run.case.workers.unwrap_or(1) == 1
            });
            let all: Vec<&Run> = all.collect();
            let threaded = |variant: &str| {
                all.iter().copied().find(|run| run.case.server == "threaded" && run.case.variant == variant)
            };
            let loops = all.iter().copied().filter(|run| run.case.server != "threaded").collect();
            let (pool, parked, blocked) = (threaded("default"), threaded("raised"), threaded("raised fn"));
            cells.push(Cell { delay_ms, flight, loops, pool, parked, blocked });
        }
    }
    cells
}

pub(super) fn answer(claim: &Claim) -> String {
    let cells = cells(claim);
    let parts =
        [bends(claim), more_threads(claim, &cells), parking(&cells), limits(claim, &cells), idle(claim)];
    parts.into_iter().flatten().collect::<Vec<String>>().join("\n\n")
}

/// From how many under way half of the requests take longer than [`BEND`] delays.
fn bend(claim: &Claim, server: &str, variant: &str, delay: u64) -> Option<usize> {
    along(claim, server, variant, delay)
        .into_iter()
        .find(|run| run.came().latency.p50_ms > BEND * delay as f64)
        .map(|run| run.case.connections)
}

/// Where the pool bends as it is by default, and whether event loops do so as well.
fn bends(claim: &Claim) -> Option<String> {
    let loops: Vec<&str> =
        servers(claim.part("flights")).into_iter().filter(|server| *server != "threaded").collect();
    let (mut both, mut alone, mut never) = (Vec::new(), Vec::new(), Vec::new());
    for delay in delays(claim) {
        if along(claim, "threaded", "default", delay).is_empty() {
            continue;
        }
        match bend(claim, "threaded", "default", delay) {
            None => never.push(set_ms(delay)),
            Some(at) => {
                let told = format!("by {} at a delay of {}", thousands(at as f64), set_ms(delay));
                let as_early =
                    |server: &&str| bend(claim, server, "", delay).is_some_and(|other| other <= at);
                if loops.iter().any(as_early) { both.push(told) } else { alone.push(told) }
            }
        }
    }
    let mut parts = Vec::new();
    if !alone.is_empty() {
        let than = if loops.is_empty() { "" } else { ", and no event loop did so with as many" };
        parts.push(format!("{}{than}", list(&alone)));
    }
    if !both.is_empty() {
        parts.push(format!("{}, where an event loop did so with as many or fewer", list(&both)));
    }
    if !never.is_empty() {
        parts.push(format!("and nowhere at {}", list(&never)));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "With the default of {}, half of the requests took more than {BEND} times the delay from so many under way on, among the numbers that were tried: {}.",
            pool(claim),
            parts.join("; ")
        )
    })
}

/// What it brings and costs to have a thread for each query, in every cell in which that was tried.
fn more_threads(claim: &Claim, cells: &[Cell]) -> Option<String> {
    let mut gains = Vec::new();
    let mut kept: Vec<(f64, String)> = Vec::new();
    let (mut memory, mut cpu) = (Vec::new(), Vec::new());
    for cell in cells {
        for run in cell.raised() {
            if let Some(pool) = cell.pool {
                gains.push((rate(run) / rate(pool), cell.name()));
            }
            if let Some(best) = cell.best_loop() {
                kept.push((rate(run) / rate(best), cell.name()));
                memory.push(run.server.resident_most_mib / best.server.resident_most_mib);
                cpu.push(run.server.cpu_us_per_answer / best.server.cpu_us_per_answer);
            }
        }
    }
    let mut text = Vec::new();
    if let Some(((most, best), (least, worst))) = most_and_least(&gains) {
        let gained = gains.iter().filter(|(gain, _)| *gain > 1.0 + SAME).count();
        let lost = gains.iter().filter(|(gain, _)| *gain < 1.0 - SAME).count();
        let all = gains.len();
        let from = format!("A thread for each query instead of {}", pool(claim));
        text.push(match (gained, lost) {
            (0, 0) => format!("{from} changed the rate by no more than {:.0} % in any of {all} runs.", SAME * 100.0),
            (_, 0) => format!("{from} answered more in {gained} of {all} runs ({} times as much at most, {best}), and less in none.", times(most)),
            (0, _) => format!("{from} answered less in {lost} of {all} runs ({} times as much at worst, {worst}), and more in none.", times(least)),
            _ => format!(
                "{from} answered more in {gained} of {all} runs ({} times as much at most, {best}) and less in {lost} ({} times as much at worst, {worst}).",
                times(most),
                times(least)
            ),
        });
    }
    if let Some((_, (least, worst))) = most_and_least(&kept) {
        let all = kept.len();
        let keeping = kept.iter().filter(|(kept, _)| *kept >= KEEPS_UP).count();
        let price = format!(
            "at {} times its memory and {} times its CPU for each answer",
            range(memory, times),
            range(cpu, times)
        );
        let bar = share(KEEPS_UP);
        text.push(if keeping == all {
            format!("Threads do not fall off a cliff: in all {all} runs they answered at least {bar} of what the best event loop did, {price}; but somebody has to choose their number.")
        } else if keeping == 0 {
            format!("That many threads keep up nowhere: in none of {all} runs did they answer {bar} of what the best event loop did ({} at worst, {worst}), {price}.", share(least))
        } else {
            let mut at: Vec<String> = Vec::new();
            for (_, cell) in kept.iter().filter(|(kept, _)| *kept >= KEEPS_UP) {
                if !at.contains(cell) {
                    at.push(cell.clone());
                }
            }
            format!(
                "That many threads keep up with an event loop only in part: in {keeping} of {all} runs they answered at least {bar} of what the best one did (with {}), elsewhere as little as {} ({worst}); \
                 {price}.",
                list(&at),
                share(least)
            )
        });
    }
    (!text.is_empty()).then(|| text.join(" "))
}

/// The largest and the smallest, each with where it was.
type Extremes<'a> = ((f64, &'a str), (f64, &'a str));

fn most_and_least(values: &[(f64, String)]) -> Option<Extremes<'_>> {
    let by = |one: &&(f64, String), other: &&(f64, String)| one.0.total_cmp(&other.0);
    let (most, least) = (values.iter().max_by(by)?, values.iter().min_by(by)?);
    Some(((most.0, &most.1), (least.0, &least.1)))
}

/// What a parked thread costs beside one that blocks. Why is measured nowhere.
fn parking(cells: &[Cell]) -> Option<String> {
    let ratio =
        |cell: &Cell| Some(cell.parked?.server.cpu_us_per_answer / cell.blocked?.server.cpu_us_per_answer);
    let ratios: Vec<f64> = cells.iter().filter_map(ratio).collect();
    let more = ratios.iter().filter(|ratio| **ratio > 1.0 + SAME).count();
    let less = ratios.iter().filter(|ratio| **ratio < 1.0 - SAME).count();
    let (all, span) = (ratios.len(), range(ratios, times));
    let words = match (more, less) {
        _ if all == 0 => return None,
        (0, 0) => {
            return Some(format!(
                "It makes no difference to the CPU whether such a thread is parked until a waker calls or blocks in `read` ({span} times as much in {all} comparisons)."
            ));
        }
        (_, 0) => format!("more in {more} of {all} comparisons and less in none"),
        (0, _) => format!("less in {less} of {all} comparisons and more in none"),
        _ => format!("more in {more} of {all} comparisons and less in {less}"),
    };
    Some(format!(
        "How such a thread waits matters, too: for each answer, one that is parked until a waker calls took {span} times the CPU of one that blocks in `read`, {words}."
    ))
}

/// Where neither the delay nor the number of threads is what limits: do the ways of waiting differ there?
fn limits(claim: &Claim, cells: &[Cell]) -> Option<String> {
    /// Of what delay and threads allow. Who reaches that much is held up by them, and not by the processors.
    const FAR: f64 = 0.8;
    struct Pair<'a> {
        cell: &'a Cell<'a>,
        fast: &'a Run,
        slow: &'a Run,
    }
    let is_limited = |run: &&Run| reached(run) < FAR;
    let both: Vec<&Cell> =
        cells.iter().filter(|cell| !cell.loops.is_empty() && cell.threads().next().is_some()).collect();
    let mut pairs = Vec::new();
    for cell in &both {
        let loops: Vec<&Run> = cell.loops.iter().copied().filter(is_limited).collect();
        let threads: Vec<&Run> = cell.threads().filter(is_limited).collect();
        if loops.is_empty() || threads.is_empty() {
            continue;
        }
        let all = || loops.iter().chain(&threads).copied();
        let slow = all().min_by(|one, other| rate(one).total_cmp(&rate(other)))?;
        pairs.push(Pair { cell, fast: fastest(all())?, slow });
    }
    if both.is_empty() {
        return None;
    }
    let all = pairs.len();
    let bar = share(FAR);
    if pairs.is_empty() {
        return Some(format!(
            "Nowhere were the processors the limit of both: in each of {} cells of the grid threads or event loops reached {bar} of what delay and threads allow.",
            both.len()
        ));
    }
    let ratio = |pair: &Pair| rate(pair.fast) / rate(pair.slow);
    let differ = pairs.iter().filter(|pair| ratio(pair) > 1.0 + SAME).count();
    let where_ = format!(
        "Where the processors are the limit ({all} of {} cells, in which threads as well as event loops reached less than {bar} of what delay and threads allow)",
        both.len()
    );
    let widest = pairs.iter().max_by(|one, other| ratio(one).total_cmp(&ratio(other)))?;
    if differ == 0 {
        return Some(format!(
            "{where_}, nobody's way of waiting matters: the rates differ by {:.0} % at most.",
            (ratio(widest) - 1.0) * 100.0
        ));
    }
    let by_loops = pairs.iter().filter(|pair| pair.fast.case.server != "threaded").count();
    let first = match by_loops {
        0 => "threads answered the most in each".to_owned(),
        count if count == all => "an event loop answered the most in each".to_owned(),
        count => format!("an event loop answered the most in {count}, threads in {}", all - count),
    };
    let told = |run: &Run| {
        format!(
            "{} {} a second at {} µs of CPU for each",
            label(claim, run),
            thousands(rate(run)),
            number(run.server.cpu_us_per_answer)
        )
    };
    Some(format!(
        "{where_}, the way of waiting matters, too: {first}, and rates differed by more than {:.0} % in {differ}. Widest with {}: {}, {}; that is {} times the rate at {} times the CPU.",
        SAME * 100.0,
        widest.cell.name(),
        told(widest.fast),
        told(widest.slow),
        times(ratio(widest)),
        times(widest.fast.server.cpu_us_per_answer / widest.slow.server.cpu_us_per_answer),
    ))
}

fn label(claim: &Claim, run: &Run) -> String {
    match run.case.variant.as_str() {
        "default" => pool(claim),
        "raised" => "a parked thread each".to_owned(),
        "raised fn" => "a blocking thread each".to_owned(),
        _ => name(&run.case.server).to_owned(),
    }
}

/// Whether connections that only wait cost threads.
fn idle(claim: &Claim) -> Option<String> {
    let run = of_idle(claim, "threaded").max_by_key(|run| run.case.connections)?;
    let (connections, threads) = (run.case.connections, run.server.threads);
    let counts = format!("{} for {} connections", thousands(threads as f64), thousands(connections as f64));
    Some(if threads * 10 < connections as u64 {
        format!(
            "Connections that only wait need no thread each where a poller keeps them: threaded had {counts}."
        )
    } else {
        format!("Connections that only wait cost threads as well: threaded had {counts}.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// A run of the grid: its rate, CPU and memory. What it takes to answer follows from the rate.
    fn flight(server: &str, variant: &str, delay: u64, flight: usize, figures: (f64, f64, f64)) -> Run {
        let (rate, cpu, memory) = figures;
        let run = sample::run("flights", server).delay(delay).asks("/query", flight).variant(variant);
        let run = run.rate(rate).cpu(cpu).memory(memory).latency(flight as f64 * 1e3 / rate);
        match (server, variant) {
            ("threaded", "default") => run.threads(512),
            ("threaded", _) => run.threads(flight),
            _ => run.workers(1),
        }
    }

    /// A cell: mio, the pool, and a thread each, parked and blocked.
    fn cell(delay: u64, count: usize, figures: [(f64, f64, f64); 4]) -> Vec<Run> {
        let who = [("mio", ""), ("threaded", "default"), ("threaded", "raised"), ("threaded", "raised fn")];
        who.into_iter()
            .zip(figures)
            .map(|((server, variant), figures)| flight(server, variant, delay, count, figures))
            .collect()
    }

    const SECOND: [(f64, f64, f64); 4] =
        [(9_000.0, 50.0, 50.0), (512.0, 150.0, 25.0), (8_990.0, 100.0, 250.0), (9_000.0, 50.0, 250.0)];
    const SHORT: [(f64, f64, f64); 4] =
        [(33_000.0, 30.0, 50.0), (25_000.0, 60.0, 25.0), (12_000.0, 120.0, 250.0), (18_000.0, 80.0, 250.0)];
    /// Where nobody is faster than anybody.
    const EQUAL: [(f64, f64, f64); 4] = [(30_000.0, 50.0, 50.0); 4];

    fn claim(runs: Vec<Run>) -> Claim {
        sample::claim("claim3", runs)
    }

    fn threads(runs: Vec<Run>) -> String {
        let claim = claim(runs);
        more_threads(&claim, &cells(&claim)).unwrap()
    }

    #[test]
    fn more_threads_are_judged_in_every_cell() {
        let long = threads(cell(1_000, 9_000, SECOND));
        assert!(long.contains("answered more in 2 of 2 runs (18 times as much at most, 9,000 under way at 1 s), and less in none"), "{long}");
        assert!(
            long.contains("Threads do not fall off a cliff: in all 2 runs they answered at least 90.0 %"),
            "{long}"
        );
        assert!(long.contains("at 5.0 times its memory and 1.0 to 2.0 times its CPU"), "{long}");

        let short = threads(cell(1, 9_000, SHORT));
        assert!(short.contains("answered less in 2 of 2 runs (0.48 times as much at worst, 9,000 under way at 1 ms), and more in none"), "{short}");
        assert!(short.contains("keep up nowhere") && short.contains("36.4 % at worst"), "{short}");

        let both = threads([cell(1, 9_000, SHORT), cell(1_000, 9_000, SECOND)].concat());
        assert!(
            both.contains("answered more in 2 of 4 runs (18") && both.contains("and less in 2 (0.48"),
            "{both}"
        );
        assert!(
            both.contains("only in part: in 2 of 4 runs")
                && both.contains("(with 9,000 under way at 1 s), elsewhere as little as 36.4 %"),
            "{both}"
        );
        assert!(!both.contains("cliff"), "{both}");

        let equal = threads(cell(1, 9_000, EQUAL));
        assert!(equal.contains("changed the rate by no more than 10 % in any of 2 runs"), "{equal}");
    }

    #[test]
    fn at_short_delays_the_way_of_waiting_matters_or_not() {
        let told = |runs: Vec<Run>| {
            let claim = claim(runs);
            limits(&claim, &cells(&claim)).unwrap()
        };
        let short = told([cell(1, 9_000, SHORT), cell(1_000, 9_000, SECOND)].concat());
        assert!(short.starts_with("Where the processors are the limit (1 of 2 cells"), "{short}");
        assert!(
            short.contains(
                "an event loop answered the most in each, and rates differed by more than 10 % in 1."
            ),
            "{short}"
        );
        assert!(
            short.ends_with(
                "Widest with 9,000 under way at 1 ms: mio 33,000 a second at 30.0 µs of CPU for each, a parked thread each 12,000 a second at 120 µs of CPU for each; \
                 that is 2.8 times the rate at 0.25 times the CPU."
            ),
            "{short}"
        );
        let equal = told(cell(1, 9_000, EQUAL));
        assert!(
            equal.ends_with("nobody's way of waiting matters: the rates differ by 0 % at most."),
            "{equal}"
        );
        let long = told(cell(1_000, 9_000, SECOND));
        assert!(
            long.starts_with("Nowhere were the processors the limit of both: in each of 1 cells"),
            "{long}"
        );
        // A pool that answers as much as its threads allow is held up by their number, and stands for nothing here.
        let mut few = SHORT;
        few[1] = (5_100.0, 149.0, 25.0);
        let few = told(cell(100, 9_000, few));
        assert!(few.contains("a parked thread each 12,000") && !few.contains("5,100"), "{few}");
        let mut turned = SHORT;
        turned.reverse();
        assert!(told(cell(1, 9_000, turned)).contains("threads answered the most in each"));
        let mixed = told([cell(1, 9_000, SHORT), cell(10, 9_000, turned)].concat());
        assert!(mixed.contains("an event loop answered the most in 1, threads in 1"), "{mixed}");
    }

    #[test]
    fn parked_threads_are_compared_wherever_both_were_measured() {
        let told = |runs: Vec<Run>| parking(&cells(&claim(runs)));
        let more = told([cell(1, 9_000, SHORT), cell(1_000, 9_000, SECOND)].concat()).unwrap();
        assert!(
            more.contains("took 1.5 to 2.0 times the CPU")
                && more.contains("more in 2 of 2 comparisons and less in none"),
            "{more}"
        );
        assert!(told(cell(1, 9_000, EQUAL)).unwrap().starts_with("It makes no difference"));
        let mut cheap = SHORT;
        cheap[2].1 = 40.0;
        assert!(told(cell(1, 9_000, cheap)).unwrap().contains("less in 1 of 1 comparisons and more in none"));
        let mixed = told([cell(1, 9_000, cheap), cell(10, 9_000, SHORT)].concat()).unwrap();
        assert!(mixed.contains("more in 1 of 2 comparisons and less in 1"), "{mixed}");
        assert!(told(vec![flight("mio", "", 1, 10, (1.0, 1.0, 1.0))]).is_none());
    }

    #[test]
    fn a_pool_bends_alone_or_with_the_loops() {
        let told = |runs: Vec<Run>| bends(&claim(runs)).unwrap();
        let alone = told(cell(1_000, 9_000, SECOND));
        assert!(
            alone.ends_with("were tried: by 9,000 at a delay of 1 s, and no event loop did so with as many."),
            "{alone}"
        );
        let both = told([cell(1, 100, EQUAL), cell(1_000, 9_000, SECOND)].concat());
        assert!(both.ends_with("no event loop did so with as many; by 100 at a delay of 1 ms, where an event loop did so with as many or fewer."), "{both}");
        let never = told(cell(1_000, 10, [(10.0, 1.0, 1.0); 4]));
        assert!(never.ends_with("and nowhere at 1 s."), "{never}");
    }

    #[test]
    fn idle_connections_need_a_thread_or_not() {
        let told = |threads| {
            let mut run = sample::run("idle", "threaded").asks("/hello", 9_000);
            run.server.threads = threads;
            idle(&claim(vec![run])).unwrap()
        };
        assert!(told(142).contains("need no thread each") && told(142).contains("142 for 9,000"));
        assert!(told(9_003).contains("cost threads as well"));
    }
}
