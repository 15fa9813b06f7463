//! The accounts of a rate limit: which keys have used how much, in a table whose size never changes. Whoever makes up
//! keys can push others out of it, the least indebted first, but cannot make it grow.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// So many requests at once, and one more after each `interval`: the generic cell rate algorithm, which is a token
/// bucket that needs one number for each key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) interval: Duration,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It may pass; `left` more could at once; `full` until all could again.
    Passes { left: u32, full: Duration },
    /// It may not, until so much later.
    Waits { retry: Duration, full: Duration },
}

/// Keys of one set compete for its slots, and for its lock.
const SET: usize = 8;

/// The hash of a key, and the time (nanoseconds since the table's first) at which it is free of debt. 0: nobody.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    free_at: u64,
}

#[derive(Debug)]
pub(super) struct Table {
    sets: Box<[Mutex<[Slot; SET]>]>,
    /// Seeded by chance, so that nobody outside can aim at a set, or at another's key.
    hasher: RandomState,
}

impl Table {
    /// Of about `keys` slots, 17 bytes each. Some sets are full from about half as many keys on.
    pub(super) fn new(keys: usize) -> Self {
        let sets = keys.div_ceil(SET).max(1);
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// Judges a request of `key` at `now`, and books it if it passes.
    pub(super) fn judge(&self, rate: Rate, key: &impl Hash, now: Duration) -> Judged {
        let key = self.hasher.hash_one(key);
        let interval = nanos(rate.interval).max(1);
        let most = interval.saturating_mul(u64::from(rate.burst));
        let now = nanos(now);
        // The remainder is below the number of sets, which is a `usize`.
        let set = &self.sets[(key % self.sets.len() as u64) as usize];
        let mut slots = set.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = place(&mut slots, key);
        let free_at = slot.free_at.max(now).saturating_add(interval);
        let debt = free_at - now;
        if debt > most {
            return Judged::Waits {
                retry: Duration::from_nanos(debt - most),
                full: Duration::from_nanos(debt - interval),
            };
        }
        slot.free_at = free_at;
        // At most `burst`.
        Judged::Passes { left: ((most - debt) / interval) as u32, full: Duration::from_nanos(debt) }
    }
}

/// The key's slot: its own, or that of whoever has the least debt. A slot without debt is worth nothing to its key.
fn place(slots: &mut [Slot; SET], key: u64) -> &mut Slot {
    let own = slots.iter().position(|slot| slot.key == key && slot.free_at > 0);
    let index = own.unwrap_or_else(|| {
        let least = (0..SET).min_by_key(|index| slots[*index].free_at).unwrap_or(0);
        slots[least] = Slot { key, free_at: 0 };
        least
    });
    &mut slots[index]
}

/// 584 years fit.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, interval: Duration::from_secs(10) };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_burst_then_one_for_each_interval() {
        let table = Table::new(100);
        let at = |now| table.judge(RATE, &"key", seconds(now));
        assert_eq!(at(5), Judged::Passes { left: 2, full: seconds(10) });
        assert_eq!(at(5), Judged::Passes { left: 1, full: seconds(20) });
        assert_eq!(at(5), Judged::Passes { left: 0, full: seconds(30) });
        assert_eq!(at(5), Judged::Waits { retry: seconds(10), full: seconds(30) });
        // What is refused is not booked.
        assert_eq!(at(14), Judged::Waits { retry: seconds(1), full: seconds(21) });
        assert_eq!(at(15), Judged::Passes { left: 0, full: seconds(30) });
        assert_eq!(at(1_000), Judged::Passes { left: 2, full: seconds(10) });
        assert_eq!(
            table.judge(RATE, &"other", seconds(1_000)),
            Judged::Passes { left: 2, full: seconds(10) }
        );
    }

    #[test]
    fn a_clock_that_stands_at_zero_counts_too() {
        let table = Table::new(1);
        let passed = (0..10).filter(|_| matches!(table.judge(RATE, &1, seconds(0)), Judged::Passes { .. }));
        assert_eq!(passed.count(), 3);
    }

    #[test]
    fn made_up_keys_do_not_free_who_owes_most() {
        let table = Table::new(SET);
        for _ in 0..3 {
            table.judge(RATE, &"attacker", seconds(1));
        }
        for other in 0..10_000 {
            table.judge(RATE, &other, seconds(1));
            assert!(matches!(table.judge(RATE, &"attacker", seconds(1)), Judged::Waits { .. }));
        }
        assert_eq!(table.sets.len(), 1);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let table = Table::new(0);
        let rate = Rate { burst: u32::MAX, interval: Duration::MAX };
        for now in [Duration::ZERO, Duration::MAX] {
            let _ = table.judge(rate, &1, now);
        }
    }
}
