//! `RequestIds`, `AccessLog`, `Metrics` and `Spans`: what is told of requests, and that nobody can forge it.

use std::{collections::HashSet, sync::mpsc::channel};

use futures_util::stream;
use trijet::{
    Backend, Body, Next, Request, Response, Router,
    extract::Extension,
    get,
    middleware::{AccessLog, RequestId, RequestIds},
};

use super::{asking, values};
use crate::common::{PATIENCE, client::get as request, held::held, log_lines::LogLines, server::start};

on_every_backend!(each_request_has_a_name, names_of_others_are_taken_only_where_that_is_said);

async fn name(Extension(id): Extension<RequestId>) -> String {
    id.to_string()
}

fn name_fn(Extension(id): Extension<RequestId>) -> String {
    id.as_str().to_owned()
}

fn each_request_has_a_name(on: Backend) {
    let app = Router::new()
        .route("/async", get(name))
        .route("/fn", get(name_fn))
        .route("/own", get(async || ([("x-request-id", "own")], "own")))
        .wrap(RequestIds::new());
    let server = start(on, app);
    let mut client = server.connect();
    let mut names = HashSet::new();
    for _ in 0..20 {
        for path in ["/async", "/fn", "/missing"] {
            let answer = client.send(asking("GET", path, &[("x-request-id", "chosen")])).response();
            let [name] = values(&answer, "x-request-id")[..] else { panic!("{answer:?}") };
            assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
            assert!(path == "/missing" || answer.text() == name);
            assert!(names.insert(name.to_owned()), "{name}");
        }
    }
    assert_eq!(values(&client.get("/own"), "x-request-id"), ["own"]);
}

fn names_of_others_are_taken_only_where_that_is_said(on: Backend) {
    let ids = RequestIds::new().field("x-trace".parse().unwrap()).trust_incoming();
    let server = start(on, Router::new().route("/", get(name)).wrap(ids));
    let mut client = server.connect();
    for (sent, is_taken) in
        [("proxy-1.2:3", true), ("<b>", false), ("a b", false), ("", false), (&*"x".repeat(129), false)]
    {
        let answer = client.send(asking("GET", "/", &[("x-trace", sent)])).response().with_status(200);
        assert_eq!(answer.text() == sent, is_taken, "{sent:?}");
        assert_eq!(values(&answer, "x-trace"), [answer.text()]);
    }
    let twice = client.send(asking("GET", "/", &[("x-trace", "a"), ("x-trace", "b")])).response();
    assert_eq!(twice.text().len(), 32);
}

/// The log is the process's: each has one of its own.
#[cfg(target_os = "linux")]
mod logged {
    use super::*;

    in_children_on_every_backend!("": each_request_is_a_line, lines_cannot_be_forged, a_line_tells_how_it_ended);
}

#[cfg(target_os = "linux")]
fn each_request_is_a_line(on: Backend) {
    let lines = LogLines::collect();
    let app = Router::new()
        .route("/a/{b}", get(async || "hello"))
        .route(
            "/stream",
            get(async || Body::from_stream(stream::iter([Ok::<_, std::io::Error>("he"), Ok("llo")]))),
        )
        .route("/large", get(|| "x".repeat(100_000)));
    let app = Router::new()
        .nest("/common", app.wrap(AccessLog::common()))
        .route("/json", get(async || "hello"))
        .wrap(AccessLog::json().without_query())
        .wrap(RequestIds::new());
    let server = start(on, app);
    let mut client = server.connect();
    for (method, path, status, bytes) in [
        ("GET", "/common/a/b?c=d", 200, "5"),
        ("HEAD", "/common/a/b", 200, "-"),
        ("GET", "/common/stream", 200, "5"),
        ("GET", "/common/large", 200, "100000"),
        ("GET", "/common/missing", 404, "30"),
    ] {
        lines.forget();
        let client = client.send(asking(method, path, &[]));
        if method == "HEAD" { client.response_to_head() } else { client.response() }.with_status(status);
        let end = format!("\"{method} {path} HTTP/1.1\" {status} {bytes}");
        lines.await_one(&end, |line| line.starts_with("INFO 127.0.0.1 - - [") && line.ends_with(&end));
    }
    lines.forget();
    let answer = client.get("/json?secret=1").says("hello");
    let id = answer.header("x-request-id").unwrap();
    let start = "INFO {\"time\":\"20";
    let middle = format!(
        "\"method\":\"GET\",\"target\":\"/json\",\"version\":\"HTTP/1.1\",\"route\":\"/json\",\"request_id\":\"{id}\",\
         \"status\":200,\"bytes\":5,\"duration_us\":"
    );
    lines.await_one(&middle, |line| {
        line.starts_with(start) && line.contains(&middle) && line.ends_with(",\"is_whole\":true}")
    });
}

