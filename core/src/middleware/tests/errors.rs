//! `Router::errors`: which answers are worded by it, and what stays of the others.

use std::sync::Arc;

use crate::{
    Body, BodyError, Bytes, Html, IntoResponse, Next, Path, Request, Response, Router, StatusCode,
    exercise::{Answer, Pool, app, get as fetch, logged, request, send, send_to},
    extract::Rejection,
    get, inline,
    respond::{Failure, Panicked},
};

fn told(failure: Failure) -> String {
    let route = failure.route().unwrap_or("no route");
    format!("{} {} {route}: {}", failure.method(), failure.uri(), failure.detail())
}

fn routes() -> Router {
    async fn limited(request: Request, next: Next) -> Response {
        if request.headers().contains_key("x-limited") {
            return ([("retry-after", "5")], Rejection::new(StatusCode::TOO_MANY_REQUESTS, "Later."))
                .into_response();
        }
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-layer", "1".parse().unwrap());
        response
    }
    Router::new()
        .route("/", get(|| "fine").post(async |bytes: Bytes| bytes))
        .route("/users/{id}", get(async |Path(id): Path<u8>| id.to_string()))
        .route("/status", get(inline(|| StatusCode::CONFLICT)))
        .route("/own", get(inline(|| (StatusCode::CONFLICT, "my own words"))))
        .route("/empty", get(inline(|| StatusCode::NO_CONTENT)))
        .route("/panic", get(|| -> () { panic!("secret") }))
        .route("/async-panic", get(async || -> () { panic!("secret") }))
        .route("/stream", get(|| (StatusCode::BAD_GATEWAY, Body::from_iter([Ok::<_, std::io::Error>("")]))))
        .route(
            "/headers",
            get(inline(|| {
                (
                    StatusCode::UNAUTHORIZED,
                    [("www-authenticate", "Basic"), ("set-cookie", "a"), ("set-cookie", "b")],
                    (),
                )
            })),
        )
        .wrap(limited)
}

fn ask(app: &crate::App, method: &str, target: &str) -> Answer {
    send(app, request(method, target).body(Body::empty()).unwrap())
}

#[test]
fn what_trijet_answers_is_worded_and_nothing_else() {
    logged();
    let app = app(routes().errors(told));
    let rows = [
        ("GET", "/", 200, "fine"),
        ("GET", "/none?a", 404, "GET /none?a no route: There is nothing at this path."),
        ("PUT", "/", 405, "PUT / /: This path does not offer the method."),
        ("BREW", "/", 501, "BREW / /: This server does not know the method."),
        (
            "GET",
            "/users/x",
            400,
            "GET /users/x /users/{id}: The path value `id` is not valid: invalid digit found in string; a whole number \
             is expected.",
        ),
        ("GET", "/status", 409, "GET /status /status: "),
        ("GET", "/own", 409, "my own words"),
        ("GET", "/empty", 204, ""),
        ("GET", "/panic", 500, "GET /panic /panic: The server could not answer this request."),
        (
            "GET",
            "/async-panic",
            500,
            "GET /async-panic /async-panic: The server could not answer this request.",
        ),
        ("GET", "/stream", 502, ""),
        ("OPTIONS", "/", 204, ""),
    ];
    for (method, target, status, text) in rows {
        let answer = ask(&app, method, target);
        assert_eq!((answer.status, &*answer.text), (status, text), "{method} {target}");
        let is_panic = answer.extensions.get::<Panicked>().is_some();
        assert_eq!(is_panic, target.contains("panic"), "{target}");
    }
    let refused = ask(&app, "PUT", "/");
    assert_eq!((refused.header("allow"), refused.header("x-layer")), ("GET, HEAD, POST, OPTIONS", "1"));
    let unauthorized = fetch(&app, "/headers");
    assert_eq!((unauthorized.status, unauthorized.header("www-authenticate")), (401, "Basic"));
    assert_eq!(unauthorized.headers.get_all("set-cookie").iter().count(), 2);
    let limited = send(&app, request("GET", "/").header("x-limited", "1").body(Body::empty()).unwrap());
    assert_eq!((limited.status, limited.header("retry-after")), (429, "5"));
    assert_eq!(limited.text, "GET / /: Later.");
    let full = send_to(&app, Request::new(Body::empty()), None, Pool::Full);
    assert_eq!((full.status, full.header("retry-after")), (503, "1"));
    assert!(full.text.starts_with("GET / /: The server is busy"), "{}", full.text);
    // The body's own failure, told by an extractor.
    let streamed = Body::from_iter([Err::<Bytes, _>(BodyError::TooLarge)]);
    let large = send(&app, request("POST", "/").body(streamed).unwrap());
    assert_eq!(
        (large.status, &*large.text),
        (413, "POST / /: The request was refused: the body is larger than this route allows.")
    );
}

