//! The head of a request on its way to its handler: as it came, until somebody reads it. What a handler does not read
//! is never made: for many that is all of `http`'s types, and most of what a request would cost.

use http::{Method, header::HOST, request::Parts};

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

    /// The raw path, as routes match it, not looked at.
    #[inline]
    pub(crate) fn path_bytes(&self) -> &[u8] {
        match self {
            Self::Wire(head) => head.path_bytes(),
            Self::Parts(parts) => parts.uri.path().as_bytes(),
        }
    }

    /// The raw path, as routes match it.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Wire(head) => head.path(),
            Self::Parts(parts) => parts.uri.path(),
        }
    }

    /// What stands behind the question mark, raw.
    pub(crate) fn query(&self) -> Option<&str> {
        match self {
            Self::Wire(head) => head.query(),
            Self::Parts(parts) => parts.uri.query(),
        }
    }

    /// The host that is asked, and perhaps its port: of the target where that names one, else of the Host field
    /// (RFC 9110 §7.2, RFC 9112 §3.2.2).
    pub(crate) fn authority(&self) -> Option<&str> {
        match self {
            Self::Wire(head) => head.authority(),
            Self::Parts(parts) => match parts.uri.authority() {
                Some(authority) => Some(authority.as_str()),
                None => parts.headers.get(HOST)?.to_str().ok(),
            },
        }
    }

    /// The whole request, for a [`Handler`](crate::Handler) that is no function.
    ///
    /// # Errors
    /// Where `http`'s types cannot hold its head: [`RequestHead::parts`]. The refusal is the answer.
    pub fn into_request(self, body: Body) -> Result<Request, Refusal> {
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
