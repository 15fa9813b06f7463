//! One request and its response: steps 2 to 5 of a request's life. A handler that waits stands in the driver itself, and
//! takes no future but its own. A response that is not whole goes on in stream.rs.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use http::StatusCode;

use super::{
    Driver, End, Lent,
    stream::Streamed,
    wait::{Fed, Time},
};
use crate::{
    Body, CloseReason, ReceivedHead, Transport,
    ambient::{self, Collected},
    body::{self, Source},
    disconnect::Watch,
    h1::{AfterExchange, Event, Framing, KeepAlive, Refusal},
    panics::{self, Panicked, drop_contained},
    respond::{self, Answer, AnswerHead, BoxReply},
};

/// Why there is no response.
enum NoReply {
    Panicked,
    /// The client has left, and the route says that nobody else wants it.
    Cancelled,
}

const TOO_LARGE: Refusal =
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the request body is larger than this route allows");
pub(super) const INTERNAL_ERROR: Refusal =
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal server error");

/// What is left of an exchange that could not be ended at once.
pub(super) enum Rest {
    /// A response that comes piece by piece.
    Stream(Streamed, Option<Source>),
    /// The rest of the request's body, of which nobody wants to know.
    Drain,
}

/// A handler that has been polled, and where it gets its body from.
pub(super) struct Running {
    reply: BoxReply,
    source: Option<Source>,
}

/// What the first poll of a handler came to. Most are ready then.
enum Begun {
    Answered(Answer),
    Waiting(BoxReply),
}

impl<T: Transport> Driver<T> {
    /// Polls the handler that is waited for, unless it was just found pending, and goes on from there.
    #[inline(never)]
    pub(super) fn run(
        &mut self,
        cx: &mut Context<'_>,
        mut running: Running,
        was_polled: bool,
    ) -> Poll<Result<Option<Rest>, End>> {
        let Poll::Ready(result) = self.poll_reply(cx, &mut running, was_polled) else {
            self.running = Some(running);
            return self.parked();
        };
        self.queued.clear();
        self.reading.pause(|| self.io.now());
        self.wall_clock = None;
        // The reply is the first to go.
        let Running { source, reply } = running;
        Poll::Ready(match result {
            Ok(answer) => {
                self.spare = reply.into_spare();
                self.answer(answer, source)
            }
            Err(NoReply::Panicked) => Err(End::Refuse(INTERNAL_ERROR)),
            // What was answered before is still sent.
            Err(NoReply::Cancelled) => Err(End::Finish(CloseReason::PeerLeft)),
        })
    }

    /// Ends an exchange that could not be ended at once.
    pub(super) async fn finish_exchange(&mut self, rest: Rest) -> Result<(), End> {
        let mut next = Some(rest);
        while let Some(rest) = next {
            next = match rest {
                Rest::Stream(stream, source) => {
                    self.stream(stream, source.as_ref()).await?;
                    drop(source);
                    self.conclude()?
                }
                Rest::Drain => {
                    self.io.leave_app();
                    self.drain().await?;
                    self.connection.end_exchange();
                    None
                }
            };
        }
        Ok(())
    }

    /// 4. The response goes to the engine, its body piece by piece.
    fn answer(&mut self, answer: Answer, source: Option<Source>) -> Result<Option<Rest>, End> {
        if !self.collected.jobs.is_empty() {
            // Of a call that the handler has given up, or sent elsewhere: nothing of it may be left to the next request.
            self.hand_over_jobs(None);
        }
        if let Some(stream) = self.respond(answer)? {
            return Ok(Some(Rest::Stream(stream, source)));
        }
        drop(source);
        self.conclude()
    }

    /// 5. What is left of the request is drained, and the connection goes on, or not.
    #[inline]
    fn conclude(&mut self) -> Result<Option<Rest>, End> {
        match self.connection.go_on() {
            AfterExchange::Next => Ok(None),
            AfterExchange::Drain => Ok(Some(Rest::Drain)),
            AfterExchange::Close => Err(End::Finish(CloseReason::Announced)),
        }
    }

