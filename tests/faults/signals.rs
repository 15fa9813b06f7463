//! SIGINT and SIGTERM, as they come: the first stops gracefully, the second now. The process is the test's.

use std::{
    fs, io,
    process::{self, Command},
    sync::mpsc::{Receiver, channel},
    thread::{self, JoinHandle},
};

use trijet::{Backend, Router, get};

use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    eventually,
    gate::Gate,
    patiently,
    server::{Running, start},
};

in_children_on_every_backend!(":": the_first_is_graceful, the_second_ends_it_now);

fn send(signal: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", process::id())]).status();
    assert!(sent.is_ok_and(|status| status.success()), "{signal} could not be sent");
}

struct Served {
    gate: Gate,
    entries: Receiver<()>,
    server: Running,
    serving: JoinHandle<io::Result<()>>,
}

/// A server that waits for signals on a thread, as `serve` does in an application.
fn served(on: Backend) -> Served {
    let gate = Gate::default();
    let (entered, entries) = channel();
    let held = gate.clone();
    let app = Router::new().route("/", get(async || "hello")).route(
        "/hold",
        get(move || {
            entered.send(()).unwrap();
            held.wait();
            "held"
        }),
    );
    let server = start(on, app);
    let handle = server.handle().clone();
    let serving = thread::spawn(move || handle.serve());
    // From here on a signal is the server's: the thread is started with the first that asks for it.
    eventually("signals are listened for", || {
        fs::read_dir("/proc/self/task").unwrap().flatten().any(|task| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("trijet-signals"))
        })
    });
    Served { gate, entries, server, serving }
}

impl Served {
    /// An idle connection, and one that waits for its answer.
    fn clients(&self) -> (Client, Client) {
        let (mut idle, mut held) = (self.server.connect(), self.server.connect());
        idle.get("/").says("hello");
        held.send(request("/hold"));
        self.entries.recv_timeout(PATIENCE).unwrap();
        (idle, held)
    }
}

fn the_first_is_graceful(on: Backend) {
    let served = served(on);
    let (mut idle, mut held) = served.clients();
    send("INT");
    idle.is_ended();
    assert!(held.is_silent());
    served.gate.open();
    assert!(held.response().says("held").closes());
    held.is_ended();
    drop((idle, held));
    patiently("serving", move || served.serving.join()).unwrap().unwrap();
}

fn the_second_ends_it_now(on: Backend) {
    let served = served(on);
    let (mut idle, mut held) = served.clients();
    send("TERM");
    idle.is_ended();
    assert!(held.is_silent(), "the first lets it run");
    send("INT");
    patiently("serving", move || served.serving.join()).unwrap().unwrap();
    held.is_cut();
    served.gate.open();
}
