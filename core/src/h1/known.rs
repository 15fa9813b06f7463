//! The fields of the last head that was judged, and what came of it. Most clients send the same fields again, and whoever
//! does has them judged already. They may have been another client's, on a connection that this driver had before: so
//! nothing tells how much of them is the same. Nothing is judged here.

use std::ops::Range;

use http::Version;

use super::{Expect, Framing, KeepAlive};
use crate::Limits;

/// What the fields of a head came to, with a version, and any target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) framing: Framing,
    pub(super) keep_alive: KeepAlive,
    pub(super) expect: Expect,
    /// How many there are.
    pub(super) fields: u32,
}

/// Fields that were judged.
#[derive(Debug)]
pub(super) struct Known {
    /// All lines behind the request line, with the empty one. None at first.
    section: Vec<u8>,
    /// The value of the Host field in it.
    host: Range<u32>,
    version: Version,
    pub(super) judged: Judged,
}

/// Longer ones are looked at each time.
const SECTION_BYTES_MAX: usize = 2048;

impl Default for Known {
    fn default() -> Self {
        let judged =
            Judged { framing: Framing::Empty, keep_alive: KeepAlive::No, expect: Expect::Nothing, fields: 0 };
        Self { section: Vec::new(), host: 0..0, version: Version::HTTP_11, judged }
    }
}

impl Known {
    /// The length of the fields, if `rest` begins with the same, these limits let them pass, and they follow the same version.
    #[inline]
    pub(super) fn len_of(&self, rest: &[u8], version: Version, limits: &Limits) -> Option<usize> {
        let length = self.section.len();
        let is_same = length > 0
            && version == self.version
            && self.judged.fields as usize <= limits.headers_max
            && is_same(rest.get(..length)?, &self.section);
        is_same.then_some(length)
    }

    /// The value of the Host field.
    pub(super) fn host(&self) -> &[u8] {
        self.section.get(self.host.start as usize..self.host.end as usize).unwrap_or_default()
    }

    /// From now on these are known.
    pub(super) fn learn(&mut self, section: &[u8], host: Range<u32>, version: Version, judged: Judged) {
        self.section.clear();
        if section.len() <= SECTION_BYTES_MAX {
            self.section.extend_from_slice(section);
        }
        (self.host, self.version, self.judged) = (host, version, judged);
    }
}

/// Whether two texts of one length are the same, in a time that hangs on the length alone, but for how they end: the end
/// of fields is two line ends, so that this tells nothing but that lengths differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ends_alike = one.last_chunk::<4>() == other.last_chunk::<4>();
    ends_alike && {
        let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
        let rests = ones.remainder().iter().zip(others.remainder());
        let rest = rests.fold(0, |found, (one, other)| found | (one ^ other));
        let number = |eight: &[u8]| eight.try_into().map_or(0, u64::from_ne_bytes);
        let found = ones.zip(others).fold(0, |found, (one, other)| found | (number(one) ^ number(other)));
        found == 0 && rest == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUDGED: Judged = Judged {
        framing: Framing::Length(7),
        keep_alive: KeepAlive::Implied,
        expect: Expect::Continue,
        fields: 2,
    };

    fn known(section: &[u8]) -> Known {
        let mut known = Known::default();
        known.learn(section, 5..7, Version::HTTP_11, JUDGED);
        known
    }

    #[test]
    fn nothing_but_the_same_bytes_are_known() {
        let limits = Limits::default();
        assert_eq!(Known::default().len_of(b"", Version::HTTP_11, &limits), None);
        for length in 1..70 {
            let section: Vec<u8> = (0..length).map(|at| b'a' + at % 26).collect();
            let known = known(&section);
            let length = section.len();
            let len_of = |rest: &[u8]| known.len_of(rest, Version::HTTP_11, &limits);
            assert_eq!(len_of(&section), Some(length));
            assert_eq!(len_of(&[&section[..], b"more"].concat()), Some(length));
            assert_eq!(len_of(&section[..length - 1]), None);
            for place in 0..length {
                let mut other = section.clone();
                other[place] ^= 0x20;
                assert_eq!(len_of(&other), None, "{place} of {length}");
            }
        }
    }

    #[test]
    fn another_version_and_smaller_limits_know_nothing() {
        let known = known(b"Host: a\r\nB: c\r\n\r\n");
        let section = known.section.clone();
        let limits = |headers_max| Limits { headers_max, ..Limits::default() };
        assert!(known.len_of(&section, Version::HTTP_11, &limits(2)).is_some());
        assert!(known.len_of(&section, Version::HTTP_11, &limits(1)).is_none());
        assert!(known.len_of(&section, Version::HTTP_10, &limits(2)).is_none());
        assert_eq!(known.host(), b" a");
    }

    #[test]
    fn what_is_long_is_not_kept_nor_what_was_known_before() {
        let mut known = known(b"Host: a\r\n\r\n");
        known.learn(&[b'a'; SECTION_BYTES_MAX + 1], 5..7, Version::HTTP_11, JUDGED);
        assert_eq!(known.len_of(b"Host: a\r\n\r\n", Version::HTTP_11, &Limits::default()), None);
        assert_eq!((known.host(), known.section.capacity() < SECTION_BYTES_MAX), (&[][..], true));
        known.learn(&[b'a'; SECTION_BYTES_MAX], 5..7, Version::HTTP_11, JUDGED);
        assert!(known.len_of(&[b'a'; SECTION_BYTES_MAX], Version::HTTP_11, &Limits::default()).is_some());
    }
}
