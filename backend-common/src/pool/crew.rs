//! The threads of a pool, in numbers: how many there are, are lacking and may leave. It must never be wrong about one that
//! comes or goes. It knows nothing of items, so that a program has it once, whatever its pools are of.

use std::{
    any::Any,
    io,
    time::{Duration, Instant},
};

use crate::{
    panic_text,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What is to be known without the lock of the pool, under which its figures are written.
pub(super) struct Board {
    pub(super) name: &'static str,
    pub(super) threads_max: usize,
    /// How many threads there can be, as far as is known.
    pub(super) ceiling: AtomicUsize,
    /// Items in the queue.
    pub(super) waiting: AtomicUsize,
    /// As [`Crew::lacking`].
    pub(super) lacking: AtomicUsize,
}

/// Behind the lock of the pool.
pub(super) struct Crew {
    /// Those that are being started count too, and those that are to be.
    pub(super) threads: usize,
    /// Of these, those that nobody has begun to start.
    pub(super) lacking: usize,
    pub(super) busy: usize,
    need: Need,
    /// When the system last refused a thread, if it has given none since.
    refused_at: Option<Instant>,
    /// When it was last said that no thread could be started.
    warned_at: Option<Instant>,
}

/// How many threads are needed: the most that were busy at once, in a period at a time. Under a steady trickle
/// of work each thread has some now and then, so that none would leave for having none.
struct Need {
    since: Instant,
    most: usize,
    /// Threads that the last period did not need, and that are still here.
    surplus: usize,
}

/// How long a thread without work stays, if another one does: long enough for a burst, short enough to be gone soon.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Half of [`LINGER`]: what two periods in a row have not needed is gone by then.
const PERIOD: Duration = if cfg!(all(test, trijet_loom)) { Duration::MAX } else { Duration::from_secs(1) };

/// How soon a system that refused a thread is asked again while others run: a refusal costs more than many a request.
const RETRY: Duration = if cfg!(all(test, trijet_loom)) { Duration::ZERO } else { Duration::from_millis(10) };

impl Board {
    pub(super) fn new(name: &'static str, threads_max: usize) -> Self {
        let ceiling = AtomicUsize::new(threads_max);
        Self { name, threads_max, ceiling, waiting: AtomicUsize::new(0), lacking: AtomicUsize::new(0) }
    }

    /// An item has panicked.
    pub(super) fn tell(&self, panic: &(dyn Any + Send)) {
        log::error!("a thread of {} panicked: {}", self.name, panic_text(panic));
    }
}

impl Crew {
    pub(super) fn new() -> Self {
        let need = Need { since: Instant::now(), most: 0, surplus: 0 };
        Self { threads: 0, lacking: 0, busy: 0, need, refused_at: None, warned_at: None }
    }

    /// Sees to a thread for an item that came at `now`, behind `taken` that wait or are run: whether there is one to be told
    /// of it. If not, one is lacking from now on, unless the system has just refused one.
    pub(super) fn provide(&mut self, taken: usize, now: Instant, board: &Board) -> bool {
        // A thread that is not busy waits for work, or is about to look for it.
        if self.threads > taken || self.threads == board.threads_max {
            return true;
        }
        if self.threads > 0 && self.refused_at.is_some_and(|at| now.saturating_duration_since(at) < RETRY) {
            board.ceiling.store(self.threads, Ordering::Relaxed);
            return false;
        }
        self.threads += 1;
        self.lacking += 1;
        board.lacking.store(self.lacking, Ordering::Relaxed);
        false
    }

    /// Whether there is a thread to be started, which the caller then does, or tells [`failed`](Self::failed).
    pub(super) fn take_lacking(&mut self, board: &Board) -> bool {
        let lacks = self.lacking > 0;
        if lacks {
            self.lacking -= 1;
            board.lacking.store(self.lacking, Ordering::Relaxed);
        }
        lacks
    }

    /// A thread could not be started: whether there is none now. Where there are, those that were still to be started are
    /// not asked for either, as the system has just said no.
    pub(super) fn failed(&mut self, error: &io::Error, board: &Board) -> bool {
        self.threads -= 1;
        if self.threads > self.lacking {
            self.leave_lacking(board);
        }
        let now = Instant::now();
        self.refused_at = Some(now);
        board.ceiling.store(self.threads, Ordering::Relaxed);
        self.warn(error, now, board);
        // One that is only being started either comes, or ends here as the last.
        self.threads == 0
    }

    /// Those that are lacking are not asked for any more.
    pub(super) fn leave_lacking(&mut self, board: &Board) {
        self.threads -= std::mem::take(&mut self.lacking);
        board.lacking.store(0, Ordering::Relaxed);
    }

    /// A thread has come, so that the system may have room again. It is taken at its word only where nothing waits but
    /// this thread's own item, of `waiting`: what was refused a thread asks no second time, and would wait behind those
    /// that keep theirs.
    pub(super) fn came(&mut self, waiting: usize, board: &Board) {
        self.refused_at = None;
        if board.ceiling.load(Ordering::Relaxed) < board.threads_max {
            let ceiling = if waiting > 1 { self.threads } else { board.threads_max };
            board.ceiling.store(ceiling, Ordering::Relaxed);
        }
    }

    /// A thread has taken an item.
    pub(super) fn works(&mut self) {
        self.busy += 1;
        self.need.most = self.need.most.max(self.busy);
    }

    /// It has run it.
    pub(super) fn rests(&mut self) {
        self.busy -= 1;
    }

    /// A thread ends.
    pub(super) fn leaves(&mut self) {
        self.threads -= 1;
    }

    /// Whether a thread without work may leave: another period was served without it.
    pub(super) fn has_surplus(&mut self) -> bool {
        let now = Instant::now();
        if now.saturating_duration_since(self.need.since) >= PERIOD {
            let surplus = self.threads.saturating_sub(self.need.most.max(1));
            self.need = Need { since: now, most: self.busy, surplus };
        }
        if self.need.surplus == 0 {
            return false;
        }
        self.need.surplus -= 1;
        true
    }

    /// Says that no thread could be started, at most once a second.
    fn warn(&mut self, error: &io::Error, now: Instant, board: &Board) {
        const INTERVAL: Duration = Duration::from_secs(1);
        if self.warned_at.is_none_or(|at| now.duration_since(at) >= INTERVAL) {
            self.warned_at = Some(now);
            log::warn!("cannot start another thread for {}: {error}; {} run", board.name, self.threads);
        }
    }
}
