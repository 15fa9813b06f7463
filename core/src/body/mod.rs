//! The body of a request or a response: one type for both, pulled by whoever reads it.
//! It must never hold more than the frame that was asked for.

mod blocking;
mod incoming;
mod measured;
mod whole;

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};

pub use blocking::BodyReader;
pub(crate) use incoming::{Source, incoming};
use measured::Measured;
use whole::Gather;
pub use whole::release_spares;

use crate::{BoxError, h1::BodyFault, panics::Held};

/// The body of a request or a response.
///
/// A request's body is pulled from the connection as it is read. A response's body is made from text,
/// bytes, a [`Stream`] (in an `async fn`), or an iterator or [`std::io::Read`] (in a plain `fn`).
///
/// ```
/// use trijet_core::Body;
/// let text = Body::from("hello");
/// let numbers = Body::from_iter((0..3).map(|n| Ok::<_, std::io::Error>(format!("{n}\n"))));
/// ```
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    /// All of a short text that says what went wrong, and that the app may word in another way.
    Sentence(Bytes),
    Incoming(incoming::Incoming),
    /// Held, since a panic of the response's other parts may drop it.
    Stream(Held<BoxBody>),
    /// One that ends by itself where it has become too large.
    Bounded(Held<BoxBody>),
}

type BoxBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

