//! A blocking socket as core's transport. Both its timeouts are one tick, set once at accept: a call
//! that blocks comes back at each, so that deadlines, a stop and other connections get their due.

use std::{
    io::{self, IoSlice},
    mem,
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use mio::Interest;
use trijet_backend::{poll::Key, prepare_connection, receive, reset_on_close, send_at_once, send_vectored};
use trijet_core::{PeerWatch, Transport, jobs::Job};

use crate::{
    current::{self, Current},
    shared::{Permit, Shared},
};

/// How long a thread waits for a peer before the connection is parked.
pub(crate) const TICK: Duration = Duration::from_millis(20);

pub(crate) struct ThreadedTransport {
    // Dropped before the permit: the descriptor is free when the next connection is let in.
    stream: Arc<TcpStream>,
    peer: Option<SocketAddr>,
    permit: Permit,
    /// Whether calls never block: from the beginning of a stop on.
    is_nonblocking: bool,
    /// Whether it was waited for, and the wait has paid.
    is_quick: bool,
    is_used: bool,
    /// While a handler wants to hear of the peer's leaving.
    watch: Option<Key>,
}

impl ThreadedTransport {
    /// Prepares an accepted socket.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new(stream: TcpStream, peer: Option<SocketAddr>, shared: &Arc<Shared>) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        prepare_connection(&stream, peer, shared.sockets)?;
        let stream = Arc::new(stream);
        let permit = Permit::new(shared, &stream);
        Ok(Self { stream, peer, permit, is_nonblocking: false, is_quick: false, is_used: false, watch: None })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.permit.shared
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether a read may take this thread's time.
    fn may_block(&self) -> MayBlock {
        if current::with(|Current { holding, fresh, .. }| mem::take(fresh) || *holding) {
            return MayBlock::Yes;
        }
        if self.shared().pool.waiting() > 0 {
            // Under overload, a tick for a next request that may not come costs more than most requests do.
            return MayBlock::No;
        }
        if self.is_quick {
            return MayBlock::Yes;
        }
        if self.shared().patience.pays() {
            return MayBlock::OnTrial;
        }
        current::with(|current| current.is_slow = true);
        MayBlock::No
    }

    fn wait(&self, interest: Interest) {
        current::with(|current| current.wait_for_peer(self.stream.as_raw_fd(), interest));
    }
}

/// Whether a read may take a thread's time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MayBlock {
    Yes,
    /// As nothing is known of this peer yet, how it ends is to be told.
    OnTrial,
    /// The connection is for the poller.
    No,
}

