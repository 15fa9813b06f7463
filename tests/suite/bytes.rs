//! The bytes of answers: written by core alone, one item one chunk, a pipeline's in one write, and one
//! handler at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc::channel,
};

use futures_util::stream;
use trijet::{Backend, Body, HeaderMap, Limits, Router, StatusCode, get, http::HeaderName, post};

use crate::common::{
    PATIENCE,
    client::{get as request, post as upload},
    eventually,
    gate::Gate,
    server::{start, start_workers},
};

on_every_backend!(
    heads_to_the_byte,
    what_an_app_sets_cannot_break_the_framing,
    one_item_is_one_chunk,
    a_pipeline_s_answers_leave_in_one_write,
    one_handler_at_a_time_and_in_order,
    at_most_a_turn_before_others,
);

/// The bytes of an answer, its date made the same.
fn answer(on: Backend, app: Router, bytes: &str) -> String {
    let server = start(on, app);
    let (all, end) = server.connect().send(bytes).half_close().everything();
    assert_eq!(end, Ok(()));
    let all = String::from_utf8(all).unwrap();
    let mut rest = all.as_str();
    let mut dated = String::new();
    while let Some((before, after)) = rest.split_once("\r\ndate: ") {
        let (date, after) = after.split_once("\r\n").expect("a line end");
        assert_eq!((date.len(), &date[26..]), (29, "GMT"), "{date}");
        dated += &format!("{before}\r\ndate: …\r\n");
        rest = after;
    }
    dated + rest
}

fn heads_to_the_byte(on: Backend) {
    let app = || {
        Router::new()
            .route("/", get(async || "hello"))
            .route("/fn", get(|| (StatusCode::CREATED, [("X-Upper", "Value")], "made")))
            .route("/stream", get(|| Body::from_iter(["one", "two"].map(Ok::<_, std::io::Error>))))
            .route("/none", get(async || StatusCode::NO_CONTENT))
    };
    let cases = [
        (
            request("/"),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 5\r\ndate: …\r\n\r\nhello",
        ),
        (
            request("/fn"),
            "HTTP/1.1 201 Created\r\ncontent-type: text/plain; charset=utf-8\r\nx-upper: Value\r\n\
             content-length: 4\r\ndate: …\r\n\r\nmade",
        ),
        (
            request("/stream"),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ndate: …\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
        ),
        (request("/none"), "HTTP/1.1 204 No Content\r\ndate: …\r\n\r\n"),
        (
            "GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 5\r\n\
             connection: close\r\ndate: …\r\n\r\nhello",
        ),
        (
            "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 5\r\n\
             connection: keep-alive\r\ndate: …\r\n\r\nhello",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(answer(on, app(), &bytes), expected, "{bytes}");
    }
}

/// An app that sets what is core's own: one framing, one date, one answer.
fn what_an_app_sets_cannot_break_the_framing(on: Backend) {
    for (name, value) in [
        ("content-length", "100"),
        ("content-length", "x"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "gzip"),
        ("connection", "keep-alive"),
        ("connection", "upgrade, x"),
        ("date", "yesterday"),
        ("keep-alive", "timeout=5"),
    ] {
        let headers: HeaderMap =
            [(name.parse::<HeaderName>().unwrap(), value.parse().unwrap())].into_iter().collect();
        let (one, other) = (headers.clone(), headers);
        let app = Router::new()
            .route("/", get(async || "hello"))
            .route("/full", get(move || (one.clone(), "whole")))
            .route(
                "/stream",
                get(move || (other.clone(), Body::from_iter(["wh", "ole"].map(Ok::<_, std::io::Error>)))),
            );
        let server = start(on, app);
        for path in ["/full", "/stream"] {
            let mut client = server.connect();
            // The strict client finds two framings, two dates or a body that is not what its head says.
            let head = client.send(request(path)).head();
            if head.status == 200 && name == "content-length" && path == "/stream" && value == "100" {
                // The app's word is taken for a length that cannot be known: a wrong one is a cut.
                client.is_cut();
                continue;
            }
            let answer = client.rest_of(head);
            assert!(answer.status == 500 || answer.text() == "whole", "{name}: {value}: {answer:?}");
            if answer.closes() {
                client.is_ended();
            } else {
                client.get("/").says("hello");
            }
        }
    }
}

fn one_item_is_one_chunk(on: Backend) {
    const SIZES: [usize; 6] = [1, 70_000, 3, 65_536, 0, 20];
    let items = || SIZES.map(|size| Ok::<_, std::io::Error>("x".repeat(size))).into_iter();
    let app = Router::new()
        .route("/stream", get(move || std::future::ready(Body::from_stream(stream::iter(items())))))
        .route("/iter", get(move || Body::from_iter(items())));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/stream", "/iter"] {
        let answer = client.get(path).with_status(200);
        let expected: Vec<usize> = SIZES.into_iter().filter(|&size| size > 0).collect();
        assert_eq!(answer.chunks, Some(expected), "{path}");
    }
}

