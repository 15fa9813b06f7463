//! Replays the corpus of `fuzz/corpus` through the checks that the fuzz targets call. Every input that
//! ever broke one is in there.

#![cfg(feature = "testing")]

#[path = "../oracles/mod.rs"]
mod oracles;

use std::{fs, path::PathBuf};

fn replay(folder: &str, check: impl Fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{} inputs", paths.len());
    for path in paths {
        let bytes = fs::read(&path).expect("an input");
        let replayed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check(&bytes);
            // What a client sends may end anywhere.
            check(&bytes[..bytes.len() / 2]);
        }));
        assert!(replayed.is_ok(), "{}", path.display());
    }
}

#[test]
fn heads() {
    replay("requests", oracles::head::check);
}

#[test]
fn chunked_bodies() {
    replay("chunked", oracles::chunked::check);
}

#[test]
fn the_engine_as_a_stream() {
    replay("requests", oracles::engine::check);
}

#[test]
fn responses_there_and_back() {
    replay("response", oracles::response::check);
}

#[test]
fn targets_and_hosts() {
    replay("target", oracles::target::check);
}

#[test]
fn routes() {
    replay("router", oracles::router::check);
}

#[cfg(feature = "multipart")]
#[test]
fn forms() {
    replay("multipart", oracles::multipart::check);
}

#[test]
fn schedules() {
    replay("requests", oracles::differential::check);
}
