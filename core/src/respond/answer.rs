//! What a handler's response is on its way to the engine: [`Answer`]. A map of headers is made only where one
//! is asked for.

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};

use crate::{Body, Response};

/// A response. That of a handler which returns text, bytes or JSON has a content type and nothing else: until somebody
/// wants to change it, a middleware for example, it has no `HeaderMap`, which would take two allocations.
#[derive(Debug)]
pub struct Answer(Kind);

#[derive(Debug)]
enum Kind {
    /// Not owned, and the other boxed, so that an answer is small: it is moved a few times on its way.
    Typed(&'static HeaderValue, Body),
    Whole(Box<Response>),
}

impl Answer {
    /// A 200 of one content type.
    pub(crate) fn typed(content_type: &'static HeaderValue, body: impl Into<Body>) -> Self {
        Self(Kind::Typed(content_type, body.into()))
    }

    /// In the types of `http`.
    pub fn into_response(self) -> Response {
        match self.0 {
            Kind::Typed(content_type, body) => {
                let mut response = Response::new(body);
                super::set_field(response.headers_mut(), CONTENT_TYPE, content_type.clone());
                response
            }
            Kind::Whole(response) => *response,
        }
    }

    /// The response, where it has been made.
    #[inline]
    pub(crate) fn as_response(&self) -> Option<&Response> {
        match &self.0 {
            Kind::Typed(..) => None,
            Kind::Whole(response) => Some(response),
        }
    }

    #[inline]
    pub(crate) fn into_parts(self) -> (AnswerHead, Body) {
        match self.0 {
            Kind::Typed(content_type, body) => (AnswerHead::Typed(content_type), body),
            Kind::Whole(mut response) => {
                let body = std::mem::take(response.body_mut());
                (AnswerHead::Whole(response), body)
            }
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self(Kind::Whole(Box::new(response)))
    }
}

/// The head of an [`Answer`].
pub(crate) enum AnswerHead {
    Typed(&'static HeaderValue),
    /// Its body is empty.
    Whole(Box<Response>),
}

impl AnswerHead {
    #[inline]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Typed(_) => StatusCode::OK,
            Self::Whole(response) => response.status(),
        }
    }

    #[inline]
    pub(crate) fn fields(&self) -> Fields<'_> {
        match self {
            Self::Typed(content_type) => Fields::Type(content_type),
            Self::Whole(response) => Fields::Map(response.headers()),
        }
    }
}

/// The header fields of a response.
#[derive(Clone, Copy, Debug)]
pub enum Fields<'a> {
    /// A content type alone.
    Type(&'a HeaderValue),
    /// Any.
    Map(&'a HeaderMap),
}

impl<'a> From<&'a HeaderMap> for Fields<'a> {
    fn from(map: &'a HeaderMap) -> Self {
        Self::Map(map)
    }
}
