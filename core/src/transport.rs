//! The contract between the driver and a backend: bytes, deadlines, a clock and a place to run jobs.
//! A backend knows no HTTP; the driver knows no socket. Nothing here may depend on HTTP/1.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use bytes::Bytes;

pub use crate::disconnect::PeerWatch;
use crate::jobs::Job;

/// One connection, as a backend lends it to [`drive`](crate::driver::drive).
///
/// Every `poll_*` that returns [`Poll::Pending`] has arranged for the waker of `cx` to be woken.
/// Reading, writing and the deadline may be pending together; each keeps the waker of its last call.
pub trait Transport: Send + 'static {
    /// Reads into `into` (never empty) and gives the number of bytes; 0 is the end of the stream, and every later
    /// call gives 0 again. `Interrupted` is retried inside. While the server is stopping, `Pending` means that
    /// the system itself was asked: nothing that has arrived may be overlooked then.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Whether there may be something to read: not where the system has said that there was no more, and nothing else
    /// since. It asks the system nothing, and nobody will be woken. It may be true although a read is pending then, for
    /// reasons of a runtime's own: who drives a connection that went idle so has to let others go first, and not try at once.
    fn may_read(&self) -> bool {
        true
    }

    /// Writes from `from` (not all empty) and gives the number of bytes, at least 1. Never raises SIGPIPE.
    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Ends the sending direction, once everything written before has been handed over. It is not asked for where the peer
    /// has ended its own: to drop the transport ends both then.
    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Makes the close that follows a reset: the peer must not take what it has received for all there is.
    fn reset(&mut self);

    /// Tells `watch` once the peer has ended its direction or reset the connection, also behind bytes that
    /// nobody has read; it reads none. It tells within this call, having arranged otherwise for the waker of
    /// `cx` to be woken when another call may do so; or later by itself, from any thread, until
    /// [`unwatch_peer`](Self::unwatch_peer). Reading and this may share one waker: the last call's.
    fn watch_peer(&mut self, cx: &mut Context<'_>, watch: &PeerWatch);

    /// Ends the watch; the connection goes on.
    fn unwatch_peer(&mut self) {}

    /// Ready once [`now`](Self::now) has reached `at`. There is one deadline at a time: a later call
    /// replaces the earlier one, and need not be exact to less than a tick of 20 ms.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()>;

    /// The backend's clock.
    fn now(&self) -> Instant;

    /// The wall clock, for the `Date` field alone.
    fn wall_clock(&self) -> SystemTime;

    /// Takes a job that may block. A backend that cannot run it drops it, which answers it with 503; one that has a limit
    /// for jobs that wait asks the job for it, [`Job::queue_max`].
    fn run_job(&mut self, job: Job);

    /// Notes that the app's own code begins: a poll of the handler, the middleware or the body of the route of this
    /// number ([`App::route_names`](crate::App::route_names)). It lasts until the next such note, or
    /// [`leave_app`](Self::leave_app), always within one poll of the driver. For backends where it holds more than
    /// its own connection; it has to be cheap.
    fn enter_app(&mut self, _route: u32) {}

    /// Notes that none of the app's code runs any more.
    fn leave_app(&mut self) {}

    /// Lets other connections go first, between two steps of which none is a handler's: the caller returns
    /// `Pending` and goes on when it is polled again. Threads are given away here.
    fn yield_turn(&mut self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Whether the server is shutting down: no further request is taken once this one is answered.
    fn is_stopping(&self) -> bool;

    /// Notes that a request has begun on this connection.
    fn mark_used(&mut self);

    /// Whether one ever has. A connection that was just made may have its first request under way, so a
    /// server that stops gives it a moment; one that is idle it closes at once.
    fn is_used(&self) -> bool;

    /// The peer's address, where it has one.
    fn peer_address(&self) -> Option<SocketAddr>;
}

/// How [`drive`](crate::driver::drive) ends.
#[derive(Debug)]
pub enum Outcome<T> {
    /// Nothing is read, nothing is to be written: keep the transport as cheaply as possible, and
    /// call `drive` again at its next byte (or its end). Drop it once it has been idle for
    /// [`Limits::idle_timeout`](crate::Limits::idle_timeout); when the server stops, call `drive` once more, which serves
    /// what is there and then closes; it is never idle then.
    // Without the time: a backend mostly has no need to ask its clock.
    Idle(T),
    /// The connection leaves HTTP/1.1: the transport and every byte that was already read.
    Upgrade(T, Bytes),
    /// The connection is over; its transport has been dropped.
    Closed(CloseReason),
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed between two requests.
    PeerClosed,
    /// The last response announced it.
    Announced,
    /// A request was refused with an error response.
    Refused,
    /// The peer closed or reset in the middle of a message.
    PeerLeft,
    /// The idle time was over.
    IdleTimeout,
    /// A head, a body or a response was too slow.
    Timeout,
    /// The response could not be completed: its body failed or was of the wrong length.
    ResponseFailed,
    /// The server is shutting down.
    Stopping,
}
