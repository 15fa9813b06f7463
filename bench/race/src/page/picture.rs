//! The chart of a scenario: how far each server is from its floor, by the rounds' ranges. It must never show what the table
//! below it does not have.

use kit::chart::{Chart, Content, Entry, Group, Panel, Range, Ranges, Scale};

use super::words::{number, range};
use crate::{
    results::Measured,
    scenarios::Scenario,
    servers::{Kind, Program, Server},
    standing::{Measure, is_peer},
};

/// The chart, and its figures in words. Where no server has a share there is none.
pub(super) fn of(scenario: &Scenario, measured: &Measured) -> Option<(Chart, String)> {
    let measures = Measure::of(scenario);
    let panels: Vec<(&Measure, Ranges)> =
        measures.iter().filter_map(|measure| Some((measure, ranges(*measure, measured)?))).collect();
    let height = panels.iter().map(|(_, ranges)| ranges.height()).reduce(f64::max)?;
    let title = scenario.title.replace('`', "");
    let titles: Vec<&str> = panels.iter().map(|(measure, _)| said(**measure).0).collect();
    let words: Vec<String> = panels.iter().map(|(measure, ranges)| described(**measure, ranges)).collect();
    let panel = |(measure, ranges): (&Measure, Ranges)| Panel {
        title: said(*measure).1.to_owned(),
        content: Content::Ranges(ranges),
    };
    let chart = Chart {
        title: format!("{title}: {}", titles.join(", and ")),
        legend: legend(),
        columns: panels.len(),
        panels: panels.into_iter().map(panel).collect(),
        height,
    };
    let description =
        format!("Medians of the rounds, with the least and the most in brackets. {}", words.join(" "));
    Some((chart, description))
}

/// A measure in the title, above its panel and at its axis.
fn said(measure: Measure) -> (&'static str, &'static str, &'static str) {
    match measure {
        Measure::Rate => (
            "answers a second, of the floor's",
            "Answers a second, of the floor's: more is better",
            "of the floor's answers",
        ),
        Measure::Processor => (
            "processor time of an answer, of the floor's",
            "Processor time of an answer, of the floor's: less is better",
            "of the floor's time",
        ),
        Measure::Memory => (
            "memory for each connection, in KiB",
            "Memory for each connection: less is better",
            "KiB for each connection",
        ),
    }
}

fn ranges(measure: Measure, measured: &Measured) -> Option<Ranges> {
    let has_floor = measure != Measure::Memory;
    let group = |kind, loops: &str, floor: &str| {
        let rows = measure.ranking(measured, kind).into_iter();
        // A floor is 1 of itself: the guide.
        let rows = rows.filter(|(server, _)| !has_floor || server.is_ours() || is_peer(server));
        let name = if has_floor { format!("{loops}, of {floor}") } else { loops.to_owned() };
        let row = |(server, spread): (&Server, crate::statistics::Spread)| Range {
            name: server.name.to_owned(),
            is_marked: server.is_ours(),
            colour: colour(server),
            least: spread.least,
            median: spread.median,
            most: spread.most,
            words: number(spread.median),
        };
        Group { name, rows: rows.map(row).collect() }
    };
    let mut groups = vec![
        group(Kind::Loop, "event loops", "floor-epoll"),
        group(Kind::Threads, "a thread for each connection", "floor-threads"),
    ];
    groups.retain(|group| !group.rows.is_empty());
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let least = rows().map(|row| row.least).reduce(f64::min)?;
    let most = rows().map(|row| row.most).reduce(f64::max)?;
    let (name, guide) =
        if has_floor { (said(measure).2, Some((1.0, "floor".to_owned()))) } else { (said(measure).2, None) };
    let across = if measure == Measure::Processor && most > least * WIDE {
        (format!("{name} (logarithmic)"), Scale::Log(start(least.min(1.0)), most.max(1.0)))
    } else if has_floor {
        (name.to_owned(), Scale::linear([1.0, most]))
    } else {
        (name.to_owned(), Scale::linear([most]))
    };
    Some(Ranges { across, groups, guide })
}

