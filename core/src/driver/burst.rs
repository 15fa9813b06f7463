//! Output over the high mark, in one write of which a peer that keeps up takes four times as much: 64 KiB at a time cost
//! a streamed download a third more of the processor, most of it for waking the reader. Whether a peer keeps up shows only
//! in the write, and what it does not take stays: so all connections of an app share one bound, and slow readers cannot
//! have more than that beyond their own marks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What the connections of an app may have queued over their high marks, together.
const ALL_BYTES_MAX: usize = 2 << 20;

/// What is granted to the connections of an app.
#[derive(Clone, Default)]
pub(crate) struct Bursts(Arc<AtomicUsize>);

/// So many bytes over the high mark of a connection, until it is dropped.
pub(super) struct Burst {
    all: Bursts,
    bytes: usize,
}

impl Bursts {
    /// Grants so many bytes, where they are to be had.
    pub(super) fn grant(&self, bytes: usize) -> Option<Burst> {
        let sum = |granted: usize| granted.checked_add(bytes).filter(|sum| *sum <= ALL_BYTES_MAX);
        self.0.fetch_update(Relaxed, Relaxed, sum).ok()?;
        Some(Burst { all: self.clone(), bytes })
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_granted_than_there_is_and_what_comes_back_is_granted_again() {
        let bursts = Bursts::default();
        let mut granted: Vec<_> = std::iter::from_fn(|| bursts.grant(ALL_BYTES_MAX / 3)).take(100).collect();
        assert_eq!(granted.len(), 3);
        assert!(bursts.grant(3).is_none() && bursts.grant(usize::MAX).is_none());
        granted.pop();
        assert!(bursts.grant(ALL_BYTES_MAX / 3).is_some());
        drop(granted);
        assert!(bursts.grant(ALL_BYTES_MAX).is_some());
    }
}
