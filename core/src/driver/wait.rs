//! The steps that the driver takes while it is polled: writing what is queued, bringing the request's
//! body to its reader, handing jobs over, and the one deadline for all of them.

use std::{
    io::IoSlice,
    task::{Context, Poll},
    time::Instant,
};

use http_body::Frame;

use super::{Driver, End};
use crate::{
    CloseReason, Transport, after,
    body::Source,
    disconnect::Watch,
    h1::{BodyFault, Event},
};

/// What polling the body's source came to.
#[derive(PartialEq, Eq)]
pub(super) enum Fed {
    /// The reader has its answer: whoever may be the reader is to be polled again.
    Delivered,
    /// Nobody asks, or the bytes are not here.
    Nothing,
}

/// What became of the deadlines.
#[derive(PartialEq, Eq)]
pub(super) enum Time {
    /// Wait on.
    Left,
    /// One was over and has been acted upon: look again.
    Acted,
}

/// Pieces of output handed to one write: a burst of 16 KiB pieces, with what frames each, and the head.
const SLICES: usize = 34;

impl<T: Transport> Driver<T> {
    /// Writes everything that is queued, waiting for the peer. `is_pending` where it was just found that it has to.
    pub(super) async fn flush(&mut self, mut is_pending: bool) -> Result<(), End> {
        let mut has_yielded = false;
        std::future::poll_fn(|cx| {
            loop {
                if !std::mem::take(&mut is_pending) {
                    if has_yielded {
                        self.turn.renew();
                    }
                    if self.poll_flush(cx).is_ready() {
                        return Poll::Ready(());
                    }
                }
                has_yielded = self.turn.is_over();
                if self.poll_time(cx) == Time::Left {
                    return Poll::Pending;
                }
            }
        })
        .await;
        self.unbroken()
    }

    /// Whether what is queued can still be written.
    pub(super) fn unbroken(&self) -> Result<(), End> {
        self.broken.map_or(Ok(()), |reason| Err(End::Drop(reason)))
    }

