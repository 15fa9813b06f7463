//! The connection limit, and a server's end: what is in flight is finished, what is idle is closed, what
//! was connected before is answered, and a deadline ends the rest.

use std::{
    net::TcpStream,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use trijet::{Backend, Limits, Router, ServerHandle, get};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload},
    held::held,
    patiently,
    server::{Running, launch_at, start, start_with, unhurried},
};

on_every_backend!(
    over_the_limit_the_kernel_queues,
    idle_connections_are_closed,
    a_first_request_may_still_come,
    a_first_request_that_never_comes_is_not_waited_for,
    what_is_in_flight_is_finished,
    half_of_a_request_may_still_come,
    what_was_connected_before_is_answered,
    the_deadline_cuts,
    now_means_now,
    an_address_in_use_is_named,
    from_a_handler,
    again_and_again_changes_nothing,
);

fn over_the_limit_the_kernel_queues(on: Backend) {
    let limits = Limits { connections_max: Some(2), ..Limits::default() };
    let server = start_with(on, held().app, limits);
    let (mut first, mut second) = (server.connect(), server.connect());
    first.get("/").says("hello");
    second.get("/").says("hello");
    let mut waiting: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(request("/fn"));
    }
    // Those that are in keep being served, and the others are not.
    for _ in 0..20 {
        first.get("/").says("hello");
        second.get("/fn").says("hello");
    }
    assert!(waiting.iter_mut().all(Client::is_silent));
    drop((first, second));
    for mut client in waiting {
        client.response().says("hello");
    }
    server.connect().get("/").says("hello");
}

fn is_refused(server: &Running) {
    TcpStream::connect(server.address()).expect_err("the port is closed");
}

fn idle_connections_are_closed(on: Backend) {
    let server = start_with(on, held().app, unhurried());
    let mut used: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for client in &mut used {
        client.get("/").says("hello");
    }
    server.handle().shutdown();
    for client in &mut used {
        client.is_ended();
    }
    server.ended();
    is_refused(&server);
}

/// A connection that has not sent its first request yet may be about to: it is given a moment.
fn a_first_request_may_still_come(on: Backend) {
    let server = start_with(on, held().app, unhurried());
    let mut clients = [server.connect(), server.connect()];
    // Both are accepted by now: the listeners' queue is served in order.
    server.connect().get("/").says("hello");
    server.handle().shutdown();
    for client in &mut clients {
        assert!(client.get("/fn").says("hello").closes());
        client.is_ended();
    }
    drop(clients);
    server.ended();
}

fn a_first_request_that_never_comes_is_not_waited_for(on: Backend) {
    let moment = Duration::from_millis(200);
    let server = start_with(on, held().app, Limits { linger_timeout: moment, ..unhurried() });
    let mut client = server.connect();
    server.handle().shutdown();
    client.is_ended();
    server.ended();
}

fn what_is_in_flight_is_finished(on: Backend) {
    let held = held();
    let server = start(on, held.app);
    let mut clients = Vec::new();
    for path in ["/hold", "/hold/fn", "/hold/body"] {
        let mut client = server.connect();
        // The second is not begun when the stop comes, and the first announces the close.
        client.send(request(path).repeat(2));
        held.entries.recv_timeout(PATIENCE).unwrap();
        clients.push((path, client));
    }
    let heads: Vec<_> =
        clients.iter_mut().map(|(path, client)| (*path == "/hold/body").then(|| client.head())).collect();
    server.handle().shutdown();
    held.gate.open();
    for ((path, mut client), head) in clients.into_iter().zip(heads) {
        match head {
            // The head was out before: the end of the connection has to tell.
            Some(head) => drop(client.rest_of(head).says("held")),
            None => assert!(client.response().says("held").closes(), "{path}"),
        }
        if path == "/hold/body" {
            // The request behind it was sent before the stop.
            assert!(client.response().says("held").closes());
        }
        client.is_ended();
    }
    server.ended();
    is_refused(&server);
}

fn half_of_a_request_may_still_come(on: Backend) {
    let server = start(on, held().app);
    let mut head = server.connect();
    let mut body = server.connect();
    head.get("/").says("hello");
    body.get("/").says("hello");
    head.send("GET /fn HTT");
    body.send(upload("/bytes", "some").trim_end_matches("me"));
    server.handle().shutdown();
    assert!(head.send("P/1.1\r\nhost: t\r\n\r\n").response().says("hello").closes());
    assert!(body.send("me").response().says("some").closes());
    head.is_ended();
    body.is_ended();
    server.ended();
}

