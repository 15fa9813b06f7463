//! SIGINT and SIGTERM, as they come: the first stops gracefully, the second now. The process is the test's.

use std::{
    env, fs, io,
    os::unix::process::ExitStatusExt,
    process::{self, Command},
    sync::mpsc::{Receiver, channel},
    thread::{self, JoinHandle},
};

use trijet::{Address, Backend, Router, Server, get};

use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    eventually,
    gate::Gate,
    patiently,
    server::{Running, start},
};

in_children_on_every_backend!(
    ":":
    the_first_is_graceful,
    the_second_ends_it_now,
    one_during_the_start_stops_what_has_started,
    another_one_during_the_start_ends_the_process,
);

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

fn one_during_the_start_stops_what_has_started(on: Backend) {
    let path = env::temp_dir().join(format!("trijet-signals-{}", process::id()));
    let (tell, told) = channel();
    let also = tell.clone();
    let server = Server::new(Router::new())
        .backend(on)
        .on_start(move |_| {
            send("TERM");
            Ok(tell.send("start")?)
        })
        .on_stop(move |_| Ok(also.send("stop")?));
    let address = Address::unix(&path);
    patiently("serving", move || server.serve_on([address])).unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["start", "stop"]);
    assert!(!path.exists(), "its file goes with it");
}

/// A hook that hangs would keep it else, whatever its user does.
fn another_one_during_the_start_ends_the_process(on: Backend) {
    const HANGS: &str = "TRIJET_TEST_HANGS";
    if env::var_os(HANGS).is_some() {
        let (_keep, never) = channel::<()>();
        let server = Server::new(Router::new()).backend(on).on_start(move |_| {
            // Two of one kind may come as one.
            send("INT");
            send("TERM");
            _ = never.recv_timeout(PATIENCE);
            Ok(())
        });
        return server.serve("127.0.0.1:0").unwrap();
    }
    // This test, once more.
    let again =
        Command::new(env::current_exe().unwrap()).args(env::args_os().skip(1)).env(HANGS, "1").status();
    let signal = again.unwrap().signal();
    assert!(signal.is_some_and(|signal| [2, 15].contains(&signal)), "{signal:?}");
}
