//! Many servers, one after the other, in one process: neither descriptors nor threads are left behind.
//! The process is one of its own, since those of other tests come and go.

use std::{env, fs, process::Command};

use trijet::{Backend, Bytes, Router, get, post};

use crate::common::{
    client::{get as request, post as upload},
    eventually,
    server::start,
};

on_every_backend!(starts_and_stops);

const CHILD: &str = "TRIJET_SUITE_CHILD";

fn starts_and_stops(on: Backend) {
    if env::var_os(CHILD).is_some() {
        return many(on);
    }
    let name = format!("growth::{on}::starts_and_stops");
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", &name, "--test-threads", "1", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&child.stderr)
    );
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
