//! What the program `handover` measures: the price of a plain `fn`, against a bare round trip beside it.

use super::{
    Page, name,
    words::{set_ms, thousands},
};
use crate::{
    handover::{BEYOND_MOST_US, RATIO_MOST, Report, Trip},
    rule::OTHER_CORES,
};

pub(super) fn write(report: Option<&Report>, page: &mut Page) {
    page.title("The hand-over", "what does a plain `fn` cost on an event loop?");
    let Some(report) = report else {
        page.paragraph(
            "*It was not measured yet: `just handover` does, and writes its results to this place.*",
        );
        return;
    };
    page.paragraph(&format!(
        "One client asks one thing at a time, {} times in a round, with one worker. The bare server beside it has no HTTP, no job and no result: it answers at once, or after an \
         item went to a thread that waits at a queue and woke the loop. What is beyond that is Trijet's own; the project allows {BEYOND_MOST_US} µs. Microseconds, medians of {} rounds:",
        thousands(report.trips as f64),
        report.hand_overs.first().map_or(0, |first| first.rounds.len()),
    ));
    let figures: [fn(&Trip) -> f64; 6] = [
        |trip| trip.inline_us,
        |trip| trip.fn_us,
        Trip::hand_over,
        |trip| trip.bare_us,
        |trip| trip.bare_by_thread_us,
        Trip::bare,
    ];
    let rows: Vec<Vec<String>> = report
        .hand_overs
        .iter()
        .map(|of| {
            let cells = figures.iter().map(|figure| format!("{:.1}", of.of(*figure)));
            let beyond = format!("{:.1}{}", of.of(Trip::beyond), mark(of.is_kept()));
            [name(&of.backend).to_owned()].into_iter().chain(cells).chain([beyond]).collect()
        })
        .collect();
    page.table(
        &[
            "server",
            "`inline`",
            "`fn`",
            "hand-over",
            "bare: at once",
            "by a thread",
            "round trip",
            "beyond it",
        ],
        &rows,
    );
    page.paragraph(&format!(
        "And an `async fn` while every thread of the pool sleeps, whose p99 may be {RATIO_MOST} times as long as without the sleepers:",
    ));
    let rows: Vec<Vec<String>> = report
        .sleepers
        .iter()
        .map(|of| {
            vec![
                name(&of.backend).to_owned(),
                of.threads.to_string(),
                format!("{:.1} µs", of.of(|round| round.without_us)),
                format!("{:.1} µs", of.of(|round| round.with_us)),
                format!("{:.2}{}", of.ratio(), mark(of.is_kept())),
            ]
        })
        .collect();
    page.table(&["server", "sleepers", "p99 without", "p99 with", "ratio"], &rows);
    page.paragraph(&format!("**Answer.** {}", answer(report)));
    page.paragraph(&measured(report));
}

fn mark(is_kept: bool) -> &'static str {
    if is_kept { "" } else { " ✗" }
}

fn answer(report: &Report) -> String {
    let kept = |all: bool| if all { "is kept" } else { "is not kept (✗)" };
    format!(
        "The bound of {BEYOND_MOST_US} µs for the hand-over {}; that of {RATIO_MOST} times the p99 {}.",
        kept(report.hand_overs.iter().all(|of| of.is_kept())),
        kept(report.sleepers.iter().all(|of| of.is_kept())),
    )
}

/// When and on what, and whether anything came between.
fn measured(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "Measured {} at `{}` in {}, load average {:.2} before and {:.2} after, others {:.2} cores.",
        machine.date,
        machine.commit,
        set_ms((report.took_s.ceil() * 1e3) as u64),
        machine.load_before,
        report.load_after,
        report.other_cores,
    );
    if report.other_cores > OTHER_CORES {
        text += " **It was disturbed** (†): its figures are not to be trusted.";
    }
    if !report.is_full {
        text += " **A short run**, which shows that everything works.";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::tests::made_up;

    #[test]
    fn what_is_not_kept_or_was_disturbed_is_said() {
        let both = "The bound of 5 µs for the hand-over is kept; that of 1.5 times the p99 is kept.";
        assert_eq!(answer(&made_up(4.0, 1.25)), both);
        assert!(answer(&made_up(5.5, 1.25)).contains("hand-over is not kept"));
        assert!(answer(&made_up(4.0, 1.75)).contains("p99 is not kept"));
        assert!(!measured(&made_up(4.0, 1.25)).contains("disturbed"));
        assert!(
            measured(&Report { other_cores: 0.2, ..made_up(4.0, 1.25) }).contains("**It was disturbed**")
        );
        let mut page = Page::default();
        write(Some(&made_up(5.5, 1.25)), &mut page);
        assert!(page.text.contains("| 5.5 ✗ |") && page.text.contains("| 1.25 |"), "{}", page.text);
        assert!(page.text.contains("Measured a day at `1234567`"), "{}", page.text);
    }
}
