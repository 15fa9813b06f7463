//! Where Trijet stands, in short: a row for each scenario, a line for each backend, and who was not measured. It must never say
//! anything that the sections do not.

use super::{
    Page,
    words::{anchor, code, list, number, towards},
};
use crate::{
    results::{Measured, Results},
    scenarios::{self, Scenario},
    servers::{self, Server},
    standing::{Measure, Place, Standing, is_peer},
};

type Scene<'a> = (&'static Scenario, &'a Measured);

pub(super) fn write(page: &mut Page, results: &Results) {
    let scenes: Vec<Scene> = scenarios::ALL
        .iter()
        .filter_map(|scenario| Some((scenario, results.scenarios.get(scenario.name)?)))
        .collect();
    let ours: Vec<&Server> = servers::ALL.iter().filter(|server| server.is_ours()).collect();
    page.paragraph("## Where Trijet stands");
    for (measure, words) in [
        (
            Measure::Rate,
            "**Answers a second**, as a share of the floor's, and where that stands to the best peer of the same kind:",
        ),
        (
            Measure::Processor,
            "**Processor time of an answer**, as a multiple of the floor's; ahead is less. Where the load client was the measure, it tells more than \
             answers do:",
        ),
        (Measure::Memory, "**Memory of an idle connection**, in KiB; ahead is less:"),
    ] {
        let rows: Vec<Vec<String>> = scenes.iter().filter_map(|scene| row(measure, scene, &ours)).collect();
        if rows.is_empty() {
            continue;
        }
        page.paragraph(words);
        let head: Vec<String> = ours.iter().map(|own| head(measure, own)).collect();
        let head: Vec<&str> =
            [&["scenario"][..], &head.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        page.table(&head, &rows);
    }
    let lines: Vec<String> = ours.iter().filter_map(|own| line(own, &scenes)).collect();
    if !lines.is_empty() {
        page.paragraph(&lines.join("\n"));
    }
    absent(page, &scenes);
}

fn head(measure: Measure, own: &Server) -> String {
    match measure {
        Measure::Rate | Measure::Processor => format!("{}, of {}", own.name, own.floor()),
        Measure::Memory => own.name.to_owned(),
    }
}

fn row(measure: Measure, (scenario, measured): &Scene, ours: &[&Server]) -> Option<Vec<String>> {
    if !Measure::of(scenario).contains(&measure) {
        return None;
    }
    let standings = measure.standings(measured);
    if standings.is_empty() {
        return None;
    }
    let cell = |own: &&Server| {
        let standing = standings.iter().find(|standing| standing.own.name == own.name);
        standing.map_or_else(|| "–".to_owned(), cell)
    };
    let title = format!("[{}](#{})", scenario.title, anchor(scenario.title));
    Some([title].into_iter().chain(ours.iter().map(cell)).collect())
}

fn cell(standing: &Standing) -> String {
    let share = number(standing.share.median);
    match &standing.best {
        None => format!("{share}, no peer"),
        Some(best) => {
            let mark = if best.starved > 0 { " §" } else { "" };
            let (place, name) = (towards(best.place), best.server.name);
            format!("{share}, {place} {name}{mark} ({})", number(best.share.median))
        }
    }
}

/// One of ours over all scenarios.
fn line(own: &Server, scenes: &[Scene]) -> Option<String> {
    let mut parts = Vec::new();
    for (measure, words) in
        [(Measure::Rate, "in answers a second"), (Measure::Processor, "in processor time")]
    {
        let all: Vec<(&Scenario, Standing)> = scenes
            .iter()
            .filter(|(scenario, _)| Measure::of(scenario).contains(&measure))
            .filter_map(|(scenario, measured)| {
                let mut standings = measure.standings(measured).into_iter();
                Some((*scenario, standings.find(|standing| standing.own.name == own.name)?))
            })
            .collect();
        let at = |place| -> Vec<&Scenario> {
            let there = all
                .iter()
                .filter(|(_, standing)| standing.best.as_ref().is_some_and(|best| best.place == place));
            there.map(|(scenario, _)| *scenario).collect()
        };
        let behind: Vec<String> = at(Place::Behind).iter().map(|scenario| code(scenario.name)).collect();
        let where_behind = if behind.is_empty() { String::new() } else { format!(" ({})", list(&behind)) };
        let compared = all.iter().filter(|(_, standing)| standing.best.is_some()).count();
        if compared == 0 {
            continue;
        }
        parts.push(format!(
            "{words} ahead of the best peer in {}, equal in {}, behind in {}{where_behind} of {compared} scenarios",
            at(Place::Ahead).len(),
            at(Place::Equal).len(),
            behind.len(),
        ));
        if measure == Measure::Rate {
            let by_share = |one: &&(&Scenario, Standing), other: &&(&Scenario, Standing)| {
                one.1.share.median.total_cmp(&other.1.share.median)
            };
            let (least, most) = (all.iter().min_by(by_share)?, all.iter().max_by(by_share)?);
            let told = |(scenario, standing): &(&Scenario, Standing)| {
                format!("`{}` ({})", scenario.name, number(standing.share.median))
            };
            parts.push(format!("nearest to its floor in {} and furthest in {}", told(most), told(least)));
        }
    }
    if parts.is_empty() { None } else { Some(format!("- **`{}`** is {}.", own.name, parts.join("; "))) }
}

/// Who is known and has no figure here; and where a kind has few peers.
fn absent(page: &mut Page, scenes: &[Scene]) {
    let ran = |server: &&Server| {
        scenes.iter().any(|(_, measured)| measured.runs.iter().any(|run| run.server == server.name))
    };
    let (there, absent): (Vec<&Server>, Vec<&Server>) =
        servers::ALL.iter().filter(|server| is_peer(server)).partition(ran);
    let names =
        |servers: &[&Server]| list(&servers.iter().map(|server| code(server.name)).collect::<Vec<_>>());
    let mut text = String::new();
    let of_threads: Vec<&Server> =
        there.iter().copied().filter(|server| server.kind == servers::Kind::Threads).collect();
    if let [only] = of_threads[..] {
        text += &format!(
            "Of the peers with a thread for each connection, only `{}` was measured: where `trijet-threaded` is ahead, it is ahead of that one. ",
            only.name
        );
    }
    let without: Vec<&Server> = there.iter().copied().filter(|server| !server.has.handlers).collect();
    if !without.is_empty() {
        text +=
            &format!("What {} answers stands in its configuration: it has no handlers. ", names(&without));
    }
    if !absent.is_empty() && !there.is_empty() {
        text += &format!("`just race` knows further peers that have no figure here: {}. ", names(&absent));
    }
    if scenes.iter().any(|(scenario, measured)| {
        Measure::of(scenario).iter().any(|measure| {
            let mut bests = measure.standings(measured).into_iter().filter_map(|standing| standing.best);
            bests.any(|best| best.starved > 0)
        })
    }) {
        text += "§ marks a peer that left connections without an answer: it may be fast because it serves few of them at a time.";
    }
    if !text.is_empty() {
        page.paragraph(&text);
    }
    let lacking: Vec<String> = scenarios::ALL
        .iter()
        .filter(|scenario| scenes.iter().all(|(other, _)| other.name != scenario.name))
        .map(|scenario| code(scenario.name))
        .collect();
    if !lacking.is_empty() && !scenes.is_empty() {
        page.paragraph(&format!("Scenarios without figures here: {}.", list(&lacking)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::Run;

    fn text(scenarios: &[(&str, &[(&str, f64)])]) -> String {
        let measured = |rates: &[(&str, f64)]| {
            let run = |(server, rate): &(&str, f64)| Run {
                server: (*server).to_owned(),
                rate: *rate,
                cpu_us: 1e6 / rate,
                idle_kib: *rate,
                starved: usize::from(*server == "tiny_http"),
                ..Run::default()
            };
            Measured { runs: rates.iter().map(run).collect(), ..Measured::default() }
        };
        let scenarios: BTreeMap<String, Measured> =
            scenarios.iter().map(|(name, rates)| ((*name).to_owned(), measured(rates))).collect();
        let mut page = Page::default();
        write(&mut page, &Results { scenarios, ..Results::default() });
        page.text
    }

    #[test]
    fn a_row_for_each_scenario_and_a_line_for_each_backend() {
        let text = text(&[
            ("json", &[("floor-epoll", 100.0), ("trijet-mio", 80.0), ("may", 90.0), ("axum", 60.0)]),
            ("param", &[("floor-epoll", 100.0), ("trijet-mio", 95.0), ("may", 90.0)]),
            ("fn", &[("floor-threads", 100.0), ("trijet-threaded", 90.0), ("tiny_http", 50.0)]),
            ("idle", &[("trijet-mio", 0.5), ("may", 0.6)]),
        ]);
        for line in [
            "| [JSON, 64 connections](#json-64-connections) | – | 0.800, **behind** may (0.900) | – |",
            "| [JSON, 64 connections](#json-64-connections) | – | 1.25, **behind** may (1.11) | – |",
            "| 0.900, **ahead** of tiny_http § (0.500) | – | – |",
            "| – | 0.500, **ahead** of may (0.600) | – |",
            "- **`trijet-mio`** is in answers a second ahead of the best peer in 1, equal in 0, behind in 1 (`json`) of 2 scenarios; nearest to \
             its floor in `param` (0.950) and furthest in `json` (0.800); in processor time ahead",
            "only `tiny_http` was measured",
            "no figure here: `hyper`, ",
            "§ marks a peer",
            "Scenarios without figures here: `plaintext-64`, ",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn of_nothing_nothing_is_said() {
        assert_eq!(text(&[]), "## Where Trijet stands\n\n");
    }
}
