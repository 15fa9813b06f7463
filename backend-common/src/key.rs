//! A place that is used again, and what has it now: an event, a timer or a waker that has outlived the one never reaches the
//! next in its slot.

/// 40 bits of slot and 22 of generation, or 20 and 10 where `usize` has 32.
const INDEX_BITS: u32 = usize::BITS / 8 * 5;
pub(crate) const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
/// Two bits are left, for tokens.
pub(crate) const GENERATION_MASK: usize = (1 << (usize::BITS - INDEX_BITS - 2)) - 1;

/// One connection or socket of one poll, or one timer, never mistaken for a later one in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub(crate) usize);

impl Key {
    /// Slot `index` in its `generation`, of which the low bits count.
    pub fn new(index: usize, generation: usize) -> Self {
        debug_assert!(index <= INDEX_MASK);
        Self((generation & GENERATION_MASK) << INDEX_BITS | index)
    }

    /// Its slot.
    pub fn index(self) -> usize {
        self.0 & INDEX_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_of_a_slot_differ() {
        assert_ne!(Key::new(4, 1), Key::new(4, 2));
        assert_ne!(Key::new(4, 0), Key::new(4, GENERATION_MASK));
        for (index, generation) in [(0, 0), (7, 1), (INDEX_MASK, GENERATION_MASK), (5, usize::MAX)] {
            assert_eq!(Key::new(index, generation).index(), index);
        }
    }
}
