//! What a handler may return: [`IntoResponse`] and its implementations.
//! No implementation may fail or panic: what cannot be sent becomes a 500 with a log line.
//! No response type may ever be a future, or `fn` and `async fn` handlers could not be told apart.

mod accept;
mod answer;
mod deferred;
mod failure;
mod html;
#[cfg(feature = "json")]
mod problem;
mod redirect;
mod reply;
mod tuples;

use std::{borrow::Cow, convert::Infallible, fmt};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};

pub(crate) use answer::AnswerHead;
pub use answer::{Answer, Fields};
pub use deferred::{Deferred, Reply};
pub use failure::Failure;
pub(crate) use failure::{Asked, Render};
pub use html::Html;
#[cfg(feature = "json")]
pub use problem::Problem;
pub use redirect::Redirect;
pub use reply::BoxReply;
pub(crate) use reply::Spare;
pub use tuples::{IntoResponseParts, InvalidHeader};

use crate::{
    Body, BodyError, Response,
    h1::Refusal,
    jobs::{self, JobError},
};

/// What can be turned into a response.
///
/// Handlers cannot fail: every error is a response too, so that `Result` and `?` work.
///
/// ```
/// use trijet_core::{IntoResponse, Response, StatusCode};
///
/// enum AppError { NoSuchReport, Database(std::io::Error) }
///
/// impl IntoResponse for AppError {
///     fn into_response(self) -> Response {
///         match self {
///             Self::NoSuchReport => (StatusCode::NOT_FOUND, "No such report.").into_response(),
///             Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
///         }
///     }
/// }
/// assert_eq!(AppError::NoSuchReport.into_response().status(), 404);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be turned into a response",
    label = "not a response",
    note = "responses are `Response`, `StatusCode`, text, bytes, `Body`, `Html`, `Json`, `Form`, `Redirect`, `HeaderMap`, `()`",
    note = "a `Result` of two responses is one, and so is a tuple of `StatusCode`, headers and a response, in this order",
    note = "implement `trijet::IntoResponse` for a type of your own; a future is never a response: await it"
)]
pub trait IntoResponse {
    /// Makes the response.
    fn into_response(self) -> Response;

    /// Makes the response for who only sends it. What this crate implements makes no map of headers here where
    /// it can do without.
    fn into_answer(self) -> Answer
    where
        Self: Sized,
    {
        self.into_response().into()
    }
}

/// The extension of the response that stands for a panic, so that the driver closes after it: also where it was made on a
/// task of the app's own, which knows of no exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// The extension of a response that a failed conversion left: a tuple around it does not change its status.
#[derive(Clone, Copy, Debug)]
struct Unsendable;

/// The whole of what a client is told of a mistake in the app.
pub(crate) const INTERNAL_ERROR: &str = "The server could not answer this request.";

/// And of a pool that is full.
pub(crate) const BUSY: &str = "The server is busy: no thread was free to answer this request.";

pub(crate) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
static BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A short sentence in plain text: every error that is made here.
pub(crate) fn sentence(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Response {
    plain(status, text.into())
}

fn plain(status: StatusCode, text: Cow<'static, str>) -> Response {
    let mut response = Response::new(Body::sentence(text));
    set_field(response.headers_mut(), CONTENT_TYPE, TEXT.clone());
    *response.status_mut() = status;
    response
}

/// Sets a field. A program has this and [`append_field`] once: inlined, they are 2 and 3 KB of machine code at each place.
#[inline(never)]
pub(crate) fn set_field(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

/// Adds a field to those of its name.
#[inline(never)]
pub(crate) fn append_field(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.append(name, value);
}

/// The answer to a request that cannot be handed to a handler. What the engine refuses itself it answers itself.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        sentence(self.status, format!("The request was refused: {}.", self.reason))
    }
}

/// The 500 for a mistake in the app: its cause is in the log, never in the response.
pub(crate) fn internal_error() -> Response {
    sentence(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR)
}

