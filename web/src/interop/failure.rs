//! What becomes of an error of a service or a layer: [`OnError`]. Its text never goes to the client, and ends no line of
//! the log.

use std::{
    error::Error,
    fmt::{self, Write},
    sync::Arc,
};

use http::{Method, Uri};
use trijet_core::{BodyError, BoxError, IntoResponse, Request, Response, StatusCode, extract::Rejection};

/// How errors are answered.
#[derive(Clone, Default)]
pub(super) struct OnError(Option<Arc<dyn Fn(BoxError) -> Response + Send + Sync>>);

impl OnError {
    pub(super) fn new<R: IntoResponse>(answer: impl Fn(BoxError) -> R + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(move |error| answer(error).into_response())))
    }

    /// The answer where `what` failed: "the service at", for example.
    pub(super) fn answer(&self, what: &str, at: &Place<'_>, error: BoxError) -> Response {
        if let Some(answer) = &self.0 {
            return answer(error);
        }
        // The client's own fault, where its body could not be read: as an extractor would answer it.
        if let Some(fault) = BodyError::behind(&*error) {
            return fault.into_response();
        }
        log::error!("{what} {at} failed: {}", Chain(&*error));
        internal_error()
    }
}

/// The 500 for a mistake in the app: its cause is in the log, never in the response.
pub(super) fn internal_error() -> Response {
    Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "The server could not answer this request.")
        .into_response()
}

/// How the log names what a request was for.
pub(super) enum Place<'c> {
    Route(&'c str),
    /// Of a fallback; it has to be kept, as the service takes the request.
    Asked(Method, Uri),
}

impl<'c> Place<'c> {
    pub(super) fn of(request: &Request, route: Option<&'c str>) -> Self {
        match route {
            Some(route) => Self::Route(route),
            None => Self::Asked(request.method().clone(), request.uri().clone()),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(route) => f.write_str(route),
            Self::Asked(method, uri) => {
                write!(Escaping(f), "{method} {}, which no route matches,", uri.path())
            }
        }
    }
}

/// An error and its causes, in one line. Ten are enough: a chain could be a circle.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Escaping(f);
        write!(line, "{}", self.0)?;
        let mut cause = self.0.source();
        for _ in 0..10 {
            let Some(error) = cause else { break };
            write!(line, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What is written to it may be a client's: nothing in it ends a line, or passes for what was escaped.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Quotes stand nowhere around it.
        text.split_inclusive(['"', '\'']).try_for_each(|part| match part.strip_suffix(['"', '\'']) {
            Some(before) => {
                write!(self.0, "{}", before.escape_debug())?;
                self.0.write_str(&part[before.len()..])
            }
            None => write!(self.0, "{}", part.escape_debug()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Because(&'static str, Option<BoxError>);

    impl fmt::Display for Because {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Because {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|error| error as _)
        }
    }

    #[test]
    fn an_error_is_one_line() {
        let inner = Because("it said \"no\"\r\nERROR forged \u{2028}\u{202e}\x1b[2K\\n ä", None);
        let outer = Because("a\nb", Some(inner.into()));
        let line = r#"a\nb: it said "no"\r\nERROR forged \u{2028}\u{202e}\u{1b}[2K\\n ä"#;
        assert_eq!(Chain(&outer).to_string(), line);
    }

    #[test]
    fn a_circle_of_causes_ends() {
        let chain = (0..100).fold(Because("x", None), |inner, _| Because("x", Some(inner.into())));
        assert_eq!(Chain(&chain).to_string().matches('x').count(), 11);
    }

    #[test]
    fn a_fallback_is_named_by_what_was_asked() {
        let request = http::Request::put("/a\\b%0A?secret").body(trijet_core::Body::empty()).unwrap();
        assert_eq!(Place::of(&request, Some("/{*path}")).to_string(), "/{*path}");
        assert_eq!(Place::of(&request, None).to_string(), r"PUT /a\\b%0A, which no route matches,");
    }

    /// However deep it is; and not where it is the app's own fault.
    #[test]
    fn a_body_that_could_not_be_read_is_the_clients_fault() {
        let within =
            |error: BoxError| Because("a buffer", Some(Because("a service", Some(error)).into())).into();
        for (error, status) in [
            (BodyError::TooLarge, 413),
            (BodyError::Timeout, 408),
            (BodyError::Malformed("a rule"), 400),
            (BodyError::Disconnected, 400),
            (BodyError::WouldBlock, 500),
            (BodyError::Source("own".into()), 500),
            (BodyError::Source(within(BodyError::TooLarge.into())), 413),
        ] {
            let at = Place::Route("/");
            let answer = OnError::default().answer("the service at", &at, within(error.into()));
            assert_eq!(answer.status(), status);
        }
        let wrapped = std::io::Error::from(BodyError::TooLarge);
        let answer = OnError::default().answer("the service at", &Place::Route("/"), within(wrapped.into()));
        assert_eq!(answer.status(), 413);
    }
}
