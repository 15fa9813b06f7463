//! A scenario on the page: what is asked, its chart, where each of ours stands, what explains it, what it costs, and the
//! table. It must never compare what the table does not have.

use std::fmt::Write;

use super::{
    Page, explained, picture,
    tables::{self, is_load_bound},
    words::{anchor, code, list, number, range, towards},
};
use crate::{
    results::{Measured, Results, Run},
    scenarios::{Load, Scenario},
    servers::Server,
    standing::{Best, Measure, Standing},
    statistics::{Comparison, Spread, ratios},
};

pub(super) fn write(page: &mut Page, scenario: &Scenario, measured: &Measured, results: &Results) {
    page.paragraph(&format!("## {}", scenario.title));
    let words = explained::of(scenario.name);
    if let Some(words) = words {
        page.paragraph(&format!("**What is asked.** {}", words.asks));
    }
    if let Some((chart, description)) = picture::of(scenario, measured) {
        let name = format!("{}.svg", scenario.name);
        page.paragraph(&format!("![{}; the figures stand below](performance/{name})", chart.title));
        page.pictures.push((name, chart.described(&description)));
    }
    let standings = standings(scenario, measured);
    if !standings.is_empty() {
        page.paragraph(&format!("**Where Trijet stands.**\n\n{standings}"));
    }
    if let Some(words) = words {
        let beside = words.beside.and_then(|name| beside(scenario, measured, results, name));
        let parts = [Some(words.explains.to_owned()), floors(measured), bound(measured), beside];
        let text: Vec<String> = parts.into_iter().flatten().collect();
        page.paragraph(&format!("**What explains it.** {}", text.join(" ")));
        page.paragraph(&format!("**What it costs.** {} {}", words.costs, used(scenario, measured)));
    }
    page.text += "<details>\n<summary>Every server here, with every figure</summary>\n\n";
    match scenario.load {
        Load::Idle { .. } => tables::idle(page, measured),
        _ => tables::race(page, measured),
    }
    notes(page, scenario, measured);
    page.text += "</details>\n\n";
}

/// A line for each of ours.
fn standings(scenario: &Scenario, measured: &Measured) -> String {
    let measures = Measure::of(scenario);
    let mut lines = String::new();
    let mut starving: Vec<(&str, usize)> = Vec::new();
    for own in tables::there(measured).filter(|server| server.is_ours()) {
        let mut parts = Vec::new();
        // Who was the best by the measure before is not introduced again.
        let mut known = "";
        for measure in measures {
            let all = measure.standings(measured);
            let Some(standing) = all.iter().find(|standing| standing.own.name == own.name) else { continue };
            parts.push(told(*measure, standing, known));
            let Some(best) = &standing.best else { continue };
            known = best.server.name;
            if best.starved > 0 {
                starving.push((best.server.name, best.starved));
            }
        }
        if !parts.is_empty() {
            _ = writeln!(lines, "- `{}`: {}.", own.name, parts.join("; "));
        }
    }
    starving.sort_unstable();
    starving.dedup();
    for (name, starved) in starving {
        _ = writeln!(
            lines,
            "\n§ In some round `{name}` left {starved} of {} connections without an answer.",
            scenario.connections
        );
    }
    lines
}

fn told(measure: Measure, standing: &Standing, known: &str) -> String {
    let share = range(&standing.share);
    let figure = match measure {
        Measure::Rate => format!("{share} of the answers of `{}`", standing.own.floor()),
        Measure::Processor => format!("{share} of its processor time for each"),
        Measure::Memory => format!("{share} KiB for each connection"),
    };
    match &standing.best {
        Some(best) if best.server.name == known => format!("{figure}, {}", towards_best(best)),
        Some(best) => format!("{figure}, {}, {}", towards_best(best), among(best)),
        None => format!("{figure}, and no peer of its kind was measured"),
    }
}

/// Where ours stands to the best peer.
fn towards_best(best: &Best) -> String {
    let mark = if best.starved > 0 { " §" } else { "" };
    format!("{} `{}`{mark} with {}", towards(best.place), best.server.name, range(&best.share))
}