fn what_was_connected_before_is_answered(on: Backend) {
    for _ in 0..10 {
        let server = start(on, held().app);
        let mut kept = server.connect();
        kept.get("/").says("hello");
        kept.send(request("/"));
        let mut fresh: Vec<Client> = (0..20).map(|_| server.connect()).collect();
        for client in &mut fresh {
            client.send(request("/fn"));
        }
        server.handle().shutdown();
        // Whether before the stop or after it: answered, and then closed.
        for client in fresh.iter_mut().chain([&mut kept]) {
            client.response().says("hello");
            client.is_ended();
        }
        drop((kept, fresh));
        server.ended();
        is_refused(&server);
    }
}

fn the_deadline_cuts(on: Backend) {
    let held = held();
    let timeout = Duration::from_millis(300);
    let server = start_with(on, held.app, Limits { shutdown_timeout: timeout, ..unhurried() });
    let mut clients = Vec::new();
    for path in ["/hold", "/hold/fn", "/hold/body"] {
        let mut client = server.connect();
        client.send(request(path));
        held.entries.recv_timeout(PATIENCE).unwrap();
        clients.push(client);
    }
    let mut half = server.connect();
    half.send("GET");
    clients.push(half);
    let start = Instant::now();
    server.handle().shutdown();
    server.ended();
    let elapsed = start.elapsed();
    assert!(elapsed >= timeout * 9 / 10 && elapsed < Duration::from_secs(5), "{elapsed:?}");
    for client in &mut clients {
        client.is_cut();
    }
    // A `fn` cannot be stopped: it is let go of, and ends by itself.
    held.gate.open();
}

fn now_means_now(on: Backend) {
    let held = held();
    let server = start_with(on, held.app, unhurried());
    let mut client = server.connect();
    client.send(request("/hold/fn"));
    held.entries.recv_timeout(PATIENCE).unwrap();
    server.handle().shutdown();
    server.handle().shutdown_now();
    server.ended();
    client.is_cut();
    is_refused(&server);
    held.gate.open();
}

fn an_address_in_use_is_named(on: Backend) {
    let server = start(on, held().app);
    let address = server.address();
    let started = std::panic::catch_unwind(|| launch_at(on, held().app, address));
    let panic = started.err().expect("it does not start");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(text.contains(&address.to_string()) && text.contains("AddrInUse"), "{text}");
    server.connect().get("/").says("hello");
    drop(server);
    // The port is free again, though connections of before may still linger.
    let again = launch_at(on, held().app, address);
    again.connect().get("/").says("hello");
}

fn from_a_handler(on: Backend) {
    for path in ["/fn", "/async"] {
        let handle: Arc<OnceLock<ServerHandle>> = Arc::default();
        let (one, other) = (handle.clone(), handle.clone());
        let stop = |handle: &OnceLock<ServerHandle>| {
            handle.get().expect("it is set").shutdown();
            "stopping"
        };
        let app = Router::new()
            .route("/fn", get(move || stop(&one)))
            .route("/async", get(move || std::future::ready(stop(&other))));
        let server = start(on, app);
        handle.set(server.handle().clone()).unwrap();
        let mut client = server.connect();
        assert!(client.get(path).says("stopping").closes());
        client.is_ended();
        drop(client);
        server.ended();
        is_refused(&server);
    }
}

fn again_and_again_changes_nothing(on: Backend) {
    let held = held();
    let server = start(on, held.app);
    let mut client = server.connect();
    client.send(request("/hold"));
    held.entries.recv_timeout(PATIENCE).unwrap();
    let handles: Vec<ServerHandle> = (0..4).map(|_| server.handle().clone()).collect();
    let waiting: Vec<_> = handles
        .into_iter()
        .map(|handle| {
            thread::spawn(move || {
                handle.shutdown();
                handle.shutdown();
                handle.wait()
            })
        })
        .collect();
    for _ in 0..3 {
        server.handle().shutdown();
    }
    held.gate.open();
    assert!(client.response().says("held").closes());
    drop(client);
    for waiting in waiting {
        patiently("a waiter", move || waiting.join()).unwrap().unwrap();
    }
    server.handle().shutdown();
    server.handle().shutdown_now();
    server.ended();
    is_refused(&server);
}
