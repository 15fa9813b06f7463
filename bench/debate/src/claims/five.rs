//! Claim 5: clients that stall. As many as there are threads stop in the middle of an upload, or stop reading a large
//! answer; then one more asks for something short.

use std::io;

use super::{Selection, THREADED, burst, job};
use trijet::Limits;

use crate::{
    app::Settings,
    job::{Ask, Flow, Job, Pace},
    results::{Case, Claim},
    stage::{Stage, Subject},
};

const STALLS: [(&str, &str); 7] = [
    ("upload", "reader"),
    ("upload", "bytes"),
    ("upload", "json"),
    ("upload", "async"),
    ("download", "iterator"),
    ("download", "stream"),
    ("download", "whole"),
];

/// The deadline, where there is one.
const STALL_MS: u64 = 1_000;
/// When the next request comes, after those that stall, and then the next after that.
const AFTER_MS: u64 = 150;
/// How many come: with a single one it would be over before anybody could tell whether others disturbed it.
const PROBES: usize = 4;
const DOWNLOAD: usize = 16 << 20;

pub(super) fn settings() -> Vec<(&'static str, f64)> {
    vec![
        ("deadline_ms", STALL_MS as f64),
        ("deadline_default_ms", Limits::default().stall_timeout.as_millis() as f64),
        ("after_ms", AFTER_MS as f64),
        ("probes", PROBES as f64),
        ("download_mib", (DOWNLOAD >> 20) as f64),
    ]
}

pub(super) fn run(stage: &mut Stage, selection: &Selection, claim: &mut Claim) -> io::Result<()> {
    let counts: &[usize] = stage.form(&[1, 4], &[4]);
    for backend in &selection.backends {
        for (part, kind) in STALLS {
            for threads in counts {
                for stall_ms in [0, STALL_MS] {
                    let variant = if stall_ms == 0 { "no deadline" } else { "deadline" };
                    let target = match part {
                        "upload" => format!("/upload/{kind}"),
                        _ => format!("/download/{kind}/{}", DOWNLOAD),
                    };
                    let case = Case {
                        part: part.to_owned(),
                        server: backend.clone(),
                        workers: (backend != THREADED).then_some(1),
                        threads: Some(*threads),
                        target: target.clone(),
                        connections: *threads,
                        variant: variant.to_owned(),
                        ..Case::default()
                    };
                    let settings = Settings {
                        backend: backend.clone(),
                        workers: case.workers,
                        threads: case.threads,
                        stall_ms: Some(stall_ms),
                        ..Settings::default()
                    };
                    let job = stalled(part, target, *threads);
                    claim.runs.push(stage.run_on(Subject::Ours(settings), case, job)?);
                }
            }
        }
    }
    Ok(())
}

fn stalled(part: &str, target: String, threads: usize) -> Job {
    const LENGTH: usize = 1 << 20;
    let ask = match part {
        "upload" => Ask::Stall { target, length: LENGTH, sent: LENGTH / 2 },
        _ => Ask::Ignore { target },
    };
    let stalled = Flow {
        name: "stalled".to_owned(),
        ask,
        pace: Pace::Once { gap_us: 0 },
        connections: threads,
        start_ms: 0,
    };
    let probes = [("next", "/hello"), ("next fn", "/hello/fn")]
        .map(|(name, target)| burst(name, target, PROBES, AFTER_MS * 1_000).after(AFTER_MS));
    let flows = probes.into_iter().chain([stalled]).collect();
    Job { receive_buffer: Some(4 << 10), ..job(flows, 0, 2_500, 0) }
}
