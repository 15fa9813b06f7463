//! What a request takes by count, against the bars that the project has set itself. It must never hide a bar that is
//! missed, nor compare what was counted under other conditions without saying so.

use super::{
    Page,
    words::{list, number, whole},
};
use crate::costs::{Costs, FILE, Guarded, Row};

const BACKENDS: [&str; 3] = ["threaded", "mio", "tokio"];
/// Where everything else is compared with.
const BASE: &str = "plaintext";
const TOGETHER: &str = "pipelined";

/// The cases in their order, and what sets each apart from the first.
const CASES: [(&str, &str); 6] = [
    (BASE, "one request at a time, with the least of a head"),
    (TOGETHER, "the same, several at once"),
    (
        "browser",
        "the same with the fields that a browser sends, again and again: they are known, and nobody reads them",
    ),
    ("varied", "the same with one of these fields changed each time: they are scanned"),
    ("echo", "a body that is taken whole and sent back"),
    ("fn", "a plain `fn`: handed to a pool and back on mio and Tokio, run in place on threaded"),
];

/// The bars.
const INSTRUCTIONS: [(&str, u64); 2] = [(BASE, 4_000), (TOGETHER, 2_500)];
const ALLOCATIONS: f64 = 2.0;

pub(super) fn write(page: &mut Page, costs: &Costs) {
    if costs.baseline.costs.is_empty() {
        return;
    }
    page.paragraph("## What a request takes, by count");
    let conditions = &costs.baseline.conditions;
    page.paragraph(&format!(
        "Instructions (callgrind) and allocations (memcheck) for one request more, on one connection: two runs differ in their length alone, \
         and starting and ending are in both. Unlike answers a second, these counts repeat on a busy machine, so that `.ci/run costs` can refuse what \
         has grown. They are those of `bench/costs/baseline.json`, counted with {}, {}, {}, on {}. **The bars are the project's own**: at most {} for \
         instructions, and {} allocations whatever is asked.",
        conditions.rustc,
        conditions.valgrind,
        conditions.libc,
        conditions.processor,
        list(&INSTRUCTIONS.map(|(case, bar)| format!("{} in `{case}`", whole(bar as f64)))),
        ALLOCATIONS,
    ));
    table(page, costs);
    missed(page, costs);
    let sentences: Vec<String> = [beyond(costs), per_turn(costs)].into_iter().flatten().collect();
    page.paragraph(&format!(
        "**What explains it.** What nobody reads is not made: a handler without extractors gets no request in `http`'s types, and a text has no \
         header map (ARCHITECTURE.md, “Decisions”). {}",
        sentences.join(" ")
    ));
    syscalls(page, costs);
    peers(page, costs);
}

fn table(page: &mut Page, costs: &Costs) {
    let ratio = |figure: f64, bar: Option<f64>| match bar {
        None => "–".to_owned(),
        Some(bar) if figure > bar => format!("**{}**", number(figure / bar)),
        Some(bar) => number(figure / bar),
    };
    let mut rows = Vec::new();
    for (case, backend, guarded) in all(costs) {
        rows.push(vec![
            format!("`{case}` on {backend}"),
            whole(guarded.instructions as f64),
            ratio(guarded.instructions as f64, bar(case)),
            format!("{:.2}", guarded.allocations),
            ratio(guarded.allocations, Some(ALLOCATIONS)),
        ]);
    }
    page.table(&["request", "instructions", "of the bar", "allocations", "of the bar"], &rows);
    let cases = CASES.iter().filter(|(case, _)| costs.baseline.costs.contains_key(*case));
    let cases: Vec<String> = cases.map(|(case, words)| format!("`{case}`: {words}")).collect();
    page.paragraph(&format!("{}.", cases.join("; ")));
}

/// Each case on each backend that has figures.
fn all(costs: &Costs) -> Vec<(&'static str, &'static str, Guarded)> {
    let pairs = CASES.iter().flat_map(|(case, _)| BACKENDS.map(|backend| (*case, backend)));
    pairs.filter_map(|(case, backend)| Some((case, backend, costs.guarded(case, backend)?))).collect()
}

fn bar(case: &str) -> Option<f64> {
    INSTRUCTIONS.iter().find(|(name, _)| *name == case).map(|(_, bar)| *bar as f64)
}

