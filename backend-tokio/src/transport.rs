//! A socket of Tokio as core's `Transport`: bytes, readiness and one timer. It must never look at the bytes,
//! and never wait for what the system can do at once.

use std::{
    io::{self, IoSlice, Read},
    net::{Shutdown, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Instant, SystemTime},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, Interest, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep_until},
};
use trijet_backend::{reset_on_close, send_vectored};
use trijet_core::{Transport, jobs::Job};

use crate::connection::Shared;

/// One accepted connection.
pub(crate) struct TokioTransport {
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    /// Apart, since it is large; armed at the first wait, and never later than it must be.
    timer: Option<Pin<Box<Sleep>>>,
    is_used: bool,
}

impl TokioTransport {
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) -> Self {
        Self { stream, peer, shared, timer: None, is_used: false }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Ready once there may be something to read; an error is left for the read to tell.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_read_ready(cx).map(drop)
    }
}

impl Transport for TokioTransport {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            // Unlike `try_read`, this knows that a short read has emptied the socket: no call for EAGAIN.
            let mut buffer = ReadBuf::new(into);
            let read = match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(result) => result.map(|()| buffer.filled().len()),
                // What came before the stop may not have been reported yet, and will be closed over.
                Poll::Pending if self.is_stopping() => match (&*SockRef::from(&self.stream)).read(into) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                    result => result,
                },
                Poll::Pending => return Poll::Pending,
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.try_io(Interest::WRITABLE, || send_vectored(&self.stream, from)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.stream).shutdown(Shutdown::Write))
    }

    fn reset(&mut self) {
        reset_on_close(&self.stream);
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at.into())));
        if timer.deadline() > at.into() {
            timer.as_mut().reset(at.into());
        }
        // Deadlines mostly move away before they are reached. So one that is armed too early is left
        // alone, and the timer wheel is touched once a period, not at every request.
        loop {
            ready!(timer.as_mut().poll(cx));
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
        self.shared.blocking.run(job);
    }

    fn is_stopping(&self) -> bool {
        self.shared.life.is_stopping()
    }

    fn mark_used(&mut self) {
        self.is_used = true;
    }

    fn is_used(&self) -> bool {
        self.is_used
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }
}