#[test]
fn without_it_all_is_as_it_was() {
    let app = app(routes());
    let answer = ask(&app, "GET", "/status");
    assert_eq!((answer.status, &*answer.text, answer.headers.contains_key("content-type")), (409, "", false));
    assert_eq!(ask(&app, "GET", "/none").text, "There is nothing at this path.");
}

#[test]
fn what_it_says_is_what_is_sent() {
    let with = |render: fn(&Failure) -> Response| app(routes().errors(move |failure| render(&failure)));
    let page = with(|failure| Html(format!("<p>{}", failure.detail())).into_response());
    let answer = ask(&page, "GET", "/none");
    assert_eq!((answer.status, &*answer.text), (404, "<p>There is nothing at this path."));
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let other =
        with(|_| (StatusCode::GONE, [("allow", "NOTHING"), ("x-layer", "mine")], "gone").into_response());
    let answer = ask(&other, "PUT", "/");
    assert_eq!((answer.status, answer.header("allow"), answer.header("x-layer")), (410, "NOTHING", "mine"));
    assert_eq!(answer.headers.get_all("allow").iter().count(), 1);
    let empty = with(|_| ().into_response());
    let answer = ask(&empty, "GET", "/users/x");
    assert_eq!((answer.status, &*answer.text), (400, ""));
    // What was said of the text that is gone is gone too.
    assert!(!answer.headers.contains_key("content-type"));
}

#[test]
fn it_stands_where_it_was_put_and_the_inner_one_comes_first() {
    async fn outside(request: Request, next: Next) -> Response {
        match request.headers().contains_key("x-stop") {
            true => Rejection::new(StatusCode::FORBIDDEN, "Stopped.").into_response(),
            false => next.run(request).await,
        }
    }
    let app = app(Router::new()
        .nest("/worded", Router::new().errors(|failure: Failure| format!("inner: {}", failure.detail())))
        .nest(
            "/declined",
            Router::new()
                .route("/7", get(inline(|| Rejection::new(StatusCode::NOT_FOUND, "quoted"))))
                .errors(|failure: Failure| match failure.status() {
                    StatusCode::NOT_FOUND => failure.into_response(),
                    _ => "inner".into_response(),
                }),
        )
        .errors(|failure: Failure| match failure.detail() {
            "quoted" => failure.into_response(),
            detail => format!("outer: {detail}").into_response(),
        })
        .wrap(outside));
    assert_eq!(fetch(&app, "/worded/x").text, "inner: There is nothing at this path.");
    assert_eq!(fetch(&app, "/declined/x").text, "outer: There is nothing at this path.");
    assert_eq!(fetch(&app, "/declined/7").header("x-content-type-options"), "nosniff");
    assert_eq!(fetch(&app, "/none").text, "outer: There is nothing at this path.");
    let stopped = send(&app, request("GET", "/").header("x-stop", "1").body(Body::empty()).unwrap());
    assert_eq!((stopped.status, &*stopped.text), (403, "Stopped."));
}

#[test]
fn accept_decides_between_types() {
    let show =
        |failure: Failure| format!("{:?}", failure.preferred(&["text/html", "application/problem+json"]));
    let app = app(Router::new().errors(show));
    let ask = |values: &[&str]| {
        let request =
            values.iter().fold(request("GET", "/"), |request, value| request.header("accept", *value));
        send(&app, request.body(Body::empty()).unwrap()).text
    };
    let (html, json) = ("Some(\"text/html\")", "Some(\"application/problem+json\")");
    assert_eq!(ask(&[]), html);
    assert_eq!(ask(&["*/*"]), html);
    assert_eq!(ask(&["application/problem+json, */*;q=0.1"]), json);
    assert_eq!(ask(&["image/png", "application/*"]), json);
    assert_eq!(ask(&["image/png"]), "None");
    assert_eq!(ask(&["text/html\u{e9}"]), "None");
}

