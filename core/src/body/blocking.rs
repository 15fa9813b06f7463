//! Bodies of plain `fn` handlers: a request body read with `std::io::Read`, a response body pulled
//! from an iterator or reader that may block. Nothing here blocks on the driver's own poll.

use std::{
    io::{self, BufRead, Read},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame};

use super::{Body, BodyError};
use crate::{
    BoxError, BoxFuture,
    jobs::{self, JobError, Unfinished},
    panics::Held,
};

/// Reads a body with [`std::io::Read`]: [`Body::reader`].
#[derive(Debug)]
pub struct BodyReader {
    body: Body,
    piece: Bytes,
    ended: bool,
}

impl BodyReader {
    pub(super) fn new(body: Body) -> Self {
        Self { body, piece: Bytes::new(), ended: false }
    }
}

/// The next piece of `body`, waited for on this thread.
pub(super) fn next(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    jobs::block_on(body.next()).unwrap_or_else(|unfinished| Some(Err(unread(unfinished))))
}

fn unread(unfinished: Unfinished) -> BodyError {
    match unfinished {
        Unfinished::WouldBlockTheLoop => BodyError::WouldBlock,
        Unfinished::GivenUp => BodyError::Finished,
    }
}

impl BufRead for BodyReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() && !self.ended {
            match next(&mut self.body) {
                Some(piece) => self.piece = piece?,
                None => self.ended = true,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount.min(self.piece.len()));
    }
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

/// An iterator and what it gave.
type Pulled<I> = (Held<I>, Option<Result<Bytes, BoxError>>);

/// A response body from an iterator: each pull is a job.
pub(super) struct FromIter<I> {
    state: Pull<I>,
}

enum Pull<I> {
    Resting(Held<I>),
    Running(BoxFuture<Result<Pulled<I>, JobError>>),
    Ended,
}

impl<I> FromIter<I> {
    pub(super) fn new(items: I) -> Self {
        Self { state: Pull::Resting(Held::new(items)) }
    }
}

// The iterator is never pinned: it moves into the job and back.
impl<I> Unpin for FromIter<I> {}

impl<I> HttpBody for FromIter<I>
where
    I: Iterator<Item = Result<Bytes, BoxError>> + Send + 'static,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match std::mem::replace(&mut self.state, Pull::Ended) {
                Pull::Ended => return Poll::Ready(None),
                Pull::Resting(mut items) => {
                    self.state = Pull::Running(Box::pin(jobs::run(move || {
                        let item = items.next();
                        (items, item)
                    })));
                }
                Pull::Running(mut pull) => {
                    let Poll::Ready(pulled) = pull.as_mut().poll(cx) else {
                        self.state = Pull::Running(pull);
                        return Poll::Pending;
                    };
                    return Poll::Ready(match pulled {
                        Ok((items, Some(Ok(data)))) => {
                            self.state = Pull::Resting(items);
                            Some(Ok(Frame::data(data)))
                        }
                        Ok((_, last)) => last.and_then(Result::err).map(Err),
                        Err(JobError::Rejected) => Some(Err("no thread was free to pull the body".into())),
                        Err(JobError::Panicked) => Some(Err("the body's source panicked".into())),
                        Err(JobError::Outside) => {
                            Some(Err("a body that may block was polled outside the server".into()))
                        }
                    });
                }
            }
        }
    }
}

/// A reader as an iterator of pieces of at most 64 KiB.
pub(super) struct Pieces<R> {
    reader: R,
    failed: bool,
}

const PIECE_BYTES: usize = 64 << 10;

impl<R> Pieces<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, failed: false }
    }
}

impl<R: Read> Iterator for Pieces<R> {
    type Item = Result<Bytes, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match self.reader.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => {
                    piece.truncate(count);
                    return Some(Ok(piece.into()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error.into()));
                }
            }
        }
    }
}
