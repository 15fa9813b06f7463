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
    /// Made at the first poll, which is within the server.
    ends: Option<Ends>,
    /// There while nothing comes.
    silence: Option<Sleep>,
    is_over: bool,
}

/// What ends them before their own end.
struct Ends {
    server: Stopping,
    client: Disconnected,
}

impl Ends {
    fn here() -> Self {
        Self { server: rt::stopping(), client: Request::new(()).disconnected() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.server).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.client).poll(cx)
    }
}

impl Events {
    pub(super) fn new(events: Body, keep_alive: Duration) -> Self {
        Self { events: events.into_stream(), keep_alive, ends: None, silence: None, is_over: false }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        // First: a stream that always has an event must end too.
        if self.ends.get_or_insert_with(Ends::here).poll(cx).is_ready() {
            self.is_over = true;
            return Poll::Ready(None);
        }
        if let Poll::Ready(next) = Pin::new(&mut self.events).poll_next(cx) {
            self.silence = None;
            self.is_over = next.is_none();
            return Poll::Ready(next);
        }
        let keep_alive = self.keep_alive;
        let silence = self.silence.get_or_insert_with(|| rt::sleep(keep_alive));
        if Pin::new(silence).poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.silence = None;
        Poll::Ready(Some(Ok(Bytes::from_static(b":\n\n"))))
    }
}
