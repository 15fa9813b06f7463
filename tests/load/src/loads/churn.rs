//! A connection for each request: connect, ask, close. In turn the server closes first (it was asked to)
//! and the client does.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{MEMORY_MORE, NORMAL, PATIENCE, Stage, client, mebibytes};
use crate::{
    client::{Exchange, Options, What},
    loops::{ClosedLoop, Reuse},
    report::Bar,
};

/// Connections at a time.
const WIDTH: usize = 64;

pub(super) fn run(stage: &mut Stage) -> io::Result<()> {
    let count: u64 = stage.form(200_000, 3_000);
    let subject = stage.start(&[])?;
    let mut client = client(&subject, Options::from_many_addresses())?;
    let exchanges = vec![Exchange::get_and_close("/").may_say("hello"), Exchange::get("/").may_say("hello")];
    let mut churn = ClosedLoop::new(count, WIDTH, Reuse::Once, exchanges, NORMAL);
    let (mut closed_first, mut most, mut early, mut last_look) = (0, 0, 0, Instant::now());
    let start = Instant::now();
    let mut until = start + PATIENCE;
    while !churn.is_over() && Instant::now() < until {
        churn.fill(&mut client);
        for event in client.wait(until)? {
            churn.note(&mut client, &event);
            if let What::Closed { unanswered: 0, by_reset: false, .. } = event.what {
                closed_first += 1;
            }
            // As long as it goes on at all.
            until = Instant::now() + PATIENCE;
        }
        if last_look.elapsed() > Duration::from_millis(100) {
            last_look = Instant::now();
            let memory = subject.process.held()?.memory;
            if churn.tally.sent < count / 10 {
                early = early.max(memory);
            } else {
                most = most.max(memory);
            }
        }
    }
    let tally = &churn.tally;
    let rate = tally.sent as f64 / start.elapsed().as_secs_f64();
    stage.judge("requests", tally);
    stage.report.count("closed by the server, as asked", closed_first, Bar::Is(count.div_ceil(2) as f64));
    stage.report.measure("connections a second", rate, Bar::None);
    stage.report.measure("p99 from connect to answer, ms", tally.latency_ms(0.99), Bar::None);
    let growth = mebibytes(most) - mebibytes(early.max(subject.base.memory));
    stage.report.measure(
        "memory growth after the first tenth, MiB",
        growth,
        Bar::AtMost(mebibytes(MEMORY_MORE)),
    );
    drop(client);
    stage.end(subject)
}
