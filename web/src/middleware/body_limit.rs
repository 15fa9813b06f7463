//! [`BodyLimit`]: the most bytes that a client may send in a request's body. It must never hold any of them.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use trijet_core::{Body, BodyError, Next, Request, extract::Needs, middleware::Middleware, respond::Answer};

use super::{Provided, fields::sentence};

/// Lets at most so many bytes of a request's body through to what is inside.
///
/// A declared length over it is answered with 413 (RFC 9110 §15.5.14) at once. A body that turns out longer while
/// it is read fails with [`BodyError::TooLarge`]: extractors answer 413 then, and a handler that reads for itself
/// gets the error.
///
/// It only lowers the limit that the server or [`MethodRouter::body_limit`](trijet_core::MethodRouter::body_limit)
/// sets, which is looked at before any middleware: where one limit for a whole route will do, that is cheaper. This
/// is for all the routes of a nest, for a limit that depends on what else is wrapped, and beside `Decompression`.
///
/// ```
/// use trijet_core::{Bytes, Router, post};
/// use trijet_web::middleware::BodyLimit;
///
/// let api = Router::new().route("/", post(async |body: Bytes| body)).wrap(BodyLimit::new(4));
/// let client = trijet_core::sim::TestClient::new(api);
/// assert_eq!(client.post("/").body("four").send().text(), "four");
/// assert_eq!(client.post("/").body("three").send().status, 413);
/// assert_eq!(client.post("/").chunks(["th", "ree"]).send().status, 413);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    bytes_max: u64,
}

impl BodyLimit {
    /// At most `bytes_max` bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max }
    }
}

impl Middleware<Provided> for BodyLimit {
    async fn call(self, request: Request, next: Next) -> Answer {
        match request.body().size_hint().exact() {
            Some(declared) if declared > self.bytes_max => {
                let text = "The request was refused: the body is larger than this route allows.";
                sentence(StatusCode::PAYLOAD_TOO_LARGE, text)
            }
            Some(_) => next.run(request).await,
            None => {
                let left = self.bytes_max;
                next.run(request.map(|body| Body::bounded(Limited { body, left }))).await
            }
        }
        .into()
    }

    fn declare(_: &mut Needs) {}
}

/// A body that fails once it has given more than `left` bytes.
struct Limited {
    body: Body,
    left: u64,
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    // What else comes is not wanted: the connection learns it.
                    self.body = Body::empty();
                    return Poll::Ready(Some(Err(BodyError::TooLarge)));
                }
            }
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
