//! The threat model names a test for each attack: each must be there and have passed.

use std::collections::BTreeSet;

use crate::run;

/// The names in the third column of the page's tables.
fn names(page: &str) -> impl Iterator<Item = &str> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let columns = rows.filter_map(|row| row.trim_matches('|').split(" | ").nth(2));
    columns.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix('`')?.strip_suffix('`'))
}

pub(crate) fn check(page: &str, passed: &BTreeSet<String>) -> Result<(), String> {
    let missing: Vec<String> =
        names(page).flat_map(run::meant).filter(|test| !run::has(passed, test)).collect();
    match (missing.is_empty(), names(page).next()) {
        (true, Some(_)) => Ok(()),
        (true, None) => Err("docs/threat-model.md names no test".to_owned()),
        (false, _) => {
            Err(format!("docs/threat-model.md names tests that did not pass:\n{}", missing.join("\n")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_did_not_pass_is_named() {
        let page =
            "| attack | stop | shown by |\n| --- | --- | --- |\n| a `head` | a limit | `heads::*::a` `b` |\n";
        let mut passed: BTreeSet<String> = ["suite/heads::mio::a", "core/b"].map(str::to_owned).into();
        let fault = check(page, &passed).unwrap_err();
        assert!(fault.ends_with(":\nheads::threaded::a\nheads::tokio::a"), "{fault}");
        passed.extend(["suite/heads::threaded::a", "suite/heads::tokio::a"].map(str::to_owned));
        assert_eq!(check(page, &passed), Ok(()));
        assert!(check("words", &passed).is_err());
    }
}
