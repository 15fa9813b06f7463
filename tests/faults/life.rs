//! Stops with connections in every state, from a handler, and two hundred in one process.

use std::{
    sync::{Arc, OnceLock, mpsc::Receiver},
    time::Duration,
};

use trijet::{Backend, Bytes, Limits, Router, ServerHandle, get, post};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload},
    held::{Held, held},
    oracle::{Bystanders, Oracle},
    server::start,
};

in_children_on_every_backend!(
    ":":
    a_stop_with_every_kind_of_connection,
    a_deadline_with_every_kind_of_connection,
    a_stop_from_a_handler,
    two_hundred_starts_and_stops,
);

/// Connections in every state that there is.
struct Every {
    idle: Vec<Client>,
    half_a_head: Client,
    half_a_body: Client,
    in_flight: Vec<Client>,
    mid_body: Client,
}

fn bring_about(oracle: &Oracle, entries: &Receiver<()>) -> Every {
    let mut idle: Vec<Client> = (0..5).map(|_| oracle.connect()).collect();
    idle.iter_mut().for_each(|client| drop(client.get("/").says("hello")));
    let [mut half_a_head, mut half_a_body, mut mid_body] = [(); 3].map(|()| oracle.connect());
    for client in [&mut half_a_head, &mut half_a_body] {
        // They are accepted, and used.
        client.get("/fn").says("hello");
    }
    half_a_head.send("GET / HT");
    half_a_body.send(upload("/bytes", "some").replace("some", "so"));
    let in_flight = ["/hold", "/hold/fn"]
        .map(|path| {
            let mut client = oracle.connect();
            client.send(request(path));
            entries.recv_timeout(PATIENCE).unwrap();
            client
        })
        .into();
    mid_body.send(request("/hold/body"));
    entries.recv_timeout(PATIENCE).unwrap();
    Every { idle, half_a_head, half_a_body, in_flight, mid_body }
}

fn a_stop_with_every_kind_of_connection(on: Backend) {
    let Held { gate, entries, app } = held();
    let oracle = Oracle::watch_with(on, app, Limits::default(), Bystanders::Absent);
    let mut every = bring_about(&oracle, &entries);
    let head = every.mid_body.head().with_status(200);
    oracle.server().handle().shutdown();
    every.idle.iter_mut().for_each(Client::is_ended);
    assert!(every.half_a_head.send("TP/1.1\r\nhost: t\r\n\r\n").response().says("hello").closes());
    assert!(every.half_a_body.send("me").response().says("some").closes());
    gate.open();
    for client in &mut every.in_flight {
        assert!(client.response().says("held").closes());
        client.is_ended();
    }
    every.mid_body.rest_of(head).says("held");
    for client in [&mut every.half_a_head, &mut every.half_a_body, &mut every.mid_body] {
        client.is_ended();
    }
    drop(every);
    oracle.server().ended();
}

fn a_deadline_with_every_kind_of_connection(on: Backend) {
    let Held { gate, entries, app } = held();
    let limits = Limits { shutdown_timeout: Duration::from_millis(300), ..Limits::default() };
    let oracle = Oracle::watch_with(on, app, limits, Bystanders::Absent);
    let mut every = bring_about(&oracle, &entries);
    every.mid_body.head().with_status(200);
    oracle.server().handle().shutdown();
    every.idle.iter_mut().for_each(Client::is_ended);
    // It ends though a `fn` runs on, whose answer is dropped.
    oracle.server().ended();
    let Every { half_a_head, half_a_body, in_flight, mid_body, .. } = &mut every;
    for client in in_flight.iter_mut().chain([half_a_head, half_a_body, mid_body]) {
        client.is_cut();
    }
    gate.open();
}

fn a_stop_from_a_handler(on: Backend) {
    for path in ["/fn", "/async"] {
        let handle: Arc<OnceLock<ServerHandle>> = Arc::default();
        let (one, other) = (handle.clone(), handle.clone());
        let stop = |handle: &OnceLock<ServerHandle>| {
            let handle = handle.get().expect("it is set");
            handle.shutdown();
            handle.shutdown();
            "stopping"
        };
        let app = Router::new()
            .route("/fn", get(move || stop(&one)))
            .route("/async", get(move || std::future::ready(stop(&other))));
        let oracle = Oracle::watch_with(on, app, Limits::default(), Bystanders::Absent);
        handle.set(oracle.server().handle().clone()).unwrap();
        let mut others: Vec<Client> = (0..5).map(|_| oracle.connect()).collect();
        others.iter_mut().for_each(|client| drop(client.get("/bystander/fn").says("fn")));
        let mut client = oracle.connect();
        assert!(client.get(path).says("stopping").closes());
        client.is_ended();
        others.iter_mut().for_each(Client::is_ended);
        drop((client, others));
        oracle.server().ended();
    }
}

fn two_hundred_starts_and_stops(on: Backend) {
    let oracle = Oracle::watch(on, Router::new());
    for round in 0..200 {
        serve_once(on, round);
    }
    // The one that was there all the time is as it was: its figures tell of the others.
    oracle.connect().get("/bystander/fn").says("fn");
}

fn serve_once(on: Backend, round: usize) {
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/fn", get(|| "hello"))
        .route("/bytes", post(|body: Bytes| body));
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/").says("hello");
    client.get("/fn").says("hello");
    client.send(upload("/bytes", "text")).response().says("text");
    // Every way to end: gracefully and now, with clients that stay, leave and are in the middle.
    match round % 4 {
        0 => drop(client),
        1 => client.reset(),
        2 => {
            server.connect().send("GET / HT");
            client.send(request("/"));
        }
        _ => {
            server.handle().shutdown();
            client.is_ended();
        }
    }
}
