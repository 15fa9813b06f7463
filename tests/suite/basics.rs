//! Requests and answers that go as everybody expects: kinds of handlers, keep-alive, pipelining,
//! methods, HTTP/1.0.

use trijet::{Backend, Body, Html, Redirect, Response, Router, StatusCode, get, inline, post};

use crate::common::{
    client::{get as request, post as upload},
    server::start,
};

on_every_backend!(
    hello,
    every_kind_of_handler,
    pipelined_requests_are_answered_in_order,
    a_thousand_requests_in_one_segment,
    head_is_get_without_the_body,
    methods_and_paths_that_are_not_there,
    one_connection_serves_many_requests,
    a_close_that_is_asked_for_is_given,
    http_1_0,
    answers_without_a_body,
    kinds_of_responses,
    empty_lines_before_a_request,
);

fn app() -> Router {
    async fn hello() -> &'static str {
        "Hello, World!"
    }
    fn plain() -> String {
        "from a fn".to_owned()
    }
    let captured = String::from("captured");
    Router::new()
        .route("/", get(hello))
        .route("/fn", get(plain))
        .route("/closure", get(|| "closure"))
        .route("/async-closure", get(async || "async closure"))
        .route("/captured", get(move || captured.clone()))
        .route("/inline", get(inline(|| "inline")))
        .route("/n/{n}", get(async |trijet::Path(n): trijet::Path<u32>| n.to_string()))
        .route("/f/{n}", get(|trijet::Path(n): trijet::Path<u32>| n.to_string()))
        .route("/echo", post(async |body: String| body))
        .route("/stream", get(|| Body::from_iter(["one", "two", "three"].map(Ok::<_, std::io::Error>))))
        .route("/html", get(async || Html("<p>")))
        .route("/redirect", get(async || Redirect::to("/elsewhere")))
        .route("/no-content", get(async || StatusCode::NO_CONTENT))
        .route("/not-modified", get(async || (StatusCode::NOT_MODIFIED, [("etag", "\"x\"")], "")))
        .route("/tuple", get(async || (StatusCode::CREATED, [("x-one", "1")], "made")))
        .route(
            "/result",
            get(|| -> Result<&'static str, (StatusCode, &'static str)> { Err((StatusCode::CONFLICT, "no")) }),
        )
        .route("/response", get(async || Response::builder().status(418).body(Body::empty()).unwrap()))
}

fn hello(on: Backend) {
    let server = start(on, app());
    let answer = server.connect().get("/").says("Hello, World!");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("content-length"), Some("13"));
    assert!(!answer.closes());
}

fn every_kind_of_handler(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for (path, body) in [
        ("/", "Hello, World!"),
        ("/fn", "from a fn"),
        ("/closure", "closure"),
        ("/async-closure", "async closure"),
        ("/captured", "captured"),
        ("/inline", "inline"),
        ("/n/7", "7"),
        ("/f/8", "8"),
        ("/stream", "onetwothree"),
    ] {
        client.get(path).says(body);
    }
}

fn pipelined_requests_are_answered_in_order(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let paths = ["n", "f"].into_iter().cycle();
    let requests: String = paths.zip(0..16).map(|(path, n)| request(&format!("/{path}/{n}"))).collect();
    client.send(requests + &upload("/echo", "the last"));
    for n in 0..16 {
        client.response().says(&n.to_string());
    }
    client.response().says("the last");
    client.get("/").says("Hello, World!");
}

fn a_thousand_requests_in_one_segment(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let requests: String = (0..1000)
        .map(|n| match n % 3 {
            0 => request(&format!("/n/{n}")),
            1 => request(&format!("/f/{n}")),
            _ => upload("/echo", &n.to_string()),
        })
        .collect();
    client.send(requests);
    for n in 0..1000 {
        client.response().says(&n.to_string());
    }
    client.get("/").says("Hello, World!");
}

fn head_is_get_without_the_body(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for path in ["/", "/fn", "/stream", "/missing", "/no-content"] {
        client.send(request(path).replacen("GET", "HEAD", 1));
        let head = client.response_to_head();
        let answer = client.get(path);
        let without_date = |headers: &[(String, String)]| -> Vec<_> {
            headers.iter().filter(|(name, _)| name != "date").cloned().collect()
        };
        assert_eq!(head.status, answer.status, "{path}");
        let mut expected = without_date(&answer.headers);
        if path == "/stream" {
            // RFC 9110 §9.3.2: fields that only the content could tell may be left out.
            expected.retain(|(name, _)| name != "transfer-encoding");
        }
        assert_eq!(without_date(&head.headers), expected, "{path}");
    }
}

fn methods_and_paths_that_are_not_there(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    client.get("/missing").with_status(404);
    let refused = client.send(upload("/", "x")).response().with_status(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    client.send(request("/").replacen("GET", "BREW", 1)).response().with_status(501);
    let options = client.send(request("/echo").replacen("GET", "OPTIONS", 1)).response().with_status(204);
    assert_eq!(options.header("allow"), Some("POST, OPTIONS"));
    client.get("/").says("Hello, World!");
}

fn one_connection_serves_many_requests(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for n in 0..100 {
        client.get(&format!("/n/{n}")).says(&n.to_string());
        client.get(&format!("/f/{n}")).says(&n.to_string());
        client.send(upload("/echo", &n.to_string())).response().says(&n.to_string());
    }
}

fn a_close_that_is_asked_for_is_given(on: Backend) {
    let server = start(on, app());
    for path in ["/", "/fn", "/stream", "/missing", "/no-content"] {
        let mut client = server.connect();
        let closing = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
        // What comes after it is not looked at.
        client.send(closing + &request("/"));
        assert!(client.response().closes(), "{path}");
        client.is_ended();
    }
}

fn http_1_0(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let answer = client.send("GET / HTTP/1.0\r\n\r\n").response().says("Hello, World!");
    assert!(answer.closes());
    client.is_ended();

    let mut client = server.connect();
    for _ in 0..3 {
        let answer = client.send("GET /fn HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").response();
        assert_eq!(answer.header("connection"), Some("keep-alive"));
        answer.says("from a fn");
    }
    // Its length is not known, so that only the close can tell its end.
    let answer = client.send("GET /stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").response();
    assert!(answer.closes() && answer.chunks.is_none());
    answer.says("onetwothree");
    client.is_ended();
}

fn answers_without_a_body(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    client.get("/no-content").with_status(204);
    let answer = client.get("/not-modified").with_status(304);
    assert_eq!(answer.header("etag"), Some("\"x\""));
    let answer = client.get("/response").with_status(418);
    assert_eq!(answer.header("content-length"), Some("0"));
    client.get("/").says("Hello, World!");
}

fn kinds_of_responses(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let answer = client.get("/html").says("<p>");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let answer = client.get("/redirect").with_status(303);
    assert_eq!(answer.header("location"), Some("/elsewhere"));
    let answer = client.get("/tuple").with_status(201);
    assert_eq!((answer.header("x-one"), answer.text()), (Some("1"), "made"));
    assert_eq!(client.get("/result").with_status(409).text(), "no");
    let answer = client.get("/stream").says("onetwothree");
    assert_eq!(answer.chunks, Some(vec![3, 3, 5]), "one item is one chunk");
}

fn empty_lines_before_a_request(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    client.send(format!("\r\n\r\n{}", request("/"))).response().says("Hello, World!");
    assert!(client.send("\r\n\r\n\r\n").response().with_status(400).closes());
    client.is_ended();
}
