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

mod disposition;
mod error;
mod feed;
mod file_name;
mod limits;

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read},
    pin::Pin,
    task::{Context as TaskContext, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use multer::{Constraints, Field, SizeLimit};
use trijet_core::{
    Body, FromRequest, Request,
    extract::{Context, Rejection},
};

use self::{
    disposition::Disposition,
    feed::{Feed, Wait},
};
pub use self::{error::MultipartError, file_name::safe_file_name, limits::MultipartLimits};

/// A form as it comes: an extractor, the last argument of a handler.
///
/// It answers 415 for another type, and 400 for a boundary that is missing or not one (RFC 2046 §5.1.1). The rest is read
/// as the handler asks for it: see [`MultipartError`], which is a response. What the handler does not read is skipped.
pub struct Multipart {
    form: multer::Multipart<'static>,
    feed: Feed,
    limits: MultipartLimits,
    /// The part that was given last, until its end was read.
    field: Option<Field<'static>>,
    parts: usize,
    stage: Stage,
}

/// How far the form has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Parts,
    /// Behind the last boundary.
    Epilogue,
    /// After an error, too.
    Over,
}

impl FromRequest for Multipart {
    type Rejection = Rejection;

    async fn from_request(request: Request, context: &Context) -> Result<Self, Rejection> {
        let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let boundary = boundary(&String::from_utf8_lossy(content_type))?;
        let limits = context.state::<MultipartLimits>().copied().unwrap_or_default();
        Ok(Self::new(request.into_body(), boundary, limits, context.body_bytes_max()))
    }
}

/// The boundary that a content type names.
fn boundary(content_type: &str) -> Result<String, MultipartError> {
    let boundary = multer::parse_boundary(content_type).map_err(|error| match error {
        multer::Error::NoBoundary => MultipartError::Malformed("the Content-Type names no boundary"),
        _ if is_form(content_type) => MultipartError::Malformed("the Content-Type is malformed"),
        _ => MultipartError::Unsupported,
    })?;
    // RFC 2046 §5.1.1. A longer one would cost as much for each piece of the body.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    if boundary.is_empty()
        || boundary.len() > 70
        || boundary.ends_with(' ')
        || !boundary.bytes().all(is_allowed)
    {
        return Err(MultipartError::Malformed("the boundary must be 1 to 70 of the characters for one"));
    }
    Ok(boundary)
}

fn is_form(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart/form-data"))
}

impl Multipart {
    fn new(body: Body, boundary: String, limits: MultipartLimits, bytes_max: u64) -> Self {
        let feed = Feed::new(body);
        let sizes = SizeLimit::new().whole_stream(bytes_max).per_field(limits.part_bytes_max);
        let constraints = Constraints::new().size_limit(sizes);
        let form = multer::Multipart::with_constraints(feed.clone(), boundary, constraints);
        Self { form, feed, limits, field: None, parts: 0, stage: Stage::Parts }
    }

    /// The next part; `None` at the end of the form. What was not read of the one before is skipped.
    ///
    /// # Errors
    /// Where the form is malformed or larger than a limit, and where its body ends early.
    pub async fn next(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        let head = poll_fn(|cx| self.poll_head(Wait::Polled, cx)).await?;
        Ok(head.map(|head| Part::new(self, head)))
    }

    /// As [`next`](Self::next), for a plain `fn`: waits for the client on this thread.
    ///
    /// # Errors
    /// As `next`, and inside an `async fn`.
    pub fn next_blocking(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        let head = blocking(|cx| self.poll_head(Wait::Blocking, cx))?;
        Ok(head.map(|head| Part::new(self, head)))
    }

