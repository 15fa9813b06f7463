//! What becomes of an error of a service or a layer: [`OnError`]. Its text never goes to the client.

use std::{error::Error, fmt, sync::Arc};

use trijet_core::{BodyError, BoxError, IntoResponse, Response, StatusCode};

/// How errors are answered.
#[derive(Clone, Default)]
pub(super) struct OnError(Option<Arc<dyn Fn(BoxError) -> Response + Send + Sync>>);

impl OnError {
    pub(super) fn new<R: IntoResponse>(answer: impl Fn(BoxError) -> R + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(move |error| answer(error).into_response())))
    }

    /// The answer to a request to `route`, where `what` failed.
    pub(super) fn answer(&self, what: &str, route: Option<&str>, error: BoxError) -> Response {
        if let Some(answer) = &self.0 {
            return answer(error);
        }
        // The client's own fault, where its body could not be read: as an extractor would answer it.
        let error = match error.downcast::<BodyError>() {
            Ok(fault) => return fault.into_response(),
            Err(error) => error,
        };
        log::error!("{what} {} failed: {}", route.unwrap_or("no route"), Chain(&*error));
        internal_error()
    }
}

/// The 500 for a mistake in the app: its cause is in the log, never in the response.
pub(super) fn internal_error() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "The server could not answer this request.").into_response()
}

/// An error and its causes, in one line. Ten are enough: a chain could be a circle.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        for _ in 0..10 {
            let Some(error) = cause else { break };
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
