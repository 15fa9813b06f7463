//! Services and layers of tower, written by hand: what the adapters promise, whoever wrote the rest. Those of the crates
//! `tower`, `tower-http` and `axum` have their tests in `tests/tower`, a workspace of its own.

mod layers;
mod services;

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use trijet::{Request, http, interop::Service};

/// A service of a function that gives a future; always ready.
#[derive(Clone)]
struct Of<F>(F);

impl<F, R, B, E> Service<Request> for Of<F>
where
    F: Fn(Request) -> R,
    R: Future<Output = Result<http::Response<B>, E>>,
{
    type Response = http::Response<B>;
    type Error = E;
    type Future = R;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> R {
        self.0(request)
    }
}

/// What cannot fail.
fn sure<B>(body: impl Into<B>) -> Result<http::Response<B>, Infallible> {
    Ok(http::Response::new(body.into()))
}
