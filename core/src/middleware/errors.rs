//! What [`Router::errors`](crate::Router::errors) puts around a router: failures are worded by the app, and panics
//! become failures. Who does not use it has nothing of it on the way of a request.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

use http::request::Parts;

use super::{Around, Next};
use crate::{
    IntoResponse, Request, Response,
    extract::Needs,
    panics::{self, Panicked},
    respond::{self, Answer, Asked, BoxReply, Failure, Render, Spare},
    routing::Endpoint,
};

/// The middleware that words failures.
pub(crate) struct Errors(Arc<Render>);

impl Errors {
    pub(crate) fn new<R: IntoResponse>(render: impl Fn(Failure) -> R + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |failure| render(failure).into_response()))
    }
}

impl Around for Errors {
    fn call(&self, request: Request, next: Next, spare: &mut Option<Spare>) -> BoxReply {
        let render = self.0.clone();
        let (parts, body) = request.into_parts();
        let asked = Asked::by(&parts, next.context.endpoint.clone());
        let mut reply = next.context.enter(next.inner, parts.into(), body);
        BoxReply::new_in(spare, async move {
            let answer = poll_fn(|cx| match panics::contained(|| Pin::new(&mut reply).poll(cx)) {
                Ok(polled) => polled,
                Err(Panicked) => Poll::Ready(respond::panicked().into()),
            })
            .await;
            // It may hold what the app wrote: that goes before its failure is worded.
            drop(reply);
            asked.worded(answer, &*render).await
        })
    }

    fn declare(&self, _: &mut Needs) {}

    fn words(&self) -> Option<Words<'_>> {
        Some(Words { render: &self.0, refuse: refused })
    }
}

/// How a middleware words failures.
pub(crate) struct Words<'a> {
    render: &'a Arc<Render>,
    /// Gives the answer to a request that is refused before any of the app has run. It comes along, so that a program that
    /// words no failures has none of it.
    pub(crate) refuse: fn(Parts, Arc<Endpoint>, Response) -> BoxReply,
}

/// Whoever words failures around the endpoint words the refusal, the innermost first.
fn refused(parts: Parts, endpoint: Arc<Endpoint>, refusal: Response) -> BoxReply {
    let asked = Asked::by(&parts, endpoint.clone());
    BoxReply::new(async move {
        let mut answer = Answer::from(refusal);
        for words in endpoint.words() {
            answer = asked.clone().worded(answer, &**words.render).await;
        }
        answer
    })
}
