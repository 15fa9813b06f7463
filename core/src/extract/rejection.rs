//! [`Rejection`]: why an extractor of this crate gave no value. Its text goes to the client, so it
//! must never hold unescaped input, nor the cause of a fault of the app's own (that is logged, and is the source).

use std::{borrow::Cow, error::Error, fmt};

use http::{StatusCode, header::X_CONTENT_TYPE_OPTIONS};

use crate::{
    BodyError, BoxError, IntoResponse, Response,
    jobs::JobError,
    respond::{BUSY, INTERNAL_ERROR, NOSNIFF, sentence, set_field},
};

/// Why a request was refused, with the status and the sentence to answer.
///
/// It is what the extractors of this crate answer with: take `Result<Json<T>, Rejection>` instead of `Json<T>` to
/// answer in another way. Extractors, middleware and handlers of your own may answer with it too; then
/// [`Router::errors`](crate::Router::errors) words it as it does all the others.
///
/// ```
/// use trijet_core::{Path, StatusCode, extract::Rejection};
///
/// async fn report(Path(id): Path<u64>) -> Result<String, Rejection> {
///     if id > 100 {
///         return Err(Rejection::new(StatusCode::NOT_FOUND, format!("There is no report {id}.")));
///     }
///     Ok(format!("report {id}"))
/// }
/// # let _ = trijet_core::get(report);
/// ```
#[derive(Debug)]
pub struct Rejection {
    status: StatusCode,
    text: Cow<'static, str>,
    source: Option<BoxError>,
    may_quote: bool,
    /// Of a job that gave nothing: as everywhere, that is answered in its own way.
    job: Option<JobError>,
}

impl Rejection {
    /// A refusal with this status and this text, a sentence in plain text.
    ///
    /// The text is sent as it is: put nothing of the request into it that was not checked or escaped.
    pub fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), source: None, may_quote: true, job: None }
    }

    /// A fault of the app, or of what it stands on: 500. `cause` is logged, and not answered.
    pub fn internal(cause: Cow<'static, str>) -> Self {
        log::error!("{cause}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR).with_source(cause)
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
        let text = format!("The request was refused: {error}.");
        Self { may_quote: false, ..Self::new(status, text).with_source(error) }
    }
}

/// What an extractor of a plain call gives that had no result: 503 with `Retry-After` where no thread was free, else 500.
impl From<JobError> for Rejection {
    fn from(error: JobError) -> Self {
        let (status, text) = match error {
            JobError::Rejected => (StatusCode::SERVICE_UNAVAILABLE, BUSY),
            JobError::Panicked | JobError::Outside => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR),
        };
        Self { job: Some(error), ..Self::new(status, text).with_source(error) }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        if let Some(error) = self.job {
            return error.into_response();
        }
        let mut response = sentence(self.status, self.text);
        if self.may_quote {
            // Escaped; and no browser shall look for another type in it all the same.
            set_field(response.headers_mut(), X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        }
        response
    }
}
