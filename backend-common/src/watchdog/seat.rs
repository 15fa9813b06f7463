//! What a loop tells of itself: which round it is in, and whose code it polls. A few stores to memory of its own,
//! on the path of each request: it must never read a clock, take a lock or make a system call there.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

use super::occupant::Occupant;

/// The place of one loop. Only the loop's own thread may write to it.
// Its cache line is the loop's alone: others look at it now and then.
#[repr(align(128))]
#[derive(Debug)]
pub struct Seat {
    /// Odd while the loop is in a round, and another number in each.
    round: AtomicUsize,
    /// In the low bits the number of the route that is polled, and one; 0 where none is. In the others a number that
    /// each poll changes. One word, so that both belong together for whoever looks.
    poll: AtomicUsize,
    /// Whether the watchdog sleeps until it is woken.
    is_watchdog_asleep: AtomicBool,
    watchdog: Arc<OnceLock<Thread>>,
    tag: usize,
    occupant: OnceLock<Occupant>,
}

/// In place of a route's number, for what [`rt::spawn`](trijet_core::rt::spawn) has begun.
pub const TASK: u32 = u32::MAX;

const ROUTE_MASK: usize = 0xffff;
/// The highest number, which [`TASK`] becomes.
pub(super) const TASK_ROUTE: usize = ROUTE_MASK - 1;
const NEXT_POLL: usize = ROUTE_MASK + 1;

impl Seat {
    pub(super) fn new(watchdog: Arc<OnceLock<Thread>>, tag: usize) -> Self {
        Self {
            round: AtomicUsize::new(0),
            poll: AtomicUsize::new(0),
            is_watchdog_asleep: AtomicBool::new(true),
            watchdog,
            tag,
            occupant: OnceLock::new(),
        }
    }

    /// What the backend knows it by.
    #[inline]
    pub fn tag(&self) -> usize {
        self.tag
    }

    /// Makes the current thread the loop's.
    pub fn occupy(&self) {
        self.occupant.get_or_init(Occupant::current);
    }

    pub(super) fn is_of(&self, watchdog: &Arc<OnceLock<Thread>>) -> bool {
        Arc::ptr_eq(&self.watchdog, watchdog)
    }

    /// The loop has events to see to; or it has seen to them, and waits for more.
    #[inline]
    pub fn turn_round(&self) {
        self.round.store(self.round.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// A poll of the app begins, for the route of this number.
    #[inline]
    pub fn enter(&self, route: u32) {
        let number = (self.poll.load(Ordering::Relaxed) & !ROUTE_MASK).wrapping_add(NEXT_POLL);
        self.poll.store(number | ((route as usize).min(ROUTE_MASK - 1) + 1), Ordering::Release);
        // Without a fence the watchdog may fall asleep over this very poll. It asks again a moment after it has said
        // that it would, when any such store has long arrived; and it never sleeps for long.
        if self.is_watchdog_asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Nothing of the app is polled any more.
    #[inline]
    pub fn leave(&self) {
        let poll = self.poll.load(Ordering::Relaxed);
        self.poll.store(poll & !ROUTE_MASK, Ordering::Release);
    }

    #[cold]
    fn wake(&self) {
        self.is_watchdog_asleep.store(false, Ordering::Relaxed);
        self.watchdog.get().map(thread::Thread::unpark);
    }

    pub(super) fn announce_sleep(&self, is_asleep: bool) {
        self.is_watchdog_asleep.store(is_asleep, Ordering::Relaxed);
    }

    /// Who has it; none before the loop begins.
    pub(super) fn occupant(&self) -> Option<&Occupant> {
        self.occupant.get()
    }

    pub(super) fn look(&self) -> View {
        View { round: self.round.load(Ordering::Acquire), poll: self.poll.load(Ordering::Acquire) }
    }
}

/// What is seen of a loop at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) round: usize,
    pub(super) poll: usize,
}

impl View {
    /// The route that is polled, by its number; for tasks [`TASK_ROUTE`].
    pub(super) fn route(self) -> Option<usize> {
        (self.poll & ROUTE_MASK).checked_sub(1)
    }

    pub(super) fn is_in_round(self) -> bool {
        self.round % 2 == 1
    }

    pub(super) fn is_at_rest(self) -> bool {
        self.route().is_none() && !self.is_in_round()
    }
}
