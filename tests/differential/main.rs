//! The differential test: the same bytes to the same app on every backend, and the answers compared byte
//! for byte, the end of the connection included. Only the value of `date` is masked.
//!
//! `TRIJET_SEED` sets the seed, `TRIJET_SCRIPTS` the number of scripts. A difference is printed with both
//! answers, the seed, and the script made as small as it can be.

#![cfg(all(feature = "threaded", feature = "mio", feature = "tokio"))]

#[path = "../common/mod.rs"]
mod common;

mod app;
mod compare;
mod grammar;
mod script;

use std::{env, io::Write, thread};

use common::server::{Running, start_with, unhurried};
use grammar::{Generator, KINDS};
use script::Script;
use trijet::Backend;

const SEED: u64 = 0x7472_696a_6574;
const SCRIPTS: usize = 1_200;
/// Scripts that are played at the same time: most of the time is spent in waiting.
const PLAYERS: usize = 4;

fn variable(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// One server on each backend that is compiled in.
fn servers() -> Vec<(Backend, Running)> {
    Backend::compiled().map(|on| (on, start_with(on, app::app(), unhurried()))).collect()
}

#[test]
fn the_same_bytes_have_the_same_answer_everywhere() {
    let seed = variable("TRIJET_SEED", SEED);
    let count = usize::try_from(variable("TRIJET_SCRIPTS", SCRIPTS as u64)).unwrap();
    let servers = servers();
    let mut generator = Generator::new(seed);
    let scripts: Vec<Script> = (0..count).map(|_| generator.script()).collect();
    tell(&format!("differential: {count} scripts on {} backends, TRIJET_SEED={seed}", servers.len()));
    for (index, kind) in KINDS.iter().enumerate() {
        let of_kind = scripts.iter().filter(|script| script.kinds[index]).count();
        tell(&format!("  {kind}: {of_kind}"));
        assert!(of_kind * 20 >= count, "under 5 % of the scripts are {kind}");
    }
    thread::scope(|scope| {
        for part in scripts.chunks(count.div_ceil(PLAYERS)) {
            scope.spawn(|| part.iter().for_each(|script| compare::on_all(&servers, script, seed)));
        }
    });
}

/// Each of these was a difference once, or is what a difference would be made of.
#[test]
fn known_scripts() {
    let servers = servers();
    for bytes in [
        &b"GET /text HTTP/1.1\r\nhost: t\r\n\r\n"[..],
        b"POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhel",
        b"POST /unread HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello",
        b"POST /read HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello",
        b"GET /panic HTTP/1.1\r\nhost: t\r\n\r\nGET /text HTTP/1.1\r\nhost: t\r\n\r\n",
        b"GET /large HTTP/1.0\r\n\r\n",
    ] {
        for cuts in [vec![], (1..bytes.len()).collect()] {
            compare::on_all(&servers, &Script::new(bytes.to_vec(), cuts), 0);
        }
    }
}

/// Past the capture of the test harness: a run is to show what it did.
fn tell(line: &str) {
    _ = writeln!(std::io::stderr(), "{line}");
}
