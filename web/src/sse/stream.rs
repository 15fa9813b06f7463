//! The body of a response of events: [`Events`], which puts comments into silence, and ends where nobody listens.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http::Request;
use pin_project_lite::pin_project;
use trijet_core::{
    Body, BodyError, RequestExt,
    body::BodyStream,
    extract::Disconnected,
    rt::{self, Sleep, Stopping},
};

use super::Event;

pin_project! {
    /// A stream of events, as bytes.
    pub(super) struct Encoded<S> { #[pin] events: S }
}

impl<S> Encoded<S> {
    pub(super) fn new(events: S) -> Self {
        Self { events }
    }
}

impl<S: Stream<Item = Result<Event, E>>, E> Stream for Encoded<S> {
    type Item = Result<Bytes, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.project().events.poll_next(cx).map(|next| next.map(|event| event.map(Event::into_bytes)))
    }
}

/// Encoded events, and what else they wait for.
pub(super) struct Events {
    events: BodyStream,
    keep_alive: Duration,
    place: Place,
    /// There while nothing comes.
    silence: Option<Sleep>,
    has_begun: bool,
    is_over: bool,
}

/// What a client reads over.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Where they are polled, which the first poll finds out.
enum Place {
    Unknown,
    /// In a server.
    Server(Ends),
    /// In none: a test, say. There is nobody to wait for but the events.
    Outside,
}

/// What ends them before their own end.
struct Ends {
    server: Stopping,
    client: Disconnected,
}

impl Place {
    fn here() -> Self {
        match rt::backend() {
            Some(_) => Self::Server(Ends { server: rt::stopping(), client: Request::new(()).disconnected() }),
            None => Self::Outside,
        }
    }
}

impl Events {
    pub(super) fn new(events: Body, keep_alive: Duration) -> Self {
        let events = events.into_stream();
        Self { events, keep_alive, place: Place::Unknown, silence: None, has_begun: false, is_over: false }
    }

    fn end(&mut self, last: Option<BodyError>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.is_over = true;
        Poll::Ready(last.map(Err))
    }
}

impl Stream for Events {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if matches!(self.place, Place::Unknown) {
            self.place = Place::here();
        }
        let Self { events, place, silence, keep_alive, has_begun, .. } = &mut *self;
        if let Place::Server(ends) = place {
            // First: a stream that always has an event must end too.
            if Pin::new(&mut ends.server).poll(cx).is_ready() {
                return self.end(None);
            }
        }
        if let Poll::Ready(next) = Pin::new(events).poll_next(cx) {
            (*silence, *has_begun) = (None, true);
            self.is_over = next.is_none();
            return Poll::Ready(next);
        }
        let Place::Server(ends) = place else { return Poll::Pending };
        // After the events: a client that has only ended its direction gets those that are there. What it does not get any
        // more must not look whole to it, so this is an error: a cut, and not the 500 of a body that fails before its first byte.
        if Pin::new(&mut ends.client).poll(cx).is_ready() {
            if !std::mem::replace(has_begun, true) {
                return Poll::Ready(Some(Ok(COMMENT)));
            }
            return self.end(Some(BodyError::Disconnected));
        }
        let silence_of = *keep_alive;
        if Pin::new(silence.get_or_insert_with(|| rt::sleep(silence_of))).poll(cx).is_pending() {
            return Poll::Pending;
        }
        (*silence, *has_begun) = (None, true);
        Poll::Ready(Some(Ok(COMMENT)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};
    use trijet_core::{
        IntoResponse, Router, get,
        sim::{Settings, Sim},
    };

    use super::*;
    use crate::sse::Sse;

    fn two() -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::iter(["one", "two"]).map(|text| Ok(Event::new(text)))
    }

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// What a client reads that ends its direction with its request.
    fn half_closed(answer: impl Fn() -> Sse + Clone + Send + Sync + 'static) -> String {
        let app = Router::new().route("/", get(move || std::future::ready(answer())));
        let sim = Sim::new(app, Settings::default());
        let peer = sim.connect();
        peer.send(REQUEST).half_close();
        sim.settle();
        for _ in 0..5 {
            sim.advance(Duration::from_secs(1));
        }
        assert!(peer.is_closed());
        peer.received_text().to_owned()
    }

    #[test]
    fn a_half_close_gets_the_events_that_are_there() {
        let read = half_closed(|| Sse::new(two()));
        assert!(read.contains("data: one\n\n") && read.contains("data: two\n\n"), "{read:?}");
        assert!(read.ends_with("\r\n0\r\n\r\n"), "{read:?}");
    }

    #[test]
    fn what_a_half_close_does_not_get_is_cut() {
        let read = half_closed(|| Sse::new(two().chain(stream::pending())));
        assert!(read.contains("data: one\n\n") && read.contains("data: two\n\n"), "{read:?}");
        assert!(!read.contains("\r\n0\r\n\r\n"), "it looks whole: {read:?}");
        let read = half_closed(|| Sse::new(stream::pending::<Result<Event, Infallible>>()));
        assert!(read.starts_with("HTTP/1.1 200 ") && read.ends_with("\r\n3\r\n:\n\n\r\n"), "{read:?}");
    }

    #[test]
    fn outside_of_a_server_there_are_the_events_alone() {
        let mut body = Sse::new(two()).into_response().into_body();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut next = || match std::pin::pin!(body.next()).poll(&mut cx) {
            Poll::Ready(next) => next.map(Result::unwrap),
            Poll::Pending => panic!("it waits"),
        };
        assert_eq!(next().as_deref(), Some(&b"data: one\n\n"[..]));
        assert_eq!(next().as_deref(), Some(&b"data: two\n\n"[..]));
        assert_eq!(next(), None);
    }
}