/// The 500 for a panic, after which the connection is closed.
pub(crate) fn panicked() -> Response {
    jobs::note_panic();
    let mut response = internal_error();
    response.extensions_mut().insert(Panicked);
    response
}

/// Stands for the answer that nobody waits for any more, where one has to be returned.
pub(crate) fn given_up() -> Response {
    sentence(StatusCode::SERVICE_UNAVAILABLE, "The request was given up before it was answered.")
}

/// A response that could not be made. `reason` goes to the log.
pub(crate) fn unsendable(reason: fmt::Arguments<'_>) -> Response {
    log::error!("a response could not be made: {reason}");
    let mut response = internal_error();
    response.extensions_mut().insert(Unsendable);
    response
}

/// The response of a job, also of one that gave none.
pub(crate) fn from_job(result: Result<Answer, JobError>) -> Answer {
    result.unwrap_or_else(|error| error.into_response().into())
}

impl IntoResponse for JobError {
    fn into_response(self) -> Response {
        match self {
            Self::Rejected => {
                let mut response = sentence(StatusCode::SERVICE_UNAVAILABLE, BUSY);
                set_field(response.headers_mut(), http::header::RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
            Self::Panicked => panicked(),
            Self::Outside => {
                log::error!(
                    "a plain `fn` was called on a task that the server does not poll, so there is no thread \
                     to run it on: await `next.run(request)` in the middleware itself, or make it an `async fn`"
                );
                internal_error()
            }
        }
    }
}

/// `text` with everything escaped that could be taken for markup or a control sequence, or that turns what follows
/// around. Of a long one, the beginning and the end, which says what was expected.
pub(crate) fn escaped(text: &dyn fmt::Display) -> String {
    const FIRST: usize = 120;
    const LAST: usize = 80;
    let text = text.to_string();
    let count = text.chars().count();
    let mut safe = String::new();
    for (index, character) in text.chars().enumerate() {
        if index >= FIRST && index + LAST < count {
            if index == FIRST {
                safe.push('…');
            }
            continue;
        }
        let is_quote = matches!(character, '"' | '\'' | '\\');
        if !matches!(character, '<' | '>' | '&') && (is_quote || character.escape_debug().len() == 1) {
            safe.push(character);
        } else {
            safe.extend(character.escape_unicode());
        }
    }
    safe
}

macro_rules! with_content_type {
    ($content_type:ident: $($body:ty),*) => {$(
        impl IntoResponse for $body {
            fn into_response(self) -> Response {
                self.into_answer().into_response()
            }

            #[inline]
            fn into_answer(self) -> Answer {
                Answer::typed(&$content_type, self)
            }
        }
    )*};
}
with_content_type!(TEXT: &'static str, String);
with_content_type!(BYTES: &'static [u8], Vec<u8>, Bytes, BytesMut);

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }

    fn into_answer(self) -> Answer {
        match self {
            Cow::Borrowed(text) => text.into_answer(),
            Cow::Owned(text) => text.into_answer(),
        }
    }
}

impl IntoResponse for Cow<'static, [u8]> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(data) => data.into_response(),
            Cow::Owned(data) => data.into_response(),
        }
    }

    fn into_answer(self) -> Answer {
        match self {
            Cow::Borrowed(data) => data.into_answer(),
            Cow::Owned(data) => data.into_answer(),
        }
    }
}

impl<B: Into<Body>> IntoResponse for Response<B> {
    fn into_response(self) -> Response {
        self.map(Into::into)
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default()
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self;
        response
    }
}

impl IntoResponse for HeaderMap {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.headers_mut() = self;
        response
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }

    fn into_answer(self) -> Answer {
        match self {
            Ok(value) => value.into_answer(),
            Err(error) => error.into_answer(),
        }
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        crate::extract::Rejection::from(self).into_response()
    }
}

#[cfg(test)]
mod tests;
