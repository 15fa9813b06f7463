//! The tools for the tests of apps: what they do is the same on the simulation and on each backend.

mod servers;

use std::{
    convert::Infallible,
    io::Read,
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::stream;
use trijet::{
    Backend, Body, Bytes, HeaderMap, Limits, Method, Redirect, RequestExt, Router, Server, State, StatusCode,
    any, get, post, rt,
    testing::{Settings, TestClient, connect_to, on_each_backend},
};

use crate::common::{eventually, within};

/// A client of this app, with these limits.
type Start = fn(Router, Limits) -> TestClient;

macro_rules! everywhere {
    ($($test:ident),* $(,)?) => {
        mod simulated {
            use trijet::testing::{Settings, TestClient};

            $(#[test] fn $test() {
                super::$test(|app, limits| {
                    TestClient::with_settings(app, Settings { limits, ..Settings::default() })
                });
            })*
        }
        #[cfg(feature = "threaded")]
        mod threaded {
            $(#[test] fn $test() { super::$test(|app, limits| super::real(trijet::Backend::Threaded, app, limits)); })*
        }
        #[cfg(feature = "mio")]
        mod mio {
            $(#[test] fn $test() { super::$test(|app, limits| super::real(trijet::Backend::Mio, app, limits)); })*
        }
        #[cfg(feature = "tokio")]
        mod tokio {
            $(#[test] fn $test() { super::$test(|app, limits| super::real(trijet::Backend::Tokio, app, limits)); })*
        }
    };
}

everywhere! {
    it_sends_what_it_is_told,
    cookies_are_kept_as_in_a_browser,
    a_form_with_files_arrives,
    what_is_written_and_what_is_read_alternate,
    a_length_may_be_declared,
    a_body_comes_as_it_is_sent,
    a_slow_upload_is_given_up,
    a_pause_is_before_what_is_written_next,
    a_client_that_leaves_is_noticed,
    large_bodies_go_both_ways_at_once,
    an_answer_may_come_before_the_body_has_ended,
    raw_bytes_are_answered,
    time_passes_where_it_is_told_to,
    what_is_cut_is_told,
}

fn real(on: Backend, app: Router, limits: Limits) -> TestClient {
    let client = Server::new(app).backend(on).limits(limits).test_client();
    assert_eq!(client.connected_to(), on.name());
    client
}

/// What `call` panics with.
fn panic_of(call: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it has to panic");
    panic.downcast_ref::<String>().expect("a text").clone()
}

fn it_sends_what_it_is_told(start: Start) {
    let tell = async |method: Method, headers: HeaderMap, body: String| {
        let field = |name| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        format!("{method} {} {} {body}", field("host"), field("x-one"))
    };
    let client = start(Router::new().route("/", any(tell)), Limits::default());
    client.get("/").send().assert_status(200).assert_text("GET localhost - ");
    client.put("/").header("x-one", "1").body("d").send().assert_text("PUT localhost 1 d");
    client.post("/").header("host", "e").chunks(["f", "", "g"]).send().assert_text("POST e - fg");
    client.head("/").send().assert_header("content-length", "17").assert_text("");
    client.get("/nowhere").send().assert_status(StatusCode::NOT_FOUND);
}

fn visits() -> Router {
    let visit = async |headers: HeaderMap| {
        let cookies = headers.get("cookie").map_or("-", |cookies| cookies.to_str().unwrap()).to_owned();
        ([("set-cookie", "brief=1; Max-Age=2; Path=/"), ("x-seen", "")], cookies)
    };
    let log_in = async || ([("set-cookie", "name=ada; Path=/; Secure; HttpOnly")], Redirect::to("/"));
    let log_out = async || ([("set-cookie", "name=; Path=/; Max-Age=0")], Redirect::to("/"));
    Router::new()
        .route("/", get(visit))
        .route("/inner/{*rest}", get(async |headers: HeaderMap| format!("{:?}", headers.get("cookie"))))
        .route("/inner/set", get(async || ([("set-cookie", "inner=2")], ())))
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out))
}

fn cookies_are_kept_as_in_a_browser(start: Start) {
    let plain = start(visits(), Limits::default());
    plain.get("/").send();
    plain.get("/").send().assert_text("-");
    let (ada, bob) = (plain.clone().with_cookies(), plain.with_cookies());
    ada.post("/log-in").send().assert_redirect("/").assert_cookie("name", "ada");
    ada.get("/").send().assert_text("name=ada").assert_cookie("brief", "1");
    bob.get("/").send().assert_text("-");
    ada.clone().get("/").send().assert_text("name=ada; brief=1");
    assert_eq!(ada.cookie("name").as_deref(), Some("ada"));
    ada.advance(Duration::from_secs(2));
    ada.get("/").send().assert_text("name=ada");
    ada.get("/inner/set").send();
    ada.get("/inner/a?b").send().assert_text("Some(\"inner=2; name=ada; brief=1\")");
    ada.get("/").header("cookie", "mine=3").send().assert_text("mine=3");
    ada.set_cookie("theme=dark; Path=/");
    ada.post("/log-out").send();
    ada.advance(Duration::from_secs(2));
    ada.get("/").send().assert_text("theme=dark");
    ada.clear_cookies();
    ada.get("/").send().assert_text("-");
    // Also of a head whose body has not come.
    let mut exchange = bob.post("/log-in").open();
    exchange.end_body().head();
    assert_eq!(bob.cookie("name").as_deref(), Some("ada"));
}

#[cfg(not(feature = "multipart"))]
fn a_form_with_files_arrives(start: Start) {
    let client = start(Router::new().route("/", post(|body: String| body)), Limits::default());
    let form = trijet::testing::MultipartForm::new().file("file", "a.txt", "text/plain", "of the file");
    client
        .post("/")
        .multipart(&form)
        .send()
        .assert_status(200)
        .assert_text_contains("\r\n\r\nof the file\r\n--");
}

#[cfg(feature = "multipart")]
fn a_form_with_files_arrives(start: Start) {
    use trijet::{
        multipart::{Multipart, MultipartError},
        testing::MultipartForm,
    };

    let list = |mut form: Multipart| {
        let mut list = String::new();
        while let Some(mut part) = form.next_blocking()? {
            list += &format!("{:?} {:?} {:?}", part.name(), part.file_name(), part.content_type());
            let mut content = Vec::new();
            part.read_to_end(&mut content).unwrap();
            list += &format!(" {}\n", content.escape_ascii());
        }
        Ok::<_, MultipartError>(list)
    };
    let client = start(Router::new().route("/", post(list)), Limits::default());
    let form = MultipartForm::new()
        .text("title", "a \"b\"\nc")
        .file("file", "Jürgen.png", "image/png", b"\x89PNG\r\n--x\r\n\0")
        .text("count", 3)
        .file("none", "", "application/octet-stream", "");
    client.post("/").multipart(&form).send().assert_status(200).assert_text(concat!(
        "\"title\" None None a \\\"b\\\"\\r\\nc\n",
        "\"file\" Some(\"Jürgen.png\") Some(\"image/png\") \\x89PNG\\r\\n--x\\r\\n\\x00\n",
        "\"count\" None None 3\n",
        "\"none\" Some(\"\") Some(\"application/octet-stream\") \n",
    ));
}

/// The body back, as it comes: from an `async fn` and from a plain `fn` that reads it.
fn echoes() -> Router {
    let read = |body: Body| {
        let mut reader = body.reader();
        let mut buffer = vec![0; 64 << 10];
        Body::from_iter(std::iter::from_fn(move || match reader.read(&mut buffer) {
            Ok(0) => None,
            Ok(count) => Some(Ok(Bytes::copy_from_slice(&buffer[..count]))),
            Err(error) => Some(Err(error)),
        }))
    };
    Router::new()
        .route("/async", post(async |body: Body| Body::from_stream(body.into_stream())))
        .route("/fn", post(read))
        .route("/whole", post(|body: String| body))
}

fn what_is_written_and_what_is_read_alternate(start: Start) {
    let client = start(echoes(), Limits::default());
    for target in ["/async", "/fn"] {
        let mut exchange = client.post(target).open();
        for piece in ["one", "two", "three"] {
            exchange.write(piece);
            assert_eq!(exchange.read().unwrap(), piece, "{target}");
        }
        exchange
            .head()
            .assert_status(200)
            .assert_header("transfer-encoding", "chunked")
            .assert_text("onetwothree");
        assert_eq!(exchange.end_body().read(), None, "{target}");
        let response = exchange.finish();
        response.assert_text("onetwothree");
        assert_eq!(response.chunks(), ["one", "two", "three"], "{target}");
    }
    let mut exchange = client.post("/whole").open();
    exchange.write("to").write("").write("gether");
    exchange.finish().assert_text("together");
}

fn a_length_may_be_declared(start: Start) {
    let client = start(echoes(), Limits::default());
    let mut exchange = client.post("/whole").header("content-length", "6").open();
    exchange.write("abc").write("def");
    let panic = panic_of(|| _ = exchange.write("g"));
    assert!(
        panic.starts_with("POST /whole: 1 B are written, and 0 B are left of the declared length"),
        "{panic}"
    );
    exchange.finish().assert_text("abcdef");
    // One that is set is sent with the head.
    let mut exchange = client.post("/whole").body("ping").open();
    assert_eq!(exchange.read().unwrap(), "ping");
    exchange.finish().assert_text("ping");
}

fn a_body_comes_as_it_is_sent(start: Start) {
    const TICK: Duration = Duration::from_millis(500);
    let ticks = async || {
        Body::from_stream(stream::unfold(0, async |number| {
            if number > 0 {
                rt::sleep(TICK).await;
            }
            Some((Ok::<_, Infallible>(format!("data: {number}\n\n")), number + 1))
        }))
    };
    let client = start(Router::new().route("/", get(ticks)), Limits::default());
    let started = client.elapsed();
    let mut exchange = client.get("/").open();
    exchange.head().assert_status(200);
    for number in 0..4 {
        assert_eq!(exchange.read().unwrap(), format!("data: {number}\n\n"));
    }
    assert!(client.elapsed() - started >= 3 * TICK);
    assert_eq!(exchange.read_now(), None, "none is on its way");
    exchange.head().assert_text_contains("data: 3");
}

/// Limits under which what stalls is given up soon.
fn hasty() -> Limits {
    let soon = Duration::from_millis(1500);
    Limits { progress_grace: soon, stall_timeout: soon, ..Limits::default() }
}

fn a_slow_upload_is_given_up(start: Start) {
    let client = start(echoes(), hasty());
    let mut exchange = client.post("/whole").open();
    exchange.write("some");
    client.advance(Duration::from_millis(100));
    assert_eq!(exchange.read_now(), None);
    client.advance(Duration::from_secs(2));
    exchange.head().assert_status(408);
}

fn a_pause_is_before_what_is_written_next(start: Start) {
    let client = start(echoes(), hasty());
    for target in ["/async", "/fn", "/whole"] {
        let started = client.elapsed();
        let mut exchange = client.post(target).open();
        exchange
            .write("a")
            .pause(Duration::from_millis(100))
            .write("b")
            .pause(Duration::from_millis(100))
            .write("c");
        exchange.finish().assert_status(200).assert_text("abc");
        let took = client.elapsed() - started;
        assert!(took >= Duration::from_millis(200), "{target}: {took:?}");
    }
    let mut exchange = client.post("/whole").open();
    exchange.write("a").pause(Duration::from_secs(3)).write("b");
    exchange.finish().assert_status(408);
}

fn a_client_that_leaves_is_noticed(start: Start) {
    let left = Arc::new(AtomicUsize::new(0));
    let waits = async |State(left): State<Arc<AtomicUsize>>, request: trijet::Request| {
        request.disconnected().await;
        left.fetch_add(1, Ordering::Relaxed);
    };
    let app = Router::new()
        .route("/", get(waits))
        .route(
            "/left",
            get(async |State(left): State<Arc<AtomicUsize>>| left.load(Ordering::Relaxed).to_string()),
        )
        .state(left);
    let client = start(app, Limits::default());
    let exchange = client.get("/").open();
    client.advance(Duration::ZERO);
    client.get("/left").send().assert_text("0");
    drop(exchange);
    eventually("that it has left", || client.get("/left").send().text() == "1");
}

fn large_bodies_go_both_ways_at_once(start: Start) {
    let client = start(echoes(), Limits { body_bytes_max: 64 << 20, ..Limits::default() });
    let body: Vec<u8> = (0..8_u32 << 20).map(|at| (at / 7).to_le_bytes()[0]).collect();
    for target in ["/async", "/fn"] {
        let response = client.post(target).body(&body).send();
        // Not as text: megabytes are not for reading.
        assert!(*response.assert_status(200).bytes() == body, "{target}");
    }
}

fn an_answer_may_come_before_the_body_has_ended(start: Start) {
    let client = start(echoes(), Limits { body_bytes_max: 1 << 10, ..Limits::default() });
    client.post("/whole").body(vec![b'x'; 4 << 20]).send().assert_status(413);
    let mut exchange = client.post("/whole").open();
    exchange.write(vec![b'x'; 2 << 10]);
    exchange.head().assert_status(413).assert_header("connection", "close");
}

fn raw_bytes_are_answered(start: Start) {
    let client = start(echoes(), Limits::default());
    let raw = client.raw("BREW /pot HTCPCP/1.0\r\n\r\n");
    assert!(raw.text().starts_with("HTTP/1.1 400 ") && raw.is_closed, "{raw:?}");
    let raw = client.raw("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((raw.text().matches("HTTP/1.1 404 ").count(), raw.is_closed), (2, false), "{raw:?}");
    let raw = client.raw("HEAD /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(raw.text().ends_with("\r\n\r\n") && raw.is_closed, "{raw:?}");
}

fn time_passes_where_it_is_told_to(start: Start) {
    let sleeps = async || {
        rt::sleep(Duration::from_secs(1)).await;
        "slept"
    };
    let client = start(Router::new().route("/", get(sleeps)), Limits::default());
    let started = client.elapsed();
    let mut exchange = client.get("/").open();
    client.advance(Duration::from_millis(50));
    assert_eq!(exchange.read_now(), None);
    client.advance(Duration::from_secs(1));
    assert_eq!(exchange.read().unwrap(), "slept");
    assert!(client.elapsed() - started >= Duration::from_millis(1050));
}

fn what_is_cut_is_told(start: Start) {
    let breaks =
        async || Body::from_stream(stream::iter([Ok("some"), Err(std::io::Error::other("no more"))]));
    let client = start(Router::new().route("/", get(breaks)), Limits::default());
    let panic = panic_of(|| _ = client.get("/").send());
    assert!(panic.starts_with("GET /: the server closed the connection within the response"), "{panic}");
    assert!(panic.contains("\n\n> GET / HTTP/1.1\n> host: localhost\n\n< HTTP/1.1 200 OK\n"), "{panic}");
    assert!(panic.ends_with("\n<\n< 4\n< some\n"), "{panic}");
}

// --- What does not depend on a backend.

#[test]
fn a_server_that_is_not_ours_is_spoken_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connect_to(listener.local_addr().unwrap()).patience(Duration::from_secs(10));
    let serving = thread::spawn(move || {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
            "",
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 100];
            assert!(stream.read(&mut request).unwrap() > 0);
            std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        }
    });
    client.get("/").send().assert_text("hi");
    let panic = panic_of(|| _ = client.get("/").send());
    assert!(panic.starts_with("GET /: the server closed the connection within the response\n"), "{panic}");
    let panic = panic_of(|| _ = client.get("/").send());
    assert!(panic.starts_with("GET /: the server closed the connection without an answer\n"), "{panic}");
    serving.join().unwrap();
    let panic = panic_of(|| _ = client.get("/").send());
    assert!(panic.contains("cannot be connected to: "), "{panic}");
    let panic = panic_of(|| _ = client.sim());
    assert!(panic.starts_with("there is no simulation: this client is connected to 127.0.0.1:"), "{panic}");
}