/// One write is one read of the other side, as all of it fits into a segment of this network.
fn a_pipeline_s_answers_leave_in_one_write(on: Backend) {
    const COUNT: usize = 16;
    let app = Router::new().route("/", get(async || "hello")).route("/echo", post(async |body: String| body));
    let server = start(on, app);
    for requests in [request("/").repeat(COUNT), upload("/echo", "hello").repeat(COUNT)] {
        for _ in 0..20 {
            let mut client = server.connect();
            client.send(&requests);
            let first = client.first_read();
            let answers = first.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
            assert_eq!(answers, COUNT, "{}", String::from_utf8_lossy(first));
        }
    }
}

fn one_handler_at_a_time_and_in_order(on: Backend) {
    let running = Arc::new(AtomicUsize::new(0));
    let (one, other) = (running.clone(), running);
    let wait = || {
        let mut is_first = true;
        std::future::poll_fn(move |cx| {
            if std::mem::take(&mut is_first) {
                cx.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        })
    };
    let app = Router::new()
        .route(
            "/async/{n}",
            get(move |trijet::Path(n): trijet::Path<u32>| {
                let running = one.clone();
                async move {
                    let others = running.fetch_add(1, Ordering::SeqCst);
                    wait().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    format!("{n} {others}")
                }
            }),
        )
        .route(
            "/fn/{n}",
            get(move |trijet::Path(n): trijet::Path<u32>| {
                let others = other.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                other.fetch_sub(1, Ordering::SeqCst);
                format!("{n} {others}")
            }),
        );
    let server = start(on, app);
    let mut client = server.connect();
    let requests: String = (0..200).map(|n| request(&format!("/{}/{n}", ["async", "fn"][n % 2]))).collect();
    client.send(requests);
    for n in 0..200 {
        client.response().says(&format!("{n} 0"));
    }
}

/// Two connections with long pipelines on one loop, or thread: neither is served much more than a turn
/// while the other waits.
fn at_most_a_turn_before_others(on: Backend) {
    const COUNT: usize = 400;
    let turn = usize::try_from(Limits::default().turn_requests_max).unwrap();
    let (served, order) = channel();
    let (entered, entries) = channel();
    let gate = Gate::default();
    let held = gate.clone();
    let app = Router::new()
        .route(
            "/{id}",
            get(move |trijet::Path(id): trijet::Path<usize>| {
                served.send(id).unwrap();
                std::future::ready(())
            }),
        )
        .route(
            "/hold",
            get(move || {
                entered.send(()).unwrap();
                // An `async fn` must not block: this one does, to hold its loop, or thread.
                held.wait();
                std::future::ready(())
            }),
        );
    let server = start_workers(on, app, Limits::default(), 1);
    let mut holder = server.connect();
    holder.send(request("/hold"));
    entries.recv_timeout(PATIENCE).unwrap();
    let mut clients: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for (id, client) in clients.iter_mut().enumerate() {
        client.send(request(&format!("/{id}")).repeat(COUNT));
    }
    if on == Backend::Threaded {
        // Others than the held thread find out about them, and may take a while for that: only then does the turn count.
        eventually("both wait for the thread", || server.handle().statistics().queued == 2);
    }
    gate.open();
    holder.response().with_status(200);
    let order: Vec<usize> = (0..2 * COUNT).map(|_| order.recv_timeout(PATIENCE).unwrap()).collect();
    // Until one of them is through: then the other has all the turns.
    let last = (0..2).map(|id| order.iter().rposition(|&other| other == id).unwrap()).min().unwrap();
    let first = order.iter().position(|&id| id != order[0]).expect("the other is served too");
    let both = &order[first..=last];
    let longest = both.chunk_by(|one, other| one == other).map(<[usize]>::len).max().unwrap_or(0);
    assert!(first <= 2 * turn && longest <= 2 * turn, "{first} before the other, then {longest} at a time");
    for client in &mut clients {
        for _ in 0..COUNT {
            client.response().with_status(200);
        }
    }
}
