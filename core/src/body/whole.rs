//! A body gathered into one piece of memory. That of a large one is used again for the next. It must never be larger than
//! twice what has come, or than what was announced.

use std::{ops::RangeInclusive, sync::Mutex};

use bytes::Bytes;
use http_body::Body as _;

use super::{Body, BodyError};
use crate::spares::{self, Spare, Spares};

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
            Self::Gathered(bytes) if EACH.contains(&bytes.capacity()) => {
                Bytes::from_owner(Spare::new(bytes, &SPARES))
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
    let mut memory = EACH.contains(&bytes).then(|| spares::lock(&SPARES).take(bytes))??;
    memory.clear();
    Some(memory)
}

/// Malloc is good at smaller ones, and few bodies are larger than the limit that they have by default.
const EACH: RangeInclusive<usize> = 128 << 10..=2 << 20;

static SPARES: Mutex<Spares> = Mutex::new(Spares::new(EACH, 4 << 20));

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
