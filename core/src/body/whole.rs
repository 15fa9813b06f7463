//! A body gathered into one piece of memory. That of a large one is used again for the next. It must never be made larger
//! than twice what has come, or than what was announced.

use std::{
    mem,
    ops::RangeInclusive,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body as _;

use super::{Body, BodyError, Kind};
use crate::spares::{self, Spare, Spares};

/// All of a body.
pub(crate) enum Whole {
    /// It came as one piece.
    Piece(Bytes),
    Gathered(Vec<u8>),
}

/// The future of a [`Whole`]. Small, since it is a part of what handlers are waited for in.
pub(crate) struct Gather {
    body: Body,
    whole: Whole,
}

impl Gather {
    pub(super) fn new(body: Body) -> Self {
        Self { body, whole: Whole::default() }
    }
}

impl Future for Gather {
    type Output = Result<Whole, BodyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { body, whole } = &mut *self;
        while let Some(piece) = ready!(body.poll_data(cx)).transpose()? {
            let rest = body.size_hint().exact().and_then(|rest| usize::try_from(rest).ok());
            whole.add(piece, rest);
            // Of a declared length from the connection, this was the last piece: no trailers follow.
            if rest == Some(0) && matches!(body.0, Kind::Incoming(_)) {
                break;
            }
        }
        Poll::Ready(Ok(mem::take(whole)))
    }
}

impl Default for Whole {
    fn default() -> Self {
        Self::Piece(Bytes::new())
    }
}

impl Whole {
    /// Adds a piece, behind which `rest` bytes will come, if that is known.
    fn add(&mut self, piece: Bytes, rest: Option<usize>) {
        let announced = |here: usize| rest.map(|rest| here.saturating_add(rest));
        match self {
            Self::Piece(first) if first.is_empty() => *first = piece,
            Self::Piece(first) => {
                let announced = announced(first.len() + piece.len());
                let mut whole = announced.and_then(spare_for).unwrap_or_default();
                append(&mut whole, first, announced);
                append(&mut whole, &piece, announced);
                *self = Self::Gathered(whole);
            }
            Self::Gathered(whole) => append(whole, &piece, announced(whole.len() + piece.len())),
        }
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

/// As much as a few clients have under way together that send one large body after the other: with less, each body beyond
/// it had its page faults, a third of its time.
static SPARES: Mutex<Spares> = Mutex::new(Spares::new(EACH, 16 << 20));

/// So much of it stays when a connection has ended.
const REST: usize = 4 << 20;

/// Lets go of memory that is kept for large bodies, all but a little. A backend calls it when a connection has ended, in
/// whatever way, so that a burst does not leave it behind. (What the app still holds then is kept when it is dropped, until
/// the next one ends.)
pub fn release_spares() {
    let over = spares::lock(&SPARES).cut_to(REST);
    drop(over);
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::task::Waker;

    use http_body::Frame;

    use super::*;
    use crate::body::incoming;

    /// Sends `pieces` through the two ends of a body, and gathers them.
    fn gathered(announced: Option<u64>, pieces: &[&[u8]]) -> Whole {
        let (source, incoming) = incoming(announced);
        let mut whole = std::pin::pin!(Gather::new(Body::from_incoming(incoming)));
        let mut cx = Context::from_waker(Waker::noop());
        for piece in pieces {
            assert!(whole.as_mut().poll(&mut cx).is_pending());
            source.deliver(&cx, Ok(Frame::data(Bytes::copy_from_slice(piece))));
        }
        let mut polled = whole.as_mut().poll(&mut cx);
        // The last piece of what was announced is known to be the last.
        assert_eq!(polled.is_pending(), announced.is_none() || pieces.is_empty());
        if polled.is_pending() {
            source.end(&cx);
            polled = whole.as_mut().poll(&mut cx);
        }
        match polled {
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

    /// A burst of large bodies leaves only so much behind, once its connections have gone.
    #[test]
    fn memory_is_released_down_to_a_rest() {
        const SIZE: usize = 512 << 10;
        let half = vec![0; SIZE / 2];
        let bodies: Vec<_> =
            (0..20).map(|_| gathered(Some(SIZE as u64), &[&half, &half]).into_bytes()).collect();
        drop(bodies);
        // Other tests keep a little meanwhile.
        assert!(kept() > 2 * REST);
        release_spares();
        assert!(kept() < 2 * REST);
    }

    fn kept() -> usize {
        spares::lock(&SPARES).kept()
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