    fn poll_head(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Head>, MultipartError>> {
        while self.field.is_some() {
            ready!(self.poll_piece(wait, cx)?);
        }
        match self.stage {
            Stage::Parts => {}
            Stage::Epilogue => return self.poll_epilogue(wait, cx),
            Stage::Over => return Poll::Ready(Ok(None)),
        }
        self.feed.begin_head(self.limits.head_bytes_max);
        let next = ready!(self.feed.poll(wait, cx, |cx| self.form.poll_next_field(cx)));
        self.feed.end_head();
        match next.inspect_err(|_| self.stage = Stage::Over)? {
            Ok(Some(field)) => {
                Poll::Ready(self.begin(field).map(Some).inspect_err(|_| self.stage = Stage::Over))
            }
            Ok(None) => {
                self.stage = Stage::Epilogue;
                self.poll_epilogue(wait, cx)
            }
            Err(error) => Poll::Ready(Err(self.fail(&error))),
        }
    }

    /// Reads what is behind the form, as long as that is short: the body is whole then, and its connection can be kept.
    fn poll_epilogue(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Head>, MultipartError>> {
        let end = ready!(self.feed.poll_rest(wait, self.limits.head_bytes_max, cx));
        self.stage = Stage::Over;
        Poll::Ready(end.map(|()| None))
    }

    fn begin(&mut self, field: Field<'static>) -> Result<Head, MultipartError> {
        self.parts += 1;
        if self.parts > self.limits.parts_max {
            return Err(MultipartError::TooLarge("it has too many parts"));
        }
        let headers = field.headers();
        let bytes: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.as_bytes().len() + 4).sum();
        if bytes > self.limits.head_bytes_max {
            return Err(MultipartError::TooLarge("the head of a part has too many bytes"));
        }
        let disposition = headers.get(CONTENT_DISPOSITION);
        let disposition =
            disposition.ok_or(MultipartError::Malformed("a part has no Content-Disposition"))?;
        let Disposition { name, file_name } = Disposition::parse(disposition.as_bytes())?;
        if name.len() > self.limits.name_bytes_max {
            return Err(MultipartError::TooLarge("the name of a field has too many bytes"));
        }
        if file_name.as_ref().is_some_and(|name| name.len() > self.limits.file_name_bytes_max) {
            return Err(MultipartError::TooLarge("the name of a file has too many bytes"));
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.field = Some(field);
        Ok(Head { name, file_name, content_type })
    }

    /// The next piece of the part; `None` at its end.
    fn poll_piece(
        &mut self,
        wait: Wait,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Bytes>, MultipartError>> {
        loop {
            let Some(field) = &mut self.field else { return Poll::Ready(Ok(None)) };
            let mut field = Pin::new(field);
            let piece = ready!(self.feed.poll(wait, cx, |cx| field.as_mut().poll_next(cx)));
            let piece = piece.inspect_err(|_| {
                self.field = None;
                self.stage = Stage::Over;
            })?;
            match piece {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => return Poll::Ready(Ok(Some(piece))),
                Some(Err(error)) => return Poll::Ready(Err(self.fail(&error))),
                None => self.field = None,
            }
        }
    }

    /// There is no more.
    fn end(&mut self) {
        self.field = None;
        self.stage = Stage::Over;
    }

    /// The error of ours for one of `multer`, after which there is no more.
    fn fail(&mut self, error: &multer::Error) -> MultipartError {
        use multer::Error::{
            FieldSizeExceeded, IncompleteFieldData, IncompleteHeaders, IncompleteStream, StreamSizeExceeded,
        };
        self.end();
        match error {
            FieldSizeExceeded { .. } => MultipartError::TooLarge("a part has too many bytes"),
            StreamSizeExceeded { .. } => MultipartError::TooLarge("it has too many bytes"),
            IncompleteFieldData { .. } | IncompleteHeaders | IncompleteStream => {
                MultipartError::Malformed("it ends before its last boundary, or a boundary is malformed")
            }
            _ => MultipartError::Malformed("the head of a part is not one"),
        }
    }
}

/// Runs `poll` to its end on this thread: it waits by itself, and is pending only between two slices.
fn blocking<R>(mut poll: impl FnMut(&mut TaskContext<'_>) -> Poll<R>) -> R {
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

/// What a part says of itself.
struct Head {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
}

/// One part of a form: a field or a file. In an `async fn` it is read by [`next`](Self::next), [`text`](Self::text) and
/// [`bytes`](Self::bytes) or as a [`Stream`]; in a plain `fn` by [`Read`] and the methods that end in `_blocking`.
pub struct Part<'m> {
    form: &'m mut Multipart,
    head: Head,
    /// For `Read`: what was not taken of the last piece.
    rest: Bytes,
}

impl<'m> Part<'m> {
    fn new(form: &'m mut Multipart, head: Head) -> Self {
        Self { form, head, rest: Bytes::new() }
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

    /// The whole part, if it has at most [`MultipartLimits::collected_bytes_max`].
    ///
    /// # Errors
    /// As [`Multipart::next`], and for a larger part.
    pub async fn bytes(mut self) -> Result<Bytes, MultipartError> {
        let mut whole = self.collection();
        while let Some(piece) = self.next().await? {
            whole.add(piece).inspect_err(|_| self.form.end())?;
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
            whole.add(piece).inspect_err(|_| self.form.end())?;
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

/// For an `async fn`.
impl Stream for Part<'_> {
    type Item = Result<Bytes, MultipartError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        self.poll_piece(Wait::Polled, cx).map(Result::transpose)
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

#[cfg(test)]
mod tests;
