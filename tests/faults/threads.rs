//! Thread creation that fails: the address space of the process has room for a few stacks of 256 MiB.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use trijet::{Backend, Limits, Router, get};

use crate::common::{
    client::{Client, get as request},
    eventually,
    gate::Gate,
    log_lines::LogLines,
    oracle::{Bystanders, Oracle},
};

in_children_on_every_backend!(
    "ulimit -v 6000000; export RUST_MIN_STACK=268435456":
    no_more_can_be_started
);

/// As many calls as there are threads run, the others wait; none is lost, and nobody crashes.
fn no_more_can_be_started(on: Backend) {
    const CALLS: usize = 60;
    let lines = LogLines::collect();
    let gate = Gate::default();
    let running = Arc::new(AtomicUsize::new(0));
    let (held, count) = (gate.clone(), running.clone());
    let app = Router::new().route("/", get(async || "hello")).route("/fn", get(|| "hello")).route(
        "/hold",
        get(move || {
            count.fetch_add(1, Ordering::SeqCst);
            held.wait();
            "held"
        }),
    );
    let limits = Limits { blocking_queue_timeout: Duration::from_secs(60), ..Limits::default() };
    let oracle = Oracle::watch_with(on, app, limits, Bystanders::Absent);
    oracle.connect().get("/fn").says("hello");
    let mut clients: Vec<Client> = (0..CALLS).map(|_| oracle.connect()).collect();
    for client in &mut clients {
        client.send(request("/hold"));
    }
    if on == Backend::Tokio {
        // Tokio itself starts its threads, and says nothing of those that it could not.
        eventually("some calls run", || running.load(Ordering::SeqCst) > 0);
    } else {
        lines.await_one("the shortage is told", |line| line.contains("cannot start another thread"));
    }
    if on != Backend::Threaded {
        // An event loop has its threads.
        oracle.connect().get("/").says("hello");
    }
    assert!(running.load(Ordering::SeqCst) < CALLS, "there was no shortage");
    gate.open();
    for client in &mut clients {
        client.response().says("held");
    }
    oracle.connect().get("/fn").says("hello");
}
