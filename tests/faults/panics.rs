//! Ten thousand panics, at every point where code of the app runs; and locks that they leave poisoned.

use std::{
    fmt, io, panic,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use futures_util::stream;
use http_body::{Frame, SizeHint};
use trijet::{
    Backend, Body, Bytes, FromRequestParts, IntoResponse, Limits, Next, Request, Response, Router,
    extract::Context as Ambient, get, http::request::Parts,
};

use crate::common::{
    client::{Client, get as request},
    log_lines::LogLines,
    oracle::{Bystanders, Oracle},
};

in_children_on_every_backend!(
    ":":
    ten_thousand_at_every_point,
    a_poisoned_lock_of_the_app,
);

const SECRET: &str = "planted";

fn explode<R>() -> R {
    panic!("{SECRET}")
}

/// The log of planted panics would be all that is left of a failing test's output.
fn hush() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.to_string().contains(SECRET) {
            tell(info);
        }
    }));
}

#[derive(Clone)]
struct ExplodesOnDrop;

impl Drop for ExplodesOnDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            explode()
        }
    }
}

/// Also while another panic unwinds: were that to drop it, the process would end.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        explode()
    }
}

struct Exploding;

impl IntoResponse for Exploding {
    fn into_response(self) -> Response {
        explode()
    }
}

impl FromRequestParts for Exploding {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &Ambient) -> Result<Self, Self::Rejection> {
        explode()
    }
}

impl fmt::Display for Exploding {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        explode()
    }
}

impl fmt::Debug for Exploding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exploding")
    }
}

impl std::error::Error for Exploding {}

/// An error that cannot be shown, and panics once more when it goes.
struct Worse(#[allow(dead_code, reason = "it is dropped")] Bomb);

impl fmt::Display for Worse {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        explode()
    }
}

impl fmt::Debug for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worse")
    }
}

impl std::error::Error for Worse {}

/// A body that panics when it is asked how long it is.
struct Unmeasurable;

impl http_body::Body for Unmeasurable {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        explode()
    }
}

/// One that panics when it is polled, and once more when it goes.
struct Twice(ExplodesOnDrop);

impl http_body::Body for Twice {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        explode()
    }
}

/// Four pieces, of which the one of this index is a panic.
fn pieces(panics_at: usize) -> impl Iterator<Item = io::Result<&'static str>> + Send {
    (0..4).map(move |index| if index == panics_at { explode() } else { Ok("piece") })
}

/// A body whose error at this index cannot be shown.
fn failing<E: Send>(
    fails_at: usize,
    error: impl Fn() -> E + Send,
) -> impl Iterator<Item = Result<&'static str, E>> + Send {
    (0..4).map(move |index| if index == fails_at { Err(error()) } else { Ok("piece") })
}

async fn explode_later() {
    let mut is_first = true;
    std::future::poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            explode()
        }
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })
    .await;
}

/// A handler that holds what panics when the handler is done.
async fn holds() -> &'static str {
    let _bomb = ExplodesOnDrop;
    "never"
}

fn with_extension() -> Response {
    let mut response = "hello".into_response();
    response.extensions_mut().insert(ExplodesOnDrop);
    response
}

/// One after the other, so that each is for itself.
fn with_two() -> Response {
    let mut response = Body::from_stream(stream::iter(held(pieces(4)))).into_response();
    response.extensions_mut().insert(Arc::new(Bomb));
    response
}

/// As `items`, which panics when it goes.
fn held<I: Iterator>(items: I) -> impl Iterator<Item = I::Item> {
    let bomb = Bomb;
    items.inspect(move |_| {
        let _held = &bomb;
    })
}

/// Two pieces, and what panics once they are given.
fn held_pieces() -> impl Iterator<Item = io::Result<&'static str>> + Send {
    let bomb = ExplodesOnDrop;
    ["one", "two"].into_iter().map(move |piece| {
        let _held = &bomb;
        Ok(piece)
    })
}

/// What the client sees of each point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    /// 500, and the announced close.
    Refused,
    /// A head, then the cut of a body that is not whole.
    Cut,
    /// Nothing at all: the answer, on a connection that is kept.
    Nothing,
}
use Seen::{Cut, Nothing, Refused};

const POINTS: [(&str, Seen); 25] = [
    ("/fn", Refused),
    ("/async", Refused),
    ("/later", Refused),
    ("/response/fn", Refused),
    ("/response", Refused),
    ("/extractor/fn", Refused),
    ("/extractor", Refused),
    ("/middleware/fn", Refused),
    ("/middleware", Refused),
    ("/after-handler", Refused),
    ("/stream/first", Refused),
    ("/size", Refused),
    ("/drop/handler", Refused),
    ("/twice", Refused),
    ("/error/first", Refused),
    ("/stream", Cut),
    ("/iter", Cut),
    ("/error", Cut),
    ("/worse/first", Refused),
    ("/worse", Cut),
    ("/iter/worse", Cut),
    ("/drop/both", Nothing),
    ("/drop/extension", Nothing),
    ("/drop/body", Nothing),
    ("/drop/stream", Nothing),
];

