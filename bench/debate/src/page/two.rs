//! Claim 2, as it is told.

use kit::chart::{Chart, Content, Entry, Line, Lines, Panel, Scale};

use super::{
    Page, colour, how_many, last, last_ms, name,
    one::tries,
    servers, servers_entries,
    words::{ms, set_ms, thousands},
};
use crate::{
    results::{Claim, Run},
    rule::{Verdict, judge},
};

/// The issue's own bar for the second request on an event loop.
const AT_ONCE_MS: u64 = 5;

pub(super) fn write(claim: &Claim, page: &mut Page) {
    page.title("Claim 2", "does one event loop serve others meanwhile?");
    page.paragraph(&format!(
        "The same query as an `async fn`, over `trijet::rt`. On mio and Tokio it runs on the event loop and gives the loop back while it \
         waits; on threaded the handler keeps its thread. Again a short request {} after a query{}:",
        claim.setting("after_ms"),
        tries(claim),
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
    page.answer(claim, &answer(claim, crowd));
}

fn answer(claim: &Claim, crowd: usize) -> String {
    let seconds: Vec<&Run> = claim
        .part("second")
        .filter(|run| run.case.server != "threaded" && run.case.workers == Some(1))
        .collect();
    let (right, all) = how_many(seconds.iter().map(|run| {
        let came = run.came();
        came.answers == came.due && came.latency.max_ms < AT_ONCE_MS as f64
    }));
    let unclear = seconds.iter().filter(|run| judge(run) != Verdict::Undisturbed).count();
    let second = if all > 0 && right == all {
        format!(
            "Yes: on a single thread, each event loop answered the second request in under {}",
            set_ms(AT_ONCE_MS)
        )
    } else {
        format!(
            "Not always in this run: {right} of {all} event loops on a single thread answered the second request in under {}",
            set_ms(AT_ONCE_MS)
        )
    };
    let doubt = match unclear {
        0 => String::new(),
        _ => format!(
            " (in {unclear} of these {all} runs others disturbed it, or it cannot be told whether they did)"
        ),
    };
    let crowds = || claim.part("crowd").filter(|run| run.case.server != "threaded");
    let delays: Option<Vec<f64>> =
        crowds().map(|run| Some(last_ms(run)? / run.case.delay_ms? as f64)).collect();
    let whole = thousands(crowd as f64);
    let together = match delays {
        Some(delays) => {
            let most = delays.iter().copied().fold(0.0, f64::max);
            format!("{whole} queries took {most:.1} delays on an event loop at worst, not {whole}.")
        }
        None => format!("Not all of the {whole} queries were answered on an event loop."),
    };
    let groups = claim.part("crowd").filter(|run| run.case.server == "threaded");
    let (right, all) = how_many(groups.map(|run| {
        let most = run.database.as_ref().map_or(0, |asked| asked.most);
        run.case.threads.is_some_and(|threads| most as usize <= threads)
    }));
    let groups = match (right, all) {
        (_, 0) => "",
        (right, all) if right == all => {
            " On threaded, waiting costs a thread each, so the crowd passes in groups, however the handler is written."
        }
        _ => " On threaded, more queries were under way than there were threads.",
    };
    format!("{second}{doubt}. {together}{groups}")
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
    // Threaded has two lines.
    let few = claim.part("crowd").filter_map(|run| run.case.threads).min();
    let many = claim.part("crowd").filter_map(|run| run.case.threads).max();
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
                is_dashed: run.case.threads.is_some() && run.case.threads == few,
                label: String::new(),
                points,
                has_dots: false,
            }
        })
        .collect();
    let times = lines.iter().filter_map(|line| Some(line.points.last()?.0)).collect::<Vec<_>>();
    let mut legend = servers_entries(claim.part("crowd"));
    if let Some(threaded) = legend.iter_mut().find(|entry| entry.name == name("threaded")) {
        threaded.name = format!("threaded, {} threads", many.unwrap_or(0));
        legend.push(Entry {
            name: format!("threaded, {} threads", few.unwrap_or(0)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{database::Asked, sample};

    fn second(ms: f64) -> Run {
        sample::run("second", "mio").workers(1).latency(ms)
    }

    fn crowd(server: &str, last_ms: Option<f64>, most: u64) -> Run {
        let mut run = sample::run("crowd", server).asks("/query/async/200", 1_000).delay(200);
        run = if server == "threaded" { run.threads(64) } else { run.workers(1) };
        run.outcome.flows[0].one_by_one_ms = vec![last_ms];
        run.database = Some(Asked { most, ..Asked::default() });
        run
    }

    #[test]
    fn each_sentence_is_chosen_by_its_runs() {
        let told = |runs| answer(&sample::claim("claim2", runs), 1_000);
        let good =
            || vec![second(0.4), crowd("mio", Some(300.0), 1_000), crowd("threaded", Some(3_200.0), 64)];
        assert_eq!(
            told(good()),
            "Yes: on a single thread, each event loop answered the second request in under 5 ms. 1,000 queries took 1.5 delays on an event loop at \
             worst, not 1,000. On threaded, waiting costs a thread each, so the crowd passes in groups, however the handler is written."
        );
        let with = |run| told(good().into_iter().chain([run]).collect());
        assert!(with(second(5.5)).starts_with("Not always in this run: 1 of 2"));
        assert!(with(crowd("mio", None, 1_000)).contains("Not all of the 1,000"));
        assert!(with(crowd("threaded", Some(1.0), 65)).contains("more queries were under way"));
        let mut short = second(0.4);
        (short.outcome.window_s, short.other_cores) = (0.2, 0.64);
        assert!(with(short).contains("(in 1 of these 2 runs others disturbed it, or"));
    }
}
