//! One loop as the watchdog knows it, from look to look. Time is given: nothing here reads a clock, sleeps or logs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    records::Told,
    seat::{Seat, View},
};

/// What is remembered of one loop.
pub(super) struct Watched {
    pub(super) seat: Arc<Seat>,
    pub(super) holds: u64,
    view: View,
    /// When the current round, and the current poll, were seen first.
    round_seen: Instant,
    poll_seen: Instant,
    /// How long the poll may have lasted when it was seen first.
    slack: Duration,
    /// How long it has lasted, as far as the watchdog was there to see it.
    counted: Duration,
    last_look: Instant,
    /// If it is a hold.
    told: Option<Told>,
    recent: Recent,
}

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// The poll for this route has become a hold.
    Held {
        route: usize,
        duration: Duration,
    },
    /// The hold goes on.
    Holding {
        told: Told,
        duration: Duration,
    },
    /// It is over.
    Over {
        told: Told,
        route: usize,
        duration: Duration,
    },
}

impl Watched {
    pub(super) fn new(seat: Arc<Seat>, now: Instant) -> Self {
        Self {
            seat,
            holds: 0,
            view: View::default(),
            round_seen: now,
            poll_seen: now,
            slack: Duration::ZERO,
            counted: Duration::ZERO,
            last_look: now,
            told: None,
            recent: Recent::new(now),
        }
    }

    /// Whether the loop still has its place.
    pub(super) fn is_occupied(&self) -> bool {
        Arc::strong_count(&self.seat) > 1
    }

    /// Whether something goes on, or has since the last look.
    pub(super) fn is_moving(&self, view: View) -> bool {
        view != self.view || !view.is_at_rest()
    }

    /// Takes note of what is seen `now`. What is new may have begun up to `slack` ago.
    pub(super) fn note(&mut self, view: View, now: Instant, slack: Duration, hold_max: Duration) -> Found {
        let since = now.saturating_duration_since(self.last_look);
        let (before, last_look) = (self.view, self.last_look);
        (self.view, self.last_look) = (view, now);
        if view.round != before.round {
            self.round_seen = now;
        }
        let mut found = Found::Nothing;
        if view.poll != before.poll {
            if let (Some(told), Some(route)) = (self.told.take(), before.route()) {
                found = Found::Over { told, route, duration: self.duration_at(last_look) };
            }
            (self.poll_seen, self.slack, self.counted) = (now, slack, slack);
        } else if let Some(route) = view.route() {
            // A process that was stopped, or a system that has no time for the watchdog either, is no handler's fault.
            self.counted += since.min(hold_max / 2);
            let duration = self.duration_at(now);
            found = match self.told {
                Some(told) => Found::Holding { told, duration },
                None if self.counted >= hold_max => Found::Held { route, duration },
                None => Found::Nothing,
            };
        }
        self.recent.note(self.lag_of(view, now), now);
        found
    }

    /// The poll that is going on is a hold, and was told.
    pub(super) fn tell(&mut self, told: Told) {
        self.told = Some(told);
        self.holds += 1;
    }

    fn duration_at(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.poll_seen) + self.slack
    }

    /// How long the loop has not looked for events, as far as was seen.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        self.lag_of(self.seat.look(), now)
    }

    fn lag_of(&self, view: View, now: Instant) -> Duration {
        let round = (view.is_in_round() && view.round == self.view.round).then_some(self.round_seen);
        let poll = (view.route().is_some() && view.poll == self.view.poll).then_some(self.poll_seen);
        let since = round.into_iter().chain(poll).min();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    pub(super) fn lag_max(&self, now: Instant) -> Duration {
        self.recent.most(now).max(self.lag(now))
    }
}

/// The most of something, in the last one to two [`WINDOW`]s.
struct Recent {
    begun: Instant,
    current: Duration,
    previous: Duration,
}

const WINDOW: Duration = Duration::from_secs(10);

impl Recent {
    fn new(now: Instant) -> Self {
        Self { begun: now, current: Duration::ZERO, previous: Duration::ZERO }
    }

