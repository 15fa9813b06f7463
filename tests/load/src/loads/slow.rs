//! Senders that never come to an end, a byte now and then, beside normal requests: heads, and bodies
//! that core collects or an `async fn` reads. Each has to be gone at its deadline, and nobody to notice.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{NORMAL, OTHER, PATIENCE, Stage, client};
use crate::{
    client::{Client, Content, Event, Exchange, Key, Options, What},
    loops::{Connections, OpenLoop},
    measure::{Schedule, Tally},
    report::Bar,
};

/// What an attack is made of.
struct Attack {
    /// The beginnings, in turn.
    beginnings: Vec<&'static str>,
    /// What follows, at every drip.
    drip: &'static [u8],
    /// When the server has to let go.
    deadline: Duration,
}

/// The time between two bytes of one attacker.
const DRIP: Duration = Duration::from_secs(1);

pub(super) fn heads(stage: &mut Stage) -> io::Result<()> {
    let deadline = stage.seconds(10.0, 1.5);
    let beginnings = vec!["G", "GET / HTTP/1.1\r\nHost: load\r\nX: ", "GET / HTTP/1.1\r\nHost: load\r\n"];
    run(stage, &Attack { beginnings, drip: b"x", deadline }, &format!("head_ms={}", deadline.as_millis()))
}

pub(super) fn bodies(stage: &mut Stage) -> io::Result<()> {
    let deadline = stage.seconds(5.0, 1.5);
    let beginnings = vec![
        "POST /bytes HTTP/1.1\r\nHost: load\r\nContent-Length: 1000000\r\n\r\n",
        "POST /json HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n",
        "POST /count HTTP/1.1\r\nHost: load\r\nContent-Length: 1000000\r\n\r\n",
        "POST /bytes HTTP/1.1\r\nHost: load\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        "POST /count HTTP/1.1\r\nHost: load\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    ];
    run(stage, &Attack { beginnings, drip: b" ", deadline }, &format!("grace_ms={}", deadline.as_millis()))
}

fn run(stage: &mut Stage, attack: &Attack, setting: &str) -> io::Result<()> {
    let count = stage.connections(1_000, 100);
    let subject = stage.start(&[setting])?;
    let mut client = client(&subject, Options::default())?;
    let (waves, window) =
        stage.form((3, attack.deadline + Duration::from_secs(2)), (1, Duration::from_secs(2)));
    let exchanges = vec![
        Exchange::get("/").may_say("hello"),
        Exchange::get("/fn").may_say("hello"),
        Exchange::post("/json", b"[1]").may_say("1 right"),
    ];
    let schedule = || Schedule::steady(Instant::now(), 200.0, window);
    let mut normal = OpenLoop::new(schedule(), Connections::FreeOrNew(Vec::new()), exchanges, NORMAL);
    let (mut tallies, mut attacks, mut threads, mut gone) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..waves {
        normal.schedule = schedule();
        let mut attackers = Attackers::new(attack, &mut client, count);
        let until = Instant::now() + window + PATIENCE;
        while !(normal.is_over() && attackers.are_gone()) && Instant::now() < until {
            normal.send_due(&mut client);
            attackers.drip(&mut client);
            let next = [normal.schedule.next(), attackers.next()].into_iter().flatten().min();
            for event in client.wait(next.unwrap_or(until))? {
                match event.key.group {
                    NORMAL => normal.note(&event),
                    _ => attackers.note(&mut client, &event),
                }
            }
            threads = threads.max(subject.process.threads()?);
        }
        tallies.push(std::mem::take(&mut normal.tally));
        gone += attackers.closed;
        attacks.push(attackers.tally);
    }
    stage.judge_latency("normal", &tallies, 50.0);
    stage.judge("normal", &Tally::sum(tallies));
    judge(stage, &Tally::sum(attacks), gone, (waves * count) as f64, attack.deadline);
    stage.report.measure("most threads", threads as f64, Bar::None);
    drop(client);
    stage.end(subject)
}

struct Attackers<'a> {
    attack: &'a Attack,
    count: u64,
    tally: Tally,
    closed: u64,
    /// Who sends its next byte when.
    dripping: VecDeque<(Instant, Key)>,
}

impl<'a> Attackers<'a> {
    fn new(attack: &'a Attack, client: &mut Client, count: usize) -> Self {
        for _ in 0..count {
            client.connect_as(OTHER);
        }
        Self { attack, count: count as u64, tally: Tally::default(), closed: 0, dripping: VecDeque::new() }
    }

    fn are_gone(&self) -> bool {
        self.closed == self.count
    }

    fn next(&self) -> Option<Instant> {
        self.dripping.front().map(|(at, _)| *at)
    }

    fn drip(&mut self, client: &mut Client) {
        let now = Instant::now();
        while self.next().is_some_and(|at| at <= now) {
            let Some((_, key)) = self.dripping.pop_front() else { return };
            if client.unanswered(key) > 0 {
                client.send_bytes(key, Bytes::from_static(self.attack.drip));
                self.dripping.push_back((now + DRIP, key));
            }
        }
    }

    fn note(&mut self, client: &mut Client, event: &Event) {
        self.tally.note(event);
        match event.what {
            What::Connected => {
                // Its time begins with its first byte.
                let now = Instant::now();
                let beginning =
                    self.attack.beginnings[self.tally.sent as usize % self.attack.beginnings.len()];
                client.send(event.key, &Arc::new(Exchange::raw(beginning).may(408, Content::Any)), now);
                self.tally.sends(now);
                self.dripping.push_back((now + DRIP, event.key));
            }
            What::Answered(_) => {}
            What::Failed(_) | What::Wrong(_) | What::Closed { .. } => self.closed += 1,
        }
    }
}

/// Each has had its 408 and was closed, at its deadline.
fn judge(stage: &mut Stage, attacks: &Tally, gone: u64, count: f64, deadline: Duration) {
    stage.judge("attackers", attacks);
    stage.report.count("attackers: told 408", attacks.with(408), Bar::Is(count));
    stage.report.count("attackers: gone", gone, Bar::Is(count));
    let deadline = deadline.as_secs_f64();
    let seconds = |quantile| attacks.latency_ms(quantile) / 1e3;
    stage.report.measure("attackers: first told after, s", seconds(0.0), Bar::AtLeast(deadline - 0.02));
    stage.report.measure("attackers: last told after, s", seconds(1.0), Bar::AtMost(deadline + 1.0));
}
