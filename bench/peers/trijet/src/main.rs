//! `peer-trijet THREADS ROUTES BACKEND`: the routes of the race on Trijet, each as an `async fn`, and under `/fn` as a plain
//! one. One event loop or worker; so many threads for plain `fn` (on threaded for all), but no fewer than by default.

use std::{env, thread};

use futures_util::stream;
use peer_common::{BODY_MAX, PIECE, PIECES, TEXT, WAIT, routes, tell, threads};
use trijet::{Backend, Body, BodyError, Bytes, Json, Limits, Path, Router, Server, get, post, rt};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

async fn text() -> &'static str {
    TEXT
}

async fn json() -> Json<Message> {
    Json(Message { message: TEXT })
}

async fn user(Path(id): Path<String>) -> String {
    id
}

async fn echo(body: Bytes) -> Bytes {
    body
}

async fn upload(mut body: Body) -> Result<String, BodyError> {
    let mut count = 0;
    while let Some(piece) = body.next().await {
        count += piece?.len();
    }
    Ok(count.to_string())
}

fn pieces() -> impl Iterator<Item = Result<Bytes, std::io::Error>> + Send {
    std::iter::repeat_with(|| Ok(Bytes::from_static(&PIECE))).take(PIECES)
}

async fn download() -> Body {
    Body::from_stream(stream::iter(pieces()))
}

async fn wait() -> &'static str {
    rt::sleep(WAIT).await;
    TEXT
}

fn text_fn() -> &'static str {
    TEXT
}

fn wait_fn() -> &'static str {
    thread::sleep(WAIT);
    TEXT
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend: Backend = env::args().nth(3).ok_or("which backend?")?.parse()?;
    let mut router = Router::new()
        .route("/plaintext", get(text))
        .route("/json", get(json))
        .route("/users/{id}", get(user))
        .route("/echo", post(echo).body_limit(BODY_MAX as u64))
        .route("/upload", post(upload).body_limit(BODY_MAX as u64))
        .route("/download", get(download))
        .route("/wait", get(wait))
        .route("/fn/plaintext", get(text_fn))
        .route("/fn/wait", get(wait_fn));
    for number in routes() {
        router = router.route(&format!("/r/{number}"), get(text));
    }
    let defaults = Limits::default();
    let blocking_threads_max = defaults.blocking_threads_max.max(threads());
    let limits = Limits { blocking_threads_max, ..defaults };
    let mut server = Server::new(router).limits(limits).backend(backend);
    if backend != Backend::Threaded {
        server = server.workers(1);
    }
    let server = server.start("127.0.0.1:0")?;
    tell(server.local_addr());
    Ok(server.wait()?)
}