    /// Writes what can be written in this turn. Ready once nothing is queued, be it because writing failed.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.connection.output_len() > 0 {
            if self.broken.is_some() {
                self.connection.discard_output();
                break;
            }
            let written = match self.connection.output_in_one() {
                Some(piece) => self.io.poll_write(cx, &[IoSlice::new(piece)]),
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    self.io.poll_write(cx, self.connection.output_slices(&mut slices))
                }
            };
            match written {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.connection.output_written(count);
                    self.turn.count_bytes(count);
                    self.writing.moved(count, || self.io.now());
                    if self.connection.output_len() <= self.limits.output_high_bytes {
                        self.burst = None;
                    }
                    if self.connection.output_len() > 0 {
                        // From here on the peer is waited for, also within writes that block.
                        let now = self.io.now();
                        if self.writing.wait(now) <= now {
                            self.broken = Some(CloseReason::Timeout);
                        } else if self.turn.is_over() {
                            // Rule 6: a body that was whole from the start can be of any size.
                            self.io.yield_turn(cx);
                            return Poll::Pending;
                        }
                    }
                }
                Poll::Ready(Ok(_) | Err(_)) => self.broken = Some(CloseReason::PeerLeft),
                Poll::Pending => {
                    let now = self.io.now();
                    self.writing.wait(now);
                    return Poll::Pending;
                }
            }
        }
        self.writing.pause(|| self.io.now());
        Poll::Ready(())
    }

    /// Brings the next frame of the request's body to its reader, where it asked for one.
    pub(super) fn poll_feed(&mut self, cx: &mut Context<'_>, source: Option<&Source>) -> Fed {
        let Some(source) = source else { return Fed::Nothing };
        if !source.is_wanted(cx) {
            self.reading.pause(|| self.io.now());
            return Fed::Nothing;
        }
        self.connection.ask_body();
        loop {
            match self.connection.next_event() {
                Event::Data(data) => source.deliver(cx, Ok(Frame::data(data))),
                Event::EndOfMessage(Some(trailers)) => source.deliver(cx, Ok(Frame::trailers(trailers))),
                Event::BodyFailed(fault) => source.deliver(cx, Err(fault.into())),
                Event::NeedData => {
                    // Rule 1, and a client may be waiting for the 100 that is queued.
                    if self.poll_flush(cx).is_pending() || self.poll_fill_body(cx).is_pending() {
                        return Fed::Nothing;
                    }
                    continue;
                }
                Event::EndOfMessage(None)
                | Event::Request
                | Event::Refused(_)
                | Event::Closed
                | Event::Truncated => source.end(cx),
            }
            return Fed::Delivered;
        }
    }

    /// Reads once for the request's body.
    pub(super) fn poll_fill_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The wait begins before the read, which may block for a while itself. Rule 7: a peer that drips
        // is not waited for anew with each byte.
        if !self.reading.is_waiting() {
            let now = self.io.now();
            if self.reading.wait(now) <= now {
                self.connection.fail_body(BodyFault::Timeout);
                self.reading.pause(|| now);
                return Poll::Ready(());
            }
        }
        match self.io.poll_read(cx, self.connection.input_space()) {
            // A reset ends the body just as an early end does: it is never complete.
            Poll::Ready(Ok(0) | Err(_)) => self.connection.receive_end(),
            Poll::Ready(Ok(count)) => {
                self.connection.receive(count);
                self.turn.count_bytes(count);
                self.reading.moved(count, || self.io.now());
            }
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// Looks whether the peer has left, for those who want to know.
    pub(super) fn poll_watch(&mut self, cx: &mut Context<'_>) {
        if let Some(watch) = &mut self.collected.watch {
            if watch.poll_told(cx).is_pending() {
                self.io.watch_peer(cx, watch.peer());
            }
        }
    }

    /// Whether the exchange is over because the peer has left.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancels && self.collected.watch.as_ref().is_some_and(Watch::is_told)
    }

    /// With the exchange the watch ends, and everybody is told.
    pub(super) fn end_watch(&mut self) {
        if let Some(watch) = self.collected.watch.take() {
            self.io.unwatch_peer();
            drop(watch);
        }
    }

    /// Gives the jobs that the last poll left to the backend.
    pub(super) fn hand_over_jobs(&mut self, wait_max: Option<std::time::Duration>) {
        for job in self.collected.jobs.drain(..) {
            let watch = job.watch();
            self.io.run_job(job);
            match wait_max {
                Some(wait_max) if watch.is_waiting() => {
                    self.queued.push((watch, after(self.io.now(), wait_max)));
                }
                Some(_) | None => {}
            }
        }
    }

    /// As [`hand_over_jobs`](Self::hand_over_jobs), for those of a response's body. They wait as long as it takes: with
    /// the head, the answer that no thread was free is out of reach.
    pub(super) fn hand_over_pulls(&mut self) {
        for job in self.collected.jobs.drain(..) {
            self.io.run_job(job.for_response());
        }
    }

    /// Waits for the earliest of the deadlines, and acts on those that are over.
    pub(super) fn poll_time(&mut self, cx: &mut Context<'_>) -> Time {
        self.queued.retain(|(watch, _)| watch.is_waiting());
        let waiting = self.reading.is_waiting() || self.writing.is_waiting();
        if !waiting && self.queued.is_empty() {
            return Time::Left;
        }
        let now = self.io.now();
        let mut earliest: Option<Instant> = self.queued.iter().map(|(_, until)| *until).min();
        for progress in [&mut self.reading, &mut self.writing] {
            if progress.is_waiting() {
                let until = progress.wait(now);
                earliest = Some(earliest.map_or(until, |earliest| earliest.min(until)));
            }
        }
        let Some(earliest) = earliest else { return Time::Left };
        if self.io.poll_deadline(cx, earliest).is_pending() {
            return Time::Left;
        }
        let now = self.io.now().max(earliest);
        if self.reading.is_waiting() && self.reading.wait(now) <= now {
            self.connection.fail_body(BodyFault::Timeout);
            self.reading.pause(|| now);
        }
        if self.writing.is_waiting() && self.writing.wait(now) <= now {
            self.broken = Some(CloseReason::Timeout);
            self.writing.pause(|| now);
        }
        self.queued.retain(|(watch, until)| {
            if *until <= now {
                watch.reject();
            }
            *until > now
        });
        Time::Acted
    }
}
