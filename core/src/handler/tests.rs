use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use http::{HeaderMap, Method, Uri, Version};

use crate::{
    Body, Bytes, IntoResponse, Path, Request, Response, Router, StatusCode,
    exercise::{PEER, Pool, app, get as fetch, logged, reply, request, send, send_to},
    extract::PeerAddress,
    get, inline, post,
    respond::Panicked,
};

fn plain(Path(id): Path<u8>) -> String {
    format!("plain {id}")
}

async fn asynchronous(Path(id): Path<u8>) -> Result<String, StatusCode> {
    if id == 0 {
        return Err(StatusCode::IM_A_TEAPOT);
    }
    Ok(format!("asynchronous {id}"))
}

#[test]
fn both_kinds_of_functions_and_closures_are_handlers() {
    let captured = Arc::new(String::from("captured"));
    let (one, two) = (captured.clone(), captured);
    let app = app(Router::new()
        .route("/fn/{id}", get(plain))
        .route("/async/{id}", get(asynchronous))
        .route("/inline/{id}", get(inline(plain)))
        .route("/closure", get(move || format!("{one} by a closure")))
        .route("/future", get(move || std::future::ready(format!("{two} by a future"))))
        .route("/async-closure", get(async |method: Method| method.to_string()))
        .route("/diverging", get(|| -> Response { StatusCode::NO_CONTENT.into_response() })));
    let rows = [
        ("/fn/1", 200, "plain 1", 1),
        ("/async/2", 200, "asynchronous 2", 0),
        ("/async/0", 418, "", 0),
        ("/inline/3", 200, "plain 3", 0),
        ("/closure", 200, "captured by a closure", 1),
        ("/future", 200, "captured by a future", 0),
        ("/async-closure", 200, "GET", 0),
        ("/diverging", 204, "", 1),
        // A rejection needs no thread.
        ("/fn/256", 400, "The path value `id` is not valid: number too large to fit in target type.", 0),
    ];
    for (target, status, text, jobs) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text, answer.jobs), (status, text, jobs), "{target}");
    }
}

#[test]
fn twelve_arguments_are_taken_in_order_the_body_last() {
    #[expect(clippy::too_many_arguments, reason = "the most that a handler may have")]
    fn all(
        method: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        path: Path<String>,
        peer: PeerAddress,
        _: Option<PeerAddress>,
        _: Method,
        _: Method,
        _: Method,
        _: Method,
        body: Bytes,
    ) -> String {
        format!("{method} {} {} {}", path.0, peer.0, body.len())
    }
    let app = app(Router::new().route("/{x}", post(all)));
    let answer = send(&app, request("POST", "/a").body(Body::from("12345")).unwrap());
    assert_eq!(answer.text, format!("POST a {PEER} 5"));
}

#[test]
fn nothing_runs_before_the_first_poll() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (one, two, three) = (calls.clone(), calls.clone(), calls.clone());
    let count = |calls: &AtomicUsize| {
        calls.fetch_add(1, SeqCst);
    };
    let app = app(Router::new()
        .route("/fn", get(move || count(&one)))
        .route(
            "/async",
            get(move || {
                count(&two);
                std::future::ready(())
            }),
        )
        .route("/inline", get(inline(move || count(&three)))));
    for target in ["/fn", "/async", "/inline"] {
        drop(reply(&app, request("GET", target).body(Body::empty()).unwrap(), None));
        assert_eq!(calls.swap(0, SeqCst), 0, "{target}");
        fetch(&app, target);
        assert_eq!(calls.swap(0, SeqCst), 1, "{target}");
    }
}

#[test]
fn a_panic_in_a_plain_function_is_contained_and_marked() {
    struct Unmakeable;
    impl IntoResponse for Unmakeable {
        fn into_response(self) -> Response {
            panic!("in IntoResponse")
        }
    }
    let app = app(Router::new()
        .route("/call", get(|| -> () { panic!("secret") }))
        .route("/response", get(|| Unmakeable)));
    for target in ["/call", "/response"] {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text), (500, "The server could not answer this request."));
        assert!(answer.extensions.get::<Panicked>().is_some(), "{target}");
    }
}

#[test]
fn a_full_pool_answers_503_with_retry_after() {
    let app = app(Router::new().route("/", get(|| "hello")));
    let answer = send_to(&app, request("GET", "/").body(Body::empty()).unwrap(), None, Pool::Full);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert!(answer.extensions.get::<Panicked>().is_none());
}

#[test]
fn a_plain_function_polled_outside_the_server_says_what_to_do() {
    logged();
    let app = app(Router::new().route("/", get(|| "hello")));
    let mut reply = reply(&app, Request::default(), None);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(answer) = std::pin::Pin::new(&mut reply).poll(&mut context) else {
        panic!("pending")
    };
    assert_eq!(answer.into_response().status(), 500);
    let [line] = &logged()[..] else { panic!("one line") };
    assert!(line.contains("await `next.run(request)` in the middleware itself"), "{line}");
}

/// What its type cannot say: a value that cannot serve.
#[test]
fn a_value_says_at_start_what_it_lacks() {
    use crate::{
        Handler, ReceivedHead,
        extract::{ContextRef, Needs},
        respond::Answer,
    };

    #[derive(Clone)]
    struct Lacking(&'static str);

    impl Handler<Lacking> for Lacking {
        fn call(
            self,
            _: ReceivedHead<'_>,
            _: Body,
            _: ContextRef<'_>,
        ) -> impl Future<Output = Answer> + Send + 'static {
            std::future::ready(().into_response().into())
        }

        fn declare(_: &mut Needs) {}

        fn check(&self, needs: &mut Needs) {
            if !self.0.is_empty() {
                needs.fault(format!("there is no {}", self.0));
            }
        }
    }

    let router = |what| Router::new().route("/", get(Lacking(what)));
    assert!(router("").build().is_ok());
    let error = router("folder").build().unwrap_err();
    let faults: Vec<&str> = error.faults().collect();
    assert!(
        matches!(faults[..], [fault] if fault.starts_with("GET /") && fault.contains("there is no folder"))
    );
}

/// So much is kept for the next reply of a handler that what handlers mostly take fits into it.
#[test]
fn the_memory_of_common_handlers_serves_again() {
    async fn everything(_: Method, _: Uri, _: HeaderMap, path: Path<(String, u8)>, body: Bytes) -> Bytes {
        let Path((_, _)) = path;
        body
    }
    fn blocking(_: HeaderMap, path: Path<(String, u8)>, body: String) -> String {
        path.0.0 + &body
    }
    let app = app(Router::new()
        .route("/async/{a}/{b}", post(everything))
        .route("/fn/{a}/{b}", post(blocking))
        .route("/nothing", post(async || ())));
    for target in ["/async/a/1", "/fn/a/1", "/nothing"] {
        let reply = reply(&app, request("POST", target).body(Body::from("body")).unwrap(), None);
        assert!(reply.into_spare().is_some(), "{target} takes more");
    }
}
