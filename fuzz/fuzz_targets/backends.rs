//! The same bytes to the three backends, over loopback: the check of `tests/differential`.
#![no_main]

#[path = "../../tests/differential/app.rs"]
mod app;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/differential/compare.rs"]
mod compare;
#[path = "../../tests/differential/grammar.rs"]
#[allow(dead_code, reason = "the bytes come from the fuzzer")]
mod grammar;
#[path = "../../tests/differential/script.rs"]
mod script;

use std::sync::LazyLock;

use common::server::{Running, start_with, unhurried};
use trijet::Backend;

static SERVERS: LazyLock<Vec<(Backend, Running)>> =
    LazyLock::new(|| Backend::compiled().map(|on| (on, start_with(on, app::app(), unhurried()))).collect());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Whole, and cut in the middle.
    for cuts in [Vec::new(), vec![bytes.len() / 2]] {
        compare::on_all(&SERVERS, &script::Script::new(bytes.to_vec(), cuts), 0);
    }
});
