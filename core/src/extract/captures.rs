//! What a route captured: parts of the raw path. Nothing is decoded before it is asked for.

use std::sync::Arc;

/// The most captures that a path may have, those of its nests included.
pub(crate) const CAPTURES_MAX: usize = 8;

/// Stands between two captures: the one byte that no path has, since the query begins with it.
const BETWEEN: u8 = b'?';

/// The captured parts of one request's path, in the order of the pattern, joined. Small, as it is moved a few times on
/// its way to a handler, and kept apart from the request, whose address a middleware may change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captures(Option<Arc<str>>);

impl Captures {
    /// Notes `values`, each a part of a path.
    #[inline]
    pub(crate) fn new<'p>(mut values: impl Iterator<Item = &'p str>) -> Self {
        let Some(first) = values.next() else { return Self(None) };
        let Some(second) = values.next() else { return Self(Some(first.into())) };
        let mut joined = [first, second].join("?");
        for value in values {
            joined.push(BETWEEN.into());
            joined.push_str(value);
        }
        Self(Some(joined.into()))
    }

    pub(crate) fn iter(&self) -> Values<'_> {
        let rest = self.0.as_deref();
        Values {
            rest,
            count: rest.map_or(0, |joined| joined.bytes().filter(|&byte| byte == BETWEEN).count() + 1),
        }
    }
}

/// Each capture.
pub(crate) struct Values<'c> {
    rest: Option<&'c str>,
    count: usize,
}

impl<'c> Iterator for Values<'c> {
    type Item = &'c str;

    fn next(&mut self) -> Option<&'c str> {
        let rest = self.rest?;
        self.count -= 1;
        let end = memchr::memchr(BETWEEN, rest.as_bytes());
        self.rest = end.map(|end| &rest[end + 1..]);
        Some(end.map_or(rest, |end| &rest[..end]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Values<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_come_out_as_they_went_in() {
        for values in
            [&[][..], &[""], &["a"], &["a", "b"], &["", ""], &["%3F", "", "ü/c", "%"], &["x"; CAPTURES_MAX]]
        {
            let captures = Captures::new(values.iter().copied());
            let mut iterator = captures.iter();
            for left in (0..values.len()).rev() {
                assert_eq!(iterator.next(), Some(values[values.len() - 1 - left]));
                assert_eq!(iterator.len(), left);
            }
            assert_eq!((iterator.next(), iterator.len()), (None, 0));
        }
    }
}