impl Body {
    /// A body of no bytes.
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Wraps any body of the ecosystem. Its data frames are sent one chunk each. One of this type stays as it is, and one
    /// that is at its end is an [`empty`](Self::empty) one.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        // It has gone through generic code, a layer of tower for example.
        if let Some(own) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or_default();
        }
        match body {
            Some(body) if !body.is_end_stream() => Self::boxed(Erased { body }),
            _ => Self::empty(),
        }
    }

    /// As [`new`](Self::new), for the body of a request that bounds itself: a middleware that makes a larger body of what
    /// came has a limit of its own, and fails with [`BodyError::TooLarge`] over it.
    ///
    /// Of any other body that a middleware has made, the extractors that gather all of it (`Bytes`, `String`, `Json`, `Form`)
    /// take no more than [`Context::body_bytes_max`](crate::extract::Context::body_bytes_max): 413 for a longer one.
    /// What wraps this one makes such a body of it again.
    pub fn bounded<B>(body: B) -> Self
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<BoxError>,
    {
        match Self::new(body).0 {
            Kind::Stream(stream) => Self(Kind::Bounded(stream)),
            whole => Self(whole),
        }
    }

    /// A body from a stream. Each item is one chunk; an empty item is skipped.
    /// An error cuts the connection, so that the client can tell that the body is not whole.
    pub fn from_stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<BoxError> + 'static,
    {
        Self::boxed(FromStream { stream })
    }

    /// A body from an iterator that may block: it is pulled where plain `fn` handlers run.
    /// Each item is one chunk, as in [`from_stream`](Self::from_stream).
    #[expect(clippy::should_implement_trait, reason = "the items are results, unlike those of FromIterator")]
    pub fn from_iter<I, B, E>(items: I) -> Self
    where
        I: IntoIterator<Item = Result<B, E>>,
        I::IntoIter: Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<BoxError> + 'static,
    {
        let items = items.into_iter().map(|item| item.map(Into::into).map_err(Into::into));
        Self::boxed(blocking::FromIter::new(items))
    }

    /// A body from a reader that may block: it is read where plain `fn` handlers run, at most 64 KiB at a time.
    pub fn from_reader<R: std::io::Read + Send + 'static>(reader: R) -> Self {
        Self::boxed(blocking::FromIter::new(blocking::Pieces::new(reader)))
    }

    fn boxed(body: impl HttpBody<Data = Bytes, Error = BoxError> + Send + 'static) -> Self {
        Self(Kind::Stream(Held::new(Box::pin(body))))
    }

    /// Reads this body with [`std::io::Read`], waiting for the peer where needed: for plain `fn` handlers.
    ///
    /// A handler can lend it to another thread and wait for that one. On threaded it is cheaper to read on
    /// the handler's own: that drives the connection by itself, where otherwise one more thread has to.
    pub fn reader(self) -> BodyReader {
        BodyReader::new(self)
    }

    /// The next piece of data, or `None` at the end. Trailers are skipped.
    ///
    /// # Errors
    /// [`BodyError`] where the body is not whole, too large, too slow or malformed.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// As [`next`](Self::next), for a plain `fn`: waits for the peer on this thread, as [`reader`](Self::reader) does.
    ///
    /// # Errors
    /// As `next`; [`BodyError::WouldBlock`] inside an `async fn`.
    pub fn next_blocking(&mut self) -> Option<Result<Bytes, BodyError>> {
        blocking::next(self)
    }

    /// The whole body. Its size is bounded by the route's body limit when it came from the network; where a layer has made
    /// another of it, by what that layer lets through.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn bytes(self) -> Result<Bytes, BodyError> {
        Ok(Gather::new(self).await?.into_bytes())
    }

    /// The whole body, which fails where it has more bytes than that. One that comes from the connection is measured there,
    /// and one that bounds itself need not be.
    pub(crate) fn whole_within(self, bytes_max: u64) -> Gather {
        Gather::new(match self.0 {
            Kind::Stream(stream) => Self::boxed(Measured::new(stream, bytes_max)),
            kind => Self(kind),
        })
    }

    /// The data as a [`Stream`].
    pub fn into_stream(self) -> BodyStream {
        BodyStream(self)
    }

    /// Whether the body is known to have no bytes.
    pub fn is_empty(&self) -> bool {
        HttpBody::size_hint(self).exact() == Some(0)
    }

    pub(crate) fn from_incoming(incoming: incoming::Incoming) -> Self {
        Self(Kind::Incoming(incoming))
    }

    /// What is said of an error by this crate, and not by the app.
    pub(crate) fn sentence(text: Cow<'static, str>) -> Self {
        Self(Kind::Sentence(match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }))
    }

    /// What is said of an error, where the app has not said anything itself.
    pub(crate) fn into_sentence(self) -> Result<Bytes, Self> {
        match self.0 {
            Kind::Sentence(bytes) => Ok(bytes),
            Kind::Empty => Ok(Bytes::new()),
            Kind::Full(_) | Kind::Incoming(_) | Kind::Stream(_) | Kind::Bounded(_) => Err(self),
        }
    }

    /// The bytes, where they are all in memory: those of a response of text, bytes or JSON, for middleware that looks at
    /// what is there and lets streams go by.
    ///
    /// ```
    /// use trijet_core::Body;
    /// assert_eq!(Body::from("here").into_full().unwrap(), "here");
    /// assert!(Body::from_reader(std::io::empty()).into_full().is_err());
    /// ```
    ///
    /// # Errors
    /// The body itself, where its bytes are still to come.
    #[inline]
    pub fn into_full(self) -> Result<Bytes, Self> {
        match self.0 {
            Kind::Empty => Ok(Bytes::new()),
            Kind::Full(bytes) | Kind::Sentence(bytes) => Ok(bytes),
            Kind::Incoming(_) | Kind::Stream(_) | Kind::Bounded(_) => Err(self),
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let frame = std::task::ready!(Pin::new(&mut *self).poll_frame(cx));
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) | Kind::Sentence(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Kind::Incoming(incoming) => incoming.poll_frame(cx),
            Kind::Stream(stream) | Kind::Bounded(stream) => stream
                .as_mut()
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::from_box))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(bytes) | Kind::Sentence(bytes) => bytes.is_empty(),
            Kind::Incoming(_) => false,
            Kind::Stream(stream) | Kind::Bounded(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) | Kind::Sentence(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(incoming) => incoming.size_hint(),
            Kind::Stream(stream) | Kind::Bounded(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Sentence(_) => "sentence",
            Kind::Incoming(_) => "incoming",
            Kind::Stream(_) => "stream",
            Kind::Bounded(_) => "bounded",
        };
        write!(f, "Body({kind})")
    }
}

macro_rules! from_bytes {
    ($($from:ty),*) => {$(
        impl From<$from> for Body {
            fn from(data: $from) -> Self {
                Self(Kind::Full(data.into()))
            }
        }
    )*};
}
from_bytes!(Bytes, BytesMut, String, Vec<u8>, &'static str, &'static [u8]);

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

/// The data of a body as a [`Stream`]: [`Body::into_stream`].
#[derive(Debug)]
pub struct BodyStream(Body);

impl Stream for BodyStream {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_data(cx)
    }
}

