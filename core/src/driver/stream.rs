//! A response whose body comes piece by piece: the rest of step 4. It must never have more of it in memory than the
//! limits say, nor let a peer that takes all at once keep others waiting.

use std::{future::poll_fn, pin::Pin, task::Poll};

use http_body::{Body as HttpBody, Frame};

use super::{Driver, End, exchange::INTERNAL_ERROR};
use crate::{
    Body, BodyError, CloseReason, Transport,
    body::Source,
    h1::{BodyLength, KeepAlive, SendBody},
    panics::{self, Held, Panicked},
    respond::AnswerHead,
};

/// A response whose body comes piece by piece.
pub(super) struct Streamed {
    pub(super) head: AnswerHead,
    pub(super) keep: KeepAlive,
    pub(super) body: Body,
}

/// So many times the high mark are gathered for one write.
const BURST: usize = 4;

/// What a body gives.
type Piece = Option<Result<Frame<bytes::Bytes>, BodyError>>;

enum Sent {
    Piece,
    Whole,
    Failed,
}

impl<T: Transport> Driver<T> {
    /// Sends a response whose body comes piece by piece.
    pub(super) async fn stream(&mut self, response: Streamed, source: Option<&Source>) -> Result<(), End> {
        let Streamed { head, keep, mut body } = response;
        let Ok(length) = self.contained(|| body.size_hint().exact()) else {
            return Err(End::Refuse(INTERNAL_ERROR));
        };
        let length = length.map_or(BodyLength::Unknown, BodyLength::Known);
        let mut first = None;
        if self.connection.sends_body(head.status()) {
            first = Some(self.poll_before_head(&mut body, source).await?);
        }
        let date = self.io.wall_clock();
        let send = self.connection.send_response(head.status(), head.fields(), length, keep, date);
        if send == SendBody::No {
            return Ok(());
        }
        let mut is_throttled = false;
        let result = poll_fn(|cx| {
            loop {
                if self.is_cancelled() {
                    return Poll::Ready(Err(End::Finish(CloseReason::ResponseFailed)));
                }
                let queued = self.connection.output_len();
                // In this order: one that is throttled needs no more room.
                is_throttled = (is_throttled && queued > self.limits.output_low_bytes)
                    || queued >= self.output_max(queued);
                let polled = match first.take() {
                    Some(polled) => polled,
                    None if is_throttled || self.turn.is_over() => Poll::Pending,
                    None => match self.contained(|| Pin::new(&mut body).poll_frame(cx)) {
                        Ok(polled) => polled,
                        Err(Panicked) => return Poll::Ready(Err(End::Finish(CloseReason::ResponseFailed))),
                    },
                };
                match polled {
                    Poll::Ready(frame) => match self.send_frame(frame) {
                        // An empty piece has its price too: a stream of nothing else must not go on for ever.
                        Sent::Piece => self.turn.count_bytes(1),
                        Sent::Whole => return Poll::Ready(Ok(())),
                        Sent::Failed => return Poll::Ready(Err(End::Finish(CloseReason::ResponseFailed))),
                    },
                    Poll::Pending => {
                        self.hand_over_pulls();
                        let again = if self.turn.is_over() {
                            let _ = self.poll_flush(cx);
                            false
                        } else {
                            self.is_to_poll_again(cx, source)
                        };
                        if let Some(reason) = self.broken {
                            return Poll::Ready(Err(End::Drop(reason)));
                        }
                        if self.is_cancelled() {
                            return Poll::Ready(Err(End::Finish(CloseReason::ResponseFailed)));
                        }
                        if self.turn.is_over() {
                            // Rule 6, also for a peer that takes all at once. No handler runs any more.
                            self.turn.renew();
                            self.io.yield_turn(cx);
                            return self.parked();
                        }
                        let has_room = self.connection.output_len() <= self.limits.output_low_bytes;
                        if !(again || is_throttled && has_room) {
                            return self.parked();
                        }
                    }
                }
            }
        })
        .await;
        drop(body);
        result
    }

    /// How much may be queued before the body has to wait: more than the high mark, and no more than is left of the turn,
    /// where the peer has taken all so far, of pieces that are not copied.
    fn output_max(&mut self, queued: usize) -> usize {
        let high = self.limits.output_high_bytes;
        if queued < high || self.connection.output_copied_len() >= high || self.writing.is_waiting() {
            return high;
        }
        if self.burst.is_none() {
            self.burst = self.app.as_ref().and_then(|app| app.bursts().grant(high.saturating_mul(BURST - 1)));
        }
        match self.burst {
            Some(_) => high.max(self.turn.bytes_left().min(high * BURST)),
            None => high,
        }
    }

    /// Polls a response's body before its head is written: it may fail, while that can still be told, or
    /// ask for the request's body, for which a client may be waiting (RFC 9110 §10.1.1).
    async fn poll_before_head(
        &mut self,
        body: &mut Body,
        source: Option<&Source>,
    ) -> Result<Poll<Piece>, End> {
        poll_fn(|cx| {
            loop {
                let polled = match self.contained(|| Pin::new(&mut *body).poll_frame(cx)) {
                    Ok(Poll::Ready(Some(Err(error)))) => {
                        log_failure("before its first byte", error);
                        return Poll::Ready(Err(End::Refuse(INTERNAL_ERROR)));
                    }
                    Err(Panicked) => return Poll::Ready(Err(End::Refuse(INTERNAL_ERROR))),
                    Ok(polled) => polled,
                };
                self.hand_over_pulls();
                if source.is_some_and(|source| source.is_wanted(cx)) {
                    self.connection.ask_body();
                }
                // No 100 can follow the head. Whether one is needed may show only when a job has run; but where nobody
                // can ask any more, the client has waited long enough (RFC 9110 §10.1.1).
                let may_ask = self.connection.awaits_continue() && source.is_some_and(Source::has_reader);
                if polled.is_ready() || !may_ask {
                    return Poll::Ready(Ok(polled));
                }
                let again = self.is_to_poll_again(cx, source);
                if self.is_cancelled() {
                    return Poll::Ready(Err(End::Finish(CloseReason::PeerLeft)));
                }
                if !again {
                    return self.parked();
                }
            }
        })
        .await
    }

    fn send_frame(&mut self, frame: Piece) -> Sent {
        let sent = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.connection.send_data(data).map(|()| Sent::Piece),
                Err(frame) => self.connection.send_end(frame.trailers_ref()).map(|()| Sent::Whole),
            },
            None => self.connection.send_end(None).map(|()| Sent::Whole),
            Some(Err(error)) => {
                log_failure("and the connection is cut", error);
                return Sent::Failed;
            }
        };
        sent.unwrap_or_else(|_| {
            log::error!("a response body is not as long as its Content-Length says; the connection is cut");
            Sent::Failed
        })
    }
}

/// An error is the app's as well: its text and its destructor may panic. What a peer can bring about, by the body that a
/// response is made of, is no error of ours: it must not fill the log.
fn log_failure(when: &str, error: BodyError) {
    let level = match &error {
        BodyError::Disconnected | BodyError::TooLarge | BodyError::Timeout | BodyError::Malformed(_) => {
            log::Level::Debug
        }
        BodyError::WouldBlock | BodyError::Finished | BodyError::Source(_) => log::Level::Error,
    };
    let error = Held::new(error);
    let _ = panics::contained(|| log::log!(level, "a response body failed {when}: {}", *error));
}
