//! Errors in the app's own words: which it words, by what the client accepts and by path; and what is said of those that
//! come before there is a route.

use std::{thread, time::Duration};

use trijet::{
    Backend, Body, Bytes, Html, IntoResponse, Json, Limits, Next, Path, Request, Response, Router,
    StatusCode,
    extract::Rejection,
    get, post,
    respond::{Deferred, Failure, Problem},
};

use crate::common::{
    client::{get as request, post as upload, post_chunked},
    response::Response as Answer,
    server::{Running, start, start_with},
};

on_every_backend!(
    errors_are_worded_as_the_client_accepts_them,
    by_status_and_path,
    a_panic_is_worded_and_its_connection_closed,
    a_panic_closes_its_connection_whatever_is_made_of_its_answer,
    words_may_come_later,
    a_body_that_is_too_large_is_worded_before_it_is_sent,
    middleware_s_errors_are_worded_too,
    what_is_refused_before_there_is_a_route_stays_plain_text,
    head_has_no_body,
    a_problem_is_json,
);

fn words(failure: Failure) -> Response {
    match failure.preferred(&["application/problem+json", "text/html"]) {
        Some("text/html") => {
            Html(format!("<h1>{}</h1>{}", failure.status(), failure.detail())).into_response()
        }
        _ => failure.problem().into_response(),
    }
}

fn app() -> Router {
    Router::new()
        .route("/fn/{id}", get(|Path(id): Path<u8>| id.to_string()))
        .route("/async/{id}", get(async |Path(id): Path<u8>| id.to_string()))
        .route("/panic/fn", get(|| -> () { panic!("planted") }))
        .route("/panic/async", get(async || -> () { panic!("planted") }))
        .route("/bytes", post(async |bytes: Bytes| bytes).body_limit(4))
        .route("/json", post(|Json(numbers): Json<Vec<u8>>| numbers.len().to_string()))
        .route("/status", get(|| StatusCode::CONFLICT))
        .route("/own", get(|| (StatusCode::CONFLICT, "my own words")))
        .route("/rejection", get(|| Rejection::new(StatusCode::GONE, "It was here.")))
        .errors(words)
}

const PROBLEM: &str = "application/problem+json";

