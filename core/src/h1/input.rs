//! The bytes that came and were not used yet. All of the buffer is initialised, so that a transport
//! can read into it without `unsafe`; what is taken out shares its memory. It never looks at bytes.

use bytes::{Buf, Bytes, BytesMut};

use super::{spare, work};

/// Received bytes, and room for more.
#[derive(Default)]
pub(super) struct Input {
    /// Initialised throughout; the first `filled` bytes are received.
    buffer: BytesMut,
    filled: usize,
    ended: bool,
}

/// The room that a read is given at least.
const SPACE_MIN: usize = 1 << 10;
/// The first buffer of a connection: most heads fit.
const FIRST: usize = 4 << 10;
/// The buffer for bodies: at most so much is ever buffered beyond a head.
const BODY: usize = 64 << 10;

/// What the next bytes will be.
#[derive(Clone, Copy)]
pub(super) enum Expecting {
    Head,
    /// So many bytes of body at most, where that is known.
    Body(u64),
}

impl Input {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// Whether the peer has ended its direction.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Room for the next read, never empty.
    pub(super) fn space(&mut self, expecting: Expecting) -> &mut [u8] {
        let wanted = match expecting {
            Expecting::Head => SPACE_MIN,
            Expecting::Body(rest) => usize::try_from(rest).unwrap_or(BODY).clamp(SPACE_MIN, BODY / 4),
        };
        if self.buffer.len() - self.filled < wanted {
            self.make_room(expecting);
        }
        &mut self.buffer[self.filled..]
    }

    #[cold]
    fn make_room(&mut self, expecting: Expecting) {
        if self.buffer.is_empty() {
            self.buffer = spare::input();
            if self.buffer.len() >= SPACE_MIN {
                return;
            }
        }
        let size = match expecting {
            // Doubling keeps the copies of a dripped head linear.
            Expecting::Head => FIRST.max(self.filled * 2),
            Expecting::Body(rest) => {
                let rest = usize::try_from(rest).unwrap_or(BODY).min(BODY);
                (self.filled + rest.max(SPACE_MIN)).next_power_of_two().max(FIRST)
            }
        };
        if self.filled == 0 {
            // Where nobody holds a part of it any more, the old memory serves again.
            self.buffer.clear();
            if self.buffer.try_reclaim(size) {
                self.buffer.resize(size, 0);
                return;
            }
        }
        work::count(self.filled);
        let mut larger = BytesMut::zeroed(size);
        larger[..self.filled].copy_from_slice(self.bytes());
        self.buffer = larger;
    }

    /// Notes that `count` bytes were read into [`space`](Self::space).
    ///
    /// # Panics
    /// If that is more than there was room for.
    pub(super) fn receive(&mut self, count: usize) {
        assert!(count <= self.buffer.len() - self.filled, "a transport reported more bytes than fit");
        self.filled += count;
    }

    /// Takes the first `count` bytes out, sharing their memory.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        self.filled -= count;
        self.buffer.split_to(count).freeze()
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.filled -= count;
        self.buffer.advance(count);
    }

    pub(super) fn take_all(&mut self) -> Bytes {
        self.take(self.filled)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        spare::keep_input(std::mem::take(&mut self.buffer));
    }
}