fn app() -> Router {
    Router::new()
        .route("/calm", get(|| "hello"))
        .route("/fn", get(|| -> &str { explode() }))
        .route("/async", get(async || -> &str { explode() }))
        .route("/later", get(explode_later))
        .route("/response/fn", get(|| Exploding))
        .route("/response", get(async || Exploding))
        .route("/extractor/fn", get(|_: Exploding| "never"))
        .route("/extractor", get(async |_: Exploding| "never"))
        .route("/middleware/fn", get(|| "").wrap(|_: Request, _: Next| -> Response { explode() }))
        .route("/middleware", get(|| "").wrap(async |_: Request, _: Next| -> Response { explode() }))
        .route(
            "/after-handler",
            get(|| "").wrap(async |request: Request, next: Next| -> Response {
                next.run(request).await;
                explode()
            }),
        )
        .route("/stream/first", get(async || Body::from_stream(stream::iter(pieces(0)))))
        .route("/size", get(async || Body::new(Unmeasurable)))
        .route("/twice", get(async || Body::new(Twice(ExplodesOnDrop))))
        .route("/error/first", get(async || Body::from_stream(stream::iter(failing(0, || Exploding)))))
        .route("/stream", get(async || Body::from_stream(stream::iter(pieces(2)))))
        .route("/iter", get(|| Body::from_iter(pieces(2))))
        .route("/error", get(async || Body::from_stream(stream::iter(failing(2, || Exploding)))))
        .route("/worse/first", get(async || Body::from_stream(stream::iter(failing(0, || Worse(Bomb))))))
        .route("/worse", get(async || Body::from_stream(stream::iter(failing(2, || Worse(Bomb))))))
        .route("/iter/worse", get(|| Body::from_iter(held(pieces(2)))))
        .route("/drop/both", get(async || with_two()))
        .route("/drop/extension", get(async || with_extension()))
        .route("/drop/body", get(|| Body::from_iter(held_pieces())))
        .route("/drop/handler", get(holds))
        .route("/drop/stream", get(async || Body::from_stream(stream::iter(held_pieces()))))
}

fn sees(client: &mut Client, path: &str, seen: Seen) {
    match seen {
        Refused => {
            let answer = client.send(request(path)).response().with_status(500);
            assert!(answer.closes() && !answer.text().contains(SECRET), "{path}: {answer:?}");
            client.is_ended();
        }
        Cut => {
            client.send(request(path)).head().with_status(200);
            let (rest, end) = client.everything();
            let rest = String::from_utf8(rest).unwrap();
            assert!(!rest.contains("\r\n0\r\n") && !rest.contains(SECRET), "{path}: {rest}");
            assert_eq!(end, Ok(()), "{path}");
        }
        Nothing => assert!(!client.get(path).with_status(200).closes(), "{path}"),
    }
}

fn ten_thousand_at_every_point(on: Backend) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 10_000 / THREADS / POINTS.len();
    hush();
    // Where there is no log, no error of the app is shown.
    let lines = Arc::new(LogLines::collect());
    // Among others, that are idle for as long as ten thousand take where nothing is optimised.
    let limits = Limits { idle_timeout: Duration::from_secs(600), ..Limits::default() };
    let oracle = Oracle::watch_with(on, app(), limits, Bystanders::Served);
    let address = oracle.server().address();
    let run = || {
        let lines = lines.clone();
        move || {
            for round in 0..ROUNDS {
                lines.forget();
                for index in 0..POINTS.len() {
                    let (path, seen) = POINTS[(index + round) % POINTS.len()];
                    let mut client = Client::connect(address);
                    client.get("/calm").says("hello");
                    sees(&mut client, path, seen);
                    if seen == Nothing {
                        client.get("/calm").says("hello");
                    }
                    client.reset();
                }
            }
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(run())).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("the same for each of them"));
}

fn a_poisoned_lock_of_the_app(on: Backend) {
    hush();
    let lock = Arc::new(Mutex::new(0));
    let [poison, strict, lenient] = [(); 3].map(|()| lock.clone());
    let app = Router::new()
        .route(
            "/poison",
            get(move || -> &str {
                let _held = poison.lock().unwrap_or_else(PoisonError::into_inner);
                explode()
            }),
        )
        .route(
            "/strict",
            get(move || {
                let count = strict.lock().map(|count| *count);
                count.unwrap_or_else(|_| explode::<i32>()).to_string()
            }),
        )
        .route(
            "/lenient",
            get(move || {
                let mut count = lenient.lock().unwrap_or_else(PoisonError::into_inner);
                *count += 1;
                count.to_string()
            }),
        );
    let oracle = Oracle::watch(on, app);
    oracle.connect().get("/strict").says("0");
    for count in 1..=100 {
        for path in ["/poison", "/strict"] {
            sees(&mut oracle.connect(), path, Refused);
        }
        oracle.connect().get("/lenient").says(&count.to_string());
    }
    assert!(lock.is_poisoned());
}