    /// Steps 2 to 5, as far as nothing has to be waited for but the handler: then [`run`](Self::run) follows.
    pub(super) fn exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Rest>, End>> {
        self.head_deadline = None;
        self.reading.renew();
        // What came with the head is to the peer's credit too.
        self.reading.moved(self.connection.input_len(), || self.io.now());
        let Self { io, connection, app, collected, spare, .. } = self;
        // 2. The router finds the route; nothing of the app runs yet.
        let (Some(head), Some(app)) = (connection.request(), app) else {
            return Poll::Ready(Err(End::Drop(CloseReason::ResponseFailed)));
        };
        let mut call = app.dispatch(&ReceivedHead::Wire(head), io.peer_address());
        let (source, mut body) = match head.framing() {
            Framing::Empty => (None, Body::empty()),
            Framing::Length(length) => with_source(Some(length)),
            Framing::Chunked => with_source(None),
        };
        self.route = call.route();
        self.cancels = call.cancels();
        let refusal = match connection.limit_body(call.body_bytes_max()) {
            Ok(()) => None,
            // Of a declared length that is over the route's limit nothing of the app runs but for its own words for that.
            Err(_) if call.words_refusals() => Some(TOO_LARGE),
            Err(_) => return Poll::Ready(Err(End::Refuse(TOO_LARGE))),
        };
        if self.cancels && refusal.is_none() {
            collected.watch.get_or_insert_default();
        }
        let is_refused = refusal.is_some();
        // 3. The handler runs, and is fed with the body that it asks for.
        let polled = contained(io, collected, self.route, || {
            let head = ReceivedHead::Wire(connection.request()?);
            let mut reply = match &refusal {
                None => call.reply_in(spare, head, std::mem::take(&mut body)),
                Some(refusal) => call.refuse(head, *refusal),
            };
            Some(match Pin::new(&mut reply).poll(cx) {
                Poll::Ready(answer) => {
                    *spare = reply.into_spare();
                    Begun::Answered(answer)
                }
                Poll::Pending => Begun::Waiting(reply),
            })
        });
        // The body of one that is refused is never read, and the engine has the connection closed.
        let source = if is_refused { None } else { source };
        Poll::Ready(match polled {
            Ok(Some(Begun::Answered(answer))) => self.answer(answer, source),
            Ok(Some(Begun::Waiting(reply))) => return self.run(cx, Running { reply, source }, true),
            Ok(None) if is_refused => Err(End::Refuse(TOO_LARGE)),
            Ok(None) => Err(End::Drop(CloseReason::ResponseFailed)),
            Err(Panicked) => Err(End::Refuse(INTERNAL_ERROR)),
        })
    }

    /// Polls a handler, and does what I/O can be done, until it has to be waited for.
    fn poll_reply(
        &mut self,
        cx: &mut Context<'_>,
        running: &mut Running,
        mut was_polled: bool,
    ) -> Poll<Result<Answer, NoReply>> {
        let Running { reply, source } = running;
        loop {
            // Also before each poll: the word may have come from elsewhere.
            if self.is_cancelled() {
                // Those that have not begun need not.
                self.queued.iter().for_each(|(job, _)| job.reject());
                return Poll::Ready(Err(NoReply::Cancelled));
            }
            let polled = if std::mem::take(&mut was_polled) {
                Ok(Poll::Pending)
            } else {
                self.contained(|| Pin::new(&mut *reply).poll(cx))
            };
            match polled {
                Ok(Poll::Ready(answer)) if !self.is_cancelled() => return Poll::Ready(Ok(answer)),
                Ok(Poll::Ready(unwanted)) => drop_contained(unwanted),
                Ok(Poll::Pending) => {
                    self.hand_over_jobs(Some(self.limits.blocking_queue_timeout));
                    if !self.is_to_poll_again(cx, source.as_ref()) && !self.is_cancelled() {
                        return Poll::Pending;
                    }
                }
                Err(Panicked) => return Poll::Ready(Err(NoReply::Panicked)),
            }
        }
    }

