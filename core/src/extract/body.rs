//! Extractors of the body as it is: [`Body`] itself, and all of it as [`Bytes`] or [`String`].
//! The route's body limit bounds them; it is the connection that enforces it.

use std::convert::Infallible;

use bytes::Bytes;
use http::StatusCode;
#[cfg(any(feature = "json", feature = "form"))]
use http::{HeaderMap, header::CONTENT_TYPE};

use super::{Context, FromRequest, Rejection};
use crate::{Body, Request};

impl FromRequest for Body {
    type Rejection = Infallible;

    const READS_HEAD: bool = false;

    async fn from_request(request: Request, _: &Context) -> Result<Self, Infallible> {
        Ok(request.into_body())
    }
}

impl FromRequest for Bytes {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request(request: Request, _: &Context) -> Result<Self, Rejection> {
        Ok(request.into_body().bytes().await?)
    }
}

impl FromRequest for String {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request(request: Request, _: &Context) -> Result<Self, Rejection> {
        Self::from_utf8(request.into_body().whole().await?.into_vec()).map_err(|error| {
            let text = format!("The body is not UTF-8 from byte {} on.", error.utf8_error().valid_up_to());
            Rejection::new(StatusCode::BAD_REQUEST, text).with_source(error)
        })
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
