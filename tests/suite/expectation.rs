//! `Expect: 100-continue`: a 100 goes out when the body is asked for, never otherwise.

use std::{io::Read, sync::mpsc};

use trijet::{Backend, Body, Bytes, Limits, Router, get, post};

use crate::common::server::{start, start_with};

on_every_backend!(
    a_body_that_is_asked_for,
    bytes_that_are_there_already_change_nothing,
    a_body_that_is_not_asked_for,
    a_body_that_is_too_large,
    never_to_http_1_0,
    another_expectation,
    an_echo_asks_by_its_response,
);

fn app() -> Router {
    fn read(body: Body) -> String {
        let mut text = String::new();
        body.reader().read_to_string(&mut text).unwrap();
        text
    }
    Router::new()
        .route("/bytes", post(async |body: Bytes| body))
        .route("/fn-bytes", post(|body: Bytes| body))
        .route("/read", post(read))
        .route("/echo", post(async |body: Body| body))
        .route("/unread", post(async || "not read"))
        .route("/small", post(async |body: Bytes| body).body_limit(4))
        .route("/", get(async || "hello"))
}

fn head(path: &str, framing: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\n{framing}\r\n\r\n")
}

const LENGTH: &str = "content-length: 5";
const CHUNKED: &str = "transfer-encoding: chunked";

fn a_body_that_is_asked_for(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for path in ["/bytes", "/fn-bytes", "/read"] {
        for (framing, body) in [(LENGTH, "hello"), (CHUNKED, "5\r\nhello\r\n0\r\n\r\n")] {
            client.send(head(path, framing)).head().with_status(100);
            assert!(client.is_silent());
            assert!(!client.send(body).response().says("hello").closes(), "{path}");
        }
    }
}

fn bytes_that_are_there_already_change_nothing(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for path in ["/bytes", "/fn-bytes", "/read", "/echo"] {
        client.send(head(path, LENGTH) + "hello").head().with_status(100);
        client.response().says("hello");
    }
}

fn a_body_that_is_not_asked_for(on: Backend) {
    let server = start(on, app());
    for path in ["/unread", "/missing"] {
        let mut client = server.connect();
        let answer = client.send(head(path, LENGTH)).response();
        // The client may or may not send it now: only a close is safe.
        assert!(answer.status != 100 && answer.closes(), "{answer:?}");
        client.is_ended();
    }
}

fn a_body_that_is_too_large(on: Backend) {
    let server = start_with(on, app(), Limits { body_bytes_max: 4, ..Limits::default() });
    for path in ["/small", "/bytes", "/unread"] {
        let mut client = server.connect();
        assert!(client.send(head(path, LENGTH)).response().with_status(413).closes());
        client.is_ended();
    }
}

fn never_to_http_1_0(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    client.send(head("/bytes", LENGTH).replacen("1.1", "1.0", 1) + "hello").response().says("hello");
    client.is_ended();
}

fn another_expectation(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    client.send(head("/bytes", LENGTH).replacen("100-continue", "tea", 1)).response().with_status(417);
    client.is_ended();
}

fn an_echo_asks_by_its_response(on: Backend) {
    let (asked, heard) = mpsc::channel();
    let app = app().route(
        "/lazy",
        post(move |body: Body| {
            asked.send(()).unwrap();
            std::future::ready(body)
        }),
    );
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/echo", "/lazy"] {
        client.send(head(path, LENGTH)).head().with_status(100);
        client.send("hello").response().says("hello");
    }
    heard.recv().unwrap();
}
