mod errors;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
};

use super::access_log;
use crate::{
    Body, IntoResponse, Next, Request, Response, Router, State, StatusCode,
    exercise::{PEER, app, get as fetch, logged, request, send, send_to},
    extract::PeerAddress,
    get,
    respond::Panicked,
};

fn blocking(request: Request, next: Next) -> impl IntoResponse {
    ([("x-layer", "blocking")], next.run_blocking(request))
}

#[test]
fn all_inside_a_blocking_layer_runs_on_its_thread_as_one_job() {
    let (places, seen) = mpsc::channel::<(&str, ThreadId)>();
    let note = move |name| places.send((name, thread::current().id())).unwrap();
    let (outer, inner, handler) = (note.clone(), note.clone(), note);
    let app = app(Router::new()
        .route(
            "/",
            get(move || {
                handler("handler");
                "made"
            }),
        )
        .wrap(move |request: Request, next: Next| {
            inner("inner");
            next.run_blocking(request)
        })
        .wrap(async |request: Request, next: Next| next.run(request).await)
        .wrap(move |request: Request, next: Next| {
            outer("outer");
            next.run_blocking(request)
        }));
    let answer = fetch(&app, "/");
    assert_eq!((answer.status, &*answer.text, answer.jobs), (200, "made", 1));
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(seen.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["outer", "inner", "handler"]);
    assert!(seen.iter().all(|(_, thread)| *thread == seen[0].1));
}

#[test]
fn a_layer_can_answer_by_itself_or_change_the_request() {
    async fn guard(
        State(word): State<&'static str>,
        peer: PeerAddress,
        mut request: Request,
        next: Next,
    ) -> Response {
        if request.headers().get("x-word").is_none_or(|sent| sent != word) {
            return (StatusCode::FORBIDDEN, peer.0.to_string()).into_response();
        }
        request.extensions_mut().insert(7_u8);
        // The captures are those of the route that matched, whatever the address says now.
        *request.uri_mut() = http::Uri::from_static("/rewritten");
        next.run(request).await
    }
    async fn handler(crate::Path(id): crate::Path<u8>, request: Request) -> String {
        format!("{id} {} {:?}", request.uri(), request.extensions().get::<u8>())
    }
    let app = app(Router::new().route("/longer/{id}", get(handler)).wrap(guard).state("open"));
    let refused = fetch(&app, "/longer/1");
    assert_eq!((refused.status, refused.text), (403, PEER.to_string()));
    let passed =
        send(&app, request("GET", "/longer/1").header("x-word", "open").body(Body::empty()).unwrap());
    assert_eq!((passed.status, &*passed.text), (200, "1 /rewritten Some(7)"));
    let no_peer = request("GET", "/longer/1").body(Body::empty()).unwrap();
    assert_eq!(send_to(&app, no_peer, None, crate::exercise::Pool::Free).status, 500);
}

#[test]
fn next_knows_the_route_and_the_peer() {
    async fn tell(request: Request, next: Next) -> Response {
        let known = format!("{:?} {:?}", next.route(), next.peer_address());
        let inner = next.run(request).await;
        (inner.status(), known).into_response()
    }
    let app = app(Router::new().nest("/a", Router::new().route("/{id}", get(|| ()))).wrap(tell));
    let rows = [("/a/1", 200, "Some(\"/a/{id}\")"), ("/a", 404, "None"), ("/b", 404, "None")];
    for (target, status, route) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, answer.text), (status, format!("{route} Some({PEER})")), "{target}");
    }
}

#[test]
fn what_is_inside_can_be_run_again() {
    async fn until_it_works(request: Request, next: Next) -> Response {
        for _ in 0..4 {
            let again = Request::builder().uri(request.uri().clone()).body(Body::empty()).unwrap();
            let response = next.clone().run(again).await;
            if response.status() == 200 {
                return response;
            }
        }
        next.run(request).await
    }
    let calls = Arc::new(AtomicU32::new(0));
    let app = app(Router::new()
        .route(
            "/{id}",
            get(move |crate::Path(id): crate::Path<u8>| match calls.fetch_add(1, Ordering::Relaxed) {
                2 => Ok(format!("{id} at last")),
                _ => Err(StatusCode::SERVICE_UNAVAILABLE),
            }),
        )
        .wrap(until_it_works));
    let answer = fetch(&app, "/7");
    assert_eq!((answer.status, &*answer.text, answer.jobs), (200, "7 at last", 3));
}

#[test]
fn a_blocking_call_in_an_async_layer_is_refused_and_named() {
    logged();
    async fn mistaken(request: Request, next: Next) -> Response {
        next.run_blocking(request)
    }
    let app = app(Router::new().route("/x", get(|| "never")).wrap(mistaken));
    assert_eq!(fetch(&app, "/x").status, 500);
    let [line] = &logged()[..] else { panic!("one line") };
    assert!(line.contains("around `/x` called `next.run_blocking` inside an `async fn`"), "{line}");
}

#[test]
fn a_panic_in_a_blocking_layer_is_contained() {
    fn panics(_: Request, _: Next) -> Response {
        panic!("in a layer")
    }
    let answer = fetch(&app(Router::new().wrap(panics)), "/");
    assert_eq!(answer.status, 500);
    assert!(answer.extensions.get::<Panicked>().is_some());
}

#[test]
fn a_panic_inside_a_blocking_layer_keeps_its_mark() {
    let app = app(Router::new().route("/", get(|| -> () { panic!("inside") })).wrap(blocking));
    let answer = fetch(&app, "/");
    assert_eq!((answer.status, answer.header("x-layer")), (500, "blocking"));
    assert!(answer.extensions.get::<Panicked>().is_some());
}

#[test]
fn the_access_log_has_one_line_for_each_request() {
    logged();
    let app = app(Router::new().route("/a", get(|| "a")).wrap(access_log));
    fetch(&app, "/a?b=c");
    send_to(&app, request("PUT", "/a").body(Body::empty()).unwrap(), None, crate::exercise::Pool::Free);
    fetch(&app, "/none");
    assert_eq!(
        logged(),
        [
            format!("INFO trijet::access GET /a?b=c HTTP/1.1 200 {PEER}"),
            "INFO trijet::access PUT /a HTTP/1.1 405 -".into(),
            format!("INFO trijet::access GET /none HTTP/1.1 404 {PEER}"),
        ]
    );
}
