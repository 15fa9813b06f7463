//! What `cargo test` printed: which tests of which binary ran and passed.

use std::collections::BTreeSet;

const BACKENDS: [&str; 3] = ["threaded", "mio", "tokio"];

/// The tests that passed, each as `binary/name`. An error where a binary failed or never came to its end.
pub(crate) fn passed(output: &str) -> Result<BTreeSet<String>, String> {
    let mut passed = BTreeSet::new();
    let mut binary = String::new();
    // Of the binary that runs: counted once its last line says that none failed, since a test's own line may be
    // cut in two by what it prints.
    let mut begun = Vec::new();
    for line in output.lines() {
        if let Some(name) = binary_of(line) {
            if !begun.is_empty() {
                return Err(format!("{binary} did not come to its end"));
            }
            binary = name;
        } else if let Some((name, outcome)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            if !outcome.starts_with("ignored") {
                let name = name.strip_suffix(" - should panic").unwrap_or(name);
                begun.push(format!("{binary}/{name}"));
            }
        } else if line.starts_with("test result: FAILED") {
            return Err(format!("a test of {binary} failed"));
        } else if line.starts_with("test result: ok.") {
            passed.extend(begun.drain(..));
        }
    }
    match passed.is_empty() {
        true => Err("no test passed: is this the output of `cargo test 2>&1`?".to_owned()),
        false => Ok(passed),
    }
}

/// The tests that `name` means: one on each backend where it holds a `*`.
pub(crate) fn meant(name: &str) -> Vec<String> {
    match name.contains('*') {
        true => BACKENDS.iter().map(|backend| name.replace('*', backend)).collect(),
        false => vec![name.to_owned()],
    }
}

/// Whether a test of this name passed, which may leave its binary out.
pub(crate) fn has(passed: &BTreeSet<String>, name: &str) -> bool {
    passed.iter().any(|test| test == name || test.split_once('/').is_some_and(|(_, test)| test == name))
}

/// `Running tests/rfc/main.rs (target/debug/deps/rfc-0123456789abcdef)` is `rfc`.
fn binary_of(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(package) = line.strip_prefix("Doc-tests ") {
        return Some(format!("doc-{package}"));
    }
    let (_, path) = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?;
    let file = path.rsplit('/').next()?;
    Some(file.rsplit_once('-').map_or(file, |(name, _hash)| name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\
     Running tests/suite/main.rs (target/debug/deps/suite-01ab)
test a::mio::b ... ok
test a::mio::c ...   told by the test itself
ok
test a::mio::d ... ignored, a reason

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 4.27s
   Doc-tests trijet
test src/lib.rs - serve (line 3) - compile ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
";

    #[test]
    fn what_passed_is_counted_and_nothing_else() {
        let names: Vec<String> = passed(RUN).unwrap().into_iter().collect();
        assert_eq!(
            names,
            ["doc-trijet/src/lib.rs - serve (line 3) - compile", "suite/a::mio::b", "suite/a::mio::c"]
        );
    }

    #[test]
    fn a_failure_or_a_run_without_an_end_is_an_error() {
        assert!(passed(&RUN.replacen("test result: ok.", "test result: FAILED.", 1)).is_err());
        assert!(passed(&RUN.replacen("test result: ok.", "", 1)).is_err());
        assert!(passed("").is_err());
    }
}
