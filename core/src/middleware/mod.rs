//! What stands around handlers: [`Middleware`], made from a plain `fn` or an `async fn`, and [`Next`].
//! A plain `fn` must never be called by the driver's poll itself, since it may block: it goes through `jobs`.

mod access_log;
mod arguments;
mod errors;

use std::{fmt, future::ready, marker::PhantomData, net::SocketAddr};

pub use access_log::access_log;
pub use arguments::LayerArguments;
pub(crate) use errors::{Errors, Words};

use crate::{
    Body, IntoResponse, Request, Response,
    extract::{At, Context, ContextRef, Needs},
    handler::{Asynchronous, Blocking, Call},
    jobs::{self, Unfinished},
    received::ReceivedHead,
    respond::{self, Answer, BoxReply, Spare},
};

/// A function that stands around handlers: `async fn(request, next)` or `fn(request, next)`.
///
/// Up to 4 extractors of the head may come before the request, [`State`](crate::State) for example.
///
/// - An `async fn` awaits [`Next::run`]. This is the cheap kind.
/// - A plain `fn` calls [`Next::run_blocking`]. It holds a thread until the response is there, and all
///   that is inside runs on that same thread: one such layer turns its routes into thread-per-request.
///
/// `M` only tells the kinds apart, and is never named.
///
/// ```
/// use trijet_core::{IntoResponse, Next, Request, Response, Router, StatusCode, get};
///
/// async fn only_json(request: Request, next: Next) -> Response {
///     if request.headers().get("accept").is_some_and(|value| value == "application/json") {
///         return next.run(request).await;
///     }
///     StatusCode::NOT_ACCEPTABLE.into_response()
/// }
///
/// fn with_version(request: Request, next: Next) -> impl IntoResponse {
///     ([("x-version", "1")], next.run_blocking(request))
/// }
///
/// let router = Router::new().route("/", get(|| "[]")).wrap(only_json).wrap(with_version);
/// assert!(router.build().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware",
    label = "not a middleware",
    note = "a middleware is `async fn(Request, Next) -> impl IntoResponse` or `fn(Request, Next) -> impl IntoResponse`",
    note = "up to 4 extractors of the head may come before the `Request`"
)]
pub trait Middleware<M>: Clone + Send + Sync + 'static {
    /// Answers `request`, with or without `next`.
    fn call(self, request: Request, next: Next) -> impl Future<Output = Answer> + Send + 'static;

    /// Declares what its extractors need.
    fn declare(needs: &mut Needs);
}

impl<F, A, R> Middleware<(Asynchronous, A)> for F
where
    F: Call<A, Output = R> + Clone + Send + Sync + 'static,
    A: LayerArguments,
    R: Future<Output: IntoResponse> + Send + 'static,
{
    fn call(self, request: Request, next: Next) -> impl Future<Output = Answer> + Send + 'static {
        let arguments = A::extract(request, next);
        async move {
            match arguments.await {
                Ok(arguments) => self.apply(arguments).await.into_answer(),
                Err(refusal) => Answer::from(*refusal),
            }
        }
    }

    fn declare(needs: &mut Needs) {
        A::declare(needs);
    }
}

impl<F, A, R> Middleware<(Blocking, A)> for F
where
    F: Call<A, Output = R> + Clone + Send + Sync + 'static,
    A: LayerArguments,
    R: IntoResponse + 'static,
{
    fn call(self, request: Request, next: Next) -> impl Future<Output = Answer> + Send + 'static {
        let arguments = A::extract(request, next);
        async move {
            match arguments.await {
                Ok(arguments) => {
                    respond::from_job(jobs::run(move || self.apply(arguments).into_answer()).await)
                }
                Err(refusal) => Answer::from(*refusal),
            }
        }
    }

    fn declare(needs: &mut Needs) {
        A::declare(needs);
    }
}

/// The rest of the way to the handler, as a middleware sees it. A clone can be run too: for a middleware that tries
/// once more.
#[derive(Clone)]
pub struct Next {
    pub(crate) context: Context,
    /// The layer that comes next.
    inner: usize,
}

