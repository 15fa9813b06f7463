//! The watchdog, as a server's handle tells of it: who holds a loop is named while it does, whatever part of the app
//! it is; who may block is not. And the other figures of `statistics`.

use std::{iter, time::Duration};

use futures_util::stream;
use trijet::{
    Backend, Body, Hold, Limits, Next, Path, Request, Response, Router, State, Statistics, get, inline,
};

use crate::common::{
    client::{Client, get as request},
    eventually,
    gate::Gate,
    server::{Running, start_with, start_workers, unhurried},
};

on_every_backend!(
    who_holds_a_loop_is_named_while_it_does,
    who_may_block_is_not_named,
    where_it_is_off_nobody_is_named,
    too_short_a_limit_is_named,
    figures,
);

/// Limits under which nothing ends by time, with the watchdog as it is by default.
fn limits() -> Limits {
    let limits = unhurried();
    assert_eq!(limits.loop_hold_max, Some(Duration::from_millis(100)));
    limits
}

fn block(State(gate): State<Gate>) -> &'static str {
    gate.wait();
    "held"
}

async fn hold_the_loop(gate: State<Gate>) -> &'static str {
    block(gate)
}

async fn hold_around(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    gate.wait();
    next.run(request).await
}

fn block_around(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    gate.wait();
    next.run_blocking(request)
}

/// One piece, which blocks.
fn piece(gate: State<Gate>) -> impl Iterator<Item = Result<&'static str, std::io::Error>> {
    iter::once_with(|| Ok(block(gate)))
}

/// Routes that block at the gate, wherever an app can.
fn app(gate: &Gate) -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/async/{id}", get(async |Path(_): Path<u64>, gate: State<Gate>| block(gate)))
        .route("/fn", get(block))
        .route("/inline", get(inline(block)))
        .route("/layer", get(async || "held").wrap(hold_around))
        .route("/layer/fn", get(async || "held").wrap(block_around))
        .route("/stream", get(async |gate: State<Gate>| Body::from_stream(stream::iter(piece(gate)))))
        .route("/iterator", get(|gate: State<Gate>| Body::from_iter(piece(gate))))
        .fallback(hold_the_loop)
        .state(gate.clone())
}

fn statistics(server: &Running) -> Statistics {
    server.handle().statistics()
}

/// The last hold of this route.
fn hold(server: &Running, route: &str) -> Option<Hold> {
    statistics(server).recent_holds.into_iter().rev().find(|hold| hold.route == route)
}

fn who_holds_a_loop_is_named_while_it_does(on: Backend) {
    for (path, route) in [
        ("/async/7", "GET /async/{id}"),
        ("/inline", "GET /inline"),
        ("/layer", "GET /layer"),
        ("/stream", "GET /stream"),
        ("/nowhere", "the fallback of the app"),
    ] {
        let gate = Gate::default();
        let server = start_workers(on, app(&gate), limits(), 2);
        let mut client = server.connect();
        client.send(request(path));
        if on == Backend::Threaded {
            // It has a thread of its own, and no loop to hold.
            gate.open();
            client.response().says("held");
            assert!(
                statistics(&server).recent_holds.is_empty() && statistics(&server).loops.is_empty(),
                "{path}"
            );
            continue;
        }
        eventually("it is named", || hold(&server, route).is_some());
        let now = statistics(&server);
        let of_loops: u64 = now.loops.iter().map(|each| each.holds).sum();
        assert!(now.holds == of_loops && of_loops >= 1, "{now:?}");
        let named = hold(&server, route).unwrap();
        assert!(!named.is_over && named.duration > Duration::ZERO, "{named:?}");
        let lagging = now.loops.iter().find(|each| !each.lag.is_zero()).expect("a loop that lags");
        assert!(lagging.thread == named.thread && lagging.lag_max >= lagging.lag, "{lagging:?}");
        if cfg!(target_os = "linux") {
            assert!(named.doing.as_ref().is_some_and(|doing| doing.starts_with("waits in")), "{named:?}");
        }
        gate.open();
        client.response().says("held");
        eventually("it is over", || hold(&server, route).is_some_and(|hold| hold.is_over));
        eventually("no loop lags", || statistics(&server).loops.iter().all(|each| each.lag.is_zero()));
        assert!(statistics(&server).loops.iter().any(|each| !each.lag_max.is_zero()));
    }
}

