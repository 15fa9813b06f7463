//! Who waits for which time. No waker is called, cloned or dropped in here: it may be the app's own, and these stand behind
//! locks.

use std::{mem, task::Waker, time::Instant};

use slab::Slab;

use crate::{Key, Timers};

/// Wakers by the times for which they wait.
#[derive(Debug)]
pub(crate) struct Alarms {
    timers: Timers,
    waiting: Slab<Waiting>,
    generation: usize,
}

#[derive(Debug)]
struct Waiting {
    key: Key,
    waker: Waker,
}

impl Alarms {
    pub(crate) const fn new() -> Self {
        Self { timers: Timers::new(), waiting: Slab::new(), generation: 0 }
    }

    /// Has `waker` wait for `at`. Also tells whether that is earlier than all others.
    pub(crate) fn add(&mut self, at: Instant, waker: Waker) -> (Key, bool) {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.waiting.vacant_entry();
        let key = Key::new(entry.key(), self.generation);
        entry.insert(Waiting { key, waker });
        let is_earliest = self.next().is_none_or(|next| at < next);
        self.timers.arm(at, key);
        (key, is_earliest)
    }

    /// Has another waker wait in its place, and gives the one that did; or gives it back, where nobody waits there any
    /// more.
    pub(crate) fn replace(&mut self, key: Key, waker: Waker) -> Result<Waker, Waker> {
        match self.waiting.get_mut(key.index()).filter(|waiting| waiting.key == key) {
            Some(waiting) => Ok(mem::replace(&mut waiting.waker, waker)),
            None => Err(waker),
        }
    }

    /// Nobody waits there any more.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        let removed = is_live(&self.waiting, key).then(|| self.waiting.remove(key.index()).waker);
        let Self { timers, waiting, .. } = self;
        timers.tidy(waiting.len(), |_, key| is_live(waiting, key));
        removed
    }

    /// The earliest time; nobody may wait for it any more.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes the earliest whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        while let Some((_, key)) = self.timers.pop_due(now) {
            if is_live(&self.waiting, key) {
                return Some(self.waiting.remove(key.index()).waker);
            }
        }
        None
    }

    /// Takes all.
    #[cfg(feature = "poll")]
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Waker> {
        self.waiting.drain().map(|waiting| waiting.waker)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

fn is_live(waiting: &Slab<Waiting>, key: Key) -> bool {
    waiting.get(key.index()).is_some_and(|waiting| waiting.key == key)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Wake, time::Duration};

    use super::*;

    /// One like no other.
    fn waker() -> Waker {
        struct Nobody;
        impl Wake for Nobody {
            fn wake(self: Arc<Self>) {}
        }
        Arc::new(Nobody).into()
    }

    #[test]
    fn those_whose_time_has_come_go_in_order_and_those_forgotten_not_at_all() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut alarms = Alarms::new();
        let mut add = |seconds| alarms.add(after(seconds), Waker::noop().clone());
        let (third, first, second) = (add(3), add(1), add(2));
        assert!(third.1 && first.1 && !second.1, "who is the earliest is told");
        assert!(alarms.pop_due(start).is_none());
        assert!(alarms.remove(second.0).is_some());
        assert!(alarms.remove(second.0).is_none(), "once");
        let (fourth, _) = alarms.add(after(4), Waker::noop().clone());
        assert_eq!(fourth.index(), second.0.index(), "the same slot");
        assert!(alarms.replace(second.0, Waker::noop().clone()).is_err(), "and not the same place");
        let (one, other) = (waker(), waker());
        assert!(alarms.replace(third.0, one.clone()).is_ok());
        assert!(alarms.replace(third.0, other.clone()).is_ok_and(|replaced| replaced.will_wake(&one)));
        let due: Vec<_> = std::iter::from_fn(|| alarms.pop_due(after(3))).collect();
        assert!(due.len() == 2 && due[1].will_wake(&other), "the last that waits there");
        assert_eq!((alarms.len(), alarms.next()), (1, Some(after(4))));
    }

    #[test]
    fn those_forgotten_leave_nothing_behind() {
        let mut alarms = Alarms::new();
        let at = Instant::now() + Duration::from_secs(600);
        for _ in 0..10_000 {
            let (key, _) = alarms.add(at, Waker::noop().clone());
            assert!(alarms.remove(key).is_some());
        }
        assert_eq!(alarms.len(), 0);
        assert!(alarms.timers.len() <= 100, "{}", alarms.timers.len());
    }
}