#[track_caller]
fn is_problem(answer: &Answer, status: u16, title: &str, detail: &str) {
    let body = match detail {
        "" => format!(r#"{{"title":"{title}","status":{status}}}"#),
        detail => format!(r#"{{"title":"{title}","status":{status},"detail":"{detail}"}}"#),
    };
    assert_eq!((answer.status, answer.text()), (status, &*body));
    assert_eq!(answer.header("content-type"), Some(PROBLEM));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

fn errors_are_worded_as_the_client_accepts_them(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    is_problem(&client.get("/none"), 404, "Not Found", "There is nothing at this path.");
    for kind in ["/fn", "/async"] {
        client.get(&format!("{kind}/7")).says("7");
        let detail = "The path value `id` is not valid: number too large to fit in target type.";
        is_problem(&client.get(&format!("{kind}/256")), 400, "Bad Request", detail);
        let refused = client.send(request(&format!("{kind}/7")).replacen("GET", "PUT", 1)).response();
        is_problem(&refused, 405, "Method Not Allowed", "This path does not offer the method.");
        assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    let json = "POST /json HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[1,\"<\\n\"]";
    let detail = "The body is JSON of another shape: `[1]`: invalid type: string \\\"\\\\u{3c}\\\\n\\\", expected u8 at line 1 \
                  column 8.";
    is_problem(&client.send(json).response(), 422, "Unprocessable Entity", detail);
    is_problem(&client.get("/status"), 409, "Conflict", "");
    is_problem(&client.get("/rejection"), 410, "Gone", "It was here.");
    assert_eq!(client.get("/own").with_status(409).text(), "my own words");

    let browser = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\r\n";
    let page = client.send(request("/none").replacen("\r\n\r\n", &format!("\r\n{browser}"), 1)).response();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.with_status(404).text(), "<h1>404 Not Found</h1>There is nothing at this path.");
}

fn by_status_and_path(on: Backend) {
    let page = |failure: Failure| match (failure.status(), failure.uri().path()) {
        (StatusCode::NOT_FOUND, "/shop") => "The shop has moved.".into_response(),
        (StatusCode::NOT_FOUND, path) => format!("No page at {}.", path.len()).into_response(),
        (StatusCode::METHOD_NOT_ALLOWED, _) => failure.into_response(),
        (status, _) => format!("{status}, sorry.").into_response(),
    };
    let app = Router::new()
        .route("/", get(|| "home"))
        .route("/status", get(async || StatusCode::BAD_GATEWAY))
        .nest("/api", Router::new().route("/x", get(|| "x")).errors(|failure: Failure| failure.problem()))
        .errors(page);
    let server = start(on, app);
    let mut client = server.connect();
    assert_eq!(client.get("/shop").with_status(404).text(), "The shop has moved.");
    assert_eq!(client.get("/none").with_status(404).text(), "No page at 5.");
    assert_eq!(client.get("/status").with_status(502).text(), "502 Bad Gateway, sorry.");
    is_problem(&client.get("/api/none"), 404, "Not Found", "There is nothing at this path.");
    let refused = client.send(request("/").replacen("GET", "PUT", 1)).response().with_status(405);
    assert_eq!(refused.text(), "This path does not offer the method.");
}

fn a_panic_is_worded_and_its_connection_closed(on: Backend) {
    let server = start(on, app());
    for path in ["/panic/fn", "/panic/async"] {
        let mut client = server.connect();
        let answer = client.get(path);
        is_problem(&answer, 500, "Internal Server Error", "The server could not answer this request.");
        assert!(answer.closes());
        client.is_ended();
    }
    server.connect().get("/fn/7").says("7");

    let app = Router::new()
        .route("/", get(|| "fine"))
        .errors(|_: Failure| -> &str { panic!("planted in the words") });
    let server = start(on, app);
    let mut client = server.connect();
    let answer = client.get("/none").with_status(500);
    assert_eq!((answer.closes(), answer.text()), (true, "internal server error\n"));
    client.is_ended();
    server.connect().get("/").says("fine");
}

fn a_panic_closes_its_connection_whatever_is_made_of_its_answer(on: Backend) {
    async fn fresh(request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        if response.status().is_server_error() { "all is well".into_response() } else { response }
    }
    fn fresh_blocking(request: Request, next: Next) -> Response {
        let response = next.run_blocking(request);
        if response.status().is_server_error() { "all is well".into_response() } else { response }
    }
    for app in [app().wrap(fresh), app().wrap(fresh_blocking)] {
        let server = start(on, app);
        for path in ["/panic/fn", "/panic/async"] {
            let mut client = server.connect();
            client.get("/fn/7").says("7");
            let answer = client.get(path);
            assert_eq!((answer.status, answer.text(), answer.closes()), (200, "all is well", true), "{path}");
            client.is_ended();
        }
    }
}

fn words_may_come_later(on: Backend) {
    let routes = get(|| "fine").post(async |bytes: Bytes| bytes).body_limit(4);
    let app = Router::new().route("/", routes).errors(|failure: Failure| {
        let (reply, deferred) = Deferred::new(Duration::from_secs(10));
        thread::spawn(move || reply.send(format!("{}, sorry.", failure.status())));
        deferred
    });
    let server = start(on, app);
    let mut client = server.connect();
    assert_eq!(client.get("/none").with_status(404).text(), "404 Not Found, sorry.");
    let refused = client.send(request("/").replacen("GET", "PUT", 1)).response().with_status(405);
    assert_eq!(
        (refused.header("allow"), refused.text()),
        (Some("GET, HEAD, POST, OPTIONS"), "405 Method Not Allowed, sorry.")
    );
    client.get("/").says("fine");
    let large = client.send(upload("/", "12345")).response().with_status(413);
    assert_eq!((large.text(), large.closes()), ("413 Payload Too Large, sorry.", true));
    client.is_ended();
}

fn a_body_that_is_too_large_is_worded_before_it_is_sent(on: Backend) {
    let server = start(on, app());
    let is_refused = |bytes: &str, reason: &str| {
        let mut client = server.connect();
        let answer = client.send(bytes).response();
        is_problem(&answer, 413, "Payload Too Large", &format!("The request was refused: {reason}."));
        assert!(answer.closes());
        client.is_ended();
    };
    let declared = "the request body is larger than this route allows";
    is_refused(&upload("/bytes", "12345"), declared);
    is_refused(upload("/bytes", "12345").trim_end_matches("12345"), declared);
    // No 100 comes before it.
    let expects = "host: t\r\nexpect: 100-continue";
    is_refused(upload("/bytes", "12345").replacen("host: t", expects, 1).trim_end_matches("12345"), declared);
    is_refused(&post_chunked("/bytes", "12345"), "the body is larger than this route allows");
    server.connect().send(upload("/bytes", "1234")).response().says("1234");
}

fn middleware_s_errors_are_worded_too(on: Backend) {
    async fn closed(request: Request, next: Next) -> Response {
        match request.headers().contains_key("x-key") {
            true => next.run(request).await,
            false => Rejection::new(StatusCode::FORBIDDEN, "A key is needed.").into_response(),
        }
    }
    fn closed_blocking(request: Request, next: Next) -> Response {
        match request.headers().contains_key("x-key") {
            true => next.run_blocking(request),
            false => Rejection::new(StatusCode::FORBIDDEN, "A key is needed.").into_response(),
        }
    }
    async fn marked(request: Request, next: Next) -> impl IntoResponse {
        ([("x-marked", "1")], next.run(request).await)
    }
    let app = Router::new()
        .nest("/async", Router::new().route("/", get(|| "open")).wrap(closed))
        .nest("/fn", Router::new().route("/", get(|| "open")).wrap(closed_blocking))
        .wrap(marked)
        .errors(words);
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/async", "/fn"] {
        let answer = client.get(path);
        is_problem(&answer, 403, "Forbidden", "A key is needed.");
        assert_eq!(answer.header("x-marked"), Some("1"));
        client.send(request(path).replacen("host: t", "host: t\r\nx-key: 1", 1)).response().says("open");
    }
}

fn what_is_refused_before_there_is_a_route_stays_plain_text(on: Backend) {
    let limits = Limits { head_bytes_max: 256, target_bytes_max: 64, ..Limits::default() };
    let server: Running = start_with(on, app(), limits);
    let long = "a".repeat(80);
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (request(&format!("/{long}")), 414),
        (format!("GET / HTTP/1.1\r\nhost: t\r\nx: {}\r\n\r\n", long.repeat(4)), 431),
        ("GET / HTTP/2.0\r\nhost: t\r\n\r\n".to_owned(), 505),
    ] {
        let answer = server.connect().send(bytes).response().with_status(status);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{status}");
    }
}

fn head_has_no_body(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let length = client.get("/none").with_status(404).header("content-length").map(str::to_owned);
    let head = client.send(request("/none").replacen("GET", "HEAD", 1)).response_to_head().with_status(404);
    assert_eq!(head.header("content-length").map(str::to_owned), length);
    client.get("/fn/7").says("7");
}

fn a_problem_is_json(on: Backend) {
    fn credit() -> Result<Body, Problem> {
        Err(Problem::new(StatusCode::FORBIDDEN)
            .kind("https://example.org/probs/credit")
            .title("Not enough credit.")
            .detail("It costs \"50\".")
            .with("balance", 30))
    }
    // What the app has worded itself is left as it is.
    let app = Router::new().route("/", get(credit)).errors(|_: Failure| "worded");
    let server = start(on, app);
    let answer = server.connect().get("/").with_status(403);
    assert_eq!(answer.header("content-type"), Some(PROBLEM));
    assert_eq!(
        answer.text(),
        r#"{"type":"https://example.org/probs/credit","title":"Not enough credit.","status":403,"detail":"It costs \"50\".","balance":30}"#
    );
}
