//! Counting and timing: when requests are due, what has become of them, and how long it took. It knows
//! the client's events, and nothing of any app.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::client::{Event, What};

/// The moments of an open loop: requests are due at a steady rate, whatever becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Instant,
    rate: f64,
    /// How many there are.
    count: u64,
    next: u64,
}

impl Schedule {
    /// So many requests a second from `start` on, for `time`.
    pub fn steady(start: Instant, rate: f64, time: Duration) -> Self {
        Self { start, rate, count: (rate * time.as_secs_f64()).round() as u64, next: 0 }
    }

    /// How many requests there are in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the next one is due; `None` once there are no more.
    pub fn next(&self) -> Option<Instant> {
        let after = Duration::from_secs_f64(self.next as f64 / self.rate);
        (self.next < self.count).then(|| self.start + after)
    }

    /// Takes the next one, if it is due by `now`.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next().filter(|due| *due <= now)?;
        self.next += 1;
        Some(due)
    }
}

/// What has become of requests. Every one that is sent is in one of its counts in the end.
#[derive(Debug)]
pub struct Tally {
    /// Requests sent.
    pub sent: u64,
    /// Whole and right answers, by status.
    pub answered: BTreeMap<u16, u64>,
    /// Requests whose connection was closed before their answer was whole.
    pub unanswered: u64,
    /// Connections that could not be made.
    pub failed: u64,
    /// Answers that were not allowed, and some of their faults.
    pub wrong: u64,
    /// The first few faults and failures, to be read.
    pub samples: Vec<String>,
    /// From the intended start to the last byte, in microseconds.
    latency: Histogram<u64>,
    /// How late the client itself was, in microseconds.
    lateness: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        // From a microsecond to ten minutes, to three digits.
        let histogram = || Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are right");
        Self {
            sent: 0,
            answered: BTreeMap::new(),
            unanswered: 0,
            failed: 0,
            wrong: 0,
            samples: Vec::new(),
            latency: histogram(),
            lateness: histogram(),
        }
    }
}

impl Tally {
    /// Counts a request that was due at `due` and is sent now.
    pub fn sends(&mut self, due: Instant) {
        self.sent += 1;
        self.lateness.saturating_record(due.elapsed().as_micros() as u64);
    }

    /// Counts what has happened.
    pub fn note(&mut self, event: &Event) {
        match &event.what {
            What::Connected => {}
            What::Answered(answer) => {
                *self.answered.entry(answer.status).or_default() += 1;
                self.latency.saturating_record(answer.latency().as_micros() as u64);
            }
            What::Failed(error) => {
                self.failed += 1;
                self.sample(format!("no connection: {error}"));
            }
            What::Wrong(fault) => {
                self.wrong += 1;
                self.sample(fault.to_string());
            }
            What::Closed { unanswered, by_reset, within_answer } => {
                self.unanswered += *unanswered as u64;
                if *unanswered > 0 {
                    let how = if *by_reset { "reset" } else { "closed" };
                    let place = if *within_answer { "within" } else { "before" };
                    self.sample(format!("{how} {place} an answer"));
                }
            }
        }
    }

    /// Counts a request that is not awaited any more, with the time that it has taken so far.
    pub fn gives_up(&mut self, due: Instant) {
        self.unanswered += 1;
        self.latency.saturating_record(due.elapsed().as_micros() as u64);
    }

    fn sample(&mut self, text: String) {
        const SAMPLES: usize = 5;
        if self.samples.len() < SAMPLES {
            self.samples.push(text);
        }
    }

    /// What several have counted.
    pub fn sum(tallies: impl IntoIterator<Item = Self>) -> Self {
        let mut sum = Self::default();
        for other in tallies {
            sum.sent += other.sent;
            for (status, count) in other.answered {
                *sum.answered.entry(status).or_default() += count;
            }
            sum.unanswered += other.unanswered;
            sum.failed += other.failed;
            sum.wrong += other.wrong;
            other.samples.into_iter().for_each(|text| sum.sample(text));
            sum.latency += other.latency;
            sum.lateness += other.lateness;
        }
        sum
    }

    /// Answers with this status.
    pub fn with(&self, status: u16) -> u64 {
        self.answered.get(&status).copied().unwrap_or(0)
    }

    /// Whole and right answers.
    pub fn answers(&self) -> u64 {
        self.answered.values().sum()
    }

    /// Requests of which nothing is known yet, where each has a connection to itself.
    pub fn outstanding(&self) -> u64 {
        self.sent.saturating_sub(self.answers() + self.unanswered + self.failed + self.wrong)
    }

    /// The latency at this quantile, in milliseconds.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// The mean latency, in milliseconds.
    pub fn latency_mean_ms(&self) -> f64 {
        self.latency.mean() / 1e3
    }

    /// How late the client was at this quantile, in milliseconds. Where this is near the latency, the
    /// client was disturbed, and the figure is about it.
    pub fn lateness_ms(&self, quantile: f64) -> f64 {
        self.lateness.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// The middle one of some figures.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Jain's fairness index: 1 if all are equal, 1/n if one has all.
pub fn jain(counts: impl IntoIterator<Item = u64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in counts {
        let value = value as f64;
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    if squares == 0.0 { 1.0 } else { sum * sum / (count * squares) }
}

/// Numbers that look random, and are the same for the same seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that begin with `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_does_not_wait_for_anybody() {
        let start = Instant::now();
        let mut schedule = Schedule::steady(start, 100.0, Duration::from_secs(1));
        assert_eq!((schedule.count(), schedule.next()), (100, Some(start)));
        // After a pause, all that was due meanwhile is due at its own time.
        let late = start + Duration::from_millis(505);
        let due: Vec<_> = std::iter::from_fn(|| schedule.take(late)).collect();
        assert_eq!(due.len(), 51);
        assert_eq!(due[50], start + Duration::from_millis(500));
        let rest = std::iter::from_fn(|| schedule.take(start + Duration::from_secs(2))).count();
        assert_eq!((rest, schedule.next()), (49, None));
    }

    #[test]
    fn fairness_and_the_middle() {
        assert_eq!(jain([3, 3, 3]), 1.0);
        assert_eq!(jain([4, 0, 0, 0]), 0.25);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
    }
}
