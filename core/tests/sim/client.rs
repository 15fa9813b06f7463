//! The test client: what it sends, what it understands, and how it fails.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use trijet_core::{
    Body, Deferred, HeaderMap, Method, Path, Router, State, any,
    extract::PeerAddress,
    get, post, rt,
    sim::{Schedule, Settings, TestClient},
};

use crate::app::{self, Gate, Items};

/// What `call` panics with.
pub(crate) fn panic_of(call: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it has to panic");
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).expect("a text").to_owned()
}

#[test]
fn it_sends_what_it_is_told() {
    let tell = async |method: Method, Path(name): Path<String>, headers: HeaderMap, body: String| {
        let field = |name| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        format!("{method} {name} {} {} {body}", field("host"), field("x-one"))
    };
    let client = TestClient::new(Router::new().route("/{name}", any(tell)));
    assert_eq!(client.get("/a%20b").send().text(), "GET a b localhost - ");
    assert_eq!(client.put("/c").header("x-one", "1").body("d").send().text(), "PUT c localhost 1 d");
    assert_eq!(client.post("/c").header("host", "e").chunks(["f", "", "g"]).send().text(), "POST c e - fg");
    for (request, method) in [
        (client.patch("/"), "PATCH"),
        (client.delete("/"), "DELETE"),
        (client.request(Method::TRACE, "/"), "TRACE"),
    ] {
        assert!(format!("{request:?}").contains(method));
    }
}

#[test]
fn it_understands_what_it_is_answered() {
    let client = TestClient::new(app::router());
    let stream = client.get("/stream").send();
    assert_eq!((stream.text(), stream.chunks().len()), ("abc", 2));
    let head = client.head("/").send();
    assert_eq!((head.header("content-length"), head.text()), (Some("13"), ""));
    assert_eq!(client.get("/empty").send().status, 204);
    assert_eq!(client.options("/echo").send().header("allow"), Some("POST, OPTIONS"));
    let raw = client.raw("GET / HTTP/1.0\r\n\r\n");
    assert!(raw.text().ends_with("Hello, World!") && raw.is_closed);
    assert!(!client.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_closed);
}

#[cfg(all(feature = "json", feature = "form"))]
#[test]
fn it_speaks_json_and_forms() {
    use std::collections::BTreeMap;

    use trijet_core::{Form, Json};

    type Map = BTreeMap<String, String>;
    let router = Router::new()
        .route("/json", post(async |Json(map): Json<Map>| Json(map)))
        .route("/form", post(async |Form(map): Form<Map>| Json(map)));
    let client = TestClient::new(router);
    let map = Map::from([("a".to_owned(), "b & c".to_owned())]);
    assert_eq!(client.post("/json").json(&map).send().json::<Map>(), map);
    assert_eq!(client.post("/form").form(&map).send().json::<Map>(), map);
    // A type that was set is the only one.
    let request = client.post("/json").header("content-type", "application/merge-patch+json").json(&map);
    request.send().assert_status(200).assert_json(&map);
    client.post("/json").header("content-type", "text/plain").json(&map).send().assert_status(415);
}

#[test]
fn a_handler_that_never_answers_is_named() {
    let never = async |State(gate): State<Gate>| gate.passed().await;
    let router = Router::new().route("/never", get(never)).state(Gate::default());
    let client = TestClient::new(router).patience(Duration::ZERO);
    let panic = panic_of(|| drop(client.get("/never").send()));
    assert!(panic.starts_with("GET /never: no answer after 0ns of virtual time"), "{panic}");
}

#[test]
fn a_response_that_is_cut_is_named() {
    let client = TestClient::new(app::router());
    let panic = panic_of(|| drop(client.get("/stream/short").send()));
    assert!(panic.starts_with("GET /stream/short: the server closed the connection within"), "{panic}");
}

