//! What handlers take, through a real socket: the same for `fn` and `async fn`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use trijet::{
    Backend, Bytes, Form, HeaderMap, Json, Method, Path, Query, Request, Router, State, Uri, get, post,
};

use crate::common::{
    client::{get as request, post as upload},
    server::start,
};

on_every_backend!(
    every_extractor_by_fn_and_async_fn,
    what_does_not_fit_is_refused,
    what_does_not_fit_is_named,
    what_is_absent_is_none,
    repeated_names_fill_lists,
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

/// Where it is, and what was expected; of what was sent nothing that could be markup.
fn what_does_not_fit_is_named(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for kind in ["/fn", "/async"] {
        let at = |path: &str| format!("{kind}{path}");
        let rows = [
            (
                typed(&at("/json"), "application/json", "{\"title\":\"\",\n\"id\":\"<b>\"}"),
                422,
                "The body is JSON of another shape: `id`: invalid type: string \"\\u{3c}b\\u{3e}\", expected u32 at line 2 \
                 column 10.",
            ),
            (
                typed(&at("/json"), "application/json", "{\"id\":1,}"),
                400,
                "The body is not JSON: trailing comma at line 1 column 9.",
            ),
            (
                typed(&at("/form"), "application/x-www-form-urlencoded", "page=%3Cb%3E"),
                422,
                "The form has another shape: `page`: invalid digit found in string; a whole number is expected.",
            ),
            (request(&at("/query")), 400, "The query has another shape: missing field `page`."),
            (
                request(&at("/query?page=-1")),
                400,
                "The query has another shape: `page`: invalid digit found in string; a whole number is expected.",
            ),
            (
                request(&at("/paths/x/999")),
                400,
                "The path value `b` is not valid: number too large to fit in target type.",
            ),
        ];
        for (bytes, status, text) in rows {
            let answer = client.send(bytes).response().with_status(status);
            assert_eq!(answer.text(), text);
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
    }
}

fn what_is_absent_is_none(on: Backend) {
    let app = Router::new();
    both!(app, post, "/json", (body: Option<Json<u8>>) format!("{:?}", body.map(|Json(number)| number)));
    both!(app, post, "/form", (body: Option<Form<Vec<(String, u8)>>>) format!("{:?}", body.map(|Form(all)| all)));
    both!(app, get, "/query", (query: Option<Query<Page>>) format!("{:?}", query.map(|Query(page)| page.page)));
    both!(app, get, "/path", (path: Option<Path<u8>>) format!("{:?}", path.map(|Path(id)| id)));
    both!(app, get, "/path/{id}", (path: Option<Path<u8>>) format!("{:?}", path.map(|Path(id)| id)));
    both!(app, get, "/state", (state: Option<State<Name>>) format!("{:?}", state.map(|State(name)| name.0)));
    let server = start(on, app);
    let mut client = server.connect();
    for kind in ["/fn", "/async"] {
        let at = |path: &str| format!("{kind}{path}");
        client.send(upload(&at("/json"), "")).response().says("None");
        client.send(format!("POST {} HTTP/1.1\r\nhost: t\r\n\r\n", at("/json"))).response().says("None");
        client.send(typed(&at("/json"), "application/json", "")).response().says("None");
        client.send(typed(&at("/json"), "application/json", "7")).response().says("Some(7)");
        client.send(typed(&at("/json"), "application/json", "x")).response().with_status(400);
        client.send(typed(&at("/json"), "application/json", "[]")).response().with_status(422);
        client.send(upload(&at("/json"), "7")).response().with_status(415);
        let chunks = |body: &str| {
            let head = format!("POST {} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n", at("/json"));
            format!("{head}content-type: application/json\r\n\r\n{body}0\r\n\r\n")
        };
        client.send(chunks("")).response().says("None");
        client.send(chunks("1\r\n7\r\n")).response().says("Some(7)");
        client.send(upload(&at("/form"), "")).response().says("None");
        let form = typed(&at("/form"), "application/x-www-form-urlencoded", "a=1");
        client.send(form).response().says("Some([(\"a\", 1)])");
        for (target, answer) in [
            ("/query", "None"),
            ("/query?", "None"),
            ("/query?page=2", "Some(2)"),
            ("/path", "None"),
            ("/path/7", "Some(7)"),
            ("/state", "None"),
        ] {
            client.get(&at(target)).says(answer);
        }
        client.get(&at("/query?page=x")).with_status(400);
        client.get(&at("/path/x")).with_status(400);
    }
}

fn repeated_names_fill_lists(on: Backend) {
    #[derive(Deserialize)]
    struct Search {
        #[serde(default)]
        tag: Vec<String>,
        page: Option<u8>,
    }
    fn told(search: &Search) -> String {
        format!("{} {:?}", search.tag.join(","), search.page)
    }
    let app = Router::new();
    both!(app, get, "/query", (Query(search): Query<Search>) told(&search));
    both!(app, post, "/form", (Form(search): Form<Search>) told(&search));
    let server = start(on, app);
    let mut client = server.connect();
    for kind in ["/fn", "/async"] {
        for (pairs, answer) in [
            ("", " None"),
            ("tag=a", "a None"),
            ("tag=b&page=1&tag=a+%26", "b,a & Some(1)"),
            ("page=", " None"),
        ] {
            client.get(&format!("{kind}/query?{pairs}")).says(answer);
            let form = typed(&format!("{kind}/form"), "application/x-www-form-urlencoded", pairs);
            client.send(form).response().says(answer);
        }
        client.get(&format!("{kind}/query?page=1&page=2")).with_status(400);
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
