//! What the compiler says about a wrong handler: that it is none and what one is, and, through `check_fn` and
//! `check_async`, what exactly is wrong. `TRYBUILD=overwrite` writes the `.stderr` files anew.

#![expect(clippy::print_stdout, reason = "why the test did nothing")]

use std::process::Command;

/// The compiler whose words the `.stderr` files hold. Others say the same in other words, and without the optional
/// features it has fewer types to list.
const COMPILER: &str = "rustc 1.95.";

#[test]
#[cfg(all(feature = "json", feature = "query", feature = "form"))]
fn wrong_handlers_are_named() {
    let output = Command::new("rustc").arg("--version").output().expect("rustc");
    let version = String::from_utf8_lossy(&output.stdout);
    if !version.starts_with(COMPILER) {
        println!("skipped: the messages are those of {COMPILER}x, and this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