#[test]
fn a_router_that_must_not_be_served_is_named() {
    let router = Router::new().route("/a", get(async |State(number): State<u32>| number.to_string()));
    let panic = panic_of(|| drop(TestClient::new(router)));
    assert!(panic.contains("/a") && panic.contains("u32"), "{panic}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "another thread is what is tested")]
fn a_handler_may_wait_for_another_thread() {
    let gate = Gate::default();
    let waits = async |State(gate): State<Gate>| {
        std::thread::spawn({
            let gate = gate.clone();
            move || gate.open()
        });
        gate.passed().await;
        "woken"
    };
    let app = || Router::new().route("/", get(waits)).state(gate.clone());
    // Other settings have the same patience.
    for client in [TestClient::new(app()), TestClient::with_settings(app(), Settings::default())] {
        assert_eq!(client.get("/").send().text(), "woken");
    }
}

/// What ticks would let time pass for ever.
#[test]
fn a_handler_that_never_answers_is_named_though_something_ticks() {
    let never = async |State(gate): State<Gate>| {
        drop(rt::spawn(async {
            loop {
                rt::sleep(Duration::from_secs(60)).await;
            }
        }));
        gate.passed().await;
    };
    let router = Router::new().route("/never", get(never)).state(Gate::default());
    let client =
        TestClient::with_settings(router, Settings { patience: Some(Duration::ZERO), ..Settings::default() });
    let panic = panic_of(|| drop(client.get("/never").send()));
    assert!(panic.starts_with("GET /never: no answer after 86400s of virtual time"), "{panic}");
}

/// Has always one more KiB, and counts them.
struct Endless(Arc<AtomicUsize>);

impl Stream for Endless {
    type Item = Result<Vec<u8>, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(vec![b'x'; 1 << 10])))
    }
}

/// As a socket does: what is not read fills a buffer, and then the server waits.
#[test]
fn a_body_that_is_not_read_is_not_asked_for() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let endless = move || Body::from_stream(Endless(count.clone()));
    let client =
        TestClient::new(Router::new().route("/", get(endless)).route("/other", get(async || "other")));
    let mut exchange = client.get("/").open();
    exchange.head().assert_status(200);
    client.advance(Duration::from_secs(1));
    client.get("/other").send().assert_text("other");
    let before = made.load(Ordering::Relaxed);
    assert!(before < 1 << 10, "{before} KiB are made");
    for _ in 0..1 << 10 {
        assert_eq!(exchange.read().unwrap().len(), 1 << 10);
    }
    assert!(made.load(Ordering::Relaxed) >= 1 << 10);
    drop(exchange);
    client.advance(Duration::ZERO);
    let left = made.load(Ordering::Relaxed);
    client.advance(Duration::from_secs(1));
    assert_eq!(made.load(Ordering::Relaxed), left, "it goes on though nobody is there");
}

#[test]
fn no_duration_is_too_long() {
    let client = TestClient::new(Router::new().route("/", post(|body: String| body))).patience(Duration::MAX);
    client.advance(Duration::MAX);
    client.advance(Duration::MAX);
    let mut exchange = client.post("/").open();
    exchange.write("a").pause(Duration::MAX).write("b");
    exchange.finish().assert_status(408);
}

/// An answer that another thread gives once a task of four seconds has told it to: within the five that it has.
#[test]
#[expect(clippy::disallowed_methods, reason = "another thread is what is tested")]
fn no_deadline_is_over_while_another_thread_may_still_answer() {
    let deferring = || {
        let (reply, deferred) = Deferred::new(Duration::from_secs(5));
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            told.recv().unwrap();
            reply.send("in time");
        });
        drop(rt::spawn(async move {
            rt::sleep(Duration::from_secs(4)).await;
            tell.send(()).unwrap();
        }));
        deferred
    };
    let client = TestClient::new(Router::new().route("/", get(deferring)));
    assert_eq!(client.get("/").send().text(), "in time");
    assert_eq!(client.sim().elapsed(), Duration::from_secs(4));
}

