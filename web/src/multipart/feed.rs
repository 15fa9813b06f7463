//! The body on its way into `multer`, a slice at a time: [`Feed`]. What `multer` is given, it keeps until it can use it, and
//! looks through anew whenever it is polled. So it is polled only with something new, gets small slices, and of a head no
//! more than the limit, and not in crumbs: its memory is bounded, and its work is linear however the body arrives.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use trijet_core::{Body, BodyError};

use super::MultipartError;

/// The most that `multer` gets at once.
const SLICE_BYTES: usize = 8 << 10;

/// So many slices without a wait, then others have their turn: 256 KiB, as everywhere.
const SLICES_A_TURN: usize = 32;

/// How the body is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// By a future.
    Polled,
    /// On this thread.
    Blocking,
}

/// The body, held by `multer` as a stream and by us.
#[derive(Clone)]
pub(super) struct Feed(Arc<Mutex<State>>);

struct State {
    body: Body,
    wait: Wait,
    /// Of the last piece of the body, what has not been looked at yet.
    rest: Bytes,
    is_over: bool,
    /// How many were given in this turn.
    slices: usize,
    /// Whether `multer` can do nothing without another slice.
    is_hungry: bool,
    /// What it gets next: `None` within is the end.
    next: Option<Option<Bytes>>,
    /// There while a head is read.
    head: Option<HeadFeed>,
    /// Of a head, what waits for more: it is given before the head can end.
    crumbs: BytesMut,
    /// The last bytes that came before `rest`.
    tail: [u8; 3],
}

/// What of a head has been taken so far. Crumbs of it are kept back until they are as much as was given before, so that
/// looking through it all once more costs no more than they do; or until they end it, which is believed a few times: a blank
/// line may be the preamble's.
struct HeadFeed {
    /// How much may still come.
    left: usize,
    given: usize,
    blank_lines: usize,
}

/// Less than that is a crumb.
const CRUMBS_BYTES: usize = 256;
const BLANK_LINES_MAX: usize = 4;

impl HeadFeed {
    fn is_enough(&self, crumbs: usize) -> bool {
        crumbs >= self.given.max(CRUMBS_BYTES) || self.left == 0
    }
}

impl Feed {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(State {
            body,
            wait: Wait::Polled,
            rest: Bytes::new(),
            is_over: false,
            slices: 0,
            is_hungry: false,
            next: None,
            head: None,
            crumbs: BytesMut::new(),
            tail: [0; 3],
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A head of at most `bytes` is read from now on, unless one is being read.
    pub(super) fn begin_head(&self, bytes: usize) {
        self.lock().head.get_or_insert(HeadFeed { left: bytes, given: 0, blank_lines: 0 });
    }

    /// No head is read any more.
    pub(super) fn end_head(&self) {
        self.lock().head = None;
    }

    /// Polls `multer` by `poll` as long as it can use another slice.
    pub(super) fn poll<R>(
        &self,
        wait: Wait,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<Result<R, MultipartError>> {
        self.lock().wait = wait;
        loop {
            let mut state = self.lock();
            if state.is_hungry {
                ready!(state.poll_turn(cx));
                ready!(state.poll_next(cx))?;
            }
            drop(state);
            let polled = poll(cx);
            let mut state = self.lock();
            state.is_hungry = polled.is_pending();
            if let Poll::Ready(ready) = polled {
                return Poll::Ready(Ok(ready));
            }
            if state.next.is_some() {
                // It was told of the end, or should have been, and nothing would wake it.
                return Poll::Ready(Err(MultipartError::Malformed("it ends before its last boundary")));
            }
        }
    }

    /// Reads the body to its end, unless that is more than `most` bytes away.
    pub(super) fn poll_rest(
        &self,
        wait: Wait,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), MultipartError>> {
        let mut state = self.lock();
        state.wait = wait;
        // What `multer` has taken of it is bounded already.
        let here = std::mem::take(&mut state.rest).len();
        let mut left = state.head.take().map_or(most, |head| head.left).checked_sub(here);
        while let Some(bytes) = left {
            state.head = Some(HeadFeed { left: bytes, given: 0, blank_lines: 0 });
            match ready!(state.poll_piece(cx)) {
                Some(Ok(piece)) => left = bytes.checked_sub(piece.len()),
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl State {
    /// The next piece of the body, and once more `None` behind its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = match self.wait {
            // It holds nothing from one poll to the next.
            Wait::Polled => match pin!(self.body.next()).poll(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    self.slices = 0;
                    return Poll::Pending;
                }
            },
            Wait::Blocking => self.body.next_blocking(),
        };
        self.is_over = next.is_none();
        Poll::Ready(next)
    }

    /// Lets others go first, now and then: a body may never have to wait.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.slices < SLICES_A_TURN || self.wait == Wait::Blocking {
            self.slices += 1;
            return Poll::Ready(());
        }
        self.slices = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Has something for `multer`.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), MultipartError>> {
        if self.next.is_none() {
            self.next = Some(ready!(self.poll_slice(cx)).transpose()?);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_slice(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, MultipartError>>> {
        loop {
            if self.rest.is_empty() {
                match ready!(self.poll_piece(cx)) {
                    Some(Ok(piece)) => self.rest = piece,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    None if self.crumbs.is_empty() => return Poll::Ready(None),
                    None => return Poll::Ready(Some(Ok(self.crumbs.split().freeze()))),
                }
                continue;
            }
            let most = self.head.as_ref().map_or(SLICE_BYTES, |head| head.left.min(SLICE_BYTES));
            if most == 0 {
                return Poll::Ready(Some(Err(MultipartError::TooLarge(
                    "the head of a part has too many bytes",
                ))));
            }
            let slice = self.rest.split_to(self.rest.len().min(most));
            let ends_head = self.has_blank_line(&slice);
            self.note_tail(&slice);
            let Some(head) = &mut self.head else { return Poll::Ready(Some(Ok(slice))) };
            head.left -= slice.len();
            let counts = ends_head && head.blank_lines < BLANK_LINES_MAX;
            head.blank_lines += usize::from(counts);
            if counts || head.is_enough(self.crumbs.len() + slice.len()) {
                head.given += self.crumbs.len() + slice.len();
                if self.crumbs.is_empty() {
                    return Poll::Ready(Some(Ok(slice)));
                }
                self.crumbs.extend_from_slice(&slice);
                return Poll::Ready(Some(Ok(self.crumbs.split().freeze())));
            }
            self.crumbs.extend_from_slice(&slice);
        }
    }

    /// Whether a blank line ends within `slice`, wherever it has begun.
    fn has_blank_line(&self, slice: &[u8]) -> bool {
        if self.head.is_none() {
            return false;
        }
        let begin = &slice[..slice.len().min(3)];
        let joint = [&self.tail, begin].concat();
        joint.windows(4).chain(slice.windows(4)).any(|window| window == b"\r\n\r\n")
    }

    fn note_tail(&mut self, slice: &[u8]) {
        let last = [&self.tail, &slice[slice.len().saturating_sub(3)..]].concat();
        self.tail.copy_from_slice(&last[last.len() - 3..]);
    }
}

/// As `multer` sees it. Errors never come this way, and nobody is woken: see [`Feed::poll`].
impl Stream for Feed {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.lock().next.take() {
            Some(next) => Poll::Ready(next.map(Ok)),
            None => Poll::Pending,
        }
    }
}

impl From<BodyError> for MultipartError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}
