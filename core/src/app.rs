//! The app as the driver sees it.

use std::net::SocketAddr;

use crate::{BoxFuture, Request, Response};

/// An app that is ready to be served: a checked and compiled `Router`.
pub struct App {}

/// What becomes of one request: the reply to poll, and the settings of the route that it met.
pub struct Dispatch {
    /// The reply. It is lazy: nothing of the app runs before its first poll.
    pub reply: BoxFuture<Response>,
    /// The most bytes that the request's body may have.
    pub body_bytes_max: u64,
}

impl App {
    /// Finds the route of `request`. `peer` is the client's address, where there is one.
    pub fn dispatch(&self, request: Request, peer: Option<SocketAddr>) -> Dispatch {
        drop((request, peer));
        Dispatch { reply: Box::pin(async { Response::default() }), body_bytes_max: 0 }
    }
}
