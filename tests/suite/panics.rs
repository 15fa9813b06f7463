//! Panics anywhere in the app: 500 and a close, or a cut where the head is out already. Nobody else
//! notices, and no text of it is sent.

use futures_util::stream;
use trijet::{Backend, Body, IntoResponse, Next, Request, Response, Router, get};

use crate::common::{
    client::{get as request, post as upload},
    server::{Running, start},
};

on_every_backend!(
    before_the_head_it_is_a_500,
    after_the_head_it_is_a_cut,
    in_a_destructor_it_costs_nothing,
    thousands_leave_every_thread_alive,
    a_body_that_fails_is_a_cut,
    a_wrong_content_length_is_a_cut,
);

const SECRET: &str = "planted by the suite";

struct Exploding;

impl IntoResponse for Exploding {
    fn into_response(self) -> Response {
        panic!("{SECRET}")
    }
}

struct ExplodesOnDrop;

impl Drop for ExplodesOnDrop {
    fn drop(&mut self) {
        panic!("{SECRET}");
    }
}

fn explode() -> &'static str {
    panic!("{SECRET}")
}

async fn explode_async() -> &'static str {
    explode()
}

async fn explode_later() -> &'static str {
    let mut is_first = true;
    std::future::poll_fn(|cx| {
        assert!(std::mem::take(&mut is_first), "{SECRET}");
        cx.waker().wake_by_ref();
        std::task::Poll::<()>::Pending
    })
    .await;
    "never"
}

async fn around_async(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    assert!(response.status() != 200, "{SECRET}");
    response
}

fn around(request: Request, next: Next) -> Response {
    let response = next.run_blocking(request);
    assert!(response.status() != 200, "{SECRET}");
    response
}

/// Pieces, of which the one of this index is a panic.
fn pieces(panics_at: usize) -> impl Iterator<Item = std::io::Result<&'static str>> + Send {
    (0..4).map(move |index| {
        assert!(index != panics_at, "{SECRET}");
        Ok("piece")
    })
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/calm", get(|| "hello"))
        .route("/fn", get(explode).post(explode))
        .route("/async", get(explode_async).post(explode_async))
        .route("/later", get(explode_later))
        .route("/response", get(|| Exploding))
        .route("/async-response", get(async || Exploding))
        .route("/around", get(|| "hello").wrap(around))
        .route("/around-async", get(async || "hello").wrap(around_async))
        .route("/first-piece", get(async || Body::from_stream(stream::iter(pieces(0)))))
        .route("/stream", get(async || Body::from_stream(stream::iter(pieces(2)))))
        .route("/iter", get(|| Body::from_iter(pieces(2))))
        .route("/first-of-iter", get(|| Body::from_iter(pieces(0))))
}

fn is_500_and_close(server: &Running, bytes: &str) {
    let mut client = server.connect();
    let answer = client.send(bytes).response().with_status(500);
    assert!(answer.closes() && !answer.text().contains(SECRET), "{bytes}: {answer:?}");
    client.is_ended();
}

fn before_the_head_it_is_a_500(on: Backend) {
    let server = start(on, app());
    let mut other = server.connect();
    for path in [
        "/fn",
        "/async",
        "/later",
        "/response",
        "/async-response",
        "/around",
        "/around-async",
        "/first-piece",
    ] {
        is_500_and_close(&server, &request(path));
        // What is pipelined behind it is not served.
        is_500_and_close(&server, &request(path).repeat(2));
        other.get("/").says("hello");
        other.get("/calm").says("hello");
    }
    is_500_and_close(&server, &upload("/fn", "unread"));
    is_500_and_close(&server, &upload("/async", "unread"));
}

fn is_cut_after_head(server: &Running, path: &str) {
    let mut client = server.connect();
    client.send(request(path)).head().with_status(200);
    let (rest, end) = client.everything();
    let rest = String::from_utf8(rest).unwrap();
    assert_eq!(end, Ok(()), "{path}");
    assert!(
        !rest.contains("\r\n0\r\n") && !rest.starts_with('0') && !rest.contains(SECRET),
        "{path}: {rest}"
    );
}

fn after_the_head_it_is_a_cut(on: Backend) {
    let server = start(on, app());
    let mut other = server.connect();
    for path in ["/stream", "/iter", "/first-of-iter"] {
        is_cut_after_head(&server, path);
        other.get("/").says("hello");
        other.get("/calm").says("hello");
    }
}

fn in_a_destructor_it_costs_nothing(on: Backend) {
    let app = app().route(
        "/drop",
        get(async || {
            let bomb = ExplodesOnDrop;
            Body::from_stream(stream::iter(["one", "two"].into_iter().map(move |piece| {
                let _held = &bomb;
                Ok::<_, std::io::Error>(piece)
            })))
        }),
    );
    let server = start(on, app);
    for _ in 0..3 {
        let mut client = server.connect();
        client.send(request("/drop")).response().says("onetwo");
    }
    server.connect().get("/").says("hello");
    server.connect().get("/calm").says("hello");
}

fn thousands_leave_every_thread_alive(on: Backend) {
    let server = start(on, app());
    for index in 0..600 {
        let path = ["/fn", "/async", "/around"][index % 3];
        let mut client = server.connect();
        client.send(request(path)).response().with_status(500);
    }
    let mut client = server.connect();
    for _ in 0..20 {
        client.get("/").says("hello");
        client.get("/calm").says("hello");
    }
}

fn a_body_that_fails_is_a_cut(on: Backend) {
    let fails = || [Ok("piece"), Err(std::io::Error::other("planted"))].into_iter();
    let app = app()
        .route("/failing", get(move || std::future::ready(Body::from_stream(stream::iter(fails())))))
        .route("/failing-iter", get(move || Body::from_iter(fails())))
        .route(
            "/failing-first",
            get(async || Body::from_stream(stream::iter([Err::<&str, _>(std::io::Error::other("planted"))]))),
        );
    let server = start(on, app);
    is_cut_after_head(&server, "/failing");
    is_cut_after_head(&server, "/failing-iter");
    is_500_and_close(&server, &request("/failing-first"));
    for path in ["/failing", "/failing-iter"] {
        // HTTP/1.0 has only the close to tell a body's end: one that is not whole must not end so.
        let (_, end) = server.connect().send(format!("GET {path} HTTP/1.0\r\n\r\n")).everything();
        assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset), "{path}");
    }
    server.connect().get("/").says("hello");
}

fn a_wrong_content_length_is_a_cut(on: Backend) {
    let declared = |length: &'static str| {
        get(move || {
            let body = stream::iter(["12345", "67890"].map(Ok::<_, std::io::Error>));
            std::future::ready(([("content-length", length)], Body::from_stream(body)))
        })
    };
    let app =
        app().route("/short", declared("9")).route("/right", declared("10")).route("/long", declared("11"));
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/right").says("1234567890");
    client.get("/right").says("1234567890");

    let mut client = server.connect();
    client.send(request("/short").repeat(2)).response().says("123456789");
    client.is_ended();

    let mut client = server.connect();
    let head = client.send(request("/long").repeat(2)).head().with_status(200);
    assert_eq!(head.header("content-length"), Some("11"));
    assert_eq!(client.everything(), (b"1234567890".to_vec(), Ok(())));
    server.connect().get("/").says("hello");
}