/// Among how many it is the best.
fn among(best: &Best) -> String {
    match best.of {
        1 => "the only peer of its kind here".to_owned(),
        many => format!("the best of {many} of its kind"),
    }
}

/// How the floors stand to each other: that part of a distance is not ours.
fn floors(measured: &Measured) -> Option<String> {
    let of = |floor: &str| measured.figures(floor, |run| run.rate);
    let share = Spread::of(ratios(&of("floor-threads"), &of("floor-epoll")))?;
    let one = Spread { median: 1.0, least: 1.0, most: 1.0 };
    let share_words = range(&share);
    Some(match share.compare(&one) {
        Comparison::Less => format!(
            "`floor-threads` itself gives {share_words} of the answers of `floor-epoll`: so far apart are threads and one event loop here \
             before a byte is parsed."
        ),
        Comparison::More => format!(
            "`floor-threads` itself gives {share_words} of the answers of `floor-epoll`: threads are ahead of one event loop here before a \
             byte is parsed."
        ),
        Comparison::Equal => {
            format!(
                "The floors themselves are not told apart (`floor-threads` gives {share_words} of the answers of `floor-epoll`)."
            )
        }
    })
}

/// Where a floor might have had more to give.
fn bound(measured: &Measured) -> Option<String> {
    let floors = ["floor-epoll", "floor-threads"].into_iter().filter(|floor| is_load_bound(measured, floor));
    let floors: Vec<String> = floors.map(code).collect();
    if floors.is_empty() {
        return None;
    }
    Some(format!(
        "With {} the load client had no processor to spare (‡): a floor that might have answered more makes shares of answers look \
         better than they are, and leaves those of processor time as they are.",
        list(&floors)
    ))
}

/// The shares in a scenario that differs in one thing.
fn beside(scenario: &Scenario, measured: &Measured, results: &Results, name: &str) -> Option<String> {
    let other = Scenario::named(name)?;
    let there = results.scenarios.get(name)?;
    let [first, ..] = Measure::of(scenario) else { return None };
    let shares: Vec<String> = tables::there(measured)
        .filter(|server| server.is_ours())
        .filter_map(|own| Some(format!("`{}` {}", own.name, range(&first.share(there, own)?))))
        .collect();
    if shares.is_empty() {
        return None;
    }
    Some(format!(
        "For comparison, the shares of the floor's answers in [{}](#{}): {}.",
        other.title,
        anchor(other.title),
        list(&shares)
    ))
}

/// What ours took while they were measured.
fn used(scenario: &Scenario, measured: &Measured) -> String {
    let is_idle = matches!(scenario.load, Load::Idle { .. });
    let told = |server: &Server| {
        let median = |figure: fn(&Run) -> f64| {
            Spread::of(measured.figures(server.name, figure).into_iter().map(|(_, figure)| figure))
                .map(|spread| spread.median)
        };
        let memory = number(median(|run| run.resident_kib as f64 / 1024.0)?);
        let threads = median(|run| run.threads as f64)?;
        let threads = if threads == 1.0 { "one thread".to_owned() } else { format!("{threads:.0} threads") };
        let held = format!("{threads} and {memory} MiB of resident memory");
        if is_idle {
            return Some(format!("`{}` {held}", server.name));
        }
        Some(format!("`{}` {} µs of processor time, {held}", server.name, number(median(|run| run.cpu_us)?)))
    };
    let all: Vec<String> =
        tables::there(measured).filter(|server| server.is_ours()).filter_map(told).collect();
    if all.is_empty() {
        return String::new();
    }
    let what = if is_idle { "With all connections there" } else { "For each answer, and held at the end" };
    format!("{what}: {}.", all.join("; "))
}