    fn note(&mut self, value: Duration, now: Instant) {
        let age = now.saturating_duration_since(self.begun);
        if age >= WINDOW {
            let is_next = age < 2 * WINDOW;
            let previous = if is_next { self.current } else { Duration::ZERO };
            *self = Self { previous, ..Self::new(now) };
        }
        self.current = self.current.max(value);
    }

    fn most(&self, now: Instant) -> Duration {
        match now.saturating_duration_since(self.begun) {
            age if age < WINDOW => self.current.max(self.previous),
            age if age < 2 * WINDOW => self.current,
            _ => Duration::ZERO,
        }
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    const HOLD_MAX: Duration = Duration::from_millis(100);
    const PERIOD: Duration = Duration::from_millis(10);

    struct Looks {
        watched: Watched,
        now: Instant,
    }

    impl Looks {
        fn new() -> Self {
            let now = Instant::now();
            Self { watched: Watched::new(Arc::new(Seat::new(Arc::default(), 0)), now), now }
        }

        fn after(&mut self, time: Duration) -> Found {
            self.now += time;
            self.watched.note(self.watched.seat.look(), self.now, PERIOD, HOLD_MAX)
        }

        /// Looks until something is found.
        fn until_found(&mut self) -> Found {
            (0..100).map(|_| self.after(PERIOD)).find(|found| *found != Found::Nothing).expect("something")
        }
    }

    #[test]
    fn a_poll_that_stays_is_a_hold_until_it_is_over() {
        let mut looks = Looks::new();
        assert_eq!(looks.after(PERIOD), Found::Nothing);
        looks.watched.seat.enter(7);
        assert_eq!(looks.until_found(), Found::Held { route: 7, duration: HOLD_MAX });
        let told = Told::default();
        looks.watched.tell(told);
        let duration = HOLD_MAX + PERIOD;
        assert_eq!(looks.after(PERIOD), Found::Holding { told, duration });
        assert_eq!(looks.watched.lag(looks.now), HOLD_MAX);
        looks.watched.seat.leave();
        assert_eq!(looks.watched.lag(looks.now), Duration::ZERO);
        assert_eq!(looks.after(PERIOD), Found::Over { told, route: 7, duration });
        assert_eq!(looks.after(PERIOD), Found::Nothing);
        assert_eq!((looks.watched.holds, looks.watched.lag_max(looks.now)), (1, HOLD_MAX));
    }

    #[test]
    fn many_short_polls_of_one_route_are_none() {
        let mut looks = Looks::new();
        for _ in 0..100 {
            looks.watched.seat.enter(0);
            assert_eq!(looks.after(PERIOD), Found::Nothing);
        }
        assert_eq!(looks.watched.lag_max(looks.now), Duration::ZERO);
    }

    #[test]
    fn a_pause_of_the_whole_process_is_none() {
        let mut looks = Looks::new();
        looks.watched.seat.enter(0);
        assert_eq!(looks.after(PERIOD), Found::Nothing);
        assert_eq!(looks.after(Duration::from_secs(3600)), Found::Nothing);
        looks.watched.seat.leave();
        assert_eq!(looks.after(PERIOD), Found::Nothing);
    }

    #[test]
    fn the_lag_is_that_of_the_round_of_many_polls() {
        let mut looks = Looks::new();
        looks.watched.seat.turn_round();
        for _ in 0..=20 {
            looks.watched.seat.enter(0);
            assert_eq!(looks.after(PERIOD), Found::Nothing);
            looks.watched.seat.leave();
        }
        assert_eq!(looks.watched.lag(looks.now), 20 * PERIOD);
        looks.watched.seat.turn_round();
        assert_eq!(looks.watched.lag(looks.now), Duration::ZERO);
        assert_eq!(looks.watched.lag_max(looks.now), 20 * PERIOD);
        assert_eq!(looks.watched.lag_max(looks.now + 2 * WINDOW), Duration::ZERO);
    }

    #[test]
    fn routes_beyond_the_numbers_share_the_last() {
        let looks = Looks::new();
        for (route, seen) in [(0, 0), (65_534, 65_534), (65_535, 65_534), (u32::MAX, 65_534)] {
            looks.watched.seat.enter(route);
            assert_eq!(looks.watched.seat.look().route(), Some(seen));
        }
        looks.watched.seat.leave();
        assert!(looks.watched.seat.look().is_at_rest());
    }
}
