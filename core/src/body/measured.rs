//! A body that no connection has measured, since a layer has made it: [`Measured`] ends it where it becomes too large. It
//! must give nothing of the piece that does.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{BodyError, BoxBody};
use crate::{BoxError, panics::Held};

/// A body that fails once it has given more than `left` bytes.
pub(super) struct Measured {
    /// None once it has failed: what else comes is not wanted.
    body: Option<Held<BoxBody>>,
    left: u64,
}

impl Measured {
    pub(super) fn new(body: Held<BoxBody>, bytes_max: u64) -> Self {
        Self { body: Some(body), left: bytes_max }
    }
}

impl HttpBody for Measured {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(body.as_mut().poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.body = None;
                    return Poll::Ready(Some(Err(BodyError::TooLarge.into())));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
    }
}
