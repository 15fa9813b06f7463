//! Thousands of idle keep-alive connections, and a few requests over random ones of them.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use trijet::Backend;

use super::{NORMAL, Stage, client, crowd, kibibytes};
use crate::{
    client::{Client, Exchange, Options, What},
    loops::{Connections, OpenLoop},
    measure::{Dice, Schedule, Tally},
    report::Bar,
};

/// What `threaded` may have of them, whatever the connections.
const THREADS_MAX: usize = 64;

pub(super) fn run(stage: &mut Stage) -> io::Result<()> {
    let count = stage.connections(9_000, 600);
    let is_threaded = stage.backend == Backend::Threaded;
    // Threads of the process in all: those that do not serve requests are three.
    let workers = format!("workers={}", THREADS_MAX - 4);
    let settings: &[&str] = if is_threaded { &[&workers] } else { &[] };
    let subject = stage.start(settings)?;
    let mut client = client(&subject, Options::default())?;
    let hello = || Exchange::get("/").may_say("hello");

    let mut tally = Tally::default();
    let mut threads = 0;
    let keys = crowd(&mut client, count, &Arc::new(hello()), &mut tally, || {
        threads = threads.max(subject.process.threads()?);
        Ok(())
    })?;
    stage.judge("connecting", &tally);
    let threads_bar = if is_threaded { Bar::AtMost(THREADS_MAX as f64) } else { Bar::None };
    stage.report.count("connecting: most threads", threads, threads_bar);

    // Three windows of requests, then silence, all before the first one has been idle for 75 s.
    let (windows, window) = stage.form((3, Duration::from_secs(12)), (1, Duration::from_secs(1)));
    let schedule = || Schedule::steady(Instant::now(), 100.0, window);
    let mut active = OpenLoop::new(schedule(), Connections::AnyOf(keys, Dice::new(9)), vec![hello()], NORMAL);
    let mut tallies = Vec::new();
    let mut threads = 0;
    for _ in 0..windows {
        active.schedule = schedule();
        while !active.is_over() && client.len() == count {
            active.send_due(&mut client);
            let until = active.schedule.next().unwrap_or(Instant::now() + Duration::from_secs(5));
            for event in client.wait(until)? {
                active.note(&event);
            }
            threads = threads.max(subject.process.threads()?);
        }
        tallies.push(std::mem::take(&mut active.tally));
    }
    stage.judge_latency("active", &tallies, 10.0);
    stage.judge("active", &Tally::sum(tallies));
    stage.report.count("active: most threads", threads, threads_bar);

    let silence = stage.seconds(10.0, 1.0);
    // The threads of the last requests go first: they are not of the idle ones.
    let lingering = silently(&mut client, stage.seconds(3.0, 0.1))?;
    let (held, before) = (subject.process.held()?, subject.process.processor_time()?);
    let closed = lingering + silently(&mut client, silence)?;
    let spent = subject.process.processor_time()? - before;
    let percent = 100.0 * spent.as_secs_f64() / silence.as_secs_f64();
    stage.report.measure("idle: processor, %", percent, Bar::AtMost(1.0));
    let each = kibibytes(held.memory.saturating_sub(subject.base.memory)) / count as f64;
    let memory_max = if stage.backend == Backend::Tokio { 1.5 } else { 0.5 };
    stage.report.measure("idle: user memory each, KiB", each, Bar::AtMost(memory_max));
    stage.report.count("idle: closed early", closed, Bar::Is(0.0));
    stage.report.count("idle: still there", client.len() as u64, Bar::Is(count as f64));
    // The server has none but these.
    let sockets = held.files.saturating_sub(subject.base.files);
    stage.report.count("idle: sockets of the server", sockets, Bar::Is(count as f64));
    drop(client);
    stage.end(subject)
}

/// Waits without asking anything; tells how many connections ended meanwhile.
fn silently(client: &mut Client, time: Duration) -> io::Result<u64> {
    let until = Instant::now() + time;
    let mut closed = 0;
    while Instant::now() < until {
        let events = client.wait(until)?;
        closed += events.iter().filter(|event| !matches!(event.what, What::Connected)).count() as u64;
    }
    Ok(closed)
}
