//! Which sessions of a store have been told to it lately as being in use: [`Seen`], so that not every request that reads
//! writes there. It is the memory of one process, of a fixed size: what it has lost costs one more write, and nothing else.

use std::sync::{Mutex, PoisonError};

/// How many there is room for, in 256 KiB: those in use within the minute. Two that fall together take turns.
const PLACES: usize = 16 << 10;

/// When some sessions were seen last.
#[derive(Default)]
pub(super) struct Seen(Mutex<Vec<Place>>);

#[derive(Clone, Copy, Default)]
struct Place {
    /// The beginning of an id, which is a hash: nobody can choose where it falls.
    key: u64,
    /// In seconds since 1970.
    at: u64,
}

impl Seen {
    /// Whether the store was told by nobody in the last `interval` that the session `id` is in use: then it is to be told
    /// now, and others have not to. `written` is when it was written to.
    pub(super) fn is_due(&self, id: &str, written: u64, now: u64, interval: u64) -> bool {
        // A clock that was set back knows nothing.
        let is_over = |at: u64| now.checked_sub(at).is_none_or(|age| age >= interval);
        if !is_over(written) {
            return false;
        }
        let key = id.get(..16).and_then(|begin| u64::from_str_radix(begin, 16).ok()).unwrap_or_default();
        // Nothing that could panic runs under this lock.
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize(PLACES, Place::default());
        }
        let Some(place) = usize::try_from(key % PLACES as u64).ok().and_then(|at| places.get_mut(at)) else {
            return true;
        };
        if place.key == key && !is_over(place.at) {
            return false;
        }
        *place = Place { key, at: now };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_due_once_in_an_interval() {
        let (seen, id) = (Seen::default(), "00000000000000010000");
        for (written, now, is_due) in [
            (1000, 1000, false),
            (1000, 1059, false),
            (1000, 1060, true),
            (1000, 1061, false),
            (1000, 1119, false),
            (1000, 1120, true),
            (1121, 1180, false),
            // The clock goes back.
            (1000, 900, true),
            (1000, 901, false),
            (1000, 960, true),
        ] {
            assert_eq!(seen.is_due(id, written, now, 60), is_due, "{now}");
        }
        assert!(seen.is_due("00000000000000020000", 0, 1120, 60));
        // Two that fall together.
        let other = format!("{:016x}", 1 + PLACES);
        assert!(seen.is_due(&other, 0, 2000, 60) && !seen.is_due(&other, 0, 2000, 60));
        assert!(seen.is_due(id, 0, 2000, 60) && seen.is_due(&other, 0, 2001, 60));
        // Not at all where the interval is none.
        assert!(seen.is_due(id, 3000, 3000, 0) && seen.is_due(id, 3000, 3000, 0));
    }
}
