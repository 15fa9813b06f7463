//! `BodyLimit` and `ETags`: what goes in, and what need not come out.

use std::{
    io::{ErrorKind, Read},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::stream;
use trijet::{
    Backend, Body, BodyError, Bytes, Router, get,
    middleware::{BodyLimit, ETags},
    post,
};

use super::asking;
use crate::common::{
    client::{get as request, post as upload, post_chunked},
    server::start,
};

on_every_backend!(
    a_declared_length_over_the_limit_is_refused_at_once,
    a_body_that_turns_out_too_long_is_refused,
    a_handler_that_reads_for_itself_gets_the_error,
    who_has_the_same_is_told_so,
    streams_have_no_tag,
    a_tag_of_the_handler_is_kept,
);

fn limited() -> (Router, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let app = Router::new()
        .route(
            "/bytes",
            post(move |body: Bytes| {
                counted.fetch_add(1, Ordering::Relaxed);
                body
            }),
        )
        .route(
            "/stream",
            post(async |mut body: Body| {
                let mut total = 0;
                loop {
                    match body.next().await {
                        None => return format!("{total} bytes"),
                        Some(Ok(piece)) => total += piece.len(),
                        Some(Err(BodyError::TooLarge)) => return "too large".to_owned(),
                        Some(Err(error)) => return error.to_string(),
                    }
                }
            }),
        )
        .route(
            "/reader",
            post(|body: Body| {
                let mut all = Vec::new();
                match body.reader().read_to_end(&mut all) {
                    Ok(count) => format!("{count} bytes"),
                    Err(error) if error.kind() == ErrorKind::InvalidData => "too large".to_owned(),
                    Err(error) => error.to_string(),
                }
            }),
        );
    (
        Router::new().nest("/in", app.wrap(BodyLimit::new(10))).route("/out", post(async |body: Bytes| body)),
        calls,
    )
}

fn a_declared_length_over_the_limit_is_refused_at_once(on: Backend) {
    let (app, calls) = limited();
    let server = start(on, app);
    let mut client = server.connect();
    client.send(upload("/in/bytes", "ten bytes!")).response().says("ten bytes!");
    for path in ["/in/bytes", "/in/stream", "/in/reader"] {
        // No byte of the body is needed for that.
        let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 11\r\n\r\n");
        client.send(head).response().with_status(413);
        client.send("eleven char");
    }
    client.send(upload("/out", "far more than ten bytes")).response().says("far more than ten bytes");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

fn a_body_that_turns_out_too_long_is_refused(on: Backend) {
    let (app, calls) = limited();
    let server = start(on, app);
    server.connect().send(post_chunked("/in/bytes", "ten bytes!")).response().says("ten bytes!");
    server.connect().send(post_chunked("/in/bytes", "eleven char")).response().with_status(413);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

fn a_handler_that_reads_for_itself_gets_the_error(on: Backend) {
    let (app, _) = limited();
    let server = start(on, app);
    for path in ["/in/stream", "/in/reader"] {
        server.connect().send(post_chunked(path, "ten bytes!")).response().says("10 bytes");
        server.connect().send(post_chunked(path, "eleven char")).response().says("too large");
    }
}

fn tagged() -> Router {
    Router::new()
        .route("/fn", get(|| "page"))
        .route("/async", get(async || "page"))
        .route("/other", get(async || "other page"))
        .route("/large", get(async || "x".repeat(101)))
        .route("/private", get(async || ([("cache-control", "private, no-store")], "page")))
        .route("/stream", get(async || Body::from_stream(stream::iter([Ok::<_, BodyError>("page")]))))
        .route("/own", get(async || ([("etag", "\"own\"")], "page")))
        .route(
            "/own/stream",
            get(async || {
                ([("etag", "W/\"own\"")], Body::from_stream(stream::iter([Ok::<_, BodyError>("page")])))
            }),
        )
        .route("/head", trijet::head(async || ([("content-length", "4")], "")))
        .route("/posted", post(async || "page"))
        .route("/created", get(async || (trijet::StatusCode::CREATED, "page")))
        .wrap(ETags::new().bytes_max(100))
}

fn who_has_the_same_is_told_so(on: Backend) {
    let server = start(on, tagged());
    let mut client = server.connect();
    let tag = client.get("/fn").says("page").header("etag").unwrap().to_owned();
    assert_eq!(client.get("/async").header("etag"), Some(&*tag));
    assert_ne!(client.get("/other").header("etag"), Some(&*tag));
    for have in [tag.clone(), format!("W/{tag}"), format!("\"old\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let answer = client.send(asking(method, "/fn", &[("if-none-match", &have)])).response_to_head();
            assert_eq!((answer.status, answer.header("etag")), (304, Some(&*tag)), "{method} {have}");
            assert_eq!((answer.header("content-type"), answer.header("content-length")), (None, None));
        }
    }
    client.send(asking("GET", "/other", &[("if-none-match", &tag)])).response().says("other page");
    let head = client.send(asking("HEAD", "/fn", &[])).response_to_head();
    assert_eq!((head.header("etag"), head.header("content-length")), (Some(&*tag), Some("4")));
}

fn streams_have_no_tag(on: Backend) {
    let server = start(on, tagged());
    let mut client = server.connect();
    let has_none = |answer: &crate::common::response::Response| answer.header("etag").is_none();
    // It has no body to tell by.
    assert!(has_none(&client.send(asking("HEAD", "/head", &[])).response_to_head()));
    for path in ["/stream", "/large", "/private", "/created"] {
        let answer = client.send(asking("GET", path, &[("if-none-match", "*")])).response();
        assert!(has_none(&answer) && answer.status < 300, "{path}: {answer:?}");
    }
    assert!(has_none(&client.send(upload("/posted", "")).response().says("page")));
}

fn a_tag_of_the_handler_is_kept(on: Backend) {
    let server = start(on, tagged());
    let mut client = server.connect();
    for (path, tag) in [("/own", "\"own\""), ("/own/stream", "W/\"own\"")] {
        assert_eq!(client.send(request(path)).response().says("page").header("etag"), Some(tag));
        let answer = client.send(asking("GET", path, &[("if-none-match", "\"own\"")])).response();
        assert_eq!((answer.status, answer.header("etag")), (304, Some(tag)));
    }
}
