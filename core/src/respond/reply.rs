//! The future of an answer, in memory that may serve again: [`BoxReply`]. It must never hold more of a reply that is over
//! than its memory.

use std::{
    any::Any,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{
    Answer,
    deferred::{awaited, promised},
};
use crate::{
    BoxFuture, Response,
    panics::{self, Held},
};

/// The future of an answer.
pub struct BoxReply(Pin<Box<dyn Place>>);

/// The memory of a reply that is over, for the next one of the same handler: to allocate and to free it each time was a
/// twelfth of what a pipelined request cost.
pub(crate) struct Spare(Pin<Box<dyn Place>>);

/// The most bytes of a [`Spare`]: a handler that holds much asks for its memory each time.
const SPARE_BYTES_MAX: usize = 1 << 10;

impl BoxReply {
    pub(crate) fn new(reply: impl Future<Output = Answer> + Send + 'static) -> Self {
        Self(Box::pin(Settled { reply: Some(reply), awaited: None }))
    }

    /// In `spare`, which is used up, where it fits.
    #[inline]
    pub(crate) fn new_in<F>(spare: &mut Option<Spare>, reply: F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut reply = Some(reply);
        if let Some(Spare(mut place)) = spare.take() {
            place.as_mut().fill(&mut reply);
            if reply.is_none() {
                return Self(place);
            }
        }
        Self(Box::pin(Settled { reply, awaited: None }))
    }

    /// The memory of one that is over, where it is worth keeping: nothing of the app's is in it any more.
    #[inline]
    pub(crate) fn into_spare(self) -> Option<Spare> {
        (size_of_val(&*self.0) <= SPARE_BYTES_MAX).then_some(Spare(self.0))
    }
}

impl Future for BoxReply {
    type Output = Answer;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for BoxReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxReply").finish_non_exhaustive()
    }
}

/// Where replies of one type are polled, one after the other.
trait Place: Send {
    /// Once it is ready the reply is dropped; a panic of its destructor does not take the answer away.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer>;

    /// Takes the reply out of `reply`, an `Option` of it, where that is of its type.
    fn fill(self: Pin<&mut Self>, reply: &mut dyn Any);
}

pin_project! {
    /// A reply, which is waited for further if its answer stands for another.
    struct Settled<F> {
        // None while it is a spare, and while the other is there.
        #[pin]
        reply: Option<F>,
        awaited: Option<Held<BoxFuture<Response>>>,
    }
}

impl<F: Future<Output = Answer> + Send + 'static> Place for Settled<F> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut this = self.project();
        if let Some(reply) = this.reply.as_mut().as_pin_mut() {
            let Poll::Ready(answer) = reply.poll(cx) else { return Poll::Pending };
            let _ = panics::contained(|| this.reply.set(None));
            match answer.as_response().and_then(promised) {
                None => return Poll::Ready(answer),
                Some(promised) => {
                    let response = answer.into_response();
                    *this.awaited = Some(Held::new(Box::pin(awaited(promised, response))));
                }
            }
        }
        let Some(awaited) = this.awaited else { return Poll::Pending };
        let Poll::Ready(response) = awaited.as_mut().poll(cx) else { return Poll::Pending };
        *this.awaited = None;
        Poll::Ready(response.into())
    }

    fn fill(self: Pin<&mut Self>, reply: &mut dyn Any) {
        if let Some(reply) = reply.downcast_mut::<Option<F>>() {
            self.project().reply.set(reply.take());
        }
    }
}
