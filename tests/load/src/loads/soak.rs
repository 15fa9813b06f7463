//! Everything at once for a while: small requests, uploads, downloads, echoes, errors, panics, pipelines,
//! half-closes and resets, in an order that the dice give. No byte may be wrong, and nothing may grow.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{MEMORY_MORE, PATIENCE, Stage, Subject, client, mebibytes};
use crate::{
    client::{Client, Content, Event, Exchange, Key, Options, What},
    measure::{Dice, Tally, median},
    report::Bar,
};

/// Connections at a time.
const WIDTH: usize = 96;

/// What is done on a connection, before the next thing.
#[derive(Clone)]
enum Act {
    /// These requests at once; each is answered.
    Ask(Vec<Arc<Exchange>>),
    /// As above, and our direction is closed behind them.
    AskAndFinish(Arc<Exchange>),
    /// A response that fails on its way: its connection is cut, and it is never whole.
    Fail(Arc<Exchange>),
    /// So much of a request, then a reset after a moment.
    Reset(Arc<Exchange>, usize),
}

/// What is under way on a connection.
struct Under {
    act: Act,
    awaited: usize,
    reset_at: Option<Instant>,
}

pub(super) fn run(stage: &mut Stage) -> io::Result<()> {
    let subject = stage.start(&[])?;
    let mut soak = Soak {
        client: client(&subject, Options::from_many_addresses())?,
        menu: menu(),
        dice: Dice::new(5),
        under: HashMap::new(),
        asked: Tally::default(),
        failing: Tally::default(),
        resets: 0,
    };
    let (memory, files) = soak.go(stage.seconds(180.0, 3.0), &subject)?;
    stage.judge("requests", &soak.asked);
    for (status, count) in &soak.asked.answered {
        stage.report.count(&format!("requests: answered with {status}"), *count, Bar::AtLeast(1.0));
    }
    let failing = &soak.failing;
    stage.report.count("failing responses: asked for", failing.sent, Bar::AtLeast(1.0));
    stage.report.count("failing responses: cut", failing.unanswered, Bar::Is(failing.sent as f64));
    stage.report.count("resets", soak.resets, Bar::AtLeast(1.0));
    stage.report.measure("requests: p99, ms", soak.asked.latency_ms(0.99), Bar::None);
    stage.report.measure(
        "open files: most",
        files as f64,
        Bar::AtMost((subject.base.files as usize + 2 * WIDTH) as f64),
    );
    let third = memory.len() / 3;
    let (first, last) =
        (median(memory[third / 2..third].to_vec()), median(memory[memory.len() - third..].to_vec()));
    stage.report.measure("memory in the first third, MiB", first, Bar::None);
    stage.report.measure("memory in the last third, MiB", last, Bar::AtMost(first + mebibytes(MEMORY_MORE)));
    drop(soak);
    stage.end(subject)
}

struct Soak {
    client: Client,
    menu: Vec<Act>,
    dice: Dice,
    under: HashMap<Key, Under>,
    asked: Tally,
    failing: Tally,
    resets: u64,
}

impl Soak {
    /// Memory in MiB, many times, and the most files.
    fn go(&mut self, time: Duration, subject: &Subject) -> io::Result<(Vec<f64>, u64)> {
        let end = Instant::now() + time;
        let look = time / 60;
        let (mut memory, mut files, mut next_look) = (Vec::new(), 0, Instant::now());
        while !self.under.is_empty() || Instant::now() < end {
            let now = Instant::now();
            if now > end + PATIENCE {
                break;
            }
            while now < end && self.under.len() < WIDTH {
                let key = self.client.connect();
                self.begin(key);
            }
            if now >= next_look && now < end {
                next_look += look;
                let held = subject.process.held()?;
                memory.push(mebibytes(held.memory));
                files = files.max(held.files);
            }
            self.reset_due(now);
            for event in self.client.wait(now + Duration::from_millis(2))? {
                if self.note(&event) {
                    self.under.remove(&event.key);
                    let is_kept = self.client.is_open(event.key) && self.dice.below(10) > 0;
                    if is_kept && Instant::now() < end {
                        self.begin(event.key);
                    } else {
                        self.client.close(event.key);
                    }
                }
            }
        }
        Ok((memory, files))
    }

    fn begin(&mut self, key: Key) {
        let act = self.menu[self.dice.below(self.menu.len())].clone();
        let now = Instant::now();
        let (mut awaited, mut reset_at) = (1, None);
        match &act {
            Act::Ask(exchanges) => {
                awaited = exchanges.len();
                for exchange in exchanges {
                    self.client.send(key, exchange, now);
                    self.asked.sends(now);
                }
            }
            Act::AskAndFinish(exchange) => {
                self.client.send(key, exchange, now);
                self.client.finish(key);
                self.asked.sends(now);
            }
            Act::Fail(exchange) => {
                self.client.send(key, exchange, now);
                self.failing.sends(now);
            }
            Act::Reset(exchange, length) => {
                self.client.expect(key, exchange, now);
                self.client.send_bytes(key, exchange.request().slice(..*length));
                reset_at = Some(now + Duration::from_millis(self.dice.below(20) as u64));
                self.resets += 1;
            }
        }
        self.under.insert(key, Under { act, awaited, reset_at });
    }