/// They block for longer than one that is named meanwhile.
fn who_may_block_is_not_named(on: Backend) {
    let (gate, other) = (Gate::default(), Gate::default());
    let holds = Router::new().route("/holds", get(hold_the_loop)).state(other.clone());
    let app = app(&gate).merge(holds);
    let server = start_workers(on, app, limits(), 8);
    let paths = ["/fn", "/layer/fn", "/iterator"];
    let mut clients: Vec<Client> = paths.iter().map(|_| server.connect()).collect();
    for (client, path) in clients.iter_mut().zip(paths) {
        client.send(request(path));
    }
    eventually("all have a thread", || statistics(&server).threads >= paths.len());
    let mut holder = server.connect();
    holder.send(request("/holds"));
    if on != Backend::Threaded {
        eventually("it is named", || hold(&server, "GET /holds").is_some());
    }
    other.open();
    gate.open();
    holder.response();
    for client in &mut clients {
        client.response().says("held");
    }
    for path in paths {
        assert_eq!(hold(&server, &format!("GET {path}")), None);
    }
}

fn where_it_is_off_nobody_is_named(on: Backend) {
    let gate = Gate::default();
    let off = start_workers(on, app(&gate), Limits { loop_hold_max: None, ..limits() }, 1);
    let mut quiet = off.connect();
    quiet.send(request("/async/1"));
    if on != Backend::Threaded {
        // Later, and named all the same.
        let watched = start_workers(on, app(&gate), limits(), 1);
        let mut told = watched.connect();
        told.send(request("/async/2"));
        eventually("it is named", || hold(&watched, "GET /async/{id}").is_some());
        gate.open();
        told.response().says("held");
    }
    gate.open();
    quiet.response().says("held");
    let now = statistics(&off);
    assert!(now.holds == 0 && now.recent_holds.is_empty() && now.loops.is_empty(), "{now:?}");
}

fn too_short_a_limit_is_named(on: Backend) {
    for short in [Duration::ZERO, Duration::from_millis(9)] {
        let limits = Limits { loop_hold_max: Some(short), ..Limits::default() };
        let started = std::panic::catch_unwind(move || start_with(on, Router::new(), limits));
        let panic = started.err().expect("it does not start");
        let text = panic.downcast_ref::<String>().expect("a text");
        assert!(text.contains("InvalidInput") && text.contains("loop_hold_max"), "{text}");
    }
    for long in [Duration::from_millis(10), Duration::MAX] {
        let limits = Limits { loop_hold_max: Some(long), ..Limits::default() };
        let server = start_with(on, Router::new().route("/", get(async || "hello")), limits);
        server.connect().get("/").says("hello");
    }
}

fn figures(on: Backend) {
    let gate = Gate::default();
    let limits = Limits { blocking_threads_max: 1, ..limits() };
    let server = start_with(on, app(&gate), limits);
    let figures = || {
        let Statistics { connections, threads, queued, .. } = statistics(&server);
        (connections, threads, queued)
    };
    assert_eq!(figures(), (0, 0, 0));
    let mut clients = [(); 3].map(|()| server.connect());
    eventually("they are connected", || figures().0 == 3);
    for client in &mut clients {
        client.send(request("/fn"));
    }
    eventually("one runs, two wait", || figures() == (3, 1, 2));
    gate.open();
    for client in &mut clients {
        client.response().says("held");
    }
    eventually("none waits", || figures().2 == 0);
    let handle = server.handle().clone();
    drop((clients, server));
    // A server that was cut does not wait for its pool: what is queued there is let go by the threads themselves.
    eventually("nothing is left", || {
        let after = handle.statistics();
        (after.connections, after.queued) == (0, 0)
    });
}
