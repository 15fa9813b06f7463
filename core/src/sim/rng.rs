//! The schedule's choices, from a seed. In order, every choice is the plainest one.
//! Nothing here may depend on anything but the seed and the calls before.

use super::Schedule;

/// A seeded source of choices.
#[derive(Debug)]
pub(super) enum Rng {
    InOrder,
    /// The state of splitmix64.
    Seeded(u64),
}

impl Rng {
    pub(super) fn new(schedule: Schedule) -> Self {
        match schedule {
            Schedule::InOrder => Self::InOrder,
            Schedule::Seeded(seed) => Self::Seeded(seed),
        }
    }

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `count` things; in order, the first.
    pub(super) fn pick(&mut self, count: usize) -> usize {
        match self {
            Self::InOrder => 0,
            // The bias towards small numbers is of no interest here.
            Self::Seeded(state) => usize::try_from(Self::next(state) % count.max(1) as u64).unwrap_or(0),
        }
    }

    /// How much of `count` (at least 1) is done at once; in order, all of it.
    pub(super) fn portion(&mut self, count: usize) -> usize {
        match self {
            Self::InOrder => count,
            Self::Seeded(_) => 1 + self.pick(count),
        }
    }

    /// Whether what happens once in `times` happens now; in order, never.
    pub(super) fn is_once_in(&mut self, times: usize) -> bool {
        match self {
            Self::InOrder => false,
            Self::Seeded(_) => self.pick(times) == 0,
        }
    }
}