/// Which bars are missed, and by how much.
fn missed(page: &mut Page, costs: &Costs) {
    let (mut missed, mut bars) = (Vec::new(), 0);
    for (case, backend, guarded) in all(costs) {
        let (instructions, allocations) = (guarded.instructions as f64, guarded.allocations);
        bars += 1 + usize::from(bar(case).is_some());
        if let Some(bar) = bar(case).filter(|bar| instructions > *bar) {
            let over = whole(instructions - bar);
            missed.push(format!(
                "- `{case}` on {backend}: {} instructions, {over} too many",
                whole(instructions)
            ));
        }
        if allocations > ALLOCATIONS {
            missed.push(format!("- `{case}` on {backend}: {allocations:.2} allocations"));
        }
    }
    if missed.is_empty() {
        page.paragraph(&format!("**All {bars} bars are met.**"));
    } else {
        page.paragraph(&format!("**{} of {bars} bars are missed:**\n\n{}", missed.len(), missed.join("\n")));
    }
}

/// What each case takes beyond the first.
fn beyond(costs: &Costs) -> Option<String> {
    let mut parts = Vec::new();
    for (case, _) in CASES.iter().filter(|(case, _)| ![BASE, TOGETHER].contains(case)) {
        let each = BACKENDS.iter().filter_map(|backend| {
            let (own, base) = (costs.guarded(case, backend)?, costs.guarded(BASE, backend)?);
            Some(format!("{} on {backend}", whole(own.instructions as f64 - base.instructions as f64)))
        });
        let each: Vec<String> = each.collect();
        if !each.is_empty() {
            parts.push(format!("`{case}` {}", each.join(", ")));
        }
    }
    if parts.is_empty() {
        return None;
    }
    Some(format!("Beyond `{BASE}`, in instructions: {}.", parts.join("; ")))
}

/// What an event loop takes beyond threaded, alone and where several requests share a turn.
fn per_turn(costs: &Costs) -> Option<String> {
    /// With less than this share left, what goes is no accident.
    const SHARED: f64 = 0.25;
    let mut parts = Vec::new();
    for backend in ["mio", "tokio"] {
        let more = |case| {
            let (own, threaded) = (costs.guarded(case, backend)?, costs.guarded(case, "threaded")?);
            Some(own.instructions as f64 - threaded.instructions as f64)
        };
        let (Some(alone), Some(together)) = (more(BASE), more(TOGETHER)) else { continue };
        if alone <= 0.0 {
            continue;
        }
        let what = if together < alone * SHARED {
            "what it adds is paid once a turn"
        } else {
            "what it adds is paid for requests, too"
        };
        parts.push(format!(
            "{backend} takes {} more than threaded for a request that comes alone, and {} more where several share a turn of the connection: \
             {what}",
            whole(alone),
            whole(together),
        ));
    }
    if parts.is_empty() { None } else { Some(format!("In instructions, {}.", parts.join("; "))) }
}

/// System calls of ours, where they were counted.
fn syscalls(page: &mut Page, costs: &Costs) {
    let rows: Vec<&Row> =
        costs.rows().iter().filter(|row| is_ours(row) && !row.syscalls.is_empty()).collect();
    if rows.is_empty() {
        lacks(page, "System calls");
        return;
    }
    let calls = |row: &Row| {
        let each: Vec<String> =
            row.syscalls.iter().map(|(name, count)| format!("{name} {count:.2}")).collect();
        format!("{:.2} ({})", row.syscalls.values().sum::<f64>(), each.join(", "))
    };
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| vec![format!("`{}` on {}", row.case, row.server), calls(row)]).collect();
    page.paragraph("**System calls** for one request (strace); what happens with time and not with requests is left out:");
    page.table(&["request", "system calls"], &rows);
}

/// Peers, where they were counted: beside ours of the same count, not of the baseline.
fn peers(page: &mut Page, costs: &Costs) {
    let peers: Vec<&Row> = costs.rows().iter().filter(|row| !is_ours(row)).collect();
    let Some(counted) = costs.counted.as_ref().filter(|_| !peers.is_empty()) else {
        lacks(page, "Peers");
        return;
    };
    let number = |figure: Option<f64>, digits| {
        figure.map_or_else(
            || "–".to_owned(),
            |figure| if digits == 0 { whole(figure) } else { format!("{figure:.2}") },
        )
    };
    let is_shared = |row: &&Row| peers.iter().any(|peer| peer.case == row.case);
    let rows: Vec<Vec<String>> = costs
        .rows()
        .iter()
        .filter(is_shared)
        .map(|row| {
            let name = row.server.strip_prefix("peer-").unwrap_or(&row.server);
            let calls: f64 = row.syscalls.values().sum();
            vec![
                format!("`{}` on {name}", row.case),
                number(row.instructions, 0),
                number(row.allocations, 2),
                number(Some(calls).filter(|calls| *calls > 0.0), 2),
            ]
        })
        .collect();
    let conditions = &counted.conditions;
    page.paragraph(&format!(
        "**Peers**, counted in the same way, with {}, {}, {}, on {}; ours are of the same count:",
        conditions.rustc, conditions.valgrind, conditions.libc, conditions.processor
    ));
    page.table(&["request", "instructions", "allocations", "system calls"], &rows);
}

