//! Limits at their defaults to the byte, and every setting at zero and at its largest.

use std::{sync::mpsc::channel, time::Duration};

use trijet::{Backend, Body, Bytes, Limits, Router, Server, get, post};

use crate::common::{
    client::{Client, get as request, post as upload, post_chunked},
    server::{Running, start, start_with},
};

on_every_backend!(
    bodies_at_the_default_limit,
    chunk_lines_extensions_and_trailers_at_the_default_limits,
    what_must_not_be_zero_is_named,
    what_may_be_zero_means_none,
    without_any_idle_time_what_is_there_is_answered,
    a_million_workers_are_allowed_or_refused_by_name,
    the_largest_settings,
);

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/fn", get(|| "hello"))
        .route("/bytes", post(async |body: Bytes| body.len().to_string()))
        .route("/bytes/fn", post(|body: Bytes| body.len().to_string()))
        .route("/stream", get(|| Body::from_iter(["one", "two"].map(Ok::<_, std::io::Error>))))
        .route("/unread", post(async || "not read"))
}

const READERS: [&str; 2] = ["/bytes", "/bytes/fn"];

#[track_caller]
fn is_refused(server: &Running, what: &str, bytes: &str, status: u16) {
    let mut client = server.connect();
    let answer = client.send(bytes).response();
    assert!(answer.status == status && answer.closes(), "{what}: {answer:?}");
    client.is_ended();
}

fn bodies_at_the_default_limit(on: Backend) {
    let server = start(on, app());
    let limit = usize::try_from(Limits::default().body_bytes_max).unwrap();
    let body = "x".repeat(limit + 1);
    for path in READERS {
        let mut client = server.connect();
        client.send(upload(path, &body[1..])).response().says(&limit.to_string());
        client.send(post_chunked(path, &body[1..])).response().says(&limit.to_string());
        client.get("/").says("hello");
        is_refused(&server, "a declared length", upload(path, &body).trim_end_matches('x'), 413);
        is_refused(&server, "chunks", &post_chunked(path, &body), 413);
    }
}

fn chunk_lines_extensions_and_trailers_at_the_default_limits(on: Backend) {
    let server = start(on, app());
    let limits = Limits::default();
    let line = |length: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(length - "5;\r\n".len()));
    let extensions = |total: usize| {
        let piece = format!("1;{}\r\n.\r\n", "x".repeat(99)).repeat(total / 100);
        format!("{piece}0;{}\r\n\r\n", "x".repeat(total % 100 - 1))
    };
    let trailers = |count: usize| format!("1\r\n.\r\n0\r\n{}\r\n", "x: y\r\n".repeat(count));
    let trailer =
        |length: usize| format!("1\r\n.\r\n0\r\nx: {}\r\n\r\n", "y".repeat(length - "x: \r\n".len()));
    type Make<'m> = &'m dyn Fn(usize) -> String;
    let cases: [(&str, Make<'_>, usize); 4] = [
        ("a chunk-size line", &line, limits.chunk_line_bytes_max),
        ("extensions", &extensions, limits.chunk_extension_bytes_max),
        ("trailers", &trailers, limits.trailers_max),
        ("trailer bytes", &trailer, limits.trailer_bytes_max),
    ];
    for path in READERS {
        let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut client = server.connect();
        for (what, make, limit) in cases {
            client.send(head.clone() + &make(limit)).response().with_status(200);
            is_refused(&server, what, &(head.clone() + &make(limit + 1)), 400);
        }
        client.get("/").says("hello");
    }
}