impl Next {
    /// Answers `request` by what is inside this middleware.
    pub fn run(self, request: Request) -> impl Future<Output = Response> + Send + 'static {
        let (parts, body) = request.into_parts();
        let inside = self.context.enter(self.inner, parts.into(), body);
        async { inside.await.into_response() }
    }

    /// As [`run`](Self::run), for a plain `fn`: waits on this thread, and runs on it all that is inside.
    ///
    /// Where nobody waits for the answer any more, because a middleware around this one has dropped it, the client
    /// of a route with [`cancel_on_disconnect`](crate::MethodRouter::cancel_on_disconnect) has left, or the server
    /// has cut the connection, what is inside is dropped. Then this gives a response that goes nowhere (503), since
    /// the function itself can only run to its end.
    ///
    /// Inside an `async fn` it would stop every connection of the event loop: there it answers 500, with
    /// a log line that says so.
    pub fn run_blocking(self, request: Request) -> Response {
        let endpoint = self.context.endpoint.clone();
        jobs::block_on(self.run(request)).unwrap_or_else(|unfinished| match unfinished {
            Unfinished::GivenUp => respond::given_up(),
            Unfinished::WouldBlockTheLoop => {
                log::error!(
                    "a middleware around `{}` called `next.run_blocking` inside an `async fn`, where it would \
                     block the event loop: write `next.run(request).await`",
                    endpoint.route.as_deref().unwrap_or("no route")
                );
                respond::internal_error()
            }
        })
    }

    /// The pattern of the matched route, `/reports/{id}` for example. None where nothing matched.
    pub fn route(&self) -> Option<&str> {
        self.context.route()
    }

    /// The client's address, where it has one.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.context.peer_address()
    }
}

impl Context {
    /// Begins at the layer of this index, or at the handler where there is none.
    pub(crate) fn enter(self, index: usize, head: ReceivedHead<'_>, body: Body) -> BoxReply {
        let Self { endpoint, at, captures, peer, body_bytes_max } = self;
        let context = ContextRef { endpoint: &endpoint, at, captures, peer, body_bytes_max };
        context.enter(index, head, body, &mut None)
    }
}

impl ContextRef<'_> {
    /// As [`Context::enter`], in `spare` where it fits.
    #[inline]
    pub(crate) fn enter(
        mut self,
        index: usize,
        head: ReceivedHead<'_>,
        body: Body,
        spare: &mut Option<Spare>,
    ) -> BoxReply {
        match self.endpoint.layers.get(index) {
            Some(layer) => {
                self.at = At::Layer(index);
                match head.into_request(body) {
                    Ok(request) => {
                        let next = Next { context: self.into_context(), inner: index + 1 };
                        layer.middleware.call(request, next, spare)
                    }
                    Err(refusal) => BoxReply::new(ready(refusal.into_answer())),
                }
            }
            None => {
                self.at = At::Handler;
                self.endpoint.service.call(head, body, self, spare)
            }
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("route", &self.route()).finish_non_exhaustive()
    }
}

/// A middleware of any type.
pub(crate) trait Around: Send + Sync {
    /// Begins its reply, in `spare` where it fits.
    fn call(&self, request: Request, next: Next, spare: &mut Option<Spare>) -> BoxReply;
    fn declare(&self, needs: &mut Needs);

    /// How it words failures, if it does.
    fn words(&self) -> Option<Words<'_>> {
        None
    }
}

/// A middleware together with its marker.
pub(crate) struct Erased<W, M>(W, PhantomData<fn() -> M>);

impl<W, M> Erased<W, M> {
    pub(crate) fn new(middleware: W) -> Self {
        Self(middleware, PhantomData)
    }
}

impl<W: Middleware<M>, M: 'static> Around for Erased<W, M> {
    fn call(&self, request: Request, next: Next, spare: &mut Option<Spare>) -> BoxReply {
        BoxReply::new_in(spare, self.0.clone().call(request, next))
    }

    fn declare(&self, needs: &mut Needs) {
        W::declare(needs);
    }
}

#[cfg(test)]
mod tests;
