//! The app that the golden exchanges are served by, and what the tests share. Its answers depend on the
//! request alone, never on how it was cut.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    io::Read,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll, Waker},
};

use trijet_core::{
    App, Body, Bytes, IntoResponse, Response, Router, StatusCode, any, get, post,
    sim::{Peer, Schedule, Settings, Sim},
};

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(async || "Hello, World!"))
        .route("/fn", get(|| "Hello from where it may block!"))
        .route("/echo", post(async |body: Bytes| body))
        .route("/echo/fn", post(|body: String| body))
        .route("/ignore", any(async || "ignored"))
        .route("/length", post(length))
        .route("/first", post(first))
        .route("/ten", post(async |body: Bytes| body).body_limit(10))
        .route("/iter", get(|| Body::from_iter(["one ", "two ", "three"].map(Ok::<_, Infallible>))))
        .route("/stream", get(async || Body::from_stream(Items::new(["a", "", "bc"]))))
        .route("/stream/known", get(known))
        .route("/stream/short", get(short))
        .route("/stream/long", get(long))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route("/cached", get(cached))
        .route("/close", get(async || ([("connection", "close")], "bye")))
}

/// Reads the body where it may block.
fn length(body: Body) -> Result<String, (StatusCode, String)> {
    let mut count = 0;
    let mut piece = [0; 100];
    let mut reader = body.reader();
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(count.to_string()),
            Ok(read) => count += read,
            Err(error) => return Err((StatusCode::IM_A_TEAPOT, error.to_string())),
        }
    }
}

/// Reads some of the body, and leaves the rest.
async fn first(mut body: Body) -> String {
    let piece = body.next().await;
    format!("{:?}", piece.and_then(|piece| piece.ok()).and_then(|piece| piece.first().copied()))
}

async fn known() -> Response {
    ([("content-length", "6")], Body::from_stream(Items::new(["abc", "def"]))).into_response()
}

async fn short() -> Response {
    ([("content-length", "7")], Body::from_stream(Items::new(["abc", "def"]))).into_response()
}

async fn long() -> Response {
    ([("content-length", "5")], Body::from_stream(Items::new(["abc", "def"]))).into_response()
}

async fn cached() -> Response {
    (StatusCode::NOT_MODIFIED, [("etag", "\"1\""), ("content-length", "11")], "not to send").into_response()
}

/// A stream of items that are there at once.
pub(crate) struct Items<T>(pub(crate) VecDeque<T>);

impl Items<Result<&'static str, Infallible>> {
    pub(crate) fn new<const N: usize>(items: [&'static str; N]) -> Self {
        Self(items.into_iter().map(Ok).collect())
    }
}

impl<T: Unpin> futures_core::Stream for Items<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// The app above, built once.
pub(crate) fn built() -> Arc<App> {
    static APP: LazyLock<Arc<App>> = LazyLock::new(|| build(router()));
    APP.clone()
}

pub(crate) fn build(router: Router) -> Arc<App> {
    Arc::new(router.build().expect("a router without faults"))
}

/// A simulation of the app above, in order.
pub(crate) fn sim() -> Sim {
    Sim::with_app(built(), Settings::default())
}

/// A simulation under the schedule of `seed`, in which about `bytes` are sent: small buffers for few.
pub(crate) fn seeded(app: &Arc<App>, seed: u64, bytes: usize) -> Sim {
    let buffers: &[usize] = if bytes < 2000 { &[11, 100, 4096, 64 << 10] } else { &[4096, 64 << 10] };
    let buffer_bytes = buffers[usize::try_from(seed).unwrap() % buffers.len()];
    Sim::with_app(
        app.clone(),
        Settings { schedule: Schedule::Seeded(seed), buffer_bytes, ..Settings::default() },
    )
}

/// A request without a body.
pub(crate) fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// The statuses of the responses that the peer received, interim ones included.
pub(crate) fn statuses(peer: &Peer) -> Vec<u16> {
    peer.received_text()
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|response| response[..3].parse().expect("a status"))
        .collect()
}

/// Numbers by a seed, for tests that choose.
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    /// One of `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % count
    }
}

/// Something that a handler waits for and another handler, or the test, lets happen.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let wakers = {
            let mut gate = self.0.lock().unwrap();
            gate.0 = true;
            std::mem::take(&mut gate.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.lock().unwrap().0
    }

    pub(crate) fn passed(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let gate = self.0.clone();
        poll_fn(move |cx| {
            let mut gate = gate.lock().unwrap();
            if gate.0 {
                return Poll::Ready(());
            }
            gate.1.push(cx.waker().clone());
            Poll::Pending
        })
    }
}
