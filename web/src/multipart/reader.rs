//! The body of a form, taken apart as it comes: [`Reader`]. It holds a slice of the body, and of a head no more than the limit.
//! What it makes of a form depends on the bytes of it, and never on how they arrive; no byte is looked at more than a few times.

use std::{
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr2, memmem::Finder};
use trijet_core::{Body, BodyError};

use super::MultipartError;

/// The most that is taken of the body at once.
const SLICE_BYTES: usize = 8 << 10;

/// So many bytes without a wait, then others have their turn: 256 KiB, as everywhere.
const TURN_BYTES: usize = 256 << 10;

/// What a piece of the body counts beside its bytes: small ones cost time too, and so do those without any.
const PIECE_COUNTS: usize = 256;

/// How the body is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// By a future.
    Polled,
    /// On this thread.
    Blocking,
}

pub(super) struct Reader {
    body: Body,
    /// Of the last piece of the body, what has not been taken yet.
    rest: Bytes,
    is_over: bool,
    /// How many bytes of it may still be taken.
    left: u64,
    /// What was taken in this turn.
    turn_bytes: usize,
    /// What was taken, and belongs to no part yet.
    buffer: BytesMut,
    /// Up to where nothing is in it that is looked for.
    scanned: usize,
    /// Where the line of a head begins that `scanned` is in.
    line: usize,
    /// What is between two parts: the line end before a boundary belongs to it (RFC 2046 §5.1.1).
    delimiter: Finder<'static>,
}

