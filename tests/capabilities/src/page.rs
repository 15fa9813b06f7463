//! The page: promises by section, and how many passed tests show each on each backend.

use std::{collections::BTreeSet, fmt::Write};

use crate::{promises::Promise, run};

const HEAD: &str = "\
# What holds on which backend

Written from a run of the tests by `just capabilities`; `.ci/run` fails where it is not what they show. A figure
is the number of tests that show the promise on that backend; *core* counts those of what all backends share
(the engine, the driver, the simulated backend). In the name of a test `*` stands for the backend.
";

pub(crate) fn page(promises: &[Promise], passed: &BTreeSet<String>) -> Result<String, String> {
    let mut page = HEAD.to_owned();
    let mut section = "";
    let mut missing = Vec::new();
    for promise in promises {
        let (of, place) = promise.place.split_once(' ').unwrap_or((&promise.place, ""));
        if of != section {
            section = of;
            _ = write!(
                page,
                "\n## {}\n\n| | promise | threaded | mio | tokio | core | shown by |\n",
                title(of)
            );
            page.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        }
        let cells = cells(promise, passed, &mut missing);
        let place = place.strip_prefix("row ").unwrap_or(place);
        let tests = promise.tests.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ");
        _ = writeln!(page, "| {place} | {} | {} | {tests} |", promise.subject, cells.join(" | "));
    }
    match missing.is_empty() {
        true => Ok(page),
        false => Err(format!("no passed test has these names:\n{}", missing.join("\n"))),
    }
}

/// The counts on the three backends and in core. What is named and was not there is added to `missing`.
fn cells(promise: &Promise, passed: &BTreeSet<String>, missing: &mut Vec<String>) -> [String; 4] {
    if promise.tests.is_empty() {
        return ["not yet".to_owned(), "not yet".to_owned(), "not yet".to_owned(), String::new()];
    }
    let mut counts = [0; 4];
    for name in &promise.tests {
        // What only core is asked about holds on all three, since there is one core.
        let counts = if name.contains('*') { &mut counts[..3] } else { &mut counts[3..] };
        for (test, count) in run::meant(name).iter().zip(counts) {
            match run::has(passed, test) {
                true => *count += 1,
                false => missing.push(format!("{}: {test}", promise.place)),
            }
        }
    }
    counts.map(|count| if count == 0 { String::new() } else { count.to_string() })
}

fn title(section: &str) -> &'static str {
    match section {
        "§1" => "Semantics",
        "§2" => "Limits and times",
        "§3" => "What is refused",
        "§4" => "Faults survived",
        "rt" => "Handlers that wait",
        "files" => "Static files",
        _ => "More",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promises::parse;

    #[test]
    fn a_test_that_one_backend_lacks_is_named() {
        let promises =
            parse("# words\n§1 row 2 | panics | panics::*::a shared\n§1 row 8 | the watchdog | -\n").unwrap();
        let mut passed: BTreeSet<String> =
            ["suite/panics::threaded::a", "suite/panics::mio::a", "core/shared"].map(str::to_owned).into();
        assert_eq!(
            page(&promises, &passed).unwrap_err(),
            "no passed test has these names:\n§1 row 2: panics::tokio::a"
        );
        passed.insert("suite/panics::tokio::a".to_owned());
        let page = page(&promises, &passed).unwrap();
        assert!(page.contains("| 2 | panics | 1 | 1 | 1 | 1 | `panics::*::a` `shared` |\n"), "{page}");
        assert!(page.contains("| 8 | the watchdog | not yet | not yet | not yet |  |  |\n"), "{page}");
    }
}
