//! Forms with files (`multipart/form-data`, RFC 7578): [`Multipart`] gives one [`Part`] after the other, and each part
//! piece by piece, as they come. It holds a few KiB of a form, whatever its size, unless it is asked to collect a part; it
//! makes no file, and takes no name of a client's for a path.
//!
//! ```
//! use trijet_core::{Router, post};
//! use trijet_web::multipart::{Multipart, MultipartError};
//!
//! /// An `async fn` awaits the parts.
//! async fn sizes(mut form: Multipart) -> Result<String, MultipartError> {
//!     let mut answer = String::new();
//!     while let Some(mut part) = form.next().await? {
//!         let (name, mut size) = (part.name().to_owned(), 0);
//!         while let Some(piece) = part.next().await? {
//!             size += piece.len();
//!         }
//!         answer += &format!("{name}: {size} bytes\n");
//!     }
//!     Ok(answer)
//! }
//!
//! /// A plain `fn` waits for them, and may write to files meanwhile.
//! fn store(mut form: Multipart) -> Result<(), MultipartError> {
//!     while let Some(mut part) = form.next_blocking()? {
//!         std::io::copy(&mut part, &mut std::io::sink())?;
//!     }
//!     Ok(())
//! }
//! let router = Router::new().route("/sizes", post(sizes)).route("/files", post(store).body_limit(1 << 30));
//! ```

mod content_type;
mod error;
mod file_name;
mod head;
mod limits;
mod parameters;
mod part;
mod reader;

use std::{
    fmt,
    future::poll_fn,
    task::{Context as TaskContext, Poll, Waker, ready},
};

use bytes::Bytes;
use trijet_core::{
    Body, FromRequest, Request,
    extract::{Context, Rejection},
};

pub use self::{error::MultipartError, file_name::safe_file_name, limits::MultipartLimits, part::Part};
use self::{
    head::Head,
    reader::{Reader, Wait},
};

/// A form as it comes: an extractor, the last argument of a handler.
///
/// It answers 415 for another type, and 400 for a boundary that is missing or not one (RFC 2046 §5.1.1). The rest is read
/// as the handler asks for it: see [`MultipartError`], which is a response. What the handler does not read is skipped.
///
/// An error is final: whoever asks again is told again, so that a form which was cut never passes for a whole one.
pub struct Multipart {
    reader: Reader,
    limits: MultipartLimits,
    parts: usize,
    /// Bytes of the part that is being read.
    part_bytes: u64,
    stage: Stage,
    failure: Option<MultipartError>,
}

/// How far the form has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Preamble,
    /// Behind a boundary.
    Head,
    /// Within a part.
    Data,
    /// Behind the last boundary.
    Epilogue,
    Over,
}

impl FromRequest for Multipart {
    type Rejection = Rejection;

    async fn from_request(request: Request, context: &Context) -> Result<Self, Rejection> {
        let boundary = content_type::boundary(request.headers())?;
        let limits = context.state::<MultipartLimits>().copied().unwrap_or_default();
        Ok(Self::new(request.into_body(), &boundary, limits, context.body_bytes_max()))
    }
}

impl Multipart {
    fn new(body: Body, boundary: &str, limits: MultipartLimits, bytes_max: u64) -> Self {
        let reader = Reader::new(body, boundary, bytes_max);
        Self { reader, limits, parts: 0, part_bytes: 0, stage: Stage::Preamble, failure: None }
    }

    /// The next part; `None` at the end of the form. What was not read of the one before is skipped.
    ///
    /// # Errors
    /// Where the form is malformed or larger than a limit, and where its body ends early.
    pub async fn next(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        let head = poll_fn(|cx| self.poll_next(Wait::Polled, cx)).await?;
        Ok(head.map(|head| Part::new(self, head)))
    }

    /// As [`next`](Self::next), for a plain `fn`: waits for the client on this thread.
    ///
    /// # Errors
    /// As `next`, and inside an `async fn`.
    pub fn next_blocking(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        let head = blocking(|cx| self.poll_next(Wait::Blocking, cx))?;
        Ok(head.map(|head| Part::new(self, head)))
    }

    fn poll_next(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Head>, MultipartError>> {
        self.checked(|form| form.poll_head(wait, cx))
    }

    /// The next piece of the part; `None` at its end.
    fn poll_piece(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Bytes>, MultipartError>> {
        self.checked(|form| form.poll_data(wait, cx))
    }

    /// Polls, unless there was an error before.
    fn checked<R>(
        &mut self,
        poll: impl FnOnce(&mut Self) -> Poll<Result<R, MultipartError>>,
    ) -> Poll<Result<R, MultipartError>> {
        if let Some(failure) = &self.failure {
            return Poll::Ready(Err(failure.again()));
        }
        let polled = poll(self);
        if let Poll::Ready(Err(error)) = &polled {
            self.fail(error);
        }
        polled
    }

    /// From now on it gives this error.
    fn fail(&mut self, error: &MultipartError) {
        self.failure = Some(error.again());
    }

    fn poll_head(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Head>, MultipartError>> {
        let most = self.limits.head_bytes_max;
        loop {
            match self.stage {
                Stage::Preamble => {
                    ready!(self.reader.poll_preamble(wait, most, cx))?;
                    self.stage = Stage::Head;
                }
                // What nobody has read.
                Stage::Data => _ = ready!(self.poll_data(wait, cx))?,
                Stage::Head => match ready!(self.reader.poll_head(wait, most, cx))? {
                    Some(fields) => {
                        self.stage = Stage::Data;
                        self.part_bytes = 0;
                        return Poll::Ready(self.begin(&fields).map(Some));
                    }
                    None => self.stage = Stage::Epilogue,
                },
                // As long as it is short: the body is whole then, and its connection can be kept.
                Stage::Epilogue => {
                    ready!(self.reader.poll_epilogue(wait, most, cx))?;
                    self.stage = Stage::Over;
                }
                Stage::Over => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn begin(&mut self, fields: &[u8]) -> Result<Head, MultipartError> {
        self.parts += 1;
        if self.parts > self.limits.parts_max {
            return Err(MultipartError::TooLarge("it has too many parts"));
        }
        let head = Head::parse(fields)?;
        if head.name.len() > self.limits.name_bytes_max {
            return Err(MultipartError::TooLarge("the name of a field has too many bytes"));
        }
        if head.file_name.as_ref().is_some_and(|name| name.len() > self.limits.file_name_bytes_max) {
            return Err(MultipartError::TooLarge("the name of a file has too many bytes"));
        }
        Ok(head)
    }

    fn poll_data(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Bytes>, MultipartError>> {
        if self.stage != Stage::Data {
            return Poll::Ready(Ok(None));
        }
        let piece = ready!(self.reader.poll_data(wait, cx))?;
        match &piece {
            Some(piece) => self.part_bytes += piece.len() as u64,
            None => self.stage = Stage::Head,
        }
        if self.part_bytes > self.limits.part_bytes_max {
            return Poll::Ready(Err(MultipartError::TooLarge("a part has too many bytes")));
        }
        Poll::Ready(Ok(piece))
    }
}

/// Runs `poll`, which waits by itself ([`Wait::Blocking`]) and is never pending, on this thread. Inside an `async fn` it is
/// refused also where it would not have to wait: that it works must not depend on how much has come already.
fn blocking<R>(
    mut poll: impl FnMut(&mut TaskContext<'_>) -> Poll<Result<R, MultipartError>>,
) -> Result<R, MultipartError> {
    Body::empty().next_blocking().transpose()?;
    let mut cx = TaskContext::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(ready) = poll(&mut cx) {
            return ready;
        }
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").field("parts", &self.parts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
