//! What a route captured: places in the raw path, so that matching allocates nothing.
//! Nothing is decoded before it is asked for.

use std::sync::Arc;

/// The most captures that a path may have, those of its nests included.
pub(crate) const CAPTURES_MAX: usize = 8;

/// The captured parts of one request's path, in the order of the pattern.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captures {
    // Kept apart from the request, whose address a middleware may change.
    path: Option<Arc<str>>,
    /// Start and end; a target is of less than 64 KiB, as `http::Uri` holds no more.
    places: [(u16, u16); CAPTURES_MAX],
    count: u8,
}

impl Captures {
    /// Notes `values`, each a part of `path`.
    pub(crate) fn new<'p>(path: &'p str, values: impl Iterator<Item = &'p str>) -> Self {
        let mut captures = Self::default();
        let start = path.as_ptr().addr();
        for (place, value) in captures.places.iter_mut().zip(values) {
            let from = value.as_ptr().addr().wrapping_sub(start);
            // Both fit: see `places`.
            *place = (from as u16, (from + value.len()) as u16);
            captures.count += 1;
        }
        if captures.count > 0 {
            captures.path = Some(path.into());
        }
        captures
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let path = self.path.as_deref().unwrap_or_default();
        self.places[..usize::from(self.count)]
            .iter()
            .map(|&(from, to)| path.get(usize::from(from)..usize::from(to)).unwrap_or_default())
    }
}