/// What a handler held goes before its failure is worded.
#[test]
fn a_panic_takes_what_the_handler_held_with_it() {
    struct Held {
        _token: Arc<()>,
    }
    logged();
    let token = Arc::new(());
    let (held, seen) = (token.clone(), token);
    let app = app(Router::new()
        .route(
            "/",
            get(move || {
                let held = Held { _token: held.clone() };
                async move {
                    let _held = &held;
                    if std::hint::black_box(true) {
                        panic!("secret")
                    }
                }
            }),
        )
        .errors(move |_: Failure| Arc::strong_count(&seen).to_string()));
    let answer = fetch(&app, "/");
    // The handler itself and the words have one each.
    assert_eq!((answer.status, &*answer.text), (500, "2"));
}

#[cfg(feature = "json")]
#[test]
fn problems() {
    use crate::respond::Problem;
    let app = app(routes().errors(|failure: Failure| failure.problem()));
    let answer = ask(&app, "GET", "/none");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(
        answer.text,
        r#"{"title":"Not Found","status":404,"detail":"There is nothing at this path."}"#
    );
    assert_eq!(ask(&app, "GET", "/status").text, r#"{"title":"Conflict","status":409}"#);

    let whole = Problem::new(StatusCode::FORBIDDEN)
        .kind("https://example.org/probs/credit")
        .title("Not enough credit.")
        .detail("\"<b>\"\n")
        .instance("/log/7")
        .with("balance", 30)
        .with("accounts", ["/a", "/b"])
        .with("balance", 31);
    assert_eq!((whole.status(), whole.to_string()), (StatusCode::FORBIDDEN, "\"<b>\"\n".into()));
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(
        text,
        r#"{"type":"https://example.org/probs/credit","title":"Not enough credit.","status":403,"detail":"\"<b>\"\n","instance":"/log/7","accounts":["/a","/b"],"balance":31}"#
    );
    assert_eq!(whole.into_response().status(), 403);
    logged();
    let twice = Problem::new(StatusCode::FORBIDDEN).with("status", 200).into_response();
    let unkeyed = std::collections::HashMap::from([((1, 2), 3)]);
    let unsendable = Problem::new(StatusCode::FORBIDDEN).with("x", unkeyed).into_response();
    assert_eq!((twice.status().as_u16(), unsendable.status().as_u16()), (500, 500));
    let lines = logged();
    assert!(lines[0].contains("`status` is no extension of a Problem"), "{lines:?}");
    assert!(lines[1].contains("Problem: `x`: key must be a string"), "{lines:?}");
    let rejected = Problem::from(Rejection::new(StatusCode::GONE, "It was here."));
    assert_eq!(
        serde_json::to_string(&rejected).unwrap(),
        r#"{"title":"Gone","status":410,"detail":"It was here."}"#
    );
}

/// What a peer receives that sends `bytes`.
#[cfg(feature = "testing")]
fn received(router: Router, bytes: &str) -> String {
    use crate::sim::{Settings, Sim};
    let sim = Sim::new(router, Settings::default());
    let peer = sim.connect();
    peer.send(bytes);
    sim.settle();
    peer.received_text()
}

/// Whatever is made of its answer on the way out.
#[cfg(feature = "testing")]
#[test]
fn a_connection_is_closed_after_a_panic() {
    async fn fresh(request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        if response.status().is_server_error() { "all is well".into_response() } else { response }
    }
    fn fresh_blocking(request: Request, next: Next) -> Response {
        let response = next.run_blocking(request);
        if response.status().is_server_error() { "all is well".into_response() } else { response }
    }
    async fn plain(request: Request, next: Next) -> Response {
        next.run(request).await
    }
    fn plain_blocking(request: Request, next: Next) -> Response {
        next.run_blocking(request)
    }
    logged();
    let routers: [(&str, Router); 5] = [
        ("async", routes().errors(told).wrap(fresh)),
        ("fn", routes().errors(told).wrap(fresh_blocking)),
        ("fn, then async", routes().errors(told).wrap(plain_blocking).wrap(fresh)),
        ("errors outside", routes().wrap(plain_blocking).errors(told).wrap(fresh)),
        (
            "all kinds",
            routes().wrap(plain).errors(told).wrap(plain_blocking).wrap(fresh_blocking).errors(told),
        ),
    ];
    for (name, router) in routers {
        let sim = crate::sim::Sim::new(router, crate::sim::Settings::default());
        for target in ["/panic", "/async-panic"] {
            let peer = sim.connect();
            peer.send(format!("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            sim.settle();
            let text = peer.received_text();
            assert!(text.ends_with("all is well"), "{name} {target}: {text}");
            assert_eq!(text.matches("connection: close").count(), 1, "{name} {target}: {text}");
        }
    }
}

#[cfg(feature = "testing")]
#[test]
fn words_that_come_later_are_those_of_a_failure_too() {
    use crate::respond::Deferred;
    let later = |status: StatusCode| {
        routes().errors(move |failure: Failure| {
            let (reply, deferred) = Deferred::new(std::time::Duration::from_secs(5));
            reply.send((status, format!("later: {}", failure.detail())));
            deferred
        })
    };
    let refused = received(later(StatusCode::OK), "PUT / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{refused}");
    assert!(refused.contains("allow: GET, HEAD, POST, OPTIONS\r\n"), "{refused}");
    assert!(refused.ends_with("later: This path does not offer the method."), "{refused}");
    let gone = received(later(StatusCode::GONE), "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(gone.starts_with("HTTP/1.1 410 Gone\r\n"), "{gone}");
}

/// As everywhere: what the inner one leaves as it is, the outer one words.
#[cfg(feature = "testing")]
#[test]
fn a_length_that_is_too_large_is_worded_from_the_inside_out() {
    let router = |inner: fn(Failure) -> Response| {
        Router::new()
            .nest("/n", Router::new().route("/", crate::post(async |_: Bytes| "")).errors(inner))
            .errors(|failure: Failure| format!("outer: {}", failure.status()))
    };
    let bytes = "POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n";
    for (inner, expected) in [
        (IntoResponse::into_response as fn(Failure) -> Response, "outer: 413 Payload Too Large"),
        (|_| "inner".into_response(), "inner"),
    ] {
        let text = received(router(inner), bytes);
        assert!(text.starts_with("HTTP/1.1 413 ") && text.ends_with(expected), "{text}");
    }
}

#[test]
fn fields_of_the_body_that_is_gone_are_gone_too() {
    let of_the_body = [
        "content-type",
        "content-encoding",
        "content-language",
        "content-location",
        "content-disposition",
        "content-digest",
        "repr-digest",
        "etag",
        "last-modified",
    ];
    let router = Router::new().route(
        "/",
        get(inline(move || {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            for name in of_the_body {
                response.headers_mut().insert(name, "old".parse().unwrap());
            }
            response.headers_mut().insert("content-range", "bytes */7".parse().unwrap());
            response
        })),
    );
    let answer = fetch(&app(router.errors(|_: Failure| ([("content-language", "en")], "words"))), "/");
    assert_eq!((answer.status, &*answer.text), (416, "words"));
    let left = |name: &str| answer.headers.get(name).is_some_and(|value| value == "old");
    assert_eq!(of_the_body.into_iter().filter(|name| left(name)).collect::<Vec<_>>(), [""; 0]);
    assert_eq!((answer.header("content-language"), answer.header("content-range")), ("en", "bytes */7"));
}

/// RFC 9110 §12.5.5.
#[test]
fn what_depends_on_accept_says_so() {
    let failing = |vary: &'static str| {
        let answer = move || match vary {
            "" => StatusCode::CONFLICT.into_response(),
            vary => (StatusCode::CONFLICT, [("vary", vary)], ()).into_response(),
        };
        Router::new().route("/", get(inline(answer)))
    };
    fn negotiated(failure: Failure) -> String {
        failure.preferred(&["text/html"]).unwrap_or_default().to_owned()
    }
    fn own(failure: Failure) -> Response {
        ([("vary", "accept-language")], negotiated(failure)).into_response()
    }
    let rows = [
        (failing("").errors(|_: Failure| "words"), &[][..]),
        (failing("").errors(negotiated), &["accept"]),
        (failing("origin").errors(negotiated), &["origin", "accept"]),
        (failing("Origin, Accept").errors(negotiated), &["Origin, Accept"]),
        (failing("*").errors(negotiated), &["*"]),
        (failing("origin").errors(own), &["accept-language", "origin", "accept"]),
        (failing("accept-language").errors(own), &["accept-language", "accept"]),
    ];
    for (row, (router, expected)) in rows.into_iter().enumerate() {
        let answer = fetch(&app(router), "/");
        assert_eq!(answer.headers.get_all("vary").iter().collect::<Vec<_>>(), expected, "row {row}");
    }
}
