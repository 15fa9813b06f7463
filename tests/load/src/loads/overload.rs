//! Four times what the server can do: each request takes 10 ms of one of eight threads, so that it can do
//! 800 a second. Every request is answered or refused with 503, and soon afterwards all is as before.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{NORMAL, OTHER, PATIENCE, Stage, client};
use crate::{
    app::WORK,
    client::{Content, Exchange, Options, What},
    loops::{Connections, OpenLoop},
    measure::{Schedule, Tally},
    report::Bar,
};

const THREADS: usize = 8;

/// A probe that takes longer than this tells of a server that has not recovered.
const SLOW: Duration = Duration::from_millis(50);

pub(super) fn run(stage: &mut Stage) -> io::Result<()> {
    let threads = format!("threads={THREADS}");
    let subject = stage.start(&[&threads])?;
    let mut client = client(&subject, Options::from_many_addresses())?;
    let work = || Exchange::get("/work").may_say("done").may(503, Content::Any);
    let capacity = THREADS as f64 / WORK.as_secs_f64();
    let time = stage.seconds(20.0, 2.0);

    let schedule = Schedule::steady(Instant::now(), 4.0 * capacity, time);
    let mut flood = OpenLoop::new(schedule, Connections::FreeOrNew(Vec::new()), vec![work()], OTHER);
    let mut most = 0;
    while flood.schedule.next().is_some() {
        flood.send_due(&mut client);
        for event in client.wait(flood.schedule.next().unwrap_or_else(Instant::now))? {
            flood.note(&event);
        }
        most = most.max(client.len());
    }
    // The flood has ended; a few probes tell when this can be seen no more. What is left of the flood is
    // answered meanwhile.
    let end = Instant::now();
    let mut probes = OpenLoop::new(
        Schedule::steady(end, capacity / 16.0, stage.seconds(5.0, 3.0)),
        Connections::FreeOrNew(Vec::new()),
        vec![work()],
        NORMAL,
    );
    let mut recovered = Duration::ZERO;
    let until = Instant::now() + PATIENCE;
    while !(probes.is_over() && flood.is_over()) && Instant::now() < until {
        probes.send_due(&mut client);
        for event in client.wait(probes.schedule.next().unwrap_or(until))? {
            if event.key.group == OTHER {
                flood.note(&event);
                continue;
            }
            probes.note(&event);
            if let What::Answered(answer) = event.what
                && (answer.status != 200 || answer.latency() > SLOW)
            {
                recovered = recovered.max(answer.due.saturating_duration_since(end));
            }
        }
    }
    judge(stage, &flood.tally, capacity, time);
    stage.report.measure("most connections", most as f64, Bar::None);
    stage.judge("afterwards", &probes.tally);
    stage.report.measure("recovered after, s", recovered.as_secs_f64(), Bar::AtMost(2.0));
    drop(client);
    stage.end(subject)
}

fn judge(stage: &mut Stage, flood: &Tally, capacity: f64, time: Duration) {
    stage.judge("flood", flood);
    let (done, refused) = (flood.with(200), flood.with(503));
    stage.report.count("flood: refused with 503", refused, Bar::AtLeast(1.0));
    stage.report.count("flood: done", done, Bar::AtLeast(1.0));
    // What was queued when the flood ended is done after it.
    let share = 100.0 * done as f64 / (capacity * time.as_secs_f64());
    stage.report.measure("flood: done, % of the capacity", share, Bar::None);
    stage.report.measure("flood: p50 of all, ms", flood.latency_ms(0.5), Bar::None);
    stage.report.measure("flood: p99 of all, ms", flood.latency_ms(0.99), Bar::None);
}