fn what_must_not_be_zero_is_named(on: Backend) {
    type Set = fn(&mut Limits);
    let cases: [(&str, Set); 13] = [
        ("head_bytes_max", |limits| limits.head_bytes_max = 0),
        ("headers_max", |limits| limits.headers_max = 0),
        ("headers_max", |limits| limits.headers_max = 4097),
        ("trailers_max", |limits| limits.trailers_max = 4097),
        ("target_bytes_max", |limits| limits.target_bytes_max = 0),
        ("target_bytes_max", |limits| limits.target_bytes_max = 65_535),
        ("chunk_line_bytes_max", |limits| limits.chunk_line_bytes_max = 0),
        ("connections_max", |limits| limits.connections_max = Some(0)),
        ("blocking_threads_max", |limits| limits.blocking_threads_max = 0),
        ("output_high_bytes", |limits| limits.output_high_bytes = 0),
        ("output_low_bytes", |limits| limits.output_low_bytes = limits.output_high_bytes + 1),
        ("turn_requests_max", |limits| limits.turn_requests_max = 0),
        ("turn_bytes_max", |limits| limits.turn_bytes_max = 0),
    ];
    for (name, set) in cases {
        let mut limits = Limits::default();
        set(&mut limits);
        let started = std::panic::catch_unwind(move || start_with(on, app(), limits));
        let panic = started.err().unwrap_or_else(|| panic!("{name}: it starts"));
        let text = panic.downcast_ref::<String>().expect("a text");
        assert!(text.contains("InvalidInput") && text.contains(name), "{name}: {text}");
    }
}

/// Everything that clients ask of the app, on one connection.
fn is_served(client: &mut Client) {
    client.get("/").says("hello");
    client.get("/fn").says("hello");
    for path in READERS {
        client.send(upload(path, "hello")).response().says("5");
        client.send(post_chunked(path, "hello")).response().says("5");
    }
    client.get("/stream").says("onetwo");
}

fn what_may_be_zero_means_none(on: Backend) {
    let with = |set: fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        start_with(on, app(), limits)
    };
    let chunked = |body: &str| post_chunked("/bytes", "").replace("0\r\n\r\n0\r\n\r\n", body);

    let server = with(|limits| limits.body_bytes_max = 0);
    server.connect().get("/fn").says("hello");
    server.connect().send(upload("/bytes", "")).response().says("0");
    is_refused(&server, "a body", &upload("/bytes", "x"), 413);

    let server = with(|limits| limits.chunk_extension_bytes_max = 0);
    is_served(&mut server.connect());
    is_refused(&server, "an extension", &chunked("1;x\r\n.\r\n0\r\n\r\n"), 400);

    for set in
        [|limits: &mut Limits| limits.trailers_max = 0, |limits: &mut Limits| limits.trailer_bytes_max = 0]
    {
        let server = with(set);
        is_served(&mut server.connect());
        is_refused(&server, "a trailer", &chunked("1\r\n.\r\n0\r\nx: y\r\n\r\n"), 400);
    }

    // Nothing is ever waited for, but what comes with the head is there.
    for set in [
        |limits: &mut Limits| limits.progress_grace = Duration::ZERO,
        |limits: &mut Limits| limits.stall_timeout = Duration::ZERO,
        |limits: &mut Limits| limits.progress_bytes_per_second_min = 0,
        |limits: &mut Limits| limits.output_low_bytes = 0,
        |limits: &mut Limits| limits.head_timeout = Duration::ZERO,
    ] {
        is_served(&mut with(set).connect());
    }
    let server = with(|limits| limits.head_timeout = Duration::ZERO);
    is_refused(&server, "half a head", "GET / HT", 408);
    let server = with(|limits| limits.stall_timeout = Duration::ZERO);
    is_refused(&server, "half a body", upload("/bytes", "some").trim_end_matches("me"), 408);

    let server = with(|limits| limits.blocking_queue_max = 0);
    is_served(&mut server.connect());

    let server = with(|limits| limits.drain_bytes_max = 0);
    is_refused(&server, "an unread body", &upload("/unread", "x"), 200);
    is_served(&mut server.connect());

    for set in [
        |limits: &mut Limits| limits.linger_bytes_max = 0,
        |limits: &mut Limits| limits.linger_timeout = Duration::ZERO,
    ] {
        let server = with(set);
        is_served(&mut server.connect());
        is_refused(&server, "a bad request", "GET / HTTP/1.1\r\n\r\n", 400);
    }

    let server = with(|limits| limits.shutdown_timeout = Duration::ZERO);
    let mut client = server.connect();
    is_served(&mut client);
    server.handle().shutdown();
    server.ended();
    client.is_cut();
}