/// More than all buffers between the two hold: one that does not read while it writes would wait for ever.
#[test]
fn a_server_that_has_to_be_read_first_is_read() {
    const LENGTH: usize = 24 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connect_to(listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        std::io::Write::write_all(&mut stream, &vec![b'x'; LENGTH]).unwrap();
        let mut request = Vec::new();
        stream.read_to_end(&mut request).unwrap();
        request.len()
    });
    let response = client.post("/").body(vec![b'y'; LENGTH]).send();
    assert_eq!(response.assert_status(200).bytes().len(), LENGTH);
    drop(response);
    assert!(serving.join().unwrap() > LENGTH);
}

/// The system tells of a reset once, here the one who writes.
#[test]
fn a_body_that_a_reset_cuts_is_not_whole_though_a_write_was_told_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connect_to(listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 100]).unwrap() > 0);
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nsome of it").unwrap();
        // With bytes that nobody has read: a reset.
    });
    let panic = panic_of(|| _ = client.post("/").body(vec![b'y'; 24 << 20]).send());
    assert!(
        panic.starts_with("POST /: the server closed the connection within the response, by a reset"),
        "{panic}"
    );
    serving.join().unwrap();
}

#[test]
fn no_patience_is_too_long() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connect_to(listener.local_addr().unwrap()).patience(Duration::MAX);
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 100]).unwrap() > 0);
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    client.get("/").send().assert_status(204);
    serving.join().unwrap();
}

