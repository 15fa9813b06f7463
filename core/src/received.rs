//! A request on its way to its handler: as it came, until somebody reads its head. What a handler does not read is
//! never made: for many that is all of `http`'s types, and most of what a request would cost.

use std::fmt;

use bytes::Bytes;
use http::Method;

use crate::{
    Body, Request,
    h1::{Refusal, RequestHead},
};

/// A request as it was received, or as a middleware has made it.
pub struct Received(Kind);

enum Kind {
    Wire(RequestHead, Body),
    Whole(Request),
}

impl Received {
    pub(crate) fn new(head: RequestHead, body: Body) -> Self {
        Self(Kind::Wire(head, body))
    }

    pub(crate) fn method(&self) -> &Method {
        match &self.0 {
            Kind::Wire(head, _) => &head.method,
            Kind::Whole(request) => request.method(),
        }
    }

    /// The raw path, as routes match it.
    pub(crate) fn path(&self) -> &str {
        match &self.0 {
            Kind::Wire(head, _) => head.path(),
            Kind::Whole(request) => request.uri().path(),
        }
    }

    /// [`path`](Self::path), to be kept.
    pub(crate) fn path_bytes(&self) -> Bytes {
        match &self.0 {
            Kind::Wire(head, _) => head.path_bytes(),
            Kind::Whole(request) => Bytes::copy_from_slice(request.uri().path().as_bytes()),
        }
    }

    /// The whole request.
    ///
    /// # Errors
    /// Where `http`'s types cannot hold its head: [`RequestHead::into_parts`].
    pub(crate) fn into_request(self) -> Result<Request, Refusal> {
        match self.0 {
            Kind::Wire(head, body) => Ok(Request::from_parts(head.into_parts()?, body)),
            Kind::Whole(request) => Ok(request),
        }
    }

    /// The request for who does not look at its head: where none was made, one without anything stands for it.
    pub(crate) fn with_any_head(self) -> Request {
        match self.0 {
            Kind::Wire(_, body) => Request::new(body),
            Kind::Whole(request) => request,
        }
    }
}

impl From<Request> for Received {
    fn from(request: Request) -> Self {
        Self(Kind::Whole(request))
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received({} {})", self.method(), self.path())
    }
}
