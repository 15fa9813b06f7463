//! The driver over a transport that is always ready: what the simulated one, with its bounded pipes, cannot show.

use std::{
    future::pending,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Instant, SystemTime},
};

use super::{Driving, drive};
use crate::{App, Body, Limits, Outcome, PeerWatch, Router, Transport, get, jobs::Job, post};

/// A peer that sends one request, and takes 64 KiB as often as they are offered.
struct Greedy {
    request: &'static [u8],
    taken: Arc<AtomicUsize>,
    yields: Arc<AtomicUsize>,
    /// The most that it was offered at once.
    most: Arc<AtomicUsize>,
    now: Instant,
    stop: Stop,
    _end: Option<Note>,
}

/// Says that it is dropped.
struct Note(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Drop for Note {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

impl Greedy {
    /// Sends `request`, of which `taken` counts the bytes of the answer.
    #[expect(clippy::disallowed_methods, reason = "some Instant is needed to begin with")]
    fn new(request: &'static [u8], taken: &Arc<AtomicUsize>) -> Self {
        let taken = taken.clone();
        Self {
            request,
            taken,
            yields: Arc::default(),
            most: Arc::default(),
            now: Instant::now(),
            stop: Stop::Never,
            _end: None,
        }
    }
}

/// When the server stops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Never,
    /// While the first read is under way, on a connection that was just made.
    DuringARead,
    Begun,
}

impl Transport for Greedy {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.stop == Stop::DuringARead {
            self.stop = Stop::Begun;
        }
        let request = std::mem::take(&mut self.request);
        if request.is_empty() {
            return Poll::Pending;
        }
        into[..request.len()].copy_from_slice(request);
        Poll::Ready(Ok(request.len()))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let offered = from.iter().map(|slice| slice.len()).sum::<usize>();
        self.most.fetch_max(offered, Ordering::Relaxed);
        let count = offered.min(64 << 10);
        let taken = self.taken.fetch_add(count, Ordering::Relaxed);
        assert!(taken < 64 << 20, "the turn does not end");
        Poll::Ready(Ok(count))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {}

    fn watch_peer(&mut self, _: &mut Context<'_>, _: &PeerWatch) {}

    fn poll_deadline(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn run_job(&mut self, _: Job) {}

    fn yield_turn(&mut self, _: &mut Context<'_>) {
        self.yields.fetch_add(1, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stop == Stop::Begun
    }

    fn mark_used(&mut self) {}

    fn is_used(&self) -> bool {
        self.stop == Stop::Never
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        None
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A body that always has another piece of so many bytes.
struct Endless(usize);

impl http_body::Body for Endless {
    type Data = crate::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<crate::Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(http_body::Frame::data(
            crate::Bytes::from_static(&[b'x'; 64 << 10]).slice(..self.0),
        ))))
    }
}

#[test]
fn an_endless_body_for_a_fast_peer_ends_its_turns() {
    for piece in [1 << 10, 64 << 10] {
        for turn_bytes_max in [Limits::default().turn_bytes_max, 64 << 10] {
            let router = Router::new().route("/", get(move || async move { Body::new(Endless(piece)) }));
            turns_end(router, Limits { turn_bytes_max, ..Limits::default() });
        }
    }
}

/// Large pieces are gathered, up to four times the high mark; small ones, which are copied, up to it.
#[test]
fn pieces_are_gathered_for_one_write() {
    let high = Limits::default().output_high_bytes;
    for (piece, gathered) in [(64 << 10, 4 * high), (16 << 10, 4 * high), (1 << 10, high)] {
        let app =
            Router::new().route("/", get(move || async move { Body::new(Endless(piece)) })).build().unwrap();
        let (transport, most) = {
            let transport = Greedy::new(GET, &Arc::default());
            let most = transport.most.clone();
            (transport, most)
        };
        let mut driver = pin!(drive(transport, app.into(), Limits::default().into()));
        assert!(driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let most = most.load(Ordering::Relaxed);
        // The head, and a frame for each chunk, are beside it.
        assert!((gathered..gathered + piece + 1024).contains(&most), "{most} of pieces of {piece}");
    }
}

#[test]
fn a_large_body_for_a_fast_peer_is_sent_in_many_turns() {
    turns_end(Router::new().route("/", get(async || vec![b'x'; 32 << 20])), Limits::default());
}

fn turns_end(router: Router, limits: Limits) {
    let app = router.build().unwrap();
    let (taken, yields) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut transport = Greedy::new(GET, &taken);
    transport.yields = yields.clone();
    let turn_bytes_max = limits.turn_bytes_max + 2 * limits.output_high_bytes;
    let mut driver = pin!(drive(transport, app.into(), limits.into()));
    for turn in 1..=10 {
        let before = taken.load(Ordering::Relaxed);
        yields.store(0, Ordering::Relaxed);
        assert!(driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let moved = taken.load(Ordering::Relaxed) - before;
        assert!(moved > 0 && moved <= turn_bytes_max, "{moved} bytes in turn {turn}");
        assert_ne!(yields.load(Ordering::Relaxed), 0, "turn {turn} ends without a word of the next");
    }
}

/// The driver polls again whom it has brought something to: a wake would be another round of an event loop.
#[test]
fn a_handler_that_is_brought_its_body_wakes_nobody() {
    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let app = Router::new().route("/", post(async |body: crate::Bytes| body)).build().unwrap();
    let (taken, wakes) = (Arc::<AtomicUsize>::default(), Arc::<Count>::default());
    let transport = Greedy::new(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", &taken);
    let mut driver = pin!(drive(transport, app.into(), Limits::default().into()));
    let polled = driver.as_mut().poll(&mut Context::from_waker(&wakes.clone().into()));
    assert!(matches!(polled, Poll::Ready(Outcome::Idle(_))));
    assert_ne!(taken.load(Ordering::Relaxed), 0, "it has answered");
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
}

/// What a handler holds goes before anybody is told that the connection is over, which is when its transport goes.
#[test]
fn a_driver_that_is_dropped_drops_its_handler_and_then_the_transport() {
    let order = Arc::<Mutex<Vec<_>>>::default();
    let noted = order.clone();
    let handler = move || {
        let held = Note("handler", noted.clone());
        async move {
            let _held = held;
            pending::<()>().await;
        }
    };
    let app = Router::new().route("/", get(handler)).build().unwrap();
    let mut transport = Greedy::new(GET, &Arc::default());
    transport._end = Some(Note("transport", order.clone()));
    let (app, limits) = (Arc::new(app), Arc::new(Limits::default()));
    let mut driving = Driving::new(None, transport, &app, &limits);
    assert!(driving.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(order.lock().unwrap().is_empty(), "it waits");
    drop(driving);
    assert_eq!(*order.lock().unwrap(), ["handler", "transport"]);
}

/// Serves a request, and is a spare then.
fn idle(app: &Arc<App>, limits: &Arc<Limits>) -> Driving<Greedy> {
    let mut driving = Driving::new(None, Greedy::new(GET, &Arc::default()), app, limits);
    let polled = driving.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Outcome::Idle(_))));
    driving
}

#[test]
fn a_spare_serves_by_its_own_limits_alone() {
    let app = Arc::new(Router::new().route("/", get(async || "")).build().unwrap());
    let wide = Arc::new(Limits::default());
    let narrow = Arc::new(Limits { head_bytes_max: GET.len() / 2, ..Limits::default() });
    for (limits, is_served) in [(&wide, true), (&narrow, false)] {
        let transport = Greedy::new(GET, &Arc::default());
        let mut driving = Driving::new(Some(idle(&app, &wide)), transport, &app, limits);
        let polled = driving.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(matches!(polled, Poll::Ready(Outcome::Idle(_))), is_served);
    }
}

#[test]
fn what_serves_once_is_no_spare() {
    let app = Arc::new(Router::new().route("/", get(async || "")).build().unwrap());
    let limits = Arc::new(Limits::default());
    let once = Driving::by(async { Outcome::Idle(Greedy::new(b"", &Arc::default())) });
    let taken = Arc::default();
    let mut driving = Driving::new(Some(once), Greedy::new(GET, &taken), &app, &limits);
    assert!(driving.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_ne!(taken.load(Ordering::Relaxed), 0, "it is answered");
}

/// A stop that begins between two looks at it: the first request of a new connection may still come.
#[test]
fn a_stop_during_the_first_read_closes_no_new_connection() {
    let app = Router::new().build().unwrap().into();
    let mut transport = Greedy::new(b"", &Arc::default());
    transport.stop = Stop::DuringARead;
    let mut driver = pin!(drive(transport, app, Limits::default().into()));
    match driver.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Outcome::Idle(transport)) => assert!(transport.is_stopping()),
        Poll::Ready(Outcome::Closed(reason)) => panic!("closed: {reason:?}"),
        _ => panic!("it neither idles nor closes"),
    }
}
