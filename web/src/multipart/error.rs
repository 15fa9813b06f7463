//! Why a form could not be read: [`MultipartError`]. Nothing of the input is ever in its words.

use std::{error::Error, fmt};

use http::StatusCode;
use trijet_core::{BodyError, IntoResponse, Response, extract::Rejection};

/// Why a form, or a part of it, could not be read. A response too: 400 for what is malformed, 413 for what is too large,
/// 415 for another type. The form repeats it to who asks again, unless it is only that a part is not UTF-8 or that an `async fn`
/// has asked by a method that blocks.
#[derive(Debug)]
pub enum MultipartError {
    /// The body is of another type than `multipart/form-data`.
    Unsupported,
    /// The form breaks the rule that is named.
    Malformed(&'static str),
    /// The form, or a part of it, is larger than a limit, which is named.
    TooLarge(&'static str),
    /// The body that it is in could not be read.
    Body(BodyError),
}

impl MultipartError {
    /// The same for who asks again; of an error of the body's own source, its words.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Unsupported => Self::Unsupported,
            Self::Malformed(rule) => Self::Malformed(rule),
            Self::TooLarge(limit) => Self::TooLarge(limit),
            Self::Body(error) => Self::Body(match error {
                BodyError::Disconnected => BodyError::Disconnected,
                BodyError::TooLarge => BodyError::TooLarge,
                BodyError::Timeout => BodyError::Timeout,
                BodyError::Malformed(rule) => BodyError::Malformed(rule),
                BodyError::WouldBlock => BodyError::WouldBlock,
                BodyError::Finished => BodyError::Finished,
                BodyError::Source(error) => BodyError::Source(error.to_string().into()),
            }),
        }
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(error) => error.status(),
        }
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str(
                "the body must be of the type multipart/form-data, and its Content-Type must say so",
            ),
            Self::Malformed(rule) => write!(f, "malformed form: {rule}"),
            Self::TooLarge(limit) => write!(f, "the form is too large: {limit}"),
            Self::Body(error) => error.fmt(f),
        }
    }
}

impl Error for MultipartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Body(error) => error.source(),
            Self::Unsupported | Self::Malformed(_) | Self::TooLarge(_) => None,
        }
    }
}

impl From<MultipartError> for Rejection {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Body(error) => error.into(),
            own => Self::new(own.status(), format!("The request was refused: {own}.")).with_source(own),
        }
    }
}

impl IntoResponse for MultipartError {
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}

impl From<MultipartError> for std::io::Error {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Body(error) => error.into(),
            own => Self::new(std::io::ErrorKind::InvalidData, own),
        }
    }
}

/// What a [`Part`](super::Part) told through `Read` is itself again; another error of I/O is one of the app's own, as of
/// the file that it writes to: 500.
impl From<std::io::Error> for MultipartError {
    fn from(error: std::io::Error) -> Self {
        if !error.get_ref().is_some_and(|inner| inner.is::<Self>() || inner.is::<BodyError>()) {
            return Self::Body(BodyError::Source(error.into()));
        }
        let inner = error.into_inner().map(|inner| match inner.downcast::<Self>() {
            Ok(own) => *own,
            Err(inner) => Self::Body(inner.downcast().map_or_else(BodyError::Source, |own| *own)),
        });
        inner.unwrap_or(Self::Malformed("it could not be read"))
    }
}

impl From<BodyError> for MultipartError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}
