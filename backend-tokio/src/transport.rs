//! A socket of Tokio as core's `Transport`: bytes, readiness and one timer. It must never look at the bytes,
//! and never wait for what the system can do at once.

use std::{
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Instant, SystemTime},
};

use socket2::SockRef;
use tokio::{
    io::Interest,
    net::TcpStream,
    time::{Sleep, sleep_until},
};
use trijet_backend::{receive, reset_on_close, send_vectored};
use trijet_core::{PeerWatch, Transport, body::release_spares, jobs::Job};

use crate::{connection::Shared, seats::SeatHere};

/// One accepted connection. Boxed, as it goes from its task to a driver and back with each request.
pub(crate) struct TokioTransport(Box<Inner>);

struct Inner {
    stream: TcpStream,
    peer: Option<SocketAddr>,
    shared: Arc<Shared>,
    /// Apart, since it is large; armed at the first wait, and never later than it must be.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom it wakes.
    timed: Option<Waker>,
    /// Whether there may be something to read that Tokio has been made to forget.
    has_more: bool,
    is_used: bool,
    seat: SeatHere,
}

impl TokioTransport {
    pub(crate) fn new(stream: TcpStream, peer: Option<SocketAddr>, shared: Arc<Shared>) -> Self {
        Self(Box::new(Inner {
            stream,
            peer,
            shared,
            timer: None,
            timed: None,
            has_more: false,
            is_used: false,
            seat: SeatHere::default(),
        }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Ready once there may be something to read; an error is left for the read to tell.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.has_more {
            return Poll::Ready(());
        }
        self.0.stream.poll_read_ready(cx).map(drop)
    }

    /// Whether Tokio knows that the peer has ended its direction, or of an error.
    fn is_read_closed(&self) -> bool {
        let mut ready = pin!(self.0.stream.ready(Interest::READABLE | Interest::ERROR));
        match ready.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) => ready.is_read_closed() || ready.is_error(),
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        release_spares();
    }
}

fn is_no_more(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl Transport for TokioTransport {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let stream = &self.0.stream;
            // What came short has emptied the socket. Tokio is told that there is no more, so that no call is made for that.
            let mut short = None;
            let read = stream.try_io(Interest::READABLE, || match receive(stream, into)? {
                count if 0 < count && count < into.len() => {
                    short = Some(count);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                count => Ok(count),
            });
            let read = match (short, read) {
                (Some(count), _) => Ok(count),
                // What came before the stop may not have been reported yet, and will be closed over.
                (None, Err(error)) if is_no_more(&error) && (self.0.has_more || self.is_stopping()) => {
                    receive(stream, into)
                }
                (None, read) => read,
            };
            match read {
                Err(error) if is_no_more(&error) => {
                    self.0.has_more = false;
                    ready!(self.0.stream.poll_read_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return Poll::Ready(read),
            }
        }
    }

    fn may_read(&self) -> bool {
        // Tokio makes the call only if it knows of something to be read.
        self.0.has_more || self.0.stream.try_io(Interest::READABLE, || Ok(())).is_ok()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.stream.try_io(Interest::WRITABLE, || send_vectored(&self.0.stream, from)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.0.stream.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.0.stream).shutdown(Shutdown::Write))
    }

    fn reset(&mut self) {
        reset_on_close(&self.0.stream);
    }

    fn watch_peer(&mut self, cx: &mut Context<'_>, watch: &PeerWatch) {
        while self.0.stream.poll_read_ready(cx).is_ready() {
            if self.is_read_closed() {
                return watch.tell();
            }
            // Only data, which is not for this. Tokio has to forget it, or would tell of nothing else: the end
            // cannot be lost so, nor what arrives meanwhile.
            self.0.has_more = true;
            let forget = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            _ = self.0.stream.try_io(Interest::READABLE, forget);
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let Inner { timer, timed, .. } = &mut *self.0;
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at.into())));
        if timer.deadline() > at.into() {
            timer.as_mut().reset(at.into());
        } else if !timer.is_elapsed() && timed.as_ref().is_some_and(|timed| timed.will_wake(cx.waker())) {
            // It knows already: 130 instructions less.
            return Poll::Pending;
        }
        // Deadlines mostly move away before they are reached. So one that is armed too early is left
        // alone, and the timer wheel is touched once a period, not at every request.
        loop {
            // Where the task may take nothing more from Tokio in this poll, the timer is not even told: it is woken at once.
            let is_told = tokio::task::coop::has_budget_remaining();
            if timer.as_mut().poll(cx).is_pending() {
                match timed {
                    _ if !is_told => *timed = None,
                    Some(timed) => timed.clone_from(cx.waker()),
                    None => *timed = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
            if timer.deadline() >= at.into() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at.into());
        }
    }

    fn now(&self) -> Instant {
        // Tokio's clock, not the system's: it can be paused in tests.
        tokio::time::Instant::now().into_std()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn run_job(&mut self, job: Job) {
        self.0.shared.jobs.run(job);
    }

    fn enter_app(&mut self, route: u32) {
        self.0.seat.enter(&self.0.shared.watch, route);
    }

    fn leave_app(&mut self) {
        self.0.seat.leave();
    }

    fn is_stopping(&self) -> bool {
        self.0.shared.life.is_stopping()
    }

    fn mark_used(&mut self) {
        self.0.is_used = true;
    }

    fn is_used(&self) -> bool {
        self.0.is_used
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.0.peer
    }
}