/// Why a body could not be read to its end.
#[derive(Debug)]
pub enum BodyError {
    /// The peer left before the end.
    Disconnected,
    /// It is larger than the route allows.
    TooLarge,
    /// The peer was too slow.
    Timeout,
    /// Its framing breaks the rule that is named.
    Malformed(&'static str),
    /// It was read with [`Body::reader`] inside an `async fn`, where that would block the connection
    /// it waits for: use [`Body::next`], or a plain `fn`.
    WouldBlock,
    /// The exchange that it belongs to is over.
    Finished,
    /// An error of the body's own source.
    Source(BoxError),
}

impl BodyError {
    fn from_box(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(error) => Self::behind(&*error).unwrap_or(Self::Source(error)),
        }
    }

    /// The fault of a client's body that stands behind `error`, which may be one that a layer or a framework has made of
    /// it: where [`status`](Self::status) is 4xx. None where there is no such fault among its first causes.
    ///
    /// ```
    /// use trijet_core::BodyError;
    /// let error = std::io::Error::other(BodyError::TooLarge);
    /// assert!(matches!(BodyError::behind(&error), Some(BodyError::TooLarge)));
    /// ```
    pub fn behind(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        // Ten are enough: a chain could be a circle.
        let mut error = error;
        for _ in 0..10 {
            // These two do not name what they wrap as their cause.
            let wrapped = match error.downcast_ref() {
                Some(Self::Disconnected) => return Some(Self::Disconnected),
                Some(Self::TooLarge) => return Some(Self::TooLarge),
                Some(Self::Timeout) => return Some(Self::Timeout),
                Some(Self::Malformed(rule)) => return Some(Self::Malformed(rule)),
                Some(Self::WouldBlock | Self::Finished) => return None,
                Some(Self::Source(source)) => Some(&**source),
                None => error.downcast_ref().and_then(std::io::Error::get_ref),
            };
            error = match wrapped {
                Some(wrapped) => wrapped,
                None => error.source()?,
            };
        }
        None
    }

    /// The status to answer with where the body of a request failed so.
    pub fn status(&self) -> http::StatusCode {
        use http::StatusCode;
        match self {
            Self::Disconnected | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::WouldBlock | Self::Finished | Self::Source(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("the peer left before the end of the body"),
            Self::TooLarge => f.write_str("the body is larger than this route allows"),
            Self::Timeout => f.write_str("the body came too slowly"),
            Self::Malformed(rule) => write!(f, "malformed body: {rule}"),
            Self::WouldBlock => f.write_str(
                "Body::reader was used inside an async fn, where it would wait for itself: use Body::next, or a plain fn",
            ),
            Self::Finished => f.write_str("the exchange that this body belongs to is over"),
            Self::Source(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Source(error) => error.source(),
            _ => None,
        }
    }
}

impl From<BodyFault> for BodyError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Malformed(rule) => Self::Malformed(rule),
            BodyFault::TooLarge => Self::TooLarge,
            BodyFault::Truncated => Self::Disconnected,
            BodyFault::Timeout => Self::Timeout,
        }
    }
}

impl From<BodyError> for std::io::Error {
    fn from(error: BodyError) -> Self {
        use std::io::ErrorKind;
        let kind = match &error {
            BodyError::Disconnected => ErrorKind::UnexpectedEof,
            BodyError::TooLarge | BodyError::Malformed(_) => ErrorKind::InvalidData,
            BodyError::Timeout => ErrorKind::TimedOut,
            BodyError::WouldBlock | BodyError::Finished | BodyError::Source(_) => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

pin_project_lite::pin_project! {
    /// A stream as a body.
    struct FromStream<S> { #[pin] stream: S }
}

impl<S, B, E> HttpBody for FromStream<S>
where
    S: Stream<Item = Result<B, E>>,
    B: Into<Bytes>,
    E: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let item = std::task::ready!(self.project().stream.poll_next(cx));
        Poll::Ready(item.map(|item| item.map(|data| Frame::data(data.into())).map_err(Into::into)))
    }
}

pin_project_lite::pin_project! {
    /// Any body, with its data and error types brought to ours.
    struct Erased<B> { #[pin] body: B }
}

impl<B> HttpBody for Erased<B>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(self.project().body.poll_frame(cx));
        let convert = |frame: Frame<B::Data>| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        Poll::Ready(frame.map(|frame| frame.map(convert).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