/// Whoever says nothing at once is closed, and what is there when the connection is accepted is answered.
fn without_any_idle_time_what_is_there_is_answered(on: Backend) {
    let limits = Limits { idle_timeout: Duration::ZERO, ..Limits::default() };
    let (give, given) = channel();
    let started = Server::new(app()).backend(on).limits(limits).on_start(move |server| {
        // All listens, and nothing is accepted yet. More than there are threads at first.
        for path in ["/", "/fn"].into_iter().cycle().take(40) {
            let mut client = Client::connect(server.local_addr());
            client.send(request(path));
            give.send(client)?;
        }
        Ok(())
    });
    let server = Running::new(on, started.start("127.0.0.1:0"));
    for mut client in given.iter().take(40) {
        client.response().says("hello");
        client.is_ended();
    }
    let mut silent = server.connect();
    silent.is_cut();
}

/// Threads are started when they have work, event loops at once.
fn a_million_workers_are_allowed_or_refused_by_name(on: Backend) {
    let started = Server::new(app()).backend(on).workers(1_000_000).start("127.0.0.1:0");
    if on == Backend::Threaded {
        is_served(&mut Running::new(on, started).connect());
        return;
    }
    let expected = format!("workers is 1000000, and has to be at most 1024 on backend {on}");
    assert_eq!(started.unwrap_err().to_string(), expected);
}

fn the_largest_settings(on: Backend) {
    let limits = Limits {
        head_bytes_max: usize::MAX,
        headers_max: 4096,
        target_bytes_max: 65_534,
        body_bytes_max: u64::MAX,
        chunk_line_bytes_max: usize::MAX,
        chunk_extension_bytes_max: usize::MAX,
        trailers_max: 4096,
        trailer_bytes_max: usize::MAX,
        head_timeout: Duration::MAX,
        idle_timeout: Duration::MAX,
        progress_grace: Duration::MAX,
        progress_bytes_per_second_min: u32::MAX,
        stall_timeout: Duration::MAX,
        connections_max: Some(usize::MAX),
        blocking_threads_max: usize::MAX,
        blocking_queue_max: usize::MAX,
        blocking_queue_timeout: Duration::MAX,
        loop_hold_max: Some(Duration::MAX),
        output_high_bytes: usize::MAX,
        output_low_bytes: usize::MAX,
        drain_bytes_max: u64::MAX,
        linger_bytes_max: u64::MAX,
        linger_timeout: Duration::MAX,
        turn_requests_max: u32::MAX,
        turn_bytes_max: usize::MAX,
        shutdown_timeout: Duration::MAX,
    };
    let server = start_with(on, app(), limits);
    let mut client = server.connect();
    for _ in 0..3 {
        is_served(&mut client);
        client.send(upload("/unread", &"x".repeat(1 << 20))).response().says("not read");
    }
    let fields =
        |count: usize| request("/").replace("\r\n\r\n", &format!("\r\n{}\r\n", "x: y\r\n".repeat(count - 1)));
    client.send(fields(4096)).response().says("hello");
    // Nobody may have more, so that no map of fields can fail: it does at about 24,000.
    for count in [4097, 30_000] {
        let names: String = (0..count).map(|n| format!("x{n}: y\r\n")).collect();
        is_refused(&server, "fields", &request("/").replace("\r\n\r\n", &format!("\r\n{names}\r\n")), 431);
    }
    let target = |length: usize| request(&format!("/missing?{}", "x".repeat(length - "/missing?".len())));
    client.send(target(65_534)).response().with_status(404);
    is_refused(&server, "a target", &target(65_535), 414);
    let mut half = server.connect();
    half.send("GET / HT");
    server.handle().shutdown();
    assert!(half.send("TP/1.1\r\nhost: t\r\n\r\n").response().says("hello").closes());
    half.is_ended();
    client.is_ended();
    drop((half, client));
    server.ended();
}