impl Reader {
    /// Of a body of at most `most` bytes.
    pub(super) fn new(body: Body, boundary: &str, most: u64) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            is_over: false,
            left: most,
            turn_bytes: 0,
            // The first boundary may be the first line, which has no line end before it.
            buffer: BytesMut::from("\r\n"),
            scanned: 0,
            line: 0,
            delimiter: Finder::new(&format!("\r\n--{boundary}")).into_owned(),
        }
    }

    /// Goes behind the first boundary, which must end within `most` bytes. What is before it is for nobody.
    pub(super) fn poll_preamble(
        &mut self,
        wait: Wait,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), MultipartError>> {
        let (most, length) = (most.saturating_add(2), self.delimiter.needle().len());
        loop {
            let window = &self.buffer[..self.buffer.len().min(most)];
            if let Some(found) = self.delimiter.find(&window[self.scanned..]) {
                self.go_behind(self.scanned + found + length);
                return Poll::Ready(Ok(()));
            }
            if self.buffer.len() >= most {
                return Poll::Ready(Err(MultipartError::TooLarge(
                    "what stands before the first part has too many bytes",
                )));
            }
            self.scanned = self.buffer.len().saturating_sub(length - 1);
            ready!(self.poll_more(wait, cx))?;
        }
    }

    /// The fields of a part, behind a boundary, with the blank line that ends them; `None` where that boundary was the last.
    /// All of it, from the boundary on, is `most` bytes at most.
    pub(super) fn poll_head(
        &mut self,
        wait: Wait,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, MultipartError>> {
        loop {
            if self.buffer.len() >= 2 {
                if self.buffer.starts_with(b"--") {
                    self.go_behind(2);
                    return Poll::Ready(Ok(None));
                }
                if let Some((begin, end)) = self.scan_head(most)? {
                    let head = self.buffer.split_to(end).freeze().slice(begin..);
                    self.go_behind(0);
                    return Poll::Ready(Ok(Some(head)));
                }
                if self.buffer.len() >= most {
                    return Poll::Ready(Err(MultipartError::TooLarge(
                        "the head of a part has too many bytes",
                    )));
                }
            }
            ready!(self.poll_more(wait, cx))?;
        }
    }

    /// Where the fields begin and end, if they end here. Each line ends in CRLF, and neither of the two is anywhere else: what
    /// takes one of them alone for the end of a line would see another head.
    fn scan_head(&mut self, most: usize) -> Result<Option<(usize, usize)>, MultipartError> {
        let window = &self.buffer[..self.buffer.len().min(most)];
        while let Some(found) = memchr2(b'\r', b'\n', &window[self.scanned..]) {
            let at = self.scanned + found;
            match &window[at..] {
                [b'\r', b'\n', ..] => {}
                [b'\r'] => {
                    self.scanned = at;
                    return Ok(None);
                }
                _ => return Err(MultipartError::Malformed("a line in the head of a part must end in CRLF")),
            }
            let (is_first, line) = (self.line == 0, &window[self.line..at]);
            (self.scanned, self.line) = (at + 2, at + 2);
            // The boundary's own line may end in white space (RFC 2046 §5.1.1), and in nothing else.
            if is_first && !line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                return Err(MultipartError::Malformed("a boundary is followed by something else"));
            }
            if !is_first && line.is_empty() {
                let begin = window.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                return Ok(Some((begin, at + 2)));
            }
        }
        self.scanned = window.len();
        Ok(None)
    }

    /// The next bytes of a part; `None` behind the boundary that ends it.
    pub(super) fn poll_data(
        &mut self,
        wait: Wait,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, MultipartError>> {
        loop {
            let end = match self.delimiter.find(&self.buffer) {
                Some(0) => {
                    self.go_behind(self.delimiter.needle().len());
                    return Poll::Ready(Ok(None));
                }
                Some(end) => end,
                None => self.buffer.len() - self.doubtful(),
            };
            if end > 0 {
                return Poll::Ready(Ok(Some(self.buffer.split_to(end).freeze())));
            }
            ready!(self.poll_more(wait, cx))?;
        }
    }

    /// How many of the last bytes may begin a delimiter.
    fn doubtful(&self) -> usize {
        let delimiter = self.delimiter.needle();
        let most = self.buffer.len().min(delimiter.len() - 1);
        (1..=most).rev().find(|count| self.buffer.ends_with(&delimiter[..*count])).unwrap_or(0)
    }

    /// Reads the body to its end, unless that is more than `most` bytes away.
    pub(super) fn poll_epilogue(
        &mut self,
        wait: Wait,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), MultipartError>> {
        // Of what comes behind the form, `scanned` is the count.
        self.scanned += std::mem::take(&mut self.buffer).len() + std::mem::take(&mut self.rest).len();
        while self.scanned <= most {
            match ready!(self.poll_piece(wait, cx)) {
                Some(Ok(piece)) => {
                    self.scanned += piece.len();
                    self.turn_bytes += piece.len();
                }
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn go_behind(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        (self.scanned, self.line) = (0, 0);
    }

    /// Takes another slice of the body.
    fn poll_more(&mut self, wait: Wait, cx: &mut Context<'_>) -> Poll<Result<(), MultipartError>> {
        while self.rest.is_empty() {
            self.rest = match ready!(self.poll_piece(wait, cx)) {
                Some(piece) => piece?,
                None => {
                    return Poll::Ready(Err(MultipartError::Malformed("it ends before its last boundary")));
                }
            };
        }
        ready!(self.poll_turn(wait, cx));
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(SLICE_BYTES);
        if most == 0 {
            return Poll::Ready(Err(MultipartError::TooLarge("it has too many bytes")));
        }
        let slice = self.rest.split_to(self.rest.len().min(most));
        self.left -= slice.len() as u64;
        self.turn_bytes += slice.len();
        self.buffer.extend_from_slice(&slice);
        Poll::Ready(Ok(()))
    }

    /// Lets others go first, now and then: a body may never have to wait. Who waits on a thread has it to himself.
    fn poll_turn(&mut self, wait: Wait, cx: &Context<'_>) -> Poll<()> {
        if self.turn_bytes < TURN_BYTES {
            return Poll::Ready(());
        }
        self.turn_bytes = 0;
        match wait {
            Wait::Polled => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Wait::Blocking => Poll::Ready(()),
        }
    }

    /// The next piece of the body, and once more `None` behind its end.
    fn poll_piece(&mut self, wait: Wait, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        ready!(self.poll_turn(wait, cx));
        self.turn_bytes += PIECE_COUNTS;
        let next = match wait {
            // It holds nothing from one poll to the next.
            Wait::Polled => match pin!(self.body.next()).poll(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    self.turn_bytes = 0;
                    return Poll::Pending;
                }
            },
            Wait::Blocking => self.body.next_blocking(),
        };
        self.is_over = next.is_none();
        Poll::Ready(next)
    }
}
