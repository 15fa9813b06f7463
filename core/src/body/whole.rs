//! A body gathered into one piece of memory. That of a large one is used again for the next, as long as few wait to be:
//! to have a new one each time costs a page fault for every 4 KiB, which was half of the processor's time for an echo of
//! 1 MiB. It must never be larger than twice what has come, or than what was announced.

use std::{
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http_body::Body as _;

use super::{Body, BodyError};

/// All of a body.
pub(crate) enum Whole {
    /// It came as one piece.
    Piece(Bytes),
    Gathered(Vec<u8>),
}

impl Whole {
    pub(super) async fn gather(mut body: Body) -> Result<Self, BodyError> {
        let Some(first) = body.next().await.transpose()? else { return Ok(Self::Piece(Bytes::new())) };
        let Some(second) = body.next().await.transpose()? else { return Ok(Self::Piece(first)) };
        let here = first.len() + second.len();
        let rest = body.size_hint().exact().and_then(|rest| usize::try_from(rest).ok());
        let announced = rest.map(|rest| here.saturating_add(rest));
        let mut whole = announced.and_then(spare_for).unwrap_or_default();
        append(&mut whole, &first, announced);
        drop(first);
        append(&mut whole, &second, announced);
        drop(second);
        while let Some(piece) = body.next().await.transpose()? {
            append(&mut whole, &piece, announced);
        }
        Ok(Self::Gathered(whole))
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Piece(bytes) => bytes,
            Self::Gathered(bytes) if Spares::EACH.contains(&bytes.capacity()) => {
                Bytes::from_owner(Spare(bytes))
            }
            Self::Gathered(bytes) => bytes.into(),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Piece(bytes) => bytes.into(),
            Self::Gathered(bytes) => bytes,
        }
    }
}

/// Room is doubled, as what a peer announces may never come; but no further than to what it announced.
fn append(whole: &mut Vec<u8>, piece: &[u8], announced: Option<usize>) {
    let needed = whole.len() + piece.len();
    if needed > whole.capacity() {
        let doubled = needed.max(whole.len() * 2);
        let wanted = announced.map_or(doubled, |announced| doubled.min(announced).max(needed));
        whole.reserve_exact(wanted - whole.len());
    }
    whole.extend_from_slice(piece);
}

fn spare_for(bytes: usize) -> Option<Vec<u8>> {
    Spares::EACH.contains(&bytes).then(|| Spares::lock().take(bytes))?
}

/// The memory of large bodies that nobody holds any more, for all threads.
static SPARES: Mutex<Spares> = Mutex::new(Spares(Vec::new()));

/// Memory to be used again: it is empty, and of the sizes that [`EACH`](Self::EACH) says.
struct Spares(Vec<Vec<u8>>);

impl Spares {
    /// The least and the most bytes of one that is kept: malloc is good at smaller ones, and few bodies are larger than
    /// the limit that they have by default.
    const EACH: RangeInclusive<usize> = 128 << 10..=2 << 20;
    /// The most bytes of all that are kept.
    const ALL: usize = 4 << 20;

    fn lock() -> MutexGuard<'static, Self> {
        // It is whole between any two steps.
        SPARES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory for so many bytes that will come; never for more than twice as many, since the handler may keep it.
    fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let place = self.0.iter().rposition(|each| (bytes..=bytes * 2).contains(&each.capacity()))?;
        Some(self.0.swap_remove(place))
    }

    fn keep(&mut self, memory: Vec<u8>) {
        let kept: usize = self.0.iter().map(Vec::capacity).sum();
        if kept + memory.capacity() <= Self::ALL {
            self.0.push(memory);
        }
    }
}

/// A body's memory, which is kept when it is dropped.
struct Spare(Vec<u8>);

impl AsRef<[u8]> for Spare {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.0);
        memory.clear();
        Spares::lock().keep(memory);
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::task::{Context, Poll, Waker};

    use http_body::Frame;

    use super::*;
    use crate::body::incoming;

    /// Sends `pieces` through the two ends of a body, and gathers them.
    fn gathered(announced: Option<u64>, pieces: &[&[u8]]) -> Whole {
        let (source, incoming) = incoming(announced);
        let mut whole = std::pin::pin!(Body::from_incoming(incoming).whole());
        let mut cx = Context::from_waker(Waker::noop());
        for piece in pieces {
            assert!(whole.as_mut().poll(&mut cx).is_pending());
            source.deliver(Ok(Frame::data(Bytes::copy_from_slice(piece))));
        }
        assert!(whole.as_mut().poll(&mut cx).is_pending());
        source.end();
        match whole.as_mut().poll(&mut cx) {
            Poll::Ready(Ok(whole)) => whole,
            _ => panic!("the body is whole"),
        }
    }

    #[test]
    fn pieces_come_together_in_order_whatever_was_announced() {
        let pieces: Vec<Vec<u8>> = (0..9).map(|n| vec![n; 40_000]).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        for count in [0, 1, 2, 9] {
            let all = pieces[..count].concat();
            for announced in [None, Some(all.len() as u64)] {
                assert_eq!(gathered(announced, &pieces[..count]).into_bytes(), all, "{count}, {announced:?}");
                assert_eq!(gathered(announced, &pieces[..count]).into_vec(), all, "{count}, {announced:?}");
            }
        }
    }

    /// What a peer announces buys it no memory: room is made for what has come, twice over at most.
    #[test]
    fn room_is_for_what_has_come() {
        for announced in [None, Some(1 << 40), Some(50_000)] {
            let mut whole = Vec::new();
            for _ in 0..50 {
                append(&mut whole, &[7; 1000], announced);
                assert!(whole.capacity() <= 2 * whole.len());
                assert!(announced != Some(50_000) || whole.capacity() <= 50_000);
            }
            assert_eq!(whole, [7; 50_000]);
        }
    }

    #[test]
    fn memory_is_used_again_where_it_fits() {
        let mut spares = Spares(Vec::new());
        let memory = Vec::with_capacity(1 << 20);
        let place = memory.as_ptr();
        spares.keep(memory);
        assert_eq!(spares.take((1 << 20) + 1), None, "too small");
        assert_eq!(spares.take((1 << 19) - 1), None, "more than twice as large");
        assert_eq!(spares.take(1 << 19).map(|memory| memory.as_ptr()), Some(place));
        assert_eq!(spares.take(1 << 19), None, "it is taken once");
    }

    #[test]
    fn no_more_is_kept_than_is_said() {
        let mut spares = Spares(Vec::new());
        (0..100).for_each(|_| spares.keep(Vec::with_capacity(1 << 20)));
        assert_eq!(spares.0.len(), Spares::ALL >> 20);
    }

    /// What another request's body left is never seen.
    #[test]
    fn a_body_in_used_memory_is_its_own() {
        let size = 300 << 10;
        for byte in [b'a', b'b'] {
            let half = vec![byte; size / 2];
            let body = gathered(Some(size as u64), &[&half, &half]).into_bytes();
            assert!(body.len() == size && body.iter().all(|&each| each == byte));
        }
    }
}
