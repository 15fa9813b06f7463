//! What answers a request: [`Handler`], made from a plain `fn` or an `async fn`.
//! A plain `fn` must never be called by the driver's poll itself, since it may block: it goes through `jobs`.

mod arguments;
mod check;

use std::marker::PhantomData;

pub(crate) use arguments::or_refuse;
pub use arguments::{Arguments, Call};
pub use check::{check_async, check_fn};

use crate::{
    Body, IntoResponse,
    extract::{ContextRef, Needs},
    jobs,
    received::ReceivedHead,
    respond::{self, Answer, BoxReply, Spare},
};

/// A function that answers a request: `fn` or `async fn`, of up to 12 extractors, whose last may take the body.
///
/// - An `async fn` never blocks: it runs where the connection is driven.
/// - A plain `fn` may block: it runs on a thread where that is allowed.
///
/// Both kinds, and closures of both, are given to [`get`](crate::get) and its like in the same way. `M`
/// only tells the kinds apart, and is never named.
///
/// ```
/// use trijet_core::{Path, Router, get};
///
/// fn report(Path(id): Path<u64>) -> String { format!("report {id}") }  // may block
/// async fn hello() -> &'static str { "Hello, World!" }                  // may not
///
/// let router = Router::new()
///     .route("/", get(hello))
///     .route("/reports/{id}", get(report))
///     .route("/version", get(|| "1.0"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "a handler is a `fn` or an `async fn` of at most 12 extractors that gives a response",
    note = "to have the exact fault named, write `trijet::check_fn(h)` for a `fn`, `trijet::check_async(h)` for an `async fn`",
    note = "a closure must also be `Clone + Send + Sync + 'static`, and the future of an `async fn` `Send`"
)]
pub trait Handler<M>: Clone + Send + Sync + 'static {
    /// Answers the request of this head and body. Nothing of the user's runs before the first poll.
    fn call(
        self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
    ) -> impl Future<Output = Answer> + Send + 'static;

    /// Declares what its extractors need.
    fn declare(needs: &mut Needs);

    /// As [`declare`](Self::declare), for what this very value needs: with [`Needs::fault`] it says what is missing.
    fn check(&self, needs: &mut Needs) {
        Self::declare(needs);
    }

    /// The most bytes that the body of a request to this very value may have, where its route does not say
    /// ([`body_limit`](crate::MethodRouter::body_limit)): for a fallback, which has no route. None: as for the whole server.
    fn body_bytes_max(&self) -> Option<u64> {
        None
    }

    /// Whether the future of this very value is dropped when its client leaves, also where its route does not say so
    /// ([`cancel_on_disconnect`](crate::MethodRouter::cancel_on_disconnect)).
    fn cancels(&self) -> bool {
        false
    }
}

/// Marks the handlers and middleware that are an `async fn`.
#[derive(Debug)]
pub enum Asynchronous {}

/// Marks those that are a plain `fn`.
#[derive(Debug)]
pub enum Blocking {}

/// Marks plain handlers that run in place: [`inline`].
#[derive(Debug)]
pub enum InPlace {}

impl<F, A, M: 'static, R> Handler<(Asynchronous, A, M)> for F
where
    F: Call<A, Output = R> + Clone + Send + Sync + 'static,
    A: Arguments<M>,
    R: Future<Output: IntoResponse> + Send + 'static,
{
    fn call(
        self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let source = A::take(head, body, context);
        async move {
            match A::extract(source).await {
                Ok(arguments) => self.apply(arguments).await.into_answer(),
                Err(refusal) => Answer::from(*refusal),
            }
        }
    }

    fn declare(needs: &mut Needs) {
        A::declare(needs);
    }
}

impl<F, A, M: 'static, R> Handler<(Blocking, A, M)> for F
where
    F: Call<A, Output = R> + Clone + Send + Sync + 'static,
    A: Arguments<M>,
    R: IntoResponse + 'static,
{
    fn call(
        self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let source = A::take(head, body, context);
        async move {
            match A::extract(source).await {
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

/// A plain `fn` that promises not to block, as a handler that runs where the connection is driven.
///
/// It saves the way to a thread and back. If it does block, every connection of its event loop waits.
///
/// ```
/// use trijet_core::{Router, get, inline};
/// let router = Router::new().route("/health", get(inline(|| "ok")));
/// ```
pub fn inline<F>(function: F) -> Inline<F> {
    Inline(function)
}

/// The handler that [`inline`] makes.
#[derive(Clone, Copy, Debug)]
pub struct Inline<F>(F);

impl<F, A, M: 'static, R> Handler<(InPlace, A, M)> for Inline<F>
where
    F: Call<A, Output = R> + Clone + Send + Sync + 'static,
    A: Arguments<M>,
    R: IntoResponse + 'static,
{
    fn call(
        self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let source = A::take(head, body, context);
        async move {
            match A::extract(source).await {
                Ok(arguments) => self.0.apply(arguments).into_answer(),
                Err(refusal) => Answer::from(*refusal),
            }
        }
    }

    fn declare(needs: &mut Needs) {
        A::declare(needs);
    }
}

/// A handler of any type.
pub(crate) trait Service: Send + Sync {
    /// Begins its reply, in `spare` where it fits.
    fn call(
        &self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
        spare: &mut Option<Spare>,
    ) -> BoxReply;
    fn declare(&self, needs: &mut Needs);

    /// As [`Handler::body_bytes_max`].
    fn body_bytes_max(&self) -> Option<u64> {
        None
    }

    /// As [`Handler::cancels`].
    fn cancels(&self) -> bool {
        false
    }
}

/// A handler together with its marker.
pub(crate) struct Erased<H, M>(H, PhantomData<fn() -> M>);

impl<H, M> Erased<H, M> {
    pub(crate) fn new(handler: H) -> Self {
        Self(handler, PhantomData)
    }
}

impl<H: Handler<M>, M: 'static> Service for Erased<H, M> {
    fn call(
        &self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
        spare: &mut Option<Spare>,
    ) -> BoxReply {
        BoxReply::new_in(spare, self.0.clone().call(head, body, context))
    }

    fn declare(&self, needs: &mut Needs) {
        self.0.check(needs);
    }

    fn body_bytes_max(&self) -> Option<u64> {
        self.0.body_bytes_max()
    }

    fn cancels(&self) -> bool {
        self.0.cancels()
    }
}

#[cfg(test)]
mod tests;
