//! The end of a connection, step 6: the client gets to read what was sent before it sees the close.
//! Closing at once, with bytes of the client unread, would reset the connection under its answer.

use std::{future::poll_fn, task::Poll};

use super::{Driver, End};
use crate::{CloseReason, Transport, after};

impl<T: Transport> Driver<T> {
    /// Step 6. The transport is dropped with it, before anybody is told that the connection is over.
    pub(super) async fn close(&mut self, end: End) -> CloseReason {
        let reason = self.see_out(end).await;
        self.connection.discard_output();
        self.io.0 = None;
        reason
    }

    async fn see_out(&mut self, end: End) -> CloseReason {
        let reason = match end {
            End::Drop(reason) => return reason,
            End::Finish(reason) => reason,
            End::Refuse(refusal) => {
                let date = self.io.wall_clock();
                self.connection.send_refusal(&refusal, date);
                if refusal.status == http::StatusCode::REQUEST_TIMEOUT {
                    CloseReason::Timeout
                } else {
                    CloseReason::Refused
                }
            }
        };
        self.writing.renew();
        if let Err(End::Drop(reason)) = self.flush(false).await {
            return reason;
        }
        if reason == CloseReason::ResponseFailed && self.connection.ends_by_close() {
            self.io.reset();
            return reason;
        }
        if self.connection.has_ended() {
            // Nothing is left to come either way: the close that follows ends our direction too, in one call for two.
            return reason;
        }
        let ended = poll_fn(|cx| self.io.poll_close_write(cx)).await;
        // Where there is no answer to read, a server that stops does not wait for the client.
        let is_silent = reason == CloseReason::Stopping && self.connection.is_between_requests();
        if ended.is_ok() && !is_silent {
            self.linger().await;
        }
        reason
    }

    /// RFC 9112 §9.6: reads on to the client's end, within bounds, then closes.
    async fn linger(&mut self) {
        let deadline = after(self.io.now(), self.limits.linger_timeout);
        let mut rest = self.limits.linger_bytes_max;
        self.connection.discard_input();
        poll_fn(|cx| {
            while let Poll::Ready(read) = self.io.poll_read(cx, self.connection.input_space()) {
                match read {
                    Ok(count) if count > 0 => {
                        self.connection.receive(count);
                        self.connection.discard_input();
                        rest = rest.saturating_sub(count as u64);
                        self.turn.count_bytes(count);
                    }
                    Ok(_) | Err(_) => return Poll::Ready(()),
                }
                // Rule 7: a client that sends without a pause is never waited for below.
                if rest == 0 || self.io.now() >= deadline {
                    return Poll::Ready(());
                }
                if self.turn.is_over() {
                    self.turn.renew();
                    self.io.yield_turn(cx);
                    return Poll::Pending;
                }
            }
            self.io.poll_deadline(cx, deadline)
        })
        .await;
    }
}
