//! Memory that is used again: that of large bodies, and of their pieces. To have it anew each time costs a page fault for
//! every 4 KiB, or all of it zeroed, which was half of the processor's time for an echo of 1 MiB. It is kept for all
//! threads, and within bounds. It never tells what was in it: who takes some looks at no byte that it has not written.

use std::{
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Memory that nobody holds any more.
pub(crate) struct Spares {
    kept: Vec<Vec<u8>>,
    each: RangeInclusive<usize>,
    all: usize,
}

impl Spares {
    /// For what has room for `each` number of bytes, and no more than `all` bytes together.
    pub(crate) const fn new(each: RangeInclusive<usize>, all: usize) -> Self {
        Self { kept: Vec::new(), each, all }
    }

    /// Memory for so many bytes that will come, as it was kept; never for more than twice as many, since who takes it may
    /// keep it.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let place = self.kept.iter().rposition(|each| (bytes..=bytes * 2).contains(&each.capacity()))?;
        Some(self.kept.swap_remove(place))
    }

    /// Keeps it, or gives it back, to be dropped without the lock.
    #[must_use]
    pub(crate) fn keep(&mut self, memory: Vec<u8>) -> Option<Vec<u8>> {
        if !self.each.contains(&memory.capacity()) || self.kept() + memory.capacity() > self.all {
            return Some(memory);
        }
        self.kept.push(memory);
        None
    }

    /// How many bytes are kept.
    pub(crate) fn kept(&self) -> usize {
        self.kept.iter().map(Vec::capacity).sum()
    }

    /// Takes out what was kept first and is over so many bytes together, to be dropped without the lock.
    pub(crate) fn cut_to(&mut self, all: usize) -> Vec<Vec<u8>> {
        let mut kept = self.kept();
        let over = self.kept.iter().take_while(|each| {
            let is_over = kept > all;
            kept -= each.capacity();
            is_over
        });
        let count = over.count();
        self.kept.drain(..count).collect()
    }
}

/// Memory that is kept when it is dropped.
pub(crate) struct Spare {
    memory: Vec<u8>,
    home: &'static Mutex<Spares>,
}

impl Spare {
    pub(crate) fn new(memory: Vec<u8>, home: &'static Mutex<Spares>) -> Self {
        Self { memory, home }
    }
}

impl AsRef<[u8]> for Spare {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let refused = lock(self.home).keep(std::mem::take(&mut self.memory));
        drop(refused);
    }
}

pub(crate) fn lock(spares: &'static Mutex<Spares>) -> MutexGuard<'static, Spares> {
    // They are whole between any two steps.
    spares.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_where_it_fits() {
        let mut spares = Spares::new(0..=2 << 20, 4 << 20);
        let memory = Vec::with_capacity(1 << 20);
        let place = memory.as_ptr();
        assert_eq!(spares.keep(memory), None);
        assert_eq!(spares.take((1 << 20) + 1), None, "too small");
        assert_eq!(spares.take((1 << 19) - 1), None, "more than twice as large");
        assert_eq!(spares.take(1 << 19).map(|memory| memory.as_ptr()), Some(place));
        assert_eq!(spares.take(1 << 19), None, "it is taken once");
    }

    #[test]
    fn no_more_is_kept_than_is_said() {
        let mut spares = Spares::new(1 << 19..=1 << 20, 4 << 20);
        for size in [(1 << 19) - 1, (1 << 20) + 1] {
            assert!(spares.keep(Vec::with_capacity(size)).is_some());
        }
        assert_eq!(spares.kept.len(), 0);
        let refused = (0..100).filter_map(|_| spares.keep(Vec::with_capacity(1 << 20)));
        assert_eq!(refused.count(), 96);
    }

    #[test]
    fn what_is_cut_is_what_is_over() {
        let mut spares = Spares::new(1..=9, 100);
        for size in [5, 4, 3] {
            assert_eq!(spares.keep(Vec::with_capacity(size)), None);
        }
        assert_eq!(spares.cut_to(12).len(), 0);
        assert_eq!(spares.cut_to(11)[0].capacity(), 5, "the first goes first");
        assert_eq!(spares.cut_to(0).len(), 2);
        assert_eq!(spares.kept.len(), 0);
    }

    #[test]
    fn what_is_dropped_is_there_again_as_it_was() {
        static SPARES: Mutex<Spares> = Mutex::new(Spares::new(8..=8, 8));
        drop(Spare::new(b"whatever".to_vec(), &SPARES));
        assert_eq!(lock(&SPARES).take(8).as_deref(), Some(&b"whatever"[..]));
    }
}