    /// Takes note, and tells whether the connection is free for the next act, or gone.
    fn note(&mut self, event: &Event) -> bool {
        let Some(under) = self.under.get_mut(&event.key) else { return false };
        match under.act {
            Act::Ask(_) | Act::AskAndFinish(_) => self.asked.note(event),
            Act::Fail(_) => self.failing.note(event),
            // Whatever has come of it until the reset; only a wrong byte is one also here.
            Act::Reset(..) if matches!(event.what, What::Wrong(_)) => self.asked.note(event),
            Act::Reset(..) => {}
        }
        match &event.what {
            What::Connected => false,
            What::Answered(answer) => {
                under.awaited = under.awaited.saturating_sub(1);
                // Where the server closes, its close is awaited.
                let ends = answer.closes || matches!(under.act, Act::AskAndFinish(_));
                under.awaited == 0 && !ends && !matches!(under.act, Act::Reset(..))
            }
            What::Failed(_) | What::Wrong(_) | What::Closed { .. } => true,
        }
    }

    fn reset_due(&mut self, now: Instant) {
        let due = self.under.iter().filter(|(_, under)| under.reset_at.is_some_and(|at| at <= now));
        for key in due.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.client.reset(key);
            self.under.remove(&key);
        }
    }
}

/// All that may be done, the more frequent several times.
fn menu() -> Vec<Act> {
    let one = |exchange: Exchange| Act::Ask(vec![Arc::new(exchange)]);
    let upload = |target: &str, length: usize| {
        let text = format!("{length} right");
        Exchange::post_pattern(target, length).may(200, Content::Exactly(text.into()))
    };
    let download = |way: &str, length: u64| {
        Exchange::get(&format!("/{way}/{length}")).may(200, Content::Pattern(length))
    };
    let any = |exchange: Exchange, status| exchange.may(status, Content::Any);
    let hello = Arc::new(Exchange::get("/").may_say("hello"));
    let hello_fn = Arc::new(Exchange::get("/fn").may_say("hello"));

    let mut menu = vec![Act::Ask(vec![hello.clone()]); 20];
    menu.extend(vec![Act::Ask(vec![hello_fn.clone()]); 10]);
    menu.extend([Act::Ask(vec![hello.clone(); 30]), Act::Ask(vec![hello_fn, hello.clone(), hello.clone()])]);
    menu.extend([Act::AskAndFinish(hello.clone()), Act::AskAndFinish(Arc::new(download("stream", 300_001)))]);
    for length in [0, 1, 1_000, 65_537, 300_000, 2_000_000] {
        menu.extend(["/bytes", "/stream"].map(|target| one(upload(target, length))));
        menu.extend(["stream", "iter", "whole"].map(|way| one(download(way, length as u64))));
        menu.push(one(Exchange::post_pattern("/echo", length).may(200, Content::Pattern(length as u64))));
    }
    menu.extend([
        one(Exchange::post("/json", b"[1,2,3]").may_say("3 right")),
        one(any(Exchange::post("/json", b"[1,2,"), 400)),
        one(any(Exchange::post("/bytes", b"not the pattern"), 422)),
        one(any(Exchange::get("/none"), 404)),
        one(any(Exchange::raw("DELETE / HTTP/1.1\r\nHost: load\r\n\r\n"), 405)),
        one(any(Exchange::raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400)),
        one(any(Exchange::post_pattern("/small", 100_000), 413)),
        one(any(Exchange::raw("HEAD /whole/5000 HTTP/1.1\r\nHost: load\r\n\r\n"), 200)),
        one(any(Exchange::get("/panic"), 500)),
        one(any(Exchange::get("/panic-fn"), 500)),
    ]);
    menu.extend(
        ["/panic-late", "/fail-late"]
            .map(|target| Act::Fail(Arc::new(Exchange::get(target).may(200, Content::Pattern(200_000))))),
    );
    let large = Arc::new(upload("/bytes", 1_000_000));
    let echo = Arc::new(Exchange::post_pattern("/echo", 1_000_000).may(200, Content::Pattern(1_000_000)));
    menu.extend([
        Act::Reset(large.clone(), 30),
        Act::Reset(large.clone(), 500_000),
        Act::Reset(echo.clone(), echo.request().len()),
        Act::Reset(Arc::new(download("stream", 5_000_000)), 10),
        Act::Reset(hello.clone(), 0),
        Act::Reset(hello.clone(), hello.request().len()),
    ]);
    for way in ["stream", "iter"] {
        let download = Arc::new(download(way, 5_000_000));
        let length = download.request().len();
        menu.push(Act::Reset(download, length));
    }
    menu
}
