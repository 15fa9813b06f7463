//! The head of a request on its way to its handler: as it came, until somebody reads it. What a handler does not read
//! is never made: for many that is all of `http`'s types, and most of what a request would cost.

use http::{Method, request::Parts};

use crate::{
    Body, Request,
    h1::{Refusal, RequestHead},
};

/// A request's head as it was received, or as a middleware has made it.
#[derive(Debug)]
pub enum ReceivedHead<'a> {
    /// As the engine has it.
    Wire(RequestHead<'a>),
    /// In the types of `http`.
    Parts(Box<Parts>),
}

impl ReceivedHead<'_> {
    pub(crate) fn method(&self) -> &Method {
        match self {
            Self::Wire(head) => head.method(),
            Self::Parts(parts) => &parts.method,
        }
    }

    /// The raw path, as routes match it.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Wire(head) => head.path(),
            Self::Parts(parts) => parts.uri.path(),
        }
    }

    /// The whole request.
    ///
    /// # Errors
    /// Where `http`'s types cannot hold its head: [`RequestHead::parts`].
    pub(crate) fn into_request(self, body: Body) -> Result<Request, Refusal> {
        let parts = match self {
            Self::Wire(head) => head.parts()?,
            Self::Parts(parts) => *parts,
        };
        Ok(Request::from_parts(parts, body))
    }
}

impl From<Parts> for ReceivedHead<'_> {
    fn from(parts: Parts) -> Self {
        Self::Parts(Box::new(parts))
    }
}
