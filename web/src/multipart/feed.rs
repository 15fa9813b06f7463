//! The body on its way into `multer`, a slice at a time: [`Feed`]. What `multer` is given, it keeps until it can use it,
//! and looks through anew with each piece. So it gets small slices, none before it has used the last, and of a head no
//! more than the limit: its memory is bounded, and so is the work for each piece that comes.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
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
    /// Of the last piece of the body, what `multer` has not got yet.
    rest: Bytes,
    turn: Turn,
    is_over: bool,
    /// How much of a head may still be given, while one is read.
    head_left: Option<usize>,
    /// Why there is no more. `multer` carries errors in a box; this one stays here.
    fault: Option<MultipartError>,
}

/// Whether a slice may be given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Allowed,
    Given,
}

impl Feed {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(State {
            body,
            wait: Wait::Polled,
            rest: Bytes::new(),
            turn: Turn::Given,
            is_over: false,
            head_left: None,
            fault: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A head of at most `bytes` is read from now on.
    pub(super) fn begin_head(&self, bytes: usize) {
        self.lock().head_left = Some(bytes);
    }

    /// Whether a head is being read.
    pub(super) fn is_in_head(&self) -> bool {
        self.lock().head_left.is_some()
    }

    /// No head is read any more.
    pub(super) fn end_head(&self) {
        self.lock().head_left = None;
    }

    /// Why the body ended early, told once.
    pub(super) fn take_fault(&self) -> Option<MultipartError> {
        self.lock().fault.take()
    }

    /// Polls `multer` by `poll` as long as it can use another slice.
    pub(super) fn poll<R>(
        &self,
        wait: Wait,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<Result<R, MultipartError>> {
        self.lock().wait = wait;
        for slices in 0.. {
            if slices == SLICES_A_TURN && wait == Wait::Polled {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.lock().turn = Turn::Allowed;
            if let Poll::Ready(ready) = poll(cx) {
                return Poll::Ready(Ok(ready));
            }
            let state = self.lock();
            if state.is_over {
                // Nothing would wake it.
                return Poll::Ready(Err(MultipartError::Malformed("it ends before its last boundary")));
            }
            if state.turn == Turn::Allowed {
                // It got nothing: it waits for the body, which has the waker.
                return Poll::Pending;
            }
        }
        unreachable!("the slices are counted without end")
    }
}

impl Feed {
    /// Reads the body to its end, unless that is more than `most` bytes away.
    pub(super) fn poll_rest(
        &self,
        wait: Wait,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), MultipartError>> {
        let mut state = self.lock();
        state.wait = wait;
        let left = state.head_left.get_or_insert(most);
        // What `multer` has taken of it is bounded already.
        let mut left = std::mem::take(left).checked_sub(std::mem::take(&mut state.rest).len());
        while let Some(bytes) = left {
            state.head_left = Some(bytes);
            match std::task::ready!(state.poll_piece(cx)) {
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
            Wait::Polled => std::task::ready!(pin!(self.body.next()).poll(cx)),
            Wait::Blocking => self.body.next_blocking(),
        };
        self.is_over = next.is_none();
        Poll::Ready(next)
    }

    fn poll_slice(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, &'static str>>> {
        if self.turn == Turn::Given {
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match std::task::ready!(self.poll_piece(cx)) {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Poll::Ready(Some(self.fail(MultipartError::Body(error)))),
                None => return Poll::Ready(None),
            }
        }
        let mut count = self.rest.len().min(SLICE_BYTES);
        if let Some(left) = &mut self.head_left {
            if *left == 0 {
                return Poll::Ready(Some(
                    self.fail(MultipartError::TooLarge("the head of a part has too many bytes")),
                ));
            }
            count = count.min(*left);
            *left -= count;
        }
        self.turn = Turn::Given;
        Poll::Ready(Some(Ok(self.rest.split_to(count))))
    }

    fn fail(&mut self, fault: MultipartError) -> Result<Bytes, &'static str> {
        self.fault = Some(fault);
        Err("the fault is told elsewhere")
    }
}

impl Stream for Feed {
    type Item = Result<Bytes, &'static str>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.lock().poll_slice(cx)
    }
}

impl From<BodyError> for MultipartError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}
