//! The check is `tests/oracles/multipart.rs`.
#![no_main]

#[path = "../../tests/oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracles::multipart::check(bytes));
