//! What the README says in figures is what the code does. Its Rust blocks are doctests of the crate; its lines of
//! `Cargo.toml` are built by `tests/outside.sh`.

use std::time::Duration;

use trijet::Limits;

const README: &str = include_str!("../README.md");
const MANIFEST: &str = include_str!("../Cargo.toml");

/// The rows of the table under `heading`, without its head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let section = README.split_once(&format!("\n## {heading}\n")).expect("a section of this name").1;
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn the_features_are_those_of_the_manifest() {
    let section = MANIFEST.split_once("\n[features]\n").expect("features").1;
    let section = section.split("\n[").next().unwrap_or_default();
    let mut features: Vec<(&str, &str)> = section
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let (_, default) = features.remove(0);
    let listed = table("Features");
    let names: Vec<String> = listed.iter().map(|row| row[0].replace('`', "")).collect();
    assert_eq!(names, features.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, row) in names.iter().zip(&listed) {
        assert_eq!(row[1] == "yes", default.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn the_limits_are_the_defaults() {
    let limits = Limits::default();
    assert_eq!(limits.progress_grace, Duration::from_secs(5));
    let expected = [
        format!(
            "{} KiB; {}; {} KiB",
            limits.head_bytes_max >> 10,
            limits.headers_max,
            limits.target_bytes_max >> 10
        ),
        format!("{} MiB; `.body_limit(bytes)` sets it for a route", limits.body_bytes_max >> 20),
        format!("{} s", limits.head_timeout.as_secs()),
        format!("{} s", limits.idle_timeout.as_secs()),
        format!(
            "{} B/s after {} s; {} s without any",
            limits.progress_bytes_per_second_min,
            limits.progress_grace.as_secs(),
            limits.stall_timeout.as_secs()
        ),
        "10,000, or the open-file limit less 64 if lower, but at least half of it".to_owned(),
        format!(
            "{}, then a queue of 1,024 for {} s",
            limits.blocking_threads_max,
            limits.blocking_queue_timeout.as_secs()
        ),
        format!("{} ms", limits.loop_hold_max.expect("it is on").as_millis()),
        format!("{} s", limits.shutdown_timeout.as_secs()),
    ];
    assert_eq!((limits.connections_max, limits.blocking_queue_max), (None, 1024));
    assert_eq!(table("Limits").iter().map(|row| row[1]).collect::<Vec<_>>(), expected);
}

#[test]
fn the_minimum_rust_version_is_the_manifest_s() {
    let line = MANIFEST.lines().find(|line| line.starts_with("rust-version = ")).expect("a rust-version");
    let version = line.split('"').nth(1).expect("a version");
    assert!(README.contains(&format!("The minimum supported Rust version is {version}.")));
}
