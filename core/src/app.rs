//! The app as the driver sees it.

use std::net::SocketAddr;

use crate::{BoxFuture, Request, Response};

/// An app that is ready to be served: a checked and compiled `Router`.
#[derive(Debug)]
pub struct App {}

/// An app being put together.
#[derive(Debug, Default)]
pub struct Router {}

impl Router {
    /// Checks and compiles the app.
    ///
    /// # Errors
    /// Every fault, by route.
    pub fn build(self) -> Result<App, std::fmt::Error> {
        Ok(App {})
    }
}

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
        Dispatch {
            reply: Box::pin(async { Response::new(crate::Body::from("Hello, World!")) }),
            body_bytes_max: 0,
        }
    }
}