#[test]
fn a_test_runs_on_each_backend() {
    let names = std::cell::RefCell::new(Vec::new());
    on_each_backend(echoes, |client| {
        client.post("/whole").body("x").send().assert_text("x");
        names.borrow_mut().push(client.connected_to().to_owned());
    });
    let expected = ["the simulation"].into_iter().chain(Backend::compiled().map(Backend::name));
    assert_eq!(names.into_inner(), expected.collect::<Vec<_>>());
}

#[test]
fn a_test_that_fails_on_one_backend_names_it() {
    let app = || Router::new().route("/", get(async || rt::backend().unwrap_or_default()));
    let wanted = Backend::compiled().next().unwrap().name();
    let panic = panic_of(|| on_each_backend(app, |client| _ = client.get("/").send().assert_text(wanted)));
    let said = |on: &str, found: &str| {
        format!("on {on}: GET /: the body is another text\n  wanted: \"{wanted}\"\n  found:  \"{found}\"\n")
    };
    let others: String = Backend::compiled().skip(1).map(|other| said(other.name(), other.name())).collect();
    let simulated = said("the simulation", "simulated");
    assert_eq!(panic, format!("the test failed\n{simulated}{others}it passed on {wanted}"));
    // What is compared is in the lines behind the first.
    let panic = panic_of(|| on_each_backend(app, |_| assert_eq!(1, 2)));
    let compared = "on the simulation: assertion `left == right` failed\n  left: 1\n right: 2\n";
    assert!(panic.contains(compared), "{panic}");
}

/// In simulation the time of a test is none.
#[test]
fn an_hour_takes_no_time() {
    let app = Router::new().route("/", get(async || rt::sleep(Duration::from_secs(3600)).await));
    let client = TestClient::with_settings(app, Settings::default());
    assert!(within(Duration::from_secs(60), || client.get("/").send().status == 200));
    assert_eq!(client.elapsed(), Duration::from_secs(3600));
}
