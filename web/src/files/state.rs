//! The state that a file is in, as far as the system notes it: what tells that it has changed. Pure.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Two of one file that are equal stand for the same content, if the first of them [is settled](Self::is_settled).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) length: u64,
    /// When the content was written last, as those say who may write it: builds that are to be reproducible forge it.
    pub(super) modified: Time,
    /// When anything was changed last, by the system's own clock.
    pub(super) changed: Time,
}

/// Since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

/// The times of files tick: by 10 ms at most on Linux, by whole seconds or every other on some file systems. What was
/// changed so recently may change once more in the same tick, and nothing would tell.
pub(super) const SETTLED: Duration = Duration::from_secs(2);

impl State {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: Time { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() },
            changed: Time { seconds: metadata.ctime(), nanoseconds: metadata.ctime_nsec() },
        }
    }

    /// Whether every further change shows.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = since_1970.checked_sub(self.changed.since_1970());
        age.is_some_and(|age| age > SETTLED)
    }

    /// Whether the same file, which is in this state now, still has the content that it had in the state `before`.
    ///
    /// The time of the last change says nothing about that: to rename a file, or to replace it by renaming another,
    /// is one.
    pub(super) fn has_content_of(&self, before: &Self) -> bool {
        self.length == before.length && self.modified == before.modified
    }
}

impl Time {
    /// Nothing before 1970 is told from 1970 itself.
    pub(super) fn since_1970(self) -> Duration {
        let seconds = u64::try_from(self.seconds).unwrap_or_default();
        let nanoseconds = u64::try_from(self.nanoseconds).unwrap_or_default();
        Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_settles() {
        let time = |seconds| Time { seconds, nanoseconds: 500_000_000 };
        let state = State { length: 1, modified: time(-7), changed: time(1000) };
        let changed = UNIX_EPOCH + Duration::from_millis(1_000_500);
        assert!(!state.is_settled(changed));
        assert!(!state.is_settled(changed + SETTLED));
        assert!(state.is_settled(changed + SETTLED + Duration::from_millis(1)));
        // A clock that was set back knows nothing.
        assert!(!state.is_settled(changed - SETTLED));
        assert!(!state.is_settled(UNIX_EPOCH - SETTLED));
    }
}