/// Whether a call has waited in vain. `ETIMEDOUT` is not that on Unix: it says that the connection is lost.
fn is_tick(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl Transport for ThreadedTransport {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.shared().life.is_stopping() && !self.is_nonblocking {
            // A stop looks once more at every connection, and cannot spend a tick on each.
            self.stream.set_nonblocking(true)?;
            self.is_nonblocking = true;
        }
        let may_block = if self.is_nonblocking { MayBlock::Yes } else { self.may_block() };
        if may_block == MayBlock::No {
            self.wait(Interest::READABLE);
            return Poll::Pending;
        }
        loop {
            match receive(&*self.stream, into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_tick(&error) => {
                    if self.shared().is_cut() {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                    }
                    self.wait(Interest::READABLE);
                    current::with(|current| current.is_slow = true);
                    self.is_quick = false;
                    if may_block == MayBlock::OnTrial {
                        self.shared().patience.was_in_vain();
                    }
                    return Poll::Pending;
                }
                read => {
                    if may_block == MayBlock::OnTrial {
                        self.is_quick = true;
                        self.shared().patience.has_paid();
                    }
                    return Poll::Ready(read);
                }
            }
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let is_stuffed = current::with(|current| current.is_stuffed);
        let sent =
            if is_stuffed { send_at_once(&*self.stream, from) } else { send_vectored(&*self.stream, from) };
        match sent {
            Err(error) if is_tick(&error) => {
                if self.shared().is_cut() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                // One that takes nothing is not worth another tick: what else goes on for it is not kept waiting.
                current::with(|current| current.is_stuffed = true);
                self.wait(Interest::WRITABLE);
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        }
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }

    fn reset(&mut self) {
        reset_on_close(&*self.stream);
    }

    fn watch_peer(&mut self, _: &mut Context<'_>, watch: &PeerWatch) {
        if self.watch.is_none() {
            match self.shared().watching.begin(self.stream.as_raw_fd(), watch.clone()) {
                Ok(key) => self.watch = Some(key),
                Err(error) => log::warn!("a connection could not be watched: {error}"),
            }
        }
    }

    fn unwatch_peer(&mut self) {
        if let Some(key) = self.watch.take() {
            self.shared().watching.end(self.stream.as_raw_fd(), key);
        }
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, at: Instant) -> Poll<()> {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        current::with(|current| current.deadline = Some(at));
        Poll::Pending
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn run_job(&mut self, job: Job) {
        // Run by the thread that polls, once the poll has returned: a job that is run inside it would
        // wait for the poll that waits for it.
        current::with(|current| current.jobs.push_back(job));
    }

    fn yield_turn(&mut self, _: &mut Context<'_>) {
        current::with(|current| current.yielded = true);
    }

    fn is_stopping(&self) -> bool {
        self.shared().life.is_stopping()
    }

    fn mark_used(&mut self) {
        self.is_used = true;
    }

    fn is_used(&self) -> bool {
        self.is_used
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.peer
    }
}

impl Drop for ThreadedTransport {
    fn drop(&mut self) {
        // Before its descriptor can be another's.
        self.unwatch_peer();
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{io::Write, sync::mpsc, task::Waker};

    use trijet_core::{Limits, Router, get};

    use super::*;
    use crate::{
        alone::{connect, shared},
        task::Runnable,
    };

    /// Reads, and tells whether the peer is left to the poller then.
    fn read(transport: &mut ThreadedTransport) -> (Poll<usize>, bool) {
        current::with(Current::begin_poll);
        let read = transport.poll_read(&mut Context::from_waker(Waker::noop()), &mut [0; 16]);
        (read.map(Result::unwrap), current::with(|current| current.is_slow))
    }

    #[test]
    fn where_waits_are_in_vain_threads_wait_for_the_quick_alone() {
        let shared = shared(Router::new(), Limits::default());
        let (mut quick, mut proven) = connect(&shared);
        let (mut client, mut transport) = connect(&shared);
        let begin = |transport: &mut ThreadedTransport, client: &mut TcpStream| {
            current::begin_anew();
            client.write_all(b"x").unwrap();
            assert_eq!(read(transport), (Poll::Ready(1), false), "it was given the thread for this");
        };
        let _turn = current::begin();
        begin(&mut proven, &mut quick);
        quick.write_all(b"y").unwrap();
        assert_eq!(read(&mut proven), (Poll::Ready(1), false), "it is waited for");

        begin(&mut transport, &mut client);
        assert_eq!(read(&mut transport), (Poll::Pending, true), "a tick long");
        while shared.patience.pays() {
            shared.patience.was_in_vain();
        }
        begin(&mut transport, &mut client);
        client.write_all(b"y").unwrap();
        assert_eq!(read(&mut transport), (Poll::Pending, true), "it is not looked at");

        begin(&mut proven, &mut quick);
        quick.write_all(b"y").unwrap();
        assert_eq!(read(&mut proven), (Poll::Ready(1), false), "the quick one is");
        assert_eq!(read(&mut proven), (Poll::Pending, true), "which is quick no more");
        begin(&mut proven, &mut quick);
        quick.write_all(b"y").unwrap();
        assert_eq!(read(&mut proven), (Poll::Pending, true));
    }

    #[test]
    fn while_others_wait_an_answered_connection_keeps_no_thread() {
        let (entered, entries) = mpsc::channel();
        let (leave, gate) = mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let held = move || {
            entered.send(()).unwrap();
            // Until the other end is dropped.
            _ = gate.lock().unwrap().recv();
        };
        let shared = shared(Router::new().route("/", get(held)), Limits::default());
        let (mut busy, transport) = connect(&shared);
        busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        Runnable::start(transport);
        entries.recv().unwrap();
        let (_waiting, transport) = connect(&shared);
        Runnable::start(transport);
        assert_eq!(shared.pool.waiting(), 1);

        let (mut client, mut transport) = connect(&shared);
        let _turn = current::begin();
        client.write_all(b"x").unwrap();
        assert_eq!(read(&mut transport), (Poll::Ready(1), false), "it was given the thread for this");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(transport.poll_write(&mut cx, &[IoSlice::new(b"y")]).is_ready());
        assert_eq!(read(&mut transport), (Poll::Pending, false), "its thread is for those who wait");
        shared.cut();
        drop(leave);
    }
}