fn lacks(page: &mut Page, what: &str) {
    page.paragraph(&format!(
        "**{what}** are not in the baseline, and this page has no count of them. `just costs threaded mio tokio --peer PROGRAM --json \
         docs/performance/{FILE}` counts them, and `just race page` shows them then."
    ));
}

fn is_ours(row: &Row) -> bool {
    BACKENDS.contains(&row.server.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::costs::{Baseline, Counted};

    fn costs(figures: &[(&str, &str, u64, f64)]) -> Costs {
        let mut costs: BTreeMap<String, BTreeMap<String, Guarded>> = BTreeMap::new();
        for (case, backend, instructions, allocations) in figures {
            let guarded = Guarded { instructions: *instructions, allocations: *allocations };
            costs.entry((*case).to_owned()).or_default().insert((*backend).to_owned(), guarded);
        }
        Costs { baseline: Baseline { costs, ..Baseline::default() }, counted: None }
    }

    fn text(costs: &Costs) -> String {
        let mut page = Page::default();
        write(&mut page, costs);
        page.text
    }

    #[test]
    fn a_bar_that_is_missed_is_named() {
        let text = text(&costs(&[
            ("plaintext", "threaded", 4_000, 1.0),
            ("plaintext", "mio", 6_000, 2.0),
            ("pipelined", "threaded", 2_600, 1.0),
            ("pipelined", "mio", 2_650, 1.0),
            ("echo", "mio", 13_000, 3.0),
        ]));
        for line in [
            "| `plaintext` on threaded | 4,000 | 1.00 | 1.00 | 0.500 |",
            "| `plaintext` on mio | 6,000 | **1.50** | 2.00 | 1.00 |",
            "| `echo` on mio | 13,000 | – | 3.00 | **1.50** |",
            "**4 of 9 bars are missed:**\n\n- `plaintext` on mio: 6,000 instructions, 2,000 too many\n",
            "- `echo` on mio: 3.00 allocations\n",
            "in instructions: `echo` 7,000 on mio.",
            "mio takes 2,000 more than threaded for a request that comes alone, and 50 more",
            "share a turn of the connection: what it adds is paid once a turn.",
            "**System calls** are not in the baseline, and this page has no count of them.",
            "**Peers** are not in the baseline",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn bars_that_are_met_are_said_to_be() {
        let text = text(&costs(&[
            ("plaintext", "threaded", 3_000, 1.0),
            ("plaintext", "mio", 4_000, 1.0),
            ("pipelined", "threaded", 1_000, 1.0),
            ("pipelined", "mio", 2_000, 1.0),
        ]));
        assert!(
            text.contains("**All 8 bars are met.**") && text.contains("paid for requests, too"),
            "{text}"
        );
        assert_eq!(self::text(&Costs::default()), "");
    }

    #[test]
    fn system_calls_and_peers_are_shown_where_they_were_counted() {
        let row = |server: &str, syscalls: &[(&str, f64)]| Row {
            case: "plaintext".to_owned(),
            server: server.to_owned(),
            instructions: Some(5_000.4),
            allocations: Some(2.0),
            syscalls: syscalls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        let rows = vec![row("mio", &[("read", 1.0), ("write", 1.25)]), row("peer-hyper", &[])];
        let counted = Some(Counted { rows, ..Counted::default() });
        let text = text(&Costs { counted, ..costs(&[("plaintext", "mio", 4_000, 1.0)]) });
        for line in [
            "| `plaintext` on mio | 2.25 (read 1.00, write 1.25) |",
            "| `plaintext` on hyper | 5,000 | 2.00 | – |",
            "| `plaintext` on mio | 5,000 | 2.00 | 2.25 |",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
