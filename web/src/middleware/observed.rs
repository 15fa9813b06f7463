//! A response's body that somebody watches: how many bytes it gave, and when it was over. It must never change a byte.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use trijet_core::{Body, BodyError, Response};

/// Told once when a response's body is done or dropped.
pub(super) trait Observer: Send + 'static {
    /// `bytes`: how many went to the connection.
    fn ended(self, bytes: u64, end: End);
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With its last byte.
    Whole,
    /// Before: the client left, the body failed, or it is none that is sent (HEAD).
    Early,
}

/// A body in memory up to this size is with the connection as soon as it is given: it is what a connection queues
/// of any answer (64 KiB). There is nothing to watch, and such a response need not be taken apart.
const AT_ONCE_BYTES_MAX: usize = 64 << 10;

/// Has `observer` told of the end of the response's body.
pub(super) fn observe<O: Observer>(response: Response, observer: O) -> Response {
    let (parts, body) = response.into_parts();
    let body = match body.into_full() {
        Ok(data) if data.len() <= AT_ONCE_BYTES_MAX => {
            observer.ended(data.len() as u64, End::Whole);
            data.into()
        }
        Ok(data) => Body::new(Observed::new(data.into(), observer)),
        Err(body) => Body::new(Observed::new(body, observer)),
    };
    Response::from_parts(parts, body)
}

struct Observed<O: Observer> {
    body: Body,
    bytes: u64,
    observer: Option<O>,
}

impl<O: Observer> Observed<O> {
    fn new(body: Body, observer: O) -> Self {
        Self { body, bytes: 0, observer: Some(observer) }
    }

    fn end(&mut self, end: End) {
        if let Some(observer) = self.observer.take() {
            observer.ended(self.bytes, end);
        }
    }
}

// Neither is ever pinned: `Body` is `Unpin`, and an observer is only moved out.
impl<O: Observer> Unpin for Observed<O> {}

impl<O: Observer> HttpBody for Observed<O> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => self.bytes += data.len() as u64,
                // Nothing follows trailers, and nobody asks whether.
                None => self.end(End::Whole),
            },
            Some(Err(_)) => self.end(End::Early),
            None => self.end(End::Whole),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<O: Observer> Drop for Observed<O> {
    fn drop(&mut self) {
        self.end(End::Early);
    }
}
