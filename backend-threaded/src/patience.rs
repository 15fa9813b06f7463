//! Whether it pays to have a thread wait for a peer of which nothing is known yet. It is learned from how such waits end,
//! and never decides about a peer that has been quick.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// So many waits in a row that ended in vain, and the next is not made. Where any of them pays they all go on.
const IN_VAIN_MAX: usize = 64;

/// Then one of so many is made all the same, to find out whether that has changed.
const TRIAL_EVERY: usize = 16;

/// What is known of such waits.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Those in a row that ended in vain.
    in_vain: AtomicUsize,
    /// Those that were to be made while they do not pay.
    asked: AtomicUsize,
}

impl Patience {
    /// Whether another is to be made; then, it is to be told how it ends.
    pub(crate) fn pays(&self) -> bool {
        self.in_vain.load(Ordering::Relaxed) < IN_VAIN_MAX
            || self.asked.fetch_add(1, Ordering::Relaxed) % TRIAL_EVERY == 0
    }

    /// The peer has sent something, or ended.
    pub(crate) fn has_paid(&self) {
        // Mostly it is none: a read is shared by all processors, and a write is not.
        if self.in_vain.load(Ordering::Relaxed) > 0 {
            self.in_vain.store(0, Ordering::Relaxed);
        }
    }

    /// The peer has not.
    pub(crate) fn was_in_vain(&self) {
        self.in_vain.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    #[test]
    fn waits_that_end_in_vain_are_made_seldom_until_one_pays() {
        let patience = Patience::default();
        for _ in 0..IN_VAIN_MAX {
            assert!(patience.pays());
            patience.was_in_vain();
        }
        let made = (0..10 * TRIAL_EVERY).filter(|_| patience.pays()).count();
        assert_eq!(made, 10);
        patience.has_paid();
        assert!((0..IN_VAIN_MAX).all(|_| patience.pays()));
    }

    #[test]
    fn one_of_so_many_that_pays_is_enough() {
        let patience = Patience::default();
        for wait in 1..10 * IN_VAIN_MAX {
            assert!(patience.pays());
            if wait % IN_VAIN_MAX == 0 { patience.has_paid() } else { patience.was_in_vain() }
        }
    }
}
