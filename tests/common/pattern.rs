//! Bytes that tell their place: a period without a power of two in it, so that no shifted, doubled or
//! lost piece goes unnoticed. Made and checked a slice at a time.

use std::{io, sync::LazyLock};

const PERIOD: usize = 65_521;

/// Two periods, so that every piece of up to one is a slice.
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x2545_f491_u32;
    let period: Vec<u8> = (0..PERIOD)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        })
        .collect();
    [period.clone(), period].concat()
});

/// A place in the pattern.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pattern {
    position: u64,
}

impl Pattern {
    pub(crate) fn position(self) -> u64 {
        self.position
    }

    /// The next bytes: at most `count`, at least one.
    pub(crate) fn piece(&mut self, count: usize) -> &'static [u8] {
        let start = usize::try_from(self.position % PERIOD as u64).unwrap();
        let count = count.min(PERIOD);
        self.position += count as u64;
        &TABLE[start..start + count]
    }

    /// The place `count` bytes before this one.
    pub(crate) fn back(self, count: usize) -> Self {
        Self { position: self.position - count as u64 }
    }

    /// Whether these are the next bytes; goes on behind them.
    pub(crate) fn matches(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let piece = self.piece(bytes.len());
            let (front, rest) = bytes.split_at(piece.len());
            if front != piece {
                return false;
            }
            bytes = rest;
        }
        true
    }
}

/// The first `rest` bytes of the pattern, to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    pub(crate) pattern: Pattern,
    pub(crate) rest: u64,
}

impl Reader {
    pub(crate) fn new(length: u64) -> Self {
        Self { pattern: Pattern::default(), rest: length }
    }
}

impl io::Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        if count == 0 {
            return Ok(0);
        }
        let piece = self.pattern.piece(count);
        into[..piece.len()].copy_from_slice(piece);
        self.rest -= piece.len() as u64;
        Ok(piece.len())
    }
}

impl Iterator for Reader {
    type Item = io::Result<&'static [u8]>;

    /// Pieces of uneven sizes.
    fn next(&mut self) -> Option<Self::Item> {
        let count = usize::try_from(self.rest).unwrap_or(usize::MAX).min(48_611);
        if count == 0 {
            return None;
        }
        self.rest -= count as u64;
        Some(Ok(self.pattern.piece(count)))
    }
}
