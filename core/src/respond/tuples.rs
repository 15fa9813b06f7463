//! Tuples as responses: status and headers first, the body last.
//! A failed part must never be dropped: it makes the whole response a 500.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{IntoResponse, Unsendable, append_field, unsendable};
use crate::Response;

/// What can stand before the last value of a tuple that is a response: it changes the head.
///
/// `StatusCode` sets the status; `HeaderMap`, arrays and vectors of pairs set headers. Each name in
/// them replaces what the last value or an earlier part has set; twice the same name in one part adds.
/// Mind that a `StatusCode` before a `Result` is the status of its error too.
///
/// ```
/// use trijet_core::{IntoResponse, StatusCode};
/// let response = (StatusCode::CREATED, [("location", "/reports/7")], "Made.").into_response();
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.headers()["location"], "/reports/7");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand before the last value of a response tuple",
    label = "neither a status nor headers",
    note = "a response tuple is `(StatusCode, headers…, response)`; headers are a `HeaderMap` or `[(name, value); N]`"
)]
pub trait IntoResponseParts {
    /// Changes the head of `response`.
    ///
    /// # Errors
    /// [`InvalidHeader`] for what cannot be a header: the response becomes a 500 with a log line.
    fn apply(self, response: &mut Response) -> Result<(), InvalidHeader>;
}

/// A header name or value that cannot be sent.
#[derive(Clone, Debug)]
pub struct InvalidHeader(String);

impl InvalidHeader {
    /// Why a part of yours cannot be sent. It goes to the log, and not to the client.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidHeader {}

impl IntoResponseParts for StatusCode {
    fn apply(self, response: &mut Response) -> Result<(), InvalidHeader> {
        // A response that could not be made stays the 500 that it became.
        if response.extensions().get::<Unsendable>().is_none() {
            *response.status_mut() = self;
        }
        Ok(())
    }
}

impl IntoResponseParts for HeaderMap {
    fn apply(self, response: &mut Response) -> Result<(), InvalidHeader> {
        response.headers_mut().extend(self);
        Ok(())
    }
}

fn apply_pairs<N, V>(
    pairs: impl IntoIterator<Item = (N, V)>,
    response: &mut Response,
) -> Result<(), InvalidHeader>
where
    N: TryInto<HeaderName, Error: fmt::Display>,
    V: TryInto<HeaderValue, Error: fmt::Display>,
{
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = name.try_into().map_err(|error| InvalidHeader(error.to_string()))?;
        match value.try_into() {
            Ok(value) => append_field(&mut headers, name, value),
            Err(error) => return Err(InvalidHeader(format!("`{name}`: {error}"))),
        };
    }
    headers.apply(response)
}

impl<N, V, const COUNT: usize> IntoResponseParts for [(N, V); COUNT]
where
    N: TryInto<HeaderName, Error: fmt::Display>,
    V: TryInto<HeaderValue, Error: fmt::Display>,
{
    fn apply(self, response: &mut Response) -> Result<(), InvalidHeader> {
        apply_pairs(self, response)
    }
}

impl<N, V> IntoResponseParts for Vec<(N, V)>
where
    N: TryInto<HeaderName, Error: fmt::Display>,
    V: TryInto<HeaderValue, Error: fmt::Display>,
{
    fn apply(self, response: &mut Response) -> Result<(), InvalidHeader> {
        apply_pairs(self, response)
    }
}

macro_rules! tuples {
    ($($part:ident)*) => {
        impl<$($part: IntoResponseParts,)* Last: IntoResponse> IntoResponse for ($($part,)* Last,) {
            fn into_response(self) -> Response {
                #[expect(non_snake_case, reason = "each value is named after its type parameter")]
                let ($($part,)* last,) = self;
                let mut response = last.into_response();
                $(if let Err(error) = $part.apply(&mut response) {
                    return unsendable(format_args!("{error}"));
                })*
                response
            }
        }
    };
}
tuples!(P1);
tuples!(P1 P2);
tuples!(P1 P2 P3);
tuples!(P1 P2 P3 P4);
tuples!(P1 P2 P3 P4 P5);
