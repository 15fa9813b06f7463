//! Heads that drip, never end, never begin or are just too large.

use std::{
    thread,
    time::{Duration, Instant},
};

use trijet::{Backend, Limits, Router, get};

use crate::common::{
    client::{Client, get as request},
    oracle::{Bystanders, Oracle},
};

in_children_on_every_backend!(
    ":":
    dripped_a_byte_at_a_time,
    never_ending,
    nothing_sent,
    over_each_limit_by_one,
);

const SHORT: Duration = Duration::from_millis(500);
const CROWD: usize = 20;

fn app() -> Router {
    Router::new().route("/", get(async || "hello")).fallback(async || "hello")
}

fn dripped_a_byte_at_a_time(on: Backend) {
    let oracle = Oracle::watch(on, app());
    let mut clients: Vec<Client> = (0..CROWD).map(|_| oracle.connect()).collect();
    for byte in request("/").as_bytes() {
        for client in &mut clients {
            client.send([*byte]);
        }
        thread::yield_now();
    }
    for client in &mut clients {
        client.response().says("hello");
        client.get("/").says("hello");
    }
}

fn never_ending(on: Backend) {
    let limits = Limits { head_timeout: SHORT, ..Limits::default() };
    let oracle = Oracle::watch_with(on, app(), limits, Bystanders::Served);
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..CROWD).map(|_| oracle.connect()).collect();
    // A byte now and then puts nothing off.
    for byte in request("/").as_bytes().iter().take(10) {
        clients.iter_mut().for_each(|client| drop(client.try_send([*byte])));
        thread::sleep(SHORT / 20);
    }
    for client in &mut clients {
        assert!(client.response().with_status(408).closes());
        client.is_ended();
    }
    assert!(start.elapsed() >= SHORT * 9 / 10);
}

fn nothing_sent(on: Backend) {
    let limits = Limits { idle_timeout: SHORT, ..Limits::default() };
    let oracle = Oracle::watch_with(on, app(), limits, Bystanders::Absent);
    let mut clients: Vec<Client> = (0..CROWD).map(|_| oracle.connect()).collect();
    // It is their own time that is over, not that of others.
    clients.iter_mut().for_each(Client::is_ended);
}

fn over_each_limit_by_one(on: Backend) {
    let oracle = Oracle::watch(on, app());
    let limits = Limits::default();
    let target = |length: usize| request(&format!("/{}", "x".repeat(length - 1)));
    let fields =
        |count: usize| request("/").replace("\r\n\r\n", &format!("\r\n{}\r\n", "x: y\r\n".repeat(count - 1)));
    let padded = |length: usize| {
        let rest = request("/").len() + "x: \r\n".len();
        request("/").replace("\r\n\r\n", &format!("\r\nx: {}\r\n\r\n", "y".repeat(length - rest)))
    };
    for (allowed, refused, status) in [
        (target(limits.target_bytes_max), target(limits.target_bytes_max + 1), 414),
        (fields(limits.headers_max), fields(limits.headers_max + 1), 431),
        (padded(limits.head_bytes_max), padded(limits.head_bytes_max + 1), 431),
    ] {
        let mut client = oracle.connect();
        client.send(&allowed).response().says("hello");
        for refused in [refused.clone(), refused.clone() + &request("/")] {
            let mut client = oracle.connect();
            assert!(client.send(refused).response().with_status(status).closes());
            client.is_ended();
        }
        client.send(allowed).response().says("hello");
    }
}
