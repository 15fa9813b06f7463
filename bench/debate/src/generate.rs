//! The load generator, a process of its own: it is given a [`Job`] as a line, and gives its [`Outcome`]. Between, it says
//! `ready` (connected), `warm` and `over`, and awaits `start` and `go`, so that others can look at the server just then.
//! Latency counts from when a request was due, whatever has kept it from being sent: nothing is left out.

use std::{
    collections::HashMap,
    io::{self, Write},
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use trijet_load::{
    client::{Client, Event, Key, Options, What},
    measure::Schedule,
};

use crate::{
    flow::Running,
    job::{Ask, Flow, Job, Outcome, Pace, Reuse},
};

/// Longer than a schedule may last.
const LONG: Duration = Duration::from_secs(600);

/// Runs as a generator.
pub fn run() -> io::Result<()> {
    let job: Job = serde_json::from_str(&hear()?).map_err(io::Error::other)?;
    let mut generator = Generator::connected(&job)?;
    say("ready")?;
    hear()?;
    if job.warm_up_ms > 0 {
        generator.begin(Instant::now());
        generator.run_until(Instant::now() + Duration::from_millis(job.warm_up_ms), || false)?;
    }
    say("warm")?;
    let goes = Arc::new(AtomicBool::new(false));
    let heard = goes.clone();
    // While the others look, the load goes on.
    thread::spawn(move || {
        if hear().is_ok() {
            heard.store(true, Relaxed);
            while hear().is_ok() {}
        }
        // Whoever wanted to know is gone.
        std::process::exit(1);
    });
    if job.warm_up_ms > 0 {
        generator.run_until(Instant::now() + LONG, || goes.load(Relaxed))?;
    } else {
        while !goes.load(Relaxed) {
            thread::sleep(Duration::from_micros(100));
        }
    }
    let now = Instant::now();
    generator.open_window(now, Duration::from_millis(job.window_ms));
    if job.warm_up_ms == 0 {
        generator.begin(now);
    }
    generator.run_until(generator.window.1, || false)?;
    generator.close_window();
    say("over")?;
    generator.drain(Duration::from_millis(job.patience_ms))?;
    let outcome = generator.outcome();
    say(&serde_json::to_string(&outcome).map_err(io::Error::other)?)
}

fn hear() -> io::Result<String> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

struct Generator {
    client: Client,
    flows: Vec<Running>,
    places: HashMap<Key, usize>,
    /// What is counted: from when to when.
    window: (Instant, Instant),
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    Window,
    After,
}

impl Generator {
    fn connected(job: &Job) -> io::Result<Self> {
        let once = |flow: &Flow| matches!(flow.ask, Ask::Get { reuse: Reuse::Once, .. });
        // A closed connection holds its port for a while.
        let sources = if job.flows.iter().any(once) {
            (1..=64).map(|last| Ipv4Addr::new(127, 0, 1, last)).collect()
        } else {
            Vec::new()
        };
        let address = job.address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let client = Client::new(address, Options { sources, receive_buffer: job.receive_buffer })?;
        let flows = job.flows.iter().map(Running::new).collect();
        let now = Instant::now();
        let mut generator =
            Self { client, flows, places: HashMap::new(), window: (now, now), phase: Phase::Before };
        generator.connect()?;
        Ok(generator)
    }

    /// A few hundred at a time, so that no listener's queue overflows.
    fn connect(&mut self) -> io::Result<()> {
        const WAVE: usize = 100;
        let patience = Instant::now() + Duration::from_secs(30);
        for index in 0..self.flows.len() {
            if let Ask::Get { reuse: Reuse::Once, .. } = self.flows[index].flow.ask {
                continue;
            }
            let (mut begun, mut there) = (0, 0);
            while there < self.flows[index].slots.len() {
                while begun < self.flows[index].slots.len() && begun < there + WAVE {
                    self.open(index, begun);
                    begun += 1;
                }
                for event in self.client.wait(patience)? {
                    match event.what {
                        What::Connected => there += 1,
                        What::Failed(error) => return Err(error),
                        What::Answered(_) | What::Wrong(_) | What::Closed { .. } => {
                            return Err(io::Error::other("the server closes what is idle"));
                        }
                    }
                }
                if Instant::now() > patience {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, flow: usize, slot: usize) -> Key {
        let key = self.client.connect_as(flow as u8);
        self.places.insert(key, slot);
        self.flows[flow].slots[slot].key = Some(key);
        key
    }

    fn begin(&mut self, start: Instant) {
        for running in &mut self.flows {
            let start = start + Duration::from_millis(running.flow.start_ms);
            running.start = Some(start);
            let count = running.slots.len() as f64;
            running.schedule = Some(match running.flow.pace {
                Pace::Open { rate } => Schedule::steady(start, rate, LONG),
                Pace::Closed { spread_ms } => {
                    let spread = Duration::from_millis(spread_ms.max(1));
                    Schedule::steady(start, count / spread.as_secs_f64(), spread)
                }
                Pace::Once { gap_us } => {
                    let gap = Duration::from_nanos((gap_us * 1_000).max(1));
                    Schedule::steady(start, 1.0 / gap.as_secs_f64(), gap.mul_f64(count))
                }
            });
        }
    }

    fn open_window(&mut self, now: Instant, time: Duration) {
        self.window = (now, now + time);
        self.phase = Phase::Window;
        for slot in self.flows.iter_mut().flat_map(|running| &mut running.slots) {
            slot.is_asked = slot.under_way.is_some();
        }
    }

    fn close_window(&mut self) {
        self.window.1 = self.window.1.min(Instant::now());
        self.phase = Phase::After;
        self.flows.iter_mut().for_each(|running| running.schedule = None);
    }

    fn run_until(&mut self, until: Instant, mut is_enough: impl FnMut() -> bool) -> io::Result<()> {
        const LOOK: Duration = Duration::from_millis(2);
        let in_window = self.phase == Phase::Window;
        while Instant::now() < until && !is_enough() && !(in_window && self.is_over()) {
            self.send_due();
            let next = self.flows.iter().filter_map(|running| running.schedule?.next()).min();
            let look = if in_window { until } else { (Instant::now() + LOOK).min(until) };
            let events = self.client.wait(next.map_or(look, |next| next.min(look)))?;
            self.receive(&events);
        }
        Ok(())
    }

    /// Whether nothing will happen any more: each has had its one answer.
    fn is_over(&self) -> bool {
        self.flows.iter().all(|running| match (&running.flow.ask, running.flow.pace) {
            (Ask::Get { .. }, Pace::Once { .. }) => {
                running.due == running.slots.len() as u64
                    && running.slots.iter().all(|slot| slot.under_way.is_none() && slot.waiting.is_empty())
            }
            (Ask::Get { .. }, Pace::Open { .. } | Pace::Closed { .. }) => false,
            (Ask::Stall { .. } | Ask::Ignore { .. }, _) => true,
        })
    }

    fn drain(&mut self, patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        let is_open = |running: &Running| {
            matches!(running.flow.ask, Ask::Get { .. })
                && running.slots.iter().any(|slot| slot.under_way.is_some())
        };
        while Instant::now() < until && self.flows.iter().any(is_open) {
            let events = self.client.wait(until)?;
            self.receive(&events);
        }
        let (start, end) = self.window;
        for running in &mut self.flows {
            let measured = matches!(running.flow.ask, Ask::Get { .. });
            for slot in running.slots.iter_mut().filter(|_| measured) {
                for (due, counts) in slot.under_way.take().into_iter().chain(slot.waiting.drain(..)) {
                    running.area += overlap(due, Instant::now(), start, end);
                    if counts {
                        running.tally.gives_up(due);
                    }
                }
            }
        }
        Ok(())
    }

    fn send_due(&mut self) {
        for flow in 0..self.flows.len() {
            loop {
                let running = &mut self.flows[flow];
                let Some(due) = running.schedule.as_mut().and_then(|schedule| schedule.take(Instant::now()))
                else {
                    break;
                };
                let slot = running.due as usize % running.slots.len();
                running.due += 1;
                self.ask(flow, slot, due);
            }
        }
    }

    /// A request is due: it is sent, or waits for its connection.
    fn ask(&mut self, flow: usize, slot: usize, due: Instant) {
        let counts = self.phase == Phase::Window && due >= self.window.0;
        let running = &mut self.flows[flow];
        if counts && matches!(running.flow.ask, Ask::Get { .. }) {
            running.tally.sends(due);
        }
        running.slots[slot].is_asked |= counts;
        running.slots[slot].waiting.push_back((due, counts));
        self.send_next(flow, slot);
    }

    fn send_next(&mut self, flow: usize, slot: usize) {
        let place = &mut self.flows[flow].slots[slot];
        if place.under_way.is_some() {
            return;
        }
        let Some((due, counts)) = place.waiting.pop_front() else { return };
        place.under_way = Some((due, counts));
        let key = match place.key.filter(|key| self.client.is_open(*key)) {
            Some(key) => key,
            None => self.open(flow, slot),
        };
        let running = &self.flows[flow];
        if matches!(running.flow.ask, Ask::Ignore { .. }) {
            self.client.pause(key);
        }
        self.client.send(key, &running.exchange, due);
    }

    fn receive(&mut self, events: &[Event]) {
        for event in events {
            let flow = event.key.group as usize;
            let Some(slot) = self.places.get(&event.key).copied() else { continue };
            match &event.what {
                What::Connected => {}
                What::Answered(answer) => {
                    self.answered(flow, slot, event, answer.at);
                    if answer.closes || self.is_used_up(flow) {
                        self.places.remove(&event.key);
                        self.flows[flow].slots[slot].key = None;
                        if !answer.closes {
                            self.client.close(event.key);
                        }
                    }
                    self.go_on(flow, slot, answer.at);
                }
                What::Failed(_) | What::Wrong(_) | What::Closed { .. } => {
                    self.places.remove(&event.key);
                    self.lost(flow, slot, event);
                }
            }
        }
    }

    fn is_used_up(&self, flow: usize) -> bool {
        matches!(self.flows[flow].flow.ask, Ask::Get { reuse: Reuse::Once, .. })
    }

    fn answered(&mut self, flow: usize, slot: usize, event: &Event, at: Instant) {
        let (start, end) = self.window;
        let phase = self.phase;
        let running = &mut self.flows[flow];
        let place = &mut running.slots[slot];
        let Some((due, counts)) = place.under_way.take() else { return };
        let latency = at.saturating_duration_since(due);
        place.latency = Some(latency);
        if phase != Phase::Before {
            place.is_answered = true;
            place.is_asked = true;
            running.area += overlap(due, at, start, end);
        }
        let is_refusal = matches!(event.what, What::Answered(answer) if answer.status == 503);
        if phase == Phase::Window && at >= start && !is_refusal {
            running.answers += 1;
            running.latency_sum += latency;
            place.answers += 1;
        }
        if counts {
            running.tally.note(event);
        }
    }

    fn lost(&mut self, flow: usize, slot: usize, event: &Event) {
        /// A server that does nothing but close is not asked for ever.
        const FAILURES: u32 = 100;
        let running = &mut self.flows[flow];
        if !matches!(running.flow.ask, Ask::Get { .. }) {
            running.closed += 1;
            return;
        }
        let place = &mut running.slots[slot];
        place.key = None;
        let Some((_, counts)) = place.under_way.take() else { return };
        if counts {
            running.tally.note(event);
        }
        place.failures += 1;
        if place.failures < FAILURES {
            self.go_on(flow, slot, Instant::now());
        }
    }

    /// What follows an answer.
    fn go_on(&mut self, flow: usize, slot: usize, at: Instant) {
        if self.phase == Phase::After {
            return;
        }
        if let Pace::Closed { .. } = self.flows[flow].flow.pace {
            self.ask(flow, slot, at);
        } else {
            self.send_next(flow, slot);
        }
    }

    fn outcome(&self) -> Outcome {
        let window_s = (self.window.1 - self.window.0).as_secs_f64();
        Outcome { window_s, flows: self.flows.iter().map(|running| running.came(window_s)).collect() }
    }
}

/// The seconds that two stretches of time share.
fn overlap(from: Instant, to: Instant, start: Instant, end: Instant) -> f64 {
    to.min(end).saturating_duration_since(from.max(start)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use trijet::{Router, Server, get};

    use super::*;
    use crate::job::Came;

    fn flow(pace: Pace, connections: usize) -> Flow {
        let ask = Ask::Get { target: "/hello".to_owned(), reuse: Reuse::Kept };
        Flow { name: "test".to_owned(), ask, pace, connections, start_ms: 0 }
    }

    /// What comes of a flow in a window of so long, with nothing awaited afterwards.
    fn came(address: SocketAddr, flow: Flow, window_ms: u64) -> Came {
        let job = Job {
            address: Some(address),
            flows: vec![flow],
            warm_up_ms: 0,
            window_ms,
            patience_ms: 0,
            receive_buffer: None,
        };
        let mut generator = Generator::connected(&job).unwrap();
        let now = Instant::now();
        generator.open_window(now, Duration::from_millis(window_ms));
        generator.begin(now);
        generator.run_until(generator.window.1, || false).unwrap();
        generator.close_window();
        generator.drain(Duration::ZERO).unwrap();
        generator.outcome().flows.remove(0)
    }

    #[test]
    fn a_server_that_answers_nothing_is_charged_for_all_that_was_due() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let came = came(silent.local_addr().unwrap(), flow(Pace::Open { rate: 1_000.0 }, 3), 300);
        assert_eq!((came.answers, came.unanswered, came.each.starved), (0, came.due, 3));
        assert!(came.due > 3, "those behind the first of each connection are due, too: {came:?}");
        // Little's law tells that somebody was left out.
        assert!(came.in_flight > 0.0 && came.in_flight_by_law == 0.0, "{came:?}");
    }

    #[test]
    fn each_connection_asks_once_and_has_its_answer() {
        let app = Router::new().route("/hello", get(async || "hello"));
        let server = Server::new(app).start("127.0.0.1:0").unwrap();
        let came = came(server.local_addr(), flow(Pace::Once { gap_us: 0 }, 5), 60_000);
        assert_eq!((came.due, came.answers, came.unanswered, came.wrong), (5, 5, 0, 0));
        assert_eq!((came.each.min, came.each.max, came.each.starved, came.each.jain), (1, 1, 0, 1.0));
        assert_eq!(came.one_by_one_ms.iter().flatten().count(), 5);
        server.shutdown_now();
    }

    #[test]
    fn what_two_stretches_share() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(overlap(at(0), at(1_500), at(500), at(1_000)), 0.5);
        assert_eq!(overlap(at(0), at(400), at(500), at(1_000)), 0.0);
    }
}
