//! What a load balancer is told: ready while the server serves, and no longer from the moment at which a stop is asked for.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use trijet::{Backend, Router, Server, get, health, rt};

use crate::common::{
    PATIENCE,
    client::get as request,
    held::held,
    server::{Running, unhurried},
};

on_every_backend!(
    ready_until_a_stop_is_asked_for,
    a_drain_serves_as_ever_and_is_not_ready,
    the_stop_begins_when_the_drain_is_over,
    a_second_stop_does_not_cut_the_drain_short,
    now_ends_a_drain,
    it_is_known_wherever_the_app_runs,
);

fn app() -> Router {
    Router::new()
        .route("/ready", get(health::ready))
        .route("/live", get(health::live))
        .route("/", get(async || "hello"))
        .route("/fn", get(|| "hello"))
}

fn start(on: Backend, app: Router, drain_delay: Duration) -> Running {
    let server = Server::new(app).backend(on).limits(unhurried()).drain_delay(drain_delay);
    Running::new(on, server.start("127.0.0.1:0"))
}

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn ready_until_a_stop_is_asked_for(on: Backend) {
    let server = start(on, app(), Duration::ZERO);
    assert!(server.handle().is_ready());
    let (mut client, mut other) = (server.connect(), server.connect());
    let ready = client.get("/ready").says("ready\n");
    assert_eq!(ready.header("cache-control"), Some("no-store"));
    other.get("/live").says("alive\n");
    // Half of a request may still come.
    client.send("GET /ready HTT");
    other.send("GET /live HTT");
    server.handle().shutdown();
    assert!(!server.handle().is_ready());
    let answer = client.send("P/1.1\r\nhost: t\r\n\r\n").response().with_status(503);
    assert_eq!((answer.text(), answer.closes()), ("not ready\n", true));
    other.send("P/1.1\r\nhost: t\r\n\r\n").response().says("alive\n");
    drop((client, other));
    server.ended();
    assert!(!server.handle().is_ready());
}

fn a_drain_serves_as_ever_and_is_not_ready(on: Backend) {
    let server = start(on, app(), LONG);
    let mut kept = server.connect();
    kept.get("/ready").says("ready\n");
    server.handle().shutdown();
    assert!(!server.handle().is_ready());
    let mut fresh = server.connect();
    for client in [&mut kept, &mut fresh] {
        for path in ["/", "/fn"] {
            assert!(!client.get(path).says("hello").closes(), "it is kept");
        }
        let told = client.get("/ready").with_status(503);
        assert!(!told.closes(), "it is kept");
        client.get("/live").says("alive\n");
    }
    server.handle().shutdown_now();
    server.ended();
}

fn the_stop_begins_when_the_drain_is_over(on: Backend) {
    let delay = Duration::from_millis(150);
    let server = start(on, app(), delay);
    let mut idle = server.connect();
    idle.get("/").says("hello");
    let begun = Instant::now();
    server.handle().shutdown();
    // As all that are idle, once the stop begins.
    idle.is_ended();
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    server.ended();
    TcpStream::connect(server.address()).expect_err("the port is closed");
}

fn a_second_stop_does_not_cut_the_drain_short(on: Backend) {
    let server = start(on, app(), LONG);
    let mut client = server.connect();
    client.get("/").says("hello");
    for _ in 0..3 {
        server.handle().shutdown();
    }
    assert!(client.is_silent());
    client.get("/").says("hello");
}

fn now_ends_a_drain(on: Backend) {
    let held = held();
    let server = start(on, held.app, LONG);
    let mut client = server.connect();
    client.send(request("/hold"));
    held.entries.recv_timeout(PATIENCE).unwrap();
    server.handle().shutdown();
    server.handle().shutdown_now();
    server.ended();
    client.is_cut();
    held.gate.open();
}

fn it_is_known_wherever_the_app_runs(on: Backend) {
    assert!(!rt::is_ready(), "no server serves this thread");
    let app = Router::new()
        .route("/async", get(async || rt::is_ready().to_string()))
        .route("/fn", get(|| rt::is_ready().to_string()))
        .route("/task", get(async || rt::spawn(async { rt::is_ready() }).await.unwrap().to_string()))
        .route("/call", get(async || rt::spawn_blocking(rt::is_ready).await.unwrap().to_string()));
    let server = start(on, app, LONG);
    for expected in ["true", "false"] {
        for path in ["/async", "/fn", "/task", "/call"] {
            server.connect().get(path).says(expected);
        }
        server.handle().shutdown();
    }
}
