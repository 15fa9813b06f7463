//! How fast things go: the bounds of one turn, and whether a peer keeps up. Plain arithmetic on times
//! that the backend supplies.

use std::time::{Duration, Instant};

use crate::{Limits, after};

/// The work that a connection may still do before others get a turn.
pub(super) struct Turn {
    requests_max: u32,
    bytes_max: usize,
    requests: u32,
    bytes: usize,
}

impl Turn {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            requests_max: limits.turn_requests_max,
            bytes_max: limits.turn_bytes_max,
            requests: 0,
            bytes: 0,
        }
    }

    #[inline]
    pub(super) fn count_request(&mut self) {
        self.requests += 1;
    }

    #[inline]
    pub(super) fn count_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// How many it may still take.
    pub(super) fn bytes_left(&self) -> usize {
        self.bytes_max.saturating_sub(self.bytes)
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.requests >= self.requests_max || self.bytes >= self.bytes_max
    }

    /// Begins another turn.
    #[inline]
    pub(super) fn renew(&mut self) {
        self.requests = 0;
        self.bytes = 0;
    }
}

/// Whether a peer keeps up in one direction. Only time in which it is waited for counts: a handler that
/// takes its time is not the peer's fault.
pub(super) struct Progress {
    grace: Duration,
    bytes_per_second_min: u32,
    stall: Duration,
    bytes: u64,
    /// Time waited before `since`.
    waited: Duration,
    /// The part of it since the last byte.
    stalled: Duration,
    since: Option<Instant>,
}

impl Progress {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            grace: limits.progress_grace,
            bytes_per_second_min: limits.progress_bytes_per_second_min,
            stall: limits.stall_timeout,
            bytes: 0,
            waited: Duration::ZERO,
            stalled: Duration::ZERO,
            since: None,
        }
    }

    /// Begins another message.
    #[inline]
    pub(super) fn renew(&mut self) {
        self.bytes = 0;
        self.waited = Duration::ZERO;
        self.stalled = Duration::ZERO;
        self.since = None;
    }

    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// The peer is waited for, from `now` on unless it was already. Gives when it is too slow.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        let earned = match self.bytes_per_second_min {
            0 => Duration::MAX,
            rate => {
                let rate = u64::from(rate);
                self.grace.saturating_add(Duration::from_millis(
                    (self.bytes / rate).saturating_mul(1000).saturating_add(self.bytes % rate * 1000 / rate),
                ))
            }
        };
        let rest = earned.saturating_sub(self.waited).min(self.stall.saturating_sub(self.stalled));
        after(since, rest)
    }

    /// The peer moved `bytes`. `now` matters only while it was waited for.
    #[inline]
    pub(super) fn moved(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if let Some(since) = self.since.take() {
            self.waited += now().saturating_duration_since(since);
        }
        self.stalled = Duration::ZERO;
    }

    /// The peer is not waited for any more, though it moved nothing.
    #[inline]
    pub(super) fn pause(&mut self, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.since.take() {
            let waited = now().saturating_duration_since(since);
            self.waited += waited;
            self.stalled += waited;
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "some Instant is needed to begin with")]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn bytes_earn_time_but_never_renew_the_deadline() {
        let start = Instant::now();
        let mut progress = Progress::new(&Limits::default());
        assert_eq!(progress.wait(start), start + seconds(5));
        assert_eq!(progress.wait(start + seconds(1)), start + seconds(5), "the deadline is absolute");
        progress.moved(240, || start + seconds(4));
        assert_eq!(progress.wait(start + seconds(4)), start + seconds(6));
        progress.moved(1, || start + seconds(5));
        assert!(progress.wait(start + seconds(5)) < start + seconds(7), "one byte earns 4 ms");
    }

    #[test]
    fn a_stall_ends_it_however_fast_it_was_before() {
        let start = Instant::now();
        let mut progress = Progress::new(&Limits::default());
        progress.moved(1 << 30, || start);
        assert_eq!(progress.wait(start), start + seconds(30));
        progress.pause(|| start + seconds(20));
        assert_eq!(
            progress.wait(start + seconds(500)),
            start + seconds(510),
            "a pause is not the peer's fault"
        );
        progress.moved(1, || start + seconds(501));
        assert_eq!(progress.wait(start + seconds(501)), start + seconds(531));
    }

    #[test]
    fn a_turn_is_over_at_either_bound() {
        let mut turn = Turn::new(&Limits::default());
        for _ in 0..15 {
            turn.count_request();
        }
        turn.count_bytes((256 << 10) - 1);
        assert!(!turn.is_over());
        turn.count_bytes(1);
        assert!(turn.is_over());
        turn.renew();
        for _ in 0..16 {
            turn.count_request();
        }
        assert!(turn.is_over());
    }
}
