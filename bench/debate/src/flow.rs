//! A flow under way: its connections, and what came of them.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use trijet_load::{
    client::{Content, Exchange, Key},
    measure::{Schedule, Tally, jain},
};

use crate::job::{Ask, Came, Each, Flow, Latency, Pace, Reuse};

/// A flow under way.
pub(crate) struct Running {
    pub(crate) flow: Flow,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) start: Option<Instant>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) due: u64,
    pub(crate) slots: Vec<Slot>,
    pub(crate) closed: u64,
    /// Requests that were due in the window.
    pub(crate) tally: Tally,
    /// Answers in the window, and the sum of their latencies.
    pub(crate) answers: u64,
    pub(crate) latency_sum: Duration,
    /// Seconds of being under way, within the window.
    pub(crate) area: f64,
}

/// A connection, or one after the other.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) key: Option<Key>,
    /// When the request was due that is under way, and whether that was in the window.
    pub(crate) under_way: Option<(Instant, bool)>,
    pub(crate) waiting: VecDeque<(Instant, bool)>,
    /// In the window.
    pub(crate) answers: u64,
    /// Whether it was asked for anything while that was counted, and whether it ever answered since.
    pub(crate) is_asked: bool,
    pub(crate) is_answered: bool,
    pub(crate) failures: u32,
    pub(crate) latency: Option<Duration>,
}

impl Running {
    pub(crate) fn new(flow: &Flow) -> Self {
        let exchange = match &flow.ask {
            Ask::Get { target, reuse: Reuse::Kept } => Exchange::get(target),
            Ask::Get { target, reuse: Reuse::Once } => Exchange::get_and_close(target),
            Ask::Ignore { target } => Exchange::get(target).may(200, Content::Any),
            Ask::Stall { target, length, sent } => {
                let head = format!(
                    "POST {target} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
                );
                let text = head.into_bytes().into_iter().chain(std::iter::repeat_n(b' ', *sent));
                let raw = Exchange::raw(text.collect::<Vec<u8>>());
                [200, 400, 408].into_iter().fold(raw, |raw, status| raw.may(status, Content::Any))
            }
        };
        Self {
            flow: flow.clone(),
            exchange: Arc::new(exchange.may_say("hello").may(503, Content::Any)),
            start: None,
            schedule: None,
            due: 0,
            slots: (0..flow.connections).map(|_| Slot::default()).collect(),
            closed: 0,
            tally: Tally::default(),
            answers: 0,
            latency_sum: Duration::ZERO,
            area: 0.0,
        }
    }

    pub(crate) fn came(&self, window_s: f64) -> Came {
        let tally = &self.tally;
        let asked = || self.slots.iter().filter(|slot| slot.is_asked);
        let mut each: Vec<u64> = asked().map(|slot| slot.answers).collect();
        let jain = jain(each.iter().copied());
        each.sort_unstable();
        let latency = Latency {
            mean_ms: tally.latency_mean_ms(),
            p50_ms: tally.latency_ms(0.5),
            p90_ms: tally.latency_ms(0.9),
            p99_ms: tally.latency_ms(0.99),
            max_ms: tally.latency_ms(1.0),
        };
        let one_by_one_ms = match self.flow.pace {
            Pace::Once { .. } if matches!(self.flow.ask, Ask::Get { .. }) => self
                .slots
                .iter()
                .map(|slot| slot.latency.map(|latency| latency.as_secs_f64() * 1e3))
                .collect(),
            _ => Vec::new(),
        };
        Came {
            name: self.flow.name.clone(),
            connections: self.slots.len() as u64,
            rate: self.answers as f64 / window_s,
            answers: self.answers,
            due: tally.sent,
            refused: tally.with(503),
            unanswered: tally.unanswered,
            failed: tally.failed,
            wrong: tally.wrong,
            closed: self.closed,
            latency,
            in_flight: self.area / window_s,
            in_flight_by_law: self.latency_sum.as_secs_f64() / window_s,
            each: Each {
                min: each.first().copied().unwrap_or(0),
                median: each.get(each.len() / 2).copied().unwrap_or(0),
                max: each.last().copied().unwrap_or(0),
                jain,
                starved: asked().filter(|slot| !slot.is_answered).count() as u64,
            },
            late_p99_ms: tally.lateness_ms(0.99),
            late_max_ms: tally.lateness_ms(1.0),
            one_by_one_ms,
            faults: tally.samples.clone(),
        }
    }
}