/// When and where it was measured, and who was not there.
fn notes(page: &mut Page, scenario: &Scenario, measured: &Measured) {
    let loads = Spread::of(measured.runs.iter().map(|run| run.load_average));
    let machine = &measured.machine;
    let mut notes = format!(
        "`{}`: {} of {} s, {}, at `{}`; {}, {} cores, Linux {}, {}; load average {}.",
        scenario.name,
        if measured.rounds == 1 { "one round".to_owned() } else { format!("{} rounds", measured.rounds) },
        measured.seconds,
        machine.date,
        machine.commit,
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.compiler,
        loads.map_or_else(|| "unknown".to_owned(), |loads| range(&loads)),
    );
    let versions: Vec<String> =
        measured.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    _ = write!(notes, " {}.", versions.join(", "));
    for failure in &measured.failures {
        _ = write!(notes, " {} failed in round {}: {}.", failure.server, failure.round + 1, failure.reason);
    }
    for (server, reason) in &measured.left_out {
        _ = write!(notes, " {server} is left out: {reason}.");
    }
    page.paragraph(&notes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn measured(rates: &[(&str, f64)], load_cores: f64) -> Measured {
        let run = |(server, rate): &(&str, f64)| Run {
            server: (*server).to_owned(),
            rate: *rate,
            cpu_us: 1e6 / rate,
            starved: usize::from(*server == "tiny_http") * 57,
            load_cores,
            threads: 3,
            resident_kib: 2048,
            ..Run::default()
        };
        Measured { rounds: 1, runs: rates.iter().map(run).collect(), ..Measured::default() }
    }

    fn text(measured: Measured) -> String {
        let scenario = Scenario::named("json").unwrap();
        let base = self::measured(&[("floor-epoll", 100.0), ("trijet-mio", 40.0)], 0.5);
        let scenarios = BTreeMap::from([("json".to_owned(), measured), ("plaintext-64".to_owned(), base)]);
        let results = Results { scenarios, ..Results::default() };
        let mut page = Page::default();
        write(&mut page, scenario, &results.scenarios["json"], &results);
        page.text
    }

    #[test]
    fn each_of_ours_has_its_place_and_its_price() {
        let rates = [
            ("floor-epoll", 100.0),
            ("floor-threads", 80.0),
            ("trijet-threaded", 60.0),
            ("trijet-mio", 50.0),
            ("hyper", 70.0),
            ("axum", 60.0),
            ("tiny_http", 40.0),
        ];
        let text = text(measured(&rates, 0.95));
        for line in [
            "- `trijet-threaded`: 0.750 of the answers of `floor-threads`, **ahead** of `tiny_http` § with 0.500, the only peer of its kind here; \
             1.33 of its processor time for each, **ahead** of `tiny_http` § with 2.00.",
            "- `trijet-mio`: 0.500 of the answers of `floor-epoll`, **behind** `hyper` with 0.700, the best of 2 of its kind; 2.00 of its \
             processor time for each, **behind** `hyper` with 1.43.",
            "§ In some round `tiny_http` left 57 of 64 connections without an answer.",
            "gives 0.800 of the answers of `floor-epoll`: so far apart are threads and one event loop",
            "With `floor-epoll` and `floor-threads` the load client had no processor to spare (‡)",
            "[Plaintext, 64 connections](#plaintext-64-connections): `trijet-mio` 0.400.",
            "`trijet-mio` 20,000 µs of processor time, 3 threads and 2.00 MiB of resident memory.",
            "](performance/json.svg)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn other_figures_choose_other_sentences() {
        let rates = [("floor-epoll", 80.0), ("floor-threads", 100.0), ("trijet-threaded", 100.0)];
        let told = text(measured(&rates, 0.5));
        assert!(told.contains("threads are ahead of one event loop here") && !told.contains("(‡)"), "{told}");
        assert!(told.contains("no peer of its kind was measured") && !told.contains('§'), "{told}");
        let told = text(measured(&[("floor-epoll", 80.0), ("floor-threads", 80.0)], 0.5));
        assert!(told.contains("not told apart") && !told.contains("Where Trijet stands"), "{told}");
    }
}
