//! One part of a form, as handlers read it: [`Part`].

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read},
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;

use super::{Multipart, MultipartError, blocking, head::Head, reader::Wait, safe_file_name};

/// One part of a form: a field or a file. In an `async fn` it is read by [`next`](Self::next), [`text`](Self::text) and
/// [`bytes`](Self::bytes) or as a [`Stream`]; in a plain `fn` by [`Read`] and the methods that end in `_blocking`.
pub struct Part<'m> {
    form: &'m mut Multipart,
    head: Head,
    /// For `Read`: what was not taken of the last piece.
    rest: Bytes,
    /// For `Stream`, which ends with an error.
    has_failed: bool,
}

impl<'m> Part<'m> {
    pub(super) fn new(form: &'m mut Multipart, head: Head) -> Self {
        Self { form, head, rest: Bytes::new(), has_failed: false }
    }

    /// The name of the field.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// The name that the client gave to the file; `None` for what is no file. **It is no path**: it may be `../../secret`,
    /// or longer than a file system allows. See [`safe_file_name`](Self::safe_file_name).
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// The name of the file as far as it is harmless: see the [function](fn@safe_file_name).
    pub fn safe_file_name(&self) -> Option<String> {
        safe_file_name(self.file_name()?)
    }

    /// The type that the client says the part is of. It may be wrong: never serve a file as it because of that alone.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// The next piece, as it comes; `None` at the end of the part.
    ///
    /// # Errors
    /// As [`Multipart::next`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, MultipartError> {
        poll_fn(|cx| self.poll_piece(Wait::Polled, cx)).await
    }

    /// The whole part, if it has at most [`MultipartLimits::collected_bytes_max`](super::MultipartLimits::collected_bytes_max).
    ///
    /// # Errors
    /// As [`Multipart::next`], and for a larger part.
    pub async fn bytes(mut self) -> Result<Bytes, MultipartError> {
        let mut whole = self.collection();
        while let Some(piece) = self.next().await? {
            whole.add(piece).inspect_err(|error| self.form.fail(error))?;
        }
        Ok(whole.bytes.freeze())
    }

    /// The whole part as text, as [`bytes`](Self::bytes) collects it.
    ///
    /// # Errors
    /// As `bytes`, and for what is not UTF-8: the encoding that RFC 7578 §5.1.2 has forms in today.
    pub async fn text(self) -> Result<String, MultipartError> {
        text(self.bytes().await?)
    }

    /// As [`next`](Self::next), for a plain `fn`.
    ///
    /// # Errors
    /// As `next`, and inside an `async fn`.
    pub fn next_blocking(&mut self) -> Result<Option<Bytes>, MultipartError> {
        blocking(|cx| self.poll_piece(Wait::Blocking, cx))
    }

    /// As [`bytes`](Self::bytes), for a plain `fn`.
    ///
    /// # Errors
    /// As `bytes`, and inside an `async fn`.
    pub fn bytes_blocking(mut self) -> Result<Bytes, MultipartError> {
        let mut whole = self.collection();
        while let Some(piece) = self.next_blocking()? {
            whole.add(piece).inspect_err(|error| self.form.fail(error))?;
        }
        Ok(whole.bytes.freeze())
    }

    /// As [`text`](Self::text), for a plain `fn`.
    ///
    /// # Errors
    /// As `text`, and inside an `async fn`.
    pub fn text_blocking(self) -> Result<String, MultipartError> {
        text(self.bytes_blocking()?)
    }

    fn poll_piece(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Bytes>, MultipartError>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.rest))));
        }
        self.form.poll_piece(wait, cx)
    }

    fn collection(&self) -> Collection {
        Collection { bytes: BytesMut::new(), max: self.form.limits.collected_bytes_max }
    }
}

/// A part on its way into memory.
struct Collection {
    bytes: BytesMut,
    max: u64,
}

impl Collection {
    fn add(&mut self, piece: Bytes) -> Result<(), MultipartError> {
        if (self.bytes.len() + piece.len()) as u64 > self.max {
            return Err(MultipartError::TooLarge("a part has more bytes than are kept in memory"));
        }
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }
}

fn text(bytes: Bytes) -> Result<String, MultipartError> {
    String::from_utf8(bytes.into()).map_err(|_| MultipartError::Malformed("a part is not UTF-8"))
}

/// For a plain `fn`: waits for the client on this thread.
impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.rest.is_empty() {
            match self.next_blocking()? {
                Some(piece) => self.rest = piece,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(into.len());
        self.rest.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

/// For an `async fn`. It ends behind an error, which [`Multipart::next`] repeats.
impl Stream for Part<'_> {
    type Item = Result<Bytes, MultipartError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        let polled = self.poll_piece(Wait::Polled, cx).map(Result::transpose);
        self.has_failed = matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.head.name)
            .field("file_name", &self.head.file_name)
            .finish()
    }
}