#[test]
fn a_deadline_is_over_where_nobody_answers() {
    let replies = Arc::new(Mutex::new(Vec::new()));
    let kept = replies.clone();
    let owing = move || {
        let (reply, deferred) = Deferred::new(Duration::from_secs(5));
        kept.lock().unwrap().push(reply);
        deferred
    };
    for patience in [Duration::ZERO, Duration::from_millis(1)] {
        let settings = Settings { patience: Some(patience), ..Settings::default() };
        let client = TestClient::with_settings(Router::new().route("/", get(owing.clone())), settings);
        assert_eq!(client.get("/").send().status, 504);
        assert_eq!(client.sim().elapsed(), Duration::from_secs(5));
    }
    assert!(replies.lock().unwrap().iter().all(|reply| !reply.is_wanted()));
}

/// The sizes of the pieces that a body of 1000 bytes comes in.
fn pieces(schedule: Schedule) -> Vec<usize> {
    let router = Router::new().route("/", post(async |body: Body| Body::from_stream(body.into_stream())));
    let client = TestClient::with_settings(router, Settings { schedule, ..Settings::default() });
    let response = client.post("/").body("x".repeat(1000)).send();
    response.chunks().iter().map(trijet_core::Bytes::len).collect()
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_does_not() {
    assert_eq!(pieces(Schedule::InOrder), [1000]);
    let one = pieces(Schedule::Seeded(1));
    assert!(one.len() > 1, "the seed cuts nothing");
    assert_eq!(pieces(Schedule::Seeded(1)), one);
    assert_ne!(pieces(Schedule::Seeded(2)), one);
}

/// RFC 9112 §3.2.2: the host that the target has is the one that counts.
#[test]
fn cookies_go_by_the_host_of_the_target() {
    let visit = async |headers: HeaderMap| {
        let cookies = headers.get("cookie").map_or("-", |cookies| cookies.to_str().unwrap()).to_owned();
        ([("set-cookie", "seen=yes")], format!("{} {cookies}", headers["host"].to_str().unwrap()))
    };
    let client = TestClient::new(Router::new().route("/", get(visit))).with_cookies();
    client.get("http://a.example:80/").send().assert_text("a.example:80 -");
    client.get("/").send().assert_text("localhost -");
    client.get("/").header("host", "a.example").send().assert_text("a.example seen=yes");
    client.get("http://a.example/").header("host", "other").send().assert_text_contains("seen=yes");
}

#[test]
fn whether_more_may_come_is_told_apart_from_the_end() {
    let slow = async || {
        rt::sleep(Duration::from_secs(1)).await;
        "now"
    };
    let client = TestClient::new(Router::new().route("/", get(slow)));
    let mut exchange = client.get("/").open();
    assert_eq!((exchange.read_now(), exchange.is_over()), (None, false));
    client.advance(Duration::from_secs(1));
    assert_eq!(exchange.read_now().unwrap(), "now");
    assert_eq!((exchange.read_now(), exchange.is_over()), (None, true));
}

/// Else each request would cost more than the one before it.
#[test]
fn a_connection_that_is_over_leaves_its_place() {
    let port = async |PeerAddress(address): PeerAddress| address.port().to_string();
    let client = TestClient::new(Router::new().route("/", get(port)));
    let open = client.get("/").open();
    let ports: BTreeSet<String> = (0..100).map(|_| client.get("/").send().text().to_owned()).collect();
    assert_eq!(ports.len(), 1, "{ports:?}");
    let other = client.get("/").send().text().to_owned();
    assert_ne!(open.finish().text(), other);
}

#[test]
fn a_stream_of_nothing_is_an_empty_body() {
    let client =
        TestClient::new(Router::new().route("/", get(async || Body::from_stream(Items::new(["", ""])))));
    let response = client.get("/").send();
    assert_eq!((response.text(), response.header("transfer-encoding")), ("", Some("chunked")));
}
