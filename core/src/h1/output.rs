//! The bytes that are still to be written: small pieces are gathered, large ones are queued without a
//! copy. It never waits and never drops a byte.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes, BytesMut};

/// A queue of bytes.
#[derive(Default)]
pub(super) struct Output {
    /// Sealed pieces; they come before `tail`.
    sealed: VecDeque<Bytes>,
    sealed_len: usize,
    tail: Vec<u8>,
    /// How much of `tail` is written already.
    written: usize,
}

/// Data of at least this size is queued as it is; smaller data is cheaper to copy than to gather.
const SEPARATE: usize = 8 << 10;
/// The room made for a head and what comes with it.
const HEAD_ROOM: usize = 512;

impl Output {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.sealed_len + self.copied_len()
    }

    /// How much of it was copied, since it came in small pieces.
    pub(super) fn copied_len(&self) -> usize {
        self.tail.len() - self.written
    }

    /// Makes room for a head, which comes in many pieces.
    pub(super) fn make_room(&mut self) {
        self.tail.reserve(HEAD_ROOM);
    }

    /// Appends bytes by copy.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Appends data, without a copy where it is large.
    pub(super) fn put_data(&mut self, data: Bytes) {
        if data.len() < SEPARATE {
            return self.put(&data);
        }
        if self.copied_len() > 0 {
            self.sealed_len += self.copied_len();
            let tail = Bytes::from(std::mem::take(&mut self.tail));
            self.sealed.push_back(tail.slice(std::mem::take(&mut self.written)..));
        }
        self.sealed_len += data.len();
        self.sealed.push_back(data);
    }

    /// Everything that is queued, where that is one piece.
    #[inline]
    pub(super) fn in_one(&self) -> Option<&[u8]> {
        self.sealed.is_empty().then(|| &self.tail[self.written..])
    }

    /// Fills `slices` from the front of the queue and gives those used.
    pub(super) fn slices<'a, 's>(&'a self, slices: &'s mut [IoSlice<'a>]) -> &'s [IoSlice<'a>] {
        let pieces = self.sealed.iter().map(|piece| &piece[..]).chain(Some(&self.tail[self.written..]));
        let mut used = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            *slice = IoSlice::new(piece);
            used += 1;
        }
        &slices[..used]
    }

    /// Notes that the first `count` bytes were written.
    #[inline]
    pub(super) fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.sealed.front_mut() {
            let step = count.min(first.len());
            self.sealed_len -= step;
            count -= step;
            if step < first.len() {
                return first.advance(step);
            }
            self.sealed.pop_front();
        }
        self.written += count;
        // A peer that takes its time must not have a buffer grow by what it has taken. At most as much is moved.
        if self.written >= self.copied_len() {
            self.tail.drain(..std::mem::take(&mut self.written));
        }
    }

    /// Everything that is queued, in one piece.
    pub(super) fn take_all(&mut self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.len());
        self.sealed.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.extend_from_slice(&self.tail[self.written..]);
        self.clear();
        whole.freeze()
    }

    /// Keeps no larger a buffer than a few heads need.
    pub(super) fn rest(&mut self) {
        if self.tail.capacity() > SEPARATE {
            self.clear();
        }
    }

    /// Gives up what is queued, for a connection that is cut.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pieces_are_not_copied_and_order_is_kept() {
        let large = Bytes::from(vec![b'x'; SEPARATE]);
        let mut output = Output::default();
        output.put(b"head");
        output.put_data(large.clone());
        output.put(b"tail");
        assert_eq!(output.len(), SEPARATE + 8);
        let mut slices = [IoSlice::new(&[]); 8];
        let slices = output.slices(&mut slices);
        assert_eq!((&slices[0][..], &slices[2][..]), (&b"head"[..], &b"tail"[..]));
        assert!(std::ptr::eq(slices[1].as_ptr(), large.as_ptr()));
    }

    #[test]
    fn advancing_by_any_steps_gives_every_byte_once() {
        for step in [1, 3, 7, SEPARATE - 1, SEPARATE, usize::MAX] {
            let mut output = Output::default();
            let mut expected = Vec::new();
            for piece in [&b"abc"[..], &vec![b'y'; SEPARATE], b"", &vec![b'z'; SEPARATE + 1], b"end"] {
                output.put_data(Bytes::copy_from_slice(piece));
                expected.extend_from_slice(piece);
            }
            let mut written = Vec::new();
            while output.len() > 0 {
                let mut slices = [IoSlice::new(&[]); 2];
                let first = &output.slices(&mut slices)[0];
                let count = first.len().min(step);
                written.extend_from_slice(&first[..count]);
                output.advance(count);
            }
            assert!(written == expected, "step {step}");
        }
    }
}
