//! [`Rejection`]: why an extractor of this crate gave no value. Its text goes to the client, so it
//! must never hold unescaped input, nor the cause of a fault of the app's own (that is logged).

use std::{borrow::Cow, error::Error, fmt};

use http::StatusCode;

use crate::{
    BodyError, BoxError, IntoResponse, Response,
    respond::{internal_error, sentence},
};

/// Why a request was refused by an extractor, with the status and the sentence to answer.
///
/// Take `Result<Json<T>, Rejection>` instead of `Json<T>` to answer it in another way.
#[derive(Debug)]
pub struct Rejection {
    status: StatusCode,
    text: Cow<'static, str>,
    source: Option<BoxError>,
}

impl Rejection {
    /// A refusal with this status and this text, a sentence in plain text. Put nothing of the request into it that
    /// was not checked or escaped.
    pub fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), source: None }
    }

    /// A fault of the app, or of what it stands on: 500. `cause` is logged, and not answered.
    pub fn internal(cause: Cow<'static, str>) -> Self {
        log::error!("{cause}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, cause)
    }

    /// The same refusal, with the error that it comes from.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        let status = error.status();
        if status.is_server_error() {
            return Self::internal(format!("a request body could not be read: {error}").into());
        }
        Self::new(status, format!("The request was refused: {error}.")).with_source(error)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            return internal_error();
        }
        sentence(self.status, self.text)
    }
}
