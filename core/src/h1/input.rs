//! The bytes that came and were not used yet. All of the buffer is initialised, so that a transport
//! can read into it without `unsafe`. It never looks at bytes.

use std::{mem, ops::Range, sync::Mutex};

use bytes::Bytes;

use super::work;
use crate::spares::{self, Spare, Spares};

/// Received bytes, and room for more.
#[derive(Default)]
pub(super) struct Input {
    /// Initialised throughout.
    buffer: Vec<u8>,
    /// What comes before is used up.
    start: usize,
    /// What comes behind is not received yet.
    filled: usize,
    /// Where the head is that was passed over last; nowhere once it may be overwritten.
    head: Range<usize>,
    ended: bool,
}

/// The room that a read is given at least.
const SPACE_MIN: usize = 1 << 10;
/// The first buffer of a connection: most heads fit.
const FIRST: usize = 4 << 10;
/// The buffer for bodies: at most so much is ever buffered beyond a head.
const BODY: usize = 64 << 10;
/// Less data than this is copied out: who keeps it would else keep a buffer of more than twice its size.
const SHARED_MIN: usize = BODY / 2;

/// What the next bytes will be.
#[derive(Clone, Copy)]
pub(super) enum Expecting {
    Head,
    /// So many bytes of body at most, where that is known.
    Body(u64),
}

impl Input {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.filled - self.start
    }

    /// Whether the peer has ended its direction.
    #[inline]
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Room for the next read, never empty.
    #[inline]
    pub(super) fn space(&mut self, expecting: Expecting) -> &mut [u8] {
        self.head = 0..0;
        if self.start == self.filled {
            (self.start, self.filled) = (0, 0);
        }
        let wanted = match expecting {
            Expecting::Head => SPACE_MIN,
            Expecting::Body(rest) => usize::try_from(rest).unwrap_or(BODY).clamp(SPACE_MIN, BODY / 4),
        };
        if self.buffer.len() - self.filled < wanted {
            self.make_room(expecting, wanted);
        }
        &mut self.buffer[self.filled..]
    }

    #[cold]
    fn make_room(&mut self, expecting: Expecting, wanted: usize) {
        let used = self.len();
        // Bytes are moved only over at least as many that are used up: the copies stay linear.
        if self.start >= used {
            work::count(used);
            self.buffer.copy_within(self.start..self.filled, 0);
            (self.start, self.filled) = (0, used);
        }
        if self.buffer.len() - self.filled >= wanted {
            return;
        }
        let size = match expecting {
            // Doubling keeps the copies of a dripped head linear.
            Expecting::Head => FIRST.max(used * 2),
            Expecting::Body(rest) => {
                let rest = usize::try_from(rest).unwrap_or(BODY).min(BODY);
                (used + rest.max(SPACE_MIN)).next_power_of_two().max(FIRST)
            }
        };
        work::count(used);
        let spare = if size == BODY { spares::lock(&SPARES).take(BODY) } else { None };
        let spare = spare.filter(|spare| spare.len() == size);
        let mut larger = spare.unwrap_or_else(|| vec![0; size]);
        larger[..used].copy_from_slice(self.bytes());
        self.buffer = larger;
        (self.start, self.filled) = (0, used);
    }

    /// Notes that `count` bytes were read into [`space`](Self::space).
    ///
    /// # Panics
    /// If that is more than there was room for.
    #[inline]
    pub(super) fn receive(&mut self, count: usize) {
        assert!(count <= self.buffer.len() - self.filled, "a transport reported more bytes than fit");
        self.filled += count;
    }

    /// Passes over a head of `count` bytes.
    #[inline]
    pub(super) fn pass_head(&mut self, count: usize) {
        self.head = self.start..self.start + count;
        self.start += count;
    }

    /// The head that was passed over last, as long as nothing has been read or taken since.
    #[inline]
    pub(super) fn head(&self) -> &[u8] {
        &self.buffer[self.head.clone()]
    }

    /// Takes the first `count` bytes out; where they are many, with the memory that they are in.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        let taken = self.start..self.start + count;
        if count < SHARED_MIN || taken.end < self.filled || self.buffer.len() > 2 * count {
            let taken = Bytes::copy_from_slice(&self.buffer[taken]);
            self.start += count;
            return taken;
        }
        (self.start, self.filled, self.head) = (0, 0, 0..0);
        Bytes::from_owner(Spare::new(mem::take(&mut self.buffer), &SPARES)).slice(taken)
    }

    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.start += count;
    }

    /// Keeps no larger a buffer than a head needs.
    pub(super) fn rest(&mut self) {
        if self.buffer.len() > FIRST {
            drop(Spare::new(mem::take(self).buffer, &SPARES));
        }
    }

    /// Discards everything, and gives how much it was.
    pub(super) fn discard(&mut self) -> usize {
        let count = self.len();
        self.start = self.filled;
        count
    }
}

/// The buffers of bodies that nobody holds any more: each is initialised throughout. To have them zeroed again for each
/// piece was a tenth of the time of an echo of 1 MiB.
static SPARES: Mutex<Spares> = Mutex::new(Spares::new(BODY..=BODY, 16 * BODY));

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(input: &mut Input, bytes: &[u8]) {
        let space = input.space(Expecting::Head);
        space[..bytes.len()].copy_from_slice(bytes);
        input.receive(bytes.len());
    }

    #[test]
    fn a_head_is_there_until_its_place_may_be_taken() {
        let mut input = Input::default();
        receive(&mut input, b"head, body");
        input.pass_head(6);
        assert_eq!((input.head(), input.bytes()), (&b"head, "[..], &b"body"[..]));
        assert_eq!(input.take(2), "bo");
        assert_eq!((input.head(), input.bytes()), (&b"head, "[..], &b"dy"[..]));
        input.space(Expecting::Head);
        assert_eq!((input.head(), input.bytes()), (&b""[..], &b"dy"[..]));
    }

    #[test]
    fn what_is_taken_is_whole_whether_it_is_copied_or_shared() {
        for size in [1, SHARED_MIN - 1, SHARED_MIN, 3 * FIRST] {
            let body: Vec<u8> = (0..size).map(|place| place as u8).collect();
            let mut input = Input::default();
            receive(&mut input, b"used");
            input.skip(4);
            receive(&mut input, b"head");
            input.pass_head(4);
            for piece in body.chunks(500) {
                receive(&mut input, piece);
            }
            let (first, rest) = (input.take(size / 2), input.take(size - size / 2));
            assert_eq!([first, rest].concat(), body, "{size}");
            assert_eq!(input.len(), 0);
        }
    }

    /// What is read in pieces, and used in pieces, is moved a bounded number of times.
    #[test]
    fn moves_are_linear_in_what_is_read() {
        let mut input = Input::default();
        work::take();
        for _ in 0..1000 {
            receive(&mut input, &[b'x'; 700]);
            input.skip(input.len().saturating_sub(600).min(650));
        }
        assert!(work::take() <= 2 * 700_000);
    }
}