#[cfg(target_os = "linux")]
fn lines_cannot_be_forged(on: Backend) {
    let lines = LogLines::collect();
    // The engine lets no quote into a target; a layer outside may.
    async fn foreign(mut request: Request, next: Next) -> Response {
        if request.uri().path() == "/forged" {
            *request.uri_mut() = trijet::Uri::from_static("/a\",\"status\":200,\"b\":\"c");
        }
        next.run(request).await
    }
    for log in [AccessLog::common(), AccessLog::json()] {
        let server = start(on, Router::new().wrap(log).wrap(foreign));
        for (target, logged) in [
            ("/[a]|^{b}?[c]|%", "/[a]|^{b}?[c]|%"),
            ("/%22%0d%0aINFO%20forged", "/%22%0d%0aINFO%20forged"),
            ("/a?%zz{}", "/a?%zz{}"),
            ("/forged", r#"/a\",\"status\":200,\"b\":\"c"#),
        ] {
            lines.forget();
            server.connect().send(request(target));
            lines.await_one(target, |line| {
                line.contains(&format!("\"GET {logged} HTTP/1.1\" 4"))
                    || line.contains(&format!("\"target\":\"{logged}\",\"version\""))
            });
            for line in lines.take() {
                assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn a_line_tells_how_it_ended(on: Backend) {
    let lines = LogLines::collect();
    type Pieces = Vec<Result<&'static str, &'static str>>;
    let pieces = |pieces: Pieces| std::future::ready(Body::from_stream(stream::iter(pieces)));
    async fn explode() -> &'static str {
        panic!("planted by the suite")
    }
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(64 << 10)));
    let app = Router::new()
        .route("/whole", get(move || pieces(vec![Ok("he"), Ok("llo")])))
        .route("/fails", get(move || pieces(vec![Ok("he"), Err("planted by the suite")])))
        .route("/endless", get(move || std::future::ready(Body::from_stream(endless.clone()))))
        .route("/panic/fn", get(|| -> &'static str { panic!("planted by the suite") }))
        .route("/panic/async", get(explode))
        .wrap(AccessLog::json());
    let server = start(on, app);
    // A panic of a `fn` is a response inside of the layers; one of an `async fn` unwinds through them.
    for (path, status, is_whole) in [
        ("/whole", "200", true),
        ("/fails", "200", false),
        ("/endless", "200", false),
        ("/panic/fn", "500", true),
        ("/panic/async", "null", false),
    ] {
        let mut client = server.connect();
        client.send(request(path)).head();
        if path == "/endless" {
            client.reset();
        }
        let middle = format!("\"route\":\"{path}\",\"request_id\":null,\"status\":{status},");
        let end = format!(",\"is_whole\":{is_whole}}}");
        lines.await_one(&format!("{middle}…{end}"), |line| line.contains(&middle) && line.ends_with(&end));
    }
}

#[cfg(feature = "metrics")]
mod figures {
    use trijet::middleware::{Metrics, server_figures};

    use super::*;

    on_every_backend!(
        requests_are_counted_by_route,
        what_is_at_work_is_told,
        a_server_tells_its_figures,
        labels_are_not_for_clients_to_make
    );

    fn page(client: &mut crate::common::client::Client) -> String {
        let answer = client.get("/metrics").with_status(200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        answer.text().to_owned()
    }

    fn has(page: &str, line: &str) {
        assert!(page.lines().any(|other| other == line), "no {line} in\n{page}");
    }

    fn metered(app: Router) -> (Router, Metrics) {
        let metrics = Metrics::new();
        let inner = app.fallback(async || trijet::StatusCode::NOT_FOUND).wrap(metrics.clone());
        (Router::new().merge(inner).route("/metrics", get(metrics.page())), metrics)
    }

    fn requests_are_counted_by_route(on: Backend) {
        async fn explode() -> &'static str {
            panic!("planted by the suite")
        }
        let app = Router::new()
            .route("/a/{b}", get(async || "hello").post(|| "hello"))
            .route("/panic", get(explode))
            .nest("/nest", Router::new().route("/{*rest}", get(|| "rest")));
        let server = start(on, metered(app).0);
        let mut client = server.connect();
        for path in ["/a/1", "/a/2", "/a/3", "/nest/x/y"] {
            client.get(path).with_status(200);
        }
        client.send(asking("POST", "/a/1", &[("content-length", "0")])).response().with_status(200);
        server.connect().get("/panic").with_status(500);
        let page = page(&mut client);
        for line in [
            "# TYPE http_requests_total counter",
            "# TYPE http_request_duration_seconds histogram",
            r#"http_requests_total{route="/a/{b}",method="GET",status="200"} 3"#,
            r#"http_requests_total{route="/a/{b}",method="POST",status="200"} 1"#,
            r#"http_requests_total{route="/nest/{*rest}",method="GET",status="200"} 1"#,
            r#"http_requests_total{route="/panic",method="GET",status="none"} 1"#,
            r#"http_request_duration_seconds_bucket{route="/a/{b}",method="GET",le="+Inf"} 3"#,
            r#"http_request_duration_seconds_count{route="/a/{b}",method="GET"} 3"#,
            r#"http_requests_in_flight{route="/a/{b}",method="GET"} 0"#,
            r#"http_requests_in_flight{route="/panic",method="GET"} 0"#,
        ] {
            has(&page, line);
        }
    }

    fn what_is_at_work_is_told(on: Backend) {
        let held = held();
        let server = start(on, metered(held.app).0);
        let mut clients = ["/hold", "/hold/fn", "/hold/body"].map(|path| (server.connect(), path));
        for (client, path) in &mut clients {
            client.send(request(path));
            held.entries.recv_timeout(PATIENCE).unwrap();
        }
        let mut client = server.connect();
        for (_, path) in &clients {
            has(&page(&mut client), &format!("http_requests_in_flight{{route=\"{path}\",method=\"GET\"}} 1"));
        }
        held.gate.open();
        for (client, path) in &mut clients {
            client.response().says("held");
            let line = format!("http_requests_in_flight{{route=\"{path}\",method=\"GET\"}} 0");
            crate::common::eventually(&line, || {
                page(&mut server.connect()).lines().any(|other| other == line)
            });
        }
    }

    fn a_server_tells_its_figures(on: Backend) {
        let (app, metrics) = metered(Router::new());
        let server = start(on, app);
        metrics.collect(server_figures(server.handle()));
        let mut client = server.connect();
        let page = page(&mut client);
        let labels = format!("{{backend=\"{on}\",address=\"{}\"", server.address());
        has(&page, &format!("trijet_connections{labels}}} 1"));
        has(&page, &format!("trijet_queued{labels}}} 0"));
        assert!(page.contains(&format!("trijet_loop_holds_total{labels}}} ")), "{page}");
        let has_loops = page.contains(&format!("trijet_loop_lag_seconds{labels},thread=\"trijet-"));
        assert_eq!(has_loops, on.name() != "threaded", "{page}");
    }

    fn labels_are_not_for_clients_to_make(on: Backend) {
        let server = start(on, metered(Router::new().route("/a/{b}", get(async || "hello"))).0);
        let mut client = server.connect();
        let lines = |client: &mut crate::common::client::Client| page(client).lines().count();
        client.get("/a/first");
        client.get("/missing");
        client.send(asking("BREW", "/a/first", &[])).response();
        let before = lines(&mut client);
        for index in 0..100 {
            client.get(&format!("/a/{index}"));
            client.get(&format!("/missing/%22{index}"));
            client.send(asking(&format!("BREW{index}"), "/a/first", &[])).response();
        }
        assert_eq!(lines(&mut client), before);
        has(&page(&mut client), r#"http_requests_total{route="",method="GET",status="404"} 101"#);
    }
}

#[cfg(feature = "tracing")]
mod spans {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    };

    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };
    use trijet::middleware::{RequestSpan, Spans};

    use super::*;

    #[cfg(target_os = "linux")]
    in_children_on_every_backend!("": each_request_has_a_span);

    /// What happened, one line each.
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn line(text: String) {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    thread_local! {
        static WITHIN: std::cell::RefCell<Vec<u64>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    struct Collector(AtomicU64);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0.push_str(&format!(" {}={value:?}", field.name()));
        }
    }

    impl Subscriber for Collector {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
            let id = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            let mut fields = Fields(format!("{id} new {}", attributes.metadata().target()));
            attributes.record(&mut fields);
            line(fields.0);
            span::Id::from_u64(id)
        }

        fn record(&self, id: &span::Id, values: &span::Record<'_>) {
            let mut fields = Fields(format!("{} record", id.into_u64()));
            values.record(&mut fields);
            line(fields.0);
        }

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let within = WITHIN.with_borrow(|within| within.last().copied().unwrap_or(0));
            let mut fields = Fields(format!("{within} event"));
            event.record(&mut fields);
            line(fields.0);
        }

        fn enter(&self, id: &span::Id) {
            WITHIN.with_borrow_mut(|within| within.push(id.into_u64()));
        }

        fn exit(&self, _: &span::Id) {
            WITHIN.with_borrow_mut(|within| within.pop());
        }
    }

    fn each_request_has_a_span(on: Backend) {
        tracing::subscriber::set_global_default(Collector(AtomicU64::new(0))).unwrap();
        let (went_on, goes_on) = channel();
        let waits = move || {
            let went_on = went_on.clone();
            async move {
                tracing::info!("before");
                trijet::rt::sleep(std::time::Duration::from_millis(1)).await;
                tracing::info!("after");
                went_on.send(()).unwrap();
                "async"
            }
        };
        let in_fn = |Extension(RequestSpan(span)): Extension<RequestSpan>| {
            span.in_scope(|| tracing::info!("in fn"));
            "fn"
        };
        let app = Router::new()
            .route("/async/{id}", get(waits))
            .route("/fn", get(in_fn))
            .wrap(Spans::new())
            .wrap(RequestIds::new());
        let server = start(on, app);
        let mut client = server.connect();
        let ids = ["/async/7?secret", "/fn", "/missing"]
            .map(|path| client.get(path).header("x-request-id").unwrap().to_owned());
        goes_on.recv_timeout(PATIENCE).unwrap();
        tracing::info!("outside");
        let lines = LINES.lock().unwrap().clone();
        let expected = [
            format!("1 new trijet::request method=\"GET\" route=\"/async/{{id}}\" request_id=\"{}\"", ids[0]),
            "1 event message=before".to_owned(),
            "1 event message=after".to_owned(),
            "1 record status=200".to_owned(),
            format!("2 new trijet::request method=\"GET\" route=\"/fn\" request_id=\"{}\"", ids[1]),
            "2 event message=in fn".to_owned(),
            "2 record status=200".to_owned(),
            format!("3 new trijet::request method=\"GET\" request_id=\"{}\"", ids[2]),
            "3 record status=404".to_owned(),
            "0 event message=outside".to_owned(),
        ];
        assert_eq!(lines, expected);
    }
}
