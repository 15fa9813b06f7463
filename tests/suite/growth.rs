//! Many servers, one after the other, in one process: neither descriptors nor threads are left behind.
//! The process is one of its own, since those of other tests come and go.

use std::{env, fs, net::TcpStream, process::Command};

use trijet::{Backend, Bytes, Limits, Router, get, post};

use crate::common::{
    client::{get as request, post as upload},
    eventually,
    server::{start, start_with},
};

on_every_backend!(starts_and_stops, short_of_descriptors);

const CHILD: &str = "TRIJET_SUITE_CHILD";

/// Runs the test of this name in a process of its own, after `setting` in its shell.
fn in_a_child(on: Backend, test: &str, setting: &str) {
    let name = format!("growth::{on}::{test}");
    let child = Command::new("sh")
        .args(["-c", &format!("{setting}; exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &name, "--test-threads", "1", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && text.contains("1 passed"), "{text}{errors}");
}

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

fn starts_and_stops(on: Backend) {
    if is_child() { many(on) } else { in_a_child(on, "starts_and_stops", ":") }
}

/// With 64 files in all, more connections come than can be accepted: the server goes on with those it
/// has, and takes others once it can.
fn short_of_descriptors(on: Backend) {
    if !is_child() {
        return in_a_child(on, "short_of_descriptors", "ulimit -n 64");
    }
    let limits = Limits { connections_max: Some(1_000), ..Limits::default() };
    let app = Router::new().route("/", get(async || "hello")).route("/fn", get(|| "hello"));
    let server = start_with(on, app, limits);
    let mut first = server.connect();
    first.get("/").says("hello");
    for _ in 0..3 {
        // Those that the system still gives: some of them wait for a descriptor on the other side.
        let crowd: Vec<TcpStream> =
            (0..100).map_while(|_| TcpStream::connect(server.address()).ok()).collect();
        assert!(crowd.len() > 10 && crowd.len() < 100, "{} connections", crowd.len());
        first.get("/").says("hello");
        drop(crowd);
        first.get("/fn").says("hello");
        server.connect().get("/").says("hello");
    }
}

fn count(what: &str) -> usize {
    fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
}

fn many(on: Backend) {
    serve_once(on, 0);
    // Threads without work stay for a moment.
    let settled =
        |most: [usize; 2]| eventually("the first are gone", || [count("fd"), count("task")] <= most);
    settled([usize::MAX, 3]);
    let base = [count("fd"), count("task")];
    for round in 0..100 {
        serve_once(on, round);
    }
    eventually("descriptors and threads are back to where they were", || {
        count("fd") <= base[0] && count("task") <= base[1]
    });
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
