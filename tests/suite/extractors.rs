//! What handlers take, through a real socket: the same for `fn` and `async fn`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use trijet::{
    Backend, Bytes, Form, HeaderMap, Json, Method, Path, Query, Request, Router, State, Uri, get, post,
};

use crate::common::{client::post as upload, server::start};

on_every_backend!(
    every_extractor_by_fn_and_async_fn,
    what_does_not_fit_is_refused,
    json_that_nests_without_end,
);

#[derive(Deserialize, Serialize)]
struct Report {
    id: u32,
    title: String,
}

#[derive(Deserialize)]
struct Page {
    page: u32,
}

#[derive(Clone)]
struct Name(&'static str);

/// The same handler as a `fn` and as an `async fn`.
macro_rules! both {
    ($router:ident, $method:ident, $path:literal, ($($arguments:tt)*) $body:expr) => {
        let $router = $router
            .route(concat!("/fn", $path), $method(|$($arguments)*| $body))
            .route(concat!("/async", $path), $method(async |$($arguments)*| $body));
    };
}

fn app() -> Router {
    let app = Router::new().state(Name("state"));
    both!(app, get, "/path/{id}", (Path(id): Path<u32>) id.to_string());
    both!(app, get, "/paths/{a}/{b}", (Path((a, b)): Path<(String, u8)>) format!("{a} {b}"));
    both!(app, get, "/all/{*rest}", (Path(all): Path<HashMap<String, String>>) all["rest"].clone());
    both!(app, get, "/query", (Query(page): Query<Page>) page.page.to_string());
    both!(app, post, "/json", (Json(report): Json<Report>) Json(Report { id: report.id + 1, ..report }));
    both!(app, post, "/form", (Form(page): Form<Page>) page.page.to_string());
    both!(app, get, "/state", (State(name): State<Name>) name.0);
    both!(app, get, "/headers", (headers: HeaderMap) headers["host"].to_str().unwrap().to_owned());
    both!(app, post, "/method", (method: Method) method.to_string());
    both!(app, get, "/uri", (uri: Uri) uri.to_string());
    both!(app, post, "/text", (text: String) text);
    both!(app, post, "/bytes", (bytes: Bytes) bytes);
    both!(app, post, "/request", (request: Request) request.uri().path().to_owned());
    both!(app, post, "/several/{id}", (State(name): State<Name>, Path(id): Path<u8>, text: String) {
        format!("{} {id} {text}", name.0)
    });
    app
}

fn typed(path: &str, content_type: &str, body: &str) -> String {
    upload(path, body).replacen("host: t", &format!("host: t\r\ncontent-type: {content_type}"), 1)
}

fn every_extractor_by_fn_and_async_fn(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for kind in ["/fn", "/async"] {
        let at = |path: &str| format!("{kind}{path}");
        client.get(&at("/path/7")).says("7");
        client.get(&at("/paths/a%2Fb/8")).says("a/b 8");
        client.get(&at("/all/a/b%20c")).says("a/b c");
        client.get(&at("/query?page=3")).says("3");
        let json = typed(&at("/json"), "application/json", r#"{"id":1,"title":"ä"}"#);
        let answer = client.send(json).response().says(r#"{"id":2,"title":"ä"}"#);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        client.send(typed(&at("/form"), "application/x-www-form-urlencoded", "page=4")).response().says("4");
        client.get(&at("/state")).says("state");
        client.get(&at("/headers")).says("t");
        client.send(upload(&at("/method"), "")).response().says("POST");
        client.get(&at("/uri?x=1")).says(&at("/uri?x=1"));
        client.send(upload(&at("/text"), "ä")).response().says("ä");
        client.send(upload(&at("/bytes"), "bytes")).response().says("bytes");
        client.send(upload(&at("/request"), "unread")).response().says(&at("/request"));
        client.send(upload(&at("/several/9"), "text")).response().says("state 9 text");
    }
}

fn what_does_not_fit_is_refused(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for kind in ["/fn", "/async"] {
        let at = |path: &str| format!("{kind}{path}");
        client.get(&at("/path/x")).with_status(400);
        client.get(&at("/path/%ff")).with_status(400);
        client.get(&at("/query?page=x")).with_status(400);
        client.send(typed(&at("/json"), "application/json", "{")).response().with_status(400);
        client.send(upload(&at("/json"), "{}")).response().with_status(415);
        let not_text = [upload(&at("/text"), "x").trim_end_matches('x').as_bytes(), b"\xff"].concat();
        client.send(not_text).response().with_status(400);
        client.get(&at("/state")).says("state");
    }
}

/// Within the limit of a body, and far deeper than a thread's stack could follow.
fn json_that_nests_without_end(on: Backend) {
    let app = Router::new()
        .route("/fn", post(|Json(_): Json<serde_json::Value>| "read"))
        .route("/async", post(async |Json(_): Json<serde_json::Value>| "read"));
    let server = start(on, app);
    for path in ["/fn", "/async"] {
        let mut client = server.connect();
        for nest in ["[", "{\"a\":"] {
            let deep = nest.repeat((1 << 20) / nest.len());
            client.send(typed(path, "application/json", &deep)).response().with_status(400);
        }
        client.send(typed(path, "application/json", "[[1]]")).response().says("read");
    }
}
