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
    deferred::{Promised, promised},
};
use crate::{
    BoxFuture, Response,
    panics::{self, Held},
};

/// The future of an answer. It can be dropped anywhere: a panic of what the app has in it costs a log line.
pub struct BoxReply(Pin<Box<dyn Place>>);

/// The memory of a reply that is over, for the next one of the same handler: to allocate and to free it each time was a
/// twelfth of what a pipelined request cost.
pub(crate) struct Spare(Pin<Box<dyn Place>>);

/// The most bytes of a [`Spare`]: a handler that holds much asks for its memory each time.
const SPARE_BYTES_MAX: usize = 2 << 10;

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
        awaited: Option<Awaited>,
    }

    impl<F> PinnedDrop for Settled<F> {
        /// Contained, since a panic may be what drops it: of the middleware around it, or of its own poll.
        fn drop(this: Pin<&mut Self>) {
            let mut reply = this.project().reply;
            if reply.is_some() {
                let _ = panics::contained(|| reply.set(None));
            }
        }
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
                Some(promised) => *this.awaited = Some(wait_for(promised, answer)),
            }
        }
        poll_awaited(this.awaited, cx)
    }

    fn fill(self: Pin<&mut Self>, reply: &mut dyn Any) {
        if let Some(reply) = reply.downcast_mut::<Option<F>>() {
            self.project().reply.set(reply.take());
        }
    }
}

/// The answer that another stands for.
type Awaited = Held<BoxFuture<Response>>;

// These two are one in a program, not one for each type of reply: 2 KB each.

fn wait_for(promised: Promised, placeholder: Answer) -> Awaited {
    Held::new(promised.wait_for(placeholder.into_response()))
}

fn poll_awaited(awaited: &mut Option<Awaited>, cx: &mut Context<'_>) -> Poll<Answer> {
    let Some(waiting) = awaited else { return Poll::Pending };
    let Poll::Ready(response) = waiting.as_mut().poll(cx) else { return Poll::Pending };
    *awaited = None;
    Poll::Ready(response.into())
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{
        future::{pending, ready},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Waker,
    };

    use super::*;
    use crate::{IntoResponse, exercise::logged, panics::Panicked};

    /// Counts how often it is dropped, and may panic then.
    struct Held(Arc<AtomicUsize>, bool);

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            assert!(!self.1, "planted");
        }
    }

    /// A future that lets go of nothing by itself. It may panic.
    struct Keeps(bool, #[expect(dead_code, reason = "it is there to be dropped")] Held);

    impl Future for Keeps {
        type Output = Answer;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
            assert!(!self.0, "planted first");
            Poll::Ready(http::StatusCode::ACCEPTED.into_answer())
        }
    }

    fn poll(reply: &mut BoxReply) -> Poll<u16> {
        let polled = Pin::new(reply).poll(&mut Context::from_waker(Waker::noop()));
        polled.map(|answer| answer.into_response().status().as_u16())
    }

    async fn number(number: u16, held: Held) -> Answer {
        let _held = &held;
        (http::StatusCode::from_u16(number).unwrap(), "").into_answer()
    }

    #[test]
    fn memory_is_used_again_by_its_own_kind_alone() {
        let count = Arc::new(AtomicUsize::new(0));
        let place_of = |reply: &BoxReply| std::ptr::from_ref(&*reply.0).cast::<()>();
        let mut first = BoxReply::new(number(201, Held(count.clone(), false)));
        let place = place_of(&first);
        assert_eq!(poll(&mut first), Poll::Ready(201));
        assert_eq!(count.load(Ordering::Relaxed), 1, "nothing is left of it");
        let mut spare = first.into_spare();
        let mut second = BoxReply::new_in(&mut spare, number(202, Held(count.clone(), false)));
        assert!(spare.is_none() && place_of(&second) == place);
        assert_eq!(poll(&mut second), Poll::Ready(202));
        let mut spare = second.into_spare();
        let mut other = BoxReply::new_in(&mut spare, ready(().into_answer()));
        assert_eq!(poll(&mut other), Poll::Ready(200));
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_large_one_is_not_kept() {
        let large = [7_u8; 2 * SPARE_BYTES_MAX];
        let mut reply = BoxReply::new(async move {
            // Held while it waits, which it might.
            let held = large;
            ready(()).await;
            http::StatusCode::from_u16(200 + u16::from(held[0])).unwrap().into_answer()
        });
        assert_eq!(poll(&mut reply), Poll::Ready(207));
        assert!(reply.into_spare().is_none());
    }

    /// Without it the process would end.
    #[test]
    fn a_panic_may_drop_what_panics_too() {
        logged();
        let count = Arc::new(AtomicUsize::new(0));
        let inner = BoxReply::new(Keeps(true, Held(count.clone(), true)));
        let mut outer = BoxReply::new(async move { inner.await.into_response().into() });
        assert_eq!(panics::contained(|| poll(&mut outer)), Err(Panicked));
        drop(outer);
        // Dropped before its end.
        let waits = Held(count.clone(), true);
        let mut waiting = BoxReply::new(async move {
            let _waits = &waits;
            pending().await
        });
        assert_eq!(poll(&mut waiting), Poll::Pending);
        drop(waiting);
        // And behind its end, which is not taken back by that.
        let mut ended = BoxReply::new(Keeps(false, Held(count.clone(), true)));
        assert_eq!(poll(&mut ended), Poll::Ready(202));
        assert_eq!(count.load(Ordering::Relaxed), 3);
        let told = logged();
        assert_eq!(told.len(), 4, "{told:?}");
    }
}
