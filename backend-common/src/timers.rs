//! When to look at which connection again: one heap per poll.
//!
//! Entries are never moved or removed when a deadline changes. A connection arms an entry only for
//! an earlier time than it has armed, and looks at its real deadline when the entry comes due: a
//! keep-alive connection, whose deadline moves with every request, touches the heap once in a timeout.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

use crate::Key;

/// Times at which to look at connections again.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Key)>>,
}

impl Timers {
    /// Without any.
    pub const fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    /// Looks at `key` again at `at`.
    #[inline]
    pub fn arm(&mut self, at: Instant, key: Key) {
        self.heap.push(Reverse((at, key)));
    }

    /// The earliest entry, which may be superseded.
    #[inline]
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// How many entries there are, superseded ones too.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Takes the earliest entry if it is due.
    #[inline]
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, Key)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Drops superseded entries once they outnumber the `live` ones: short connections would
    /// otherwise leave theirs behind for the whole idle timeout.
    pub fn tidy(&mut self, live: usize, mut is_live: impl FnMut(Instant, Key) -> bool) {
        const SLACK: usize = 64;
        if self.heap.len() > 2 * live + SLACK {
            self.heap.retain(|Reverse((at, key))| is_live(*at, *key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_come_due_in_order() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        for seconds in [5, 1, 9, 3] {
            timers.arm(after(seconds), Key::new(seconds as usize, 0));
        }
        assert_eq!(timers.next(), Some(after(1)));
        assert_eq!(timers.pop_due(start), None);
        let due: Vec<usize> =
            std::iter::from_fn(|| timers.pop_due(after(5))).map(|(_, key)| key.index()).collect();
        assert_eq!(due, [1, 3, 5]);
        assert_eq!(timers.next(), Some(after(9)));
    }

    #[test]
    fn what_is_superseded_is_dropped_once_it_is_the_most() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let live = |key: Key| key.index() % 100 == 0;
        for index in 0..10_000 {
            timers.arm(start, Key::new(index, 0));
            timers.tidy(100, |_, key| live(key));
        }
        assert!(timers.len() <= 2 * 100 + 64, "{}", timers.len());
        let kept = std::iter::from_fn(|| timers.pop_due(start)).filter(|(_, key)| live(*key)).count();
        assert_eq!(kept, 100);
    }
}
