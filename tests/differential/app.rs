//! The app that every backend is given: routes that differ in how they read and how they answer.

use std::io::Read;

use futures_util::stream;
use trijet::{Body, BodyError, Bytes, Next, Redirect, Request, Response, Router, StatusCode, get, post};

/// The routes, for the grammar.
pub(crate) const PATHS: [&str; 19] = [
    "/text",
    "/text-fn",
    "/echo",
    "/echo-fn",
    "/read",
    "/pieces",
    "/unread",
    "/unread-fn",
    "/small",
    "/chunks",
    "/iter",
    "/declared",
    "/wrong",
    "/no-content",
    "/not-modified",
    "/redirect",
    "/panic",
    "/late-panic",
    "/large",
];

fn read(body: Body) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    match body.reader().read_to_end(&mut all) {
        Ok(_) => Ok(all),
        // By the kind alone: the text is the body's own.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(BodyError::Disconnected),
        Err(_) => Err(BodyError::Malformed("as a reader says")),
    }
}

async fn pieces(mut body: Body) -> Result<String, BodyError> {
    let mut count = 0;
    while let Some(piece) = body.next().await {
        count += piece?.len();
    }
    Ok(count.to_string())
}

fn chunks() -> [std::io::Result<&'static str>; 4] {
    ["one ", "two ", "", "three\n"].map(Ok)
}

async fn wrong() -> ([(&'static str, &'static str); 1], Body) {
    ([("content-length", "20")], Body::from_stream(stream::iter(chunks())))
}

async fn declared() -> ([(&'static str, &'static str); 1], Body) {
    ([("content-length", "14")], Body::from_stream(stream::iter(chunks())))
}

fn panics() -> &'static str {
    std::panic::resume_unwind(Box::new("planted"))
}

/// Ends in a panic at its last piece; by `resume_unwind`, which says nothing on the way.
async fn late_panic() -> Body {
    Body::from_stream(stream::iter((0..3).map(|index| match index {
        2 => std::panic::resume_unwind(Box::new("planted")),
        _ => std::io::Result::Ok("piece"),
    })))
}

async fn around(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-around", "1".parse().unwrap());
    response
}

pub(crate) fn app() -> Router {
    Router::new()
        .route("/text", get(async || "text").post(async || "posted"))
        .route("/text-fn", get(|| "text").post(|| "posted"))
        .route("/echo", post(async |body: Bytes| body))
        .route("/echo-fn", post(|body: Bytes| body))
        .route("/read", post(read))
        .route("/pieces", post(pieces))
        .route("/unread", post(async || "not read"))
        .route("/unread-fn", post(|| "not read"))
        .route("/small", post(async |body: Bytes| body).body_limit(16))
        .route("/chunks", get(async || Body::from_stream(stream::iter(chunks()))))
        .route("/iter", get(|| Body::from_iter(chunks())))
        .route("/declared", get(declared))
        .route("/wrong", get(wrong))
        .route("/no-content", get(async || StatusCode::NO_CONTENT))
        .route("/not-modified", get(|| (StatusCode::NOT_MODIFIED, [("etag", "\"x\"")], "")))
        .route("/redirect", get(async || Redirect::to("/text")))
        .route("/panic", get(panics).post(panics))
        .route("/late-panic", get(late_panic))
        .route("/large", get(async || vec![b'l'; 200 << 10]).wrap(around))
}
