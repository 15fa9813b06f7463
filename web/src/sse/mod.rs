//! Server-sent events (HTML Living Standard, §9.2): [`Sse`], a response that goes on as long as its client listens, of
//! [`Event`]s from a stream or an iterator; and [`LastEventId`], by which a client that comes back says what it has seen.
//! Whatever an event holds, it is one event to the client.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use trijet_core::{Router, get, rt};
//! use trijet_web::sse::{Event, LastEventId, Sse};
//!
//! /// Seconds, from where the client has left off.
//! async fn seconds(LastEventId(last): LastEventId) -> Sse {
//!     let first = last.and_then(|id| id.parse().ok()).unwrap_or(0_u64);
//!     Sse::new(futures_util::stream::unfold(first, |second| async move {
//!         rt::sleep(Duration::from_secs(1)).await;
//!         let event = Event::new(format!("{second} s")).id(second.to_string());
//!         Some((Ok::<_, Infallible>(event), second + 1))
//!     }))
//! }
//!
//! /// A plain `fn` gives an iterator, which may block.
//! fn lines(_: LastEventId) -> Sse {
//!     let lines = std::io::Cursor::new("one\ntwo\n");
//!     Sse::from_iter(std::io::BufRead::lines(lines).map(|line| line.map(Event::new)))
//! }
//! let router = Router::new().route("/seconds", get(seconds)).route("/lines", get(lines));
//! ```

mod event;
mod stream;

use std::time::Duration;

use futures_core::Stream;
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
    request::Parts,
};
use trijet_core::{
    Body, BoxError, FromRequestParts, IntoResponse, Response,
    extract::{Context, Rejection},
};

pub use self::event::Event;
use self::stream::{Encoded, Events};

/// A response of events, which ends with its stream, and when the server begins to stop: then the client comes again by
/// itself, to another server. An error of the stream cuts the connection, and the client comes again too.
///
/// Once its client has left, it is cut where it would have to wait for an event. **A client that only ends its direction looks
/// the same** ([`Disconnected`](trijet_core::extract::Disconnected)): it gets the events that are there, and a cut at the first
/// wait. This is the exception from the rule that a half-closed client still gets its whole answer, as otherwise each stream
/// without end would be kept for a client that may be gone; no browser ends its direction alone.
///
/// While there is no event, a comment goes out [now and then](Self::keep_alive), so that nobody on the way takes the
/// connection for dead. Each event leaves at once.
#[derive(Debug)]
pub struct Sse {
    events: Body,
    keep_alive: Duration,
}

/// A quarter of the minute after which the usual proxies give up a connection without a byte.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Sse {
    /// Of the events of a stream, which must not block.
    pub fn new<S, E>(events: S) -> Self
    where
        S: Stream<Item = Result<Event, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self { events: Body::from_stream(Encoded::new(events)), keep_alive: KEEP_ALIVE }
    }

    /// Of the events of an iterator, which may block: it is pulled where plain `fn` handlers run, and holds a thread while
    /// it is. When the client leaves or the server stops, nobody waits for it any more, not even a moment, but it goes on to its
    /// next event: one that may wait for long looks at [`Disconnected`](trijet_core::extract::Disconnected) and
    /// [`rt::stopping`](trijet_core::rt::stopping()).
    #[expect(clippy::should_implement_trait, reason = "the items are results, unlike those of FromIterator")]
    pub fn from_iter<I, E>(events: I) -> Self
    where
        I: IntoIterator<Item = Result<Event, E>>,
        I::IntoIter: Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let events = events.into_iter().map(|event| event.map(Event::into_bytes));
        Self { events: Body::from_iter(events), keep_alive: KEEP_ALIVE }
    }

    /// How long the connection is silent before a comment goes out: 15 s unless said otherwise, at least a millisecond.
    #[must_use]
    pub fn keep_alive(self, silence: Duration) -> Self {
        Self { keep_alive: silence.max(Duration::from_millis(1)), ..self }
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from_stream(Events::new(self.events, self.keep_alive)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // nginx and those who have it from there collect an answer otherwise.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

/// The id of the last event that a client has seen, which comes again (HTML, §9.2.4, `Last-Event-ID`): an extractor. `None`
/// for who comes the first time. What is not UTF-8 is answered with 400; anybody can send any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastEventId(pub Option<String>);

impl FromRequestParts for LastEventId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Rejection> {
        let Some(value) = parts.headers.get("last-event-id") else { return Ok(Self(None)) };
        match std::str::from_utf8(value.as_bytes()) {
            Ok(id) => Ok(Self(Some(id.to_owned()))),
            Err(error) => Err(Rejection::new(
                StatusCode::BAD_REQUEST,
                "The request was refused: Last-Event-ID must be UTF-8.",
            )
            .with_source(error)),
        }
    }
}
