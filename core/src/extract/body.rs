//! Extractors of the body as it is: [`Body`] itself, and all of it as [`Bytes`] or [`String`].
//! The route's body limit bounds them; it is the connection that enforces it, and of a body that a layer has made they do.

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use http::StatusCode;
#[cfg(any(feature = "json", feature = "form"))]
use http::{HeaderMap, header::CONTENT_TYPE};

use super::{Context, FromRequest, Rejection};
use crate::{Body, Request};

// The futures of all of these, and of what is made of them, hold no request: what is looked at is taken out before, so that
// a handler with a body is not waited for in more than a kilobyte.

impl FromRequest for Body {
    type Rejection = Infallible;

    const READS_HEAD: bool = false;

    fn from_request(request: Request, _: &Context) -> impl Future<Output = Result<Self, Infallible>> + Send {
        ready(Ok(request.into_body()))
    }
}

impl FromRequest for Bytes {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    fn from_request(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send {
        let whole = request.into_body().whole_within(context.body_bytes_max);
        async move { Ok(whole.await?.into_bytes()) }
    }
}

impl FromRequest for String {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    fn from_request(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send {
        let whole = request.into_body().whole_within(context.body_bytes_max);
        async move {
            Self::from_utf8(whole.await?.into_vec()).map_err(|error| {
                let text =
                    format!("The body is not UTF-8 from byte {} on.", error.utf8_error().valid_up_to());
                Rejection::new(StatusCode::BAD_REQUEST, text).with_source(error)
            })
        }
    }
}

/// All of a body whose type passes `check`.
#[cfg(any(feature = "json", feature = "form"))]
pub(super) fn checked(
    request: Request,
    context: &Context,
    check: fn(&HeaderMap) -> Result<(), Rejection>,
) -> impl Future<Output = Result<Bytes, Rejection>> + Send + use<> {
    let whole = check(request.headers()).map(|()| request.into_body().whole_within(context.body_bytes_max));
    async move { Ok(whole?.await?.into_bytes()) }
}

/// As [`checked`]; none of one that is empty, whatever its type is said to be.
#[cfg(any(feature = "json", feature = "form"))]
pub(super) fn unless_empty(
    request: Request,
    context: &Context,
    check: fn(&HeaderMap) -> Result<(), Rejection>,
) -> impl Future<Output = Result<Option<Bytes>, Rejection>> + Send + use<> {
    let checked = check(request.headers());
    let body = request.into_body();
    let is_known = http_body::Body::size_hint(&body).exact().is_some_and(|length| length > 0);
    // It need not be sent to be refused.
    let whole = (checked.is_ok() || !is_known).then(|| body.whole_within(context.body_bytes_max));
    async move {
        let Some(whole) = whole else { return checked.map(|()| None) };
        let bytes = whole.await?.into_bytes();
        if bytes.is_empty() {
            return Ok(None);
        }
        checked.map(|()| Some(bytes))
    }
}

/// Refuses a body of another type than `accepts` (called with it in lower case, without parameters); `wanted` names it.
#[cfg(any(feature = "json", feature = "form"))]
pub(super) fn check_content_type(
    headers: &HeaderMap,
    wanted: &str,
    accepts: impl FnOnce(&str) -> bool,
) -> Result<(), Rejection> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if accepts(&essence) {
        return Ok(());
    }
    let text = format!("The body must be of the type {wanted}, and its Content-Type must say so.");
    Err(Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}