    /// The common end of a poll that found the handler, or the response's body, pending: do what I/O
    /// can be done, then tell whether that may have changed anything for it.
    pub(super) fn is_to_poll_again(&mut self, cx: &mut Context<'_>, source: Option<&Source>) -> bool {
        if self.turn.is_over() {
            // Rule 6, while a handler reads: what is queued is written, then others go first.
            let _ = self.poll_flush(cx);
            self.turn.renew();
            cx.waker().wake_by_ref();
            return false;
        }
        loop {
            if self.poll_feed(cx, source) == Fed::Delivered {
                return true;
            }
            let _ = self.poll_flush(cx);
            if self.poll_time(cx) == Time::Left {
                self.poll_watch(cx);
                return false;
            }
        }
    }

    /// Sends a response that is whole; gives back one that is not.
    fn respond(&mut self, answer: Answer) -> Result<Option<Streamed>, End> {
        let (mut head, body) = answer.into_parts();
        let has_panicked = self.collected.watch.as_ref().is_some_and(Watch::has_panicked);
        let mut keep = if has_panicked || self.io.is_stopping() { KeepAlive::No } else { KeepAlive::Implied };
        if let AnswerHead::Whole(response) = &mut head {
            let extensions = std::mem::take(response.extensions_mut());
            if extensions.get::<respond::Panicked>().is_some() {
                keep = KeepAlive::No;
            }
            drop_contained(extensions);
        }
        if !self.connection.can_end_with(head.status()) {
            log::error!("a handler answered with {}, which ends no such request: 500 is sent", head.status());
            return Err(End::Refuse(INTERNAL_ERROR));
        }
        self.connection.settle();
        self.writing.renew();
        match body.into_full() {
            Ok(data) => {
                let date = *self.wall_clock.get_or_insert_with(|| self.io.wall_clock());
                self.connection.send_whole(head.status(), head.fields(), data, keep, date);
                Ok(None)
            }
            Err(body) => Ok(Some(Streamed { head, keep, body })),
        }
    }

    /// Reads and discards the rest of the request's body, so that the next request can follow.
    async fn drain(&mut self) -> Result<(), End> {
        self.flush(false).await?;
        loop {
            // The request is answered: a server that stops does not wait for what nobody reads.
            if self.io.is_stopping() {
                return Err(End::Finish(CloseReason::Stopping));
            }
            match self.connection.next_event() {
                Event::Data(_) => {}
                Event::NeedData => self.fill_body().await,
                Event::EndOfMessage(_) => return Ok(()),
                // Nobody waits for an answer: the response is complete.
                _ => return Err(End::Finish(CloseReason::PeerLeft)),
            }
        }
    }

    async fn fill_body(&mut self) {
        poll_fn(|cx| {
            if self.poll_fill_body(cx).is_ready()
                || self.poll_time(cx) == Time::Acted
                || self.io.is_stopping()
            {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Polls what the app wrote for this route: the backend is told, jobs are collected, panics contained.
    pub(super) fn contained<R>(&mut self, poll: impl FnOnce() -> R) -> Result<R, Panicked> {
        contained(&mut self.io, &mut self.collected, self.route, poll)
    }

    /// The poll of the driver is over for now, and with it the app's.
    pub(super) fn parked<R>(&mut self) -> Poll<R> {
        self.io.leave_app();
        Poll::Pending
    }
}

#[inline]
/// As [`Driver::contained`], while other parts of the driver are looked at.
fn contained<T: Transport, R>(
    io: &mut Lent<T>,
    collected: &mut Collected,
    route: u32,
    poll: impl FnOnce() -> R,
) -> Result<R, Panicked> {
    io.enter_app(route);
    ambient::enter_driver(collected, || panics::contained(poll))
}

fn with_source(length: Option<u64>) -> (Option<Source>, Body) {
    let (source, incoming) = body::incoming(length);
    (Some(source), Body::from_incoming(incoming))
}
