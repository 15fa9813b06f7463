//! Clients that ask for 10 MB and hardly read: what each of them holds, and that its producer waits.
//! Half of the bodies come from streams, half from iterators.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{OTHER, PATIENCE, Stage, client, kibibytes};
use crate::{
    app::PIECE,
    client::{Content, Exchange, Key, Options},
    measure::Tally,
    report::Bar,
};

const LENGTH: u64 = 10 << 20;

/// What each reads in a second: more than what a server gives up on.
const BYTES_PER_SECOND: usize = 1024;

pub(super) fn run(stage: &mut Stage) -> io::Result<()> {
    let count = stage.connections(1_000, 100);
    let mut subject = stage.start(&[])?;
    // Small buffers of the system, so that the server has to hold what is not read.
    let options = Options { receive_buffer: Some(4 << 10), ..Options::default() };
    let mut client = client(&subject, options)?;
    let exchanges = [format!("/stream/{LENGTH}"), format!("/iter/{LENGTH}")]
        .map(|target| Arc::new(Exchange::get(&target).may(200, Content::Pattern(LENGTH))));
    let mut tally = Tally::default();
    let mut keys: Vec<Key> = Vec::with_capacity(count);
    for index in 0..count {
        let key = client.connect_as(OTHER);
        client.pause(key);
        let now = Instant::now();
        client.send(key, &exchanges[index % 2], now);
        tally.sends(now);
        keys.push(key);
    }
    // All have begun, and their producers have come to a stand.
    let until = Instant::now() + PATIENCE;
    let mut before = subject.process.counts()?;
    let mut looks_at_rest = 0;
    while looks_at_rest < 4 && Instant::now() < until {
        let next = Instant::now() + Duration::from_millis(250);
        while Instant::now() < next {
            for event in client.wait(next)? {
                tally.note(&event);
            }
        }
        let counts = subject.process.counts()?;
        let is_at_rest = counts.streams == count as u64 && counts.pieces == before.pieces;
        looks_at_rest = if is_at_rest { looks_at_rest + 1 } else { 0 };
        before = counts;
    }
    stage.report.count("streams begun", before.streams, Bar::Is(count as f64));
    let made_at_rest = before.pieces * PIECE;
    let each = |bytes: u64| kibibytes(bytes) / count as f64;

    // Now they read, slowly.
    let (mut most, mut threads) = (0, 0);
    let (start, time) = (Instant::now(), stage.seconds(15.0, 2.0));
    let mut read = 0;
    while start.elapsed() < time {
        let next = Instant::now() + Duration::from_secs(1);
        for key in &keys {
            client.read(*key, BYTES_PER_SECOND);
            read += BYTES_PER_SECOND as u64;
        }
        while Instant::now() < next {
            for event in client.wait(next)? {
                tally.note(&event);
            }
        }
        let held = subject.process.held()?;
        most = most.max(held.memory.saturating_sub(subject.base.memory));
        threads = threads.max(held.threads);
    }
    let counts = subject.process.counts()?;
    stage.report.measure("user memory each, KiB (most)", each(most), Bar::AtMost(96.0));
    stage.report.measure("most threads", threads as f64, Bar::None);
    stage.report.measure("made for each before anything was read, KiB", each(made_at_rest), Bar::None);
    stage.report.measure("read by each, KiB", each(read), Bar::None);
    // Beside what was read, no more than the system's own buffers take, of which it has megabytes.
    let made = each(counts.pieces * PIECE - made_at_rest);
    stage.report.measure("made for each while it read, KiB", made, Bar::AtMost(4096.0));
    stage.report.count(
        "producers that went on to their end",
        u64::from(counts.pieces * PIECE >= LENGTH * count as u64),
        Bar::Is(0.0),
    );
    stage.report.count("cut while they read slowly", tally.unanswered + tally.wrong, Bar::Is(0.0));

    // Some read on to the end: every byte is right. The others leave.
    let some = stage.form(20, 4);
    let mut rest = Tally::default();
    for (index, key) in keys.iter().enumerate() {
        if index < some {
            client.resume(*key);
            rest.sends(Instant::now());
        } else if index % 2 == 0 {
            client.reset(*key);
        } else {
            client.close(*key);
        }
    }
    let until = Instant::now() + PATIENCE;
    while rest.outstanding() > 0 && Instant::now() < until {
        for event in client.wait(until)? {
            rest.note(&event);
        }
    }
    stage.judge("read to the end", &rest);
    drop(client);
    stage.end(subject)
}