/// From here on, an axis from nought would press what is small into a corner.
const WIDE: f64 = 8.0;

/// A round figure that is not more than this one.
fn start(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [5.0, 2.0].map(|factor| factor * power).into_iter().find(|start| *start <= least).unwrap_or(power)
}

fn described(measure: Measure, ranges: &Ranges) -> String {
    let row = |row: &Range| {
        let spread = crate::statistics::Spread { median: row.median, least: row.least, most: row.most };
        format!("{} {}", row.name, range(&spread))
    };
    let group = |group: &Group| {
        let rows: Vec<String> = group.rows.iter().map(row).collect();
        format!("{}: {}", group.name, rows.join(", "))
    };
    let groups: Vec<String> = ranges.groups.iter().map(group).collect();
    format!("{} {}.", said(measure).1.replacen(": ", ", ", 1), format_args!("({})", groups.join("; ")))
}

/// As on the pages about the debate.
const ORANGE: &str = "#d9772b";
const TEAL: &str = "#1a9988";
const BLUE: &str = "#5b7fde";
const GREY: &str = "#8b949e";
const BROWN: &str = "#a98467";

fn colour(server: &Server) -> &'static str {
    match (server.program, server.kind) {
        (Program::Trijet("threaded"), _) => ORANGE,
        (Program::Trijet("mio"), _) => TEAL,
        (Program::Trijet(_), _) => BLUE,
        (_, Kind::Loop) => GREY,
        (_, Kind::Threads) => BROWN,
    }
}

fn legend() -> Vec<Entry> {
    let entry =
        |(name, colour): (&str, &'static str)| Entry { name: name.to_owned(), colour, is_dashed: false };
    [
        ("trijet-threaded", ORANGE),
        ("trijet-mio", TEAL),
        ("trijet-tokio", BLUE),
        ("another event loop", GREY),
        ("another with threads", BROWN),
    ]
    .map(entry)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Run;

    fn measured(rates: &[(&str, f64)]) -> Measured {
        let run = |(server, rate): &(&str, f64)| Run {
            server: (*server).to_owned(),
            rate: *rate,
            cpu_us: 1e6 / rate,
            idle_kib: *rate,
            ..Run::default()
        };
        Measured { runs: rates.iter().map(run).collect(), ..Measured::default() }
    }

    #[test]
    fn ours_are_marked_and_the_best_is_first() {
        let scenario = Scenario::named("fn").unwrap();
        let measured = measured(&[("floor-epoll", 100.0), ("trijet-mio", 80.0), ("axum", 90.0)]);
        let (chart, description) = of(scenario, &measured).unwrap();
        let svg = chart.described(&description);
        assert!(
            svg.contains("class=\"title\">trijet-mio<") && svg.contains("text-anchor=\"end\">axum<"),
            "{svg}"
        );
        assert!(
            description.contains("event loops, of floor-epoll: axum 0.900, trijet-mio 0.800"),
            "{description}"
        );
        assert!(description.contains("axum 1.11, trijet-mio 1.25"), "{description}");
        assert!(!svg.contains("<script") && !chart.title.contains('`'));
    }

    #[test]
    fn what_idles_is_told_in_kibibytes_with_its_floor() {
        let measured = measured(&[("floor-epoll", 0.5), ("trijet-mio", 0.25)]);
        let (_, description) = of(Scenario::named("idle").unwrap(), &measured).unwrap();
        assert!(description.contains("event loops: trijet-mio 0.250, floor-epoll 0.500"), "{description}");
    }

    #[test]
    fn without_shares_there_is_no_chart() {
        assert!(of(Scenario::named("fn").unwrap(), &measured(&[("axum", 90.0)])).is_none());
    }

    #[test]
    fn wide_axes_begin_near_the_least() {
        assert_eq!([0.95, 0.3, 1.0, 0.15, 0.02].map(start), [0.5, 0.2, 1.0, 0.1, 0.02]);
    }
}
