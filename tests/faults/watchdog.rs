//! A handler that holds its loop: the log names it while it does, once, and tells when it is over.

use std::time::{Duration, Instant};

use trijet::{Backend, Path, Router, State, get, rt};

use crate::common::{
    client::get as request,
    gate::Gate,
    log_lines::LogLines,
    oracle::{Bystanders, Oracle},
    server::unhurried,
};

in_children_on_every_backend!(
    ":": a_handler_that_holds_its_loop,
    a_task_that_holds_its_loop,
    a_silent_server_names_the_first_request,
);

async fn hold(State(gate): State<Gate>) -> &'static str {
    gate.wait();
    "held"
}

fn a_handler_that_holds_its_loop(on: Backend) {
    let lines = LogLines::collect();
    let gate = Gate::default();
    let app = Router::new().route("/reports/{id}", get(hold)).state(gate.clone());
    let oracle = Oracle::watch(on, app);
    let mut client = oracle.connect();
    client.send(request("/reports/7"));
    let named = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| line.contains("GET /reports/{id}")).collect()
    };
    if on == Backend::Threaded {
        gate.open();
        client.response().says("held");
        assert_eq!(named(lines.take()), [""; 0]);
        return;
    }
    lines.await_one("it is named", |line| line.contains("GET /reports/{id} has held"));
    gate.open();
    client.response().says("held");
    lines.await_one("its end is told", |line| line.contains("GET /reports/{id} has let"));
    let told = named(lines.take());
    let [held, over] = &told[..] else { panic!("two lines, and not {told:?}") };
    assert!(held.starts_with("WARN ") && held.contains("on thread trijet-"), "{held}");
    assert!(held.contains("waits in"), "{held}");
    assert!(over.starts_with("INFO ") && over.contains(" ms"), "{over}");
}

fn a_task_that_holds_its_loop(on: Backend) {
    async fn spawn(State(gate): State<Gate>) -> &'static str {
        drop(rt::spawn(async move { gate.wait() }));
        "begun"
    }
    let lines = LogLines::collect();
    let gate = Gate::default();
    let oracle = Oracle::watch(on, Router::new().route("/", get(spawn)).state(gate.clone()));
    oracle.connect().get("/").says("begun");
    if on != Backend::Threaded {
        lines.await_one("it is named", |line| line.contains("a task of trijet::rt::spawn has held"));
    }
    gate.open();
    if on != Backend::Threaded {
        lines.await_one("its end is told", |line| line.contains("a task of trijet::rt::spawn has let"));
    }
    let named = lines.take().into_iter().filter(|line| line.contains("has held")).count();
    assert_eq!(named, usize::from(on != Backend::Threaded));
}

/// The watchdog sleeps by then: the request itself has to wake it. By itself it would look after a second.
fn a_silent_server_names_the_first_request(on: Backend) {
    const ROUNDS: usize = 3;
    const HOLD_MOST: Duration = Duration::from_millis(800);
    async fn hold(Path(round): Path<usize>, State(gates): State<[Gate; ROUNDS]>) -> &'static str {
        gates[round].wait();
        "held"
    }
    let lines = LogLines::collect();
    log::set_max_level(log::LevelFilter::Trace);
    let gates: [Gate; ROUNDS] = Default::default();
    let app = Router::new().route("/{round}", get(hold)).state(gates.clone());
    let oracle = Oracle::watch_with(on, app, unhurried(), Bystanders::Absent);
    let mut client = oracle.connect();
    for (round, gate) in gates.into_iter().enumerate() {
        if on == Backend::Threaded {
            // It has no loop, and no watchdog.
            gate.open();
        } else {
            lines.await_one("it sleeps", |line| line.contains("the watchdog sleeps"));
        }
        let asleep = Instant::now();
        client.send(request(&format!("/{round}")));
        let left = HOLD_MOST.saturating_sub(asleep.elapsed());
        let is_named =
            on != Backend::Threaded && lines.has_within(left, |line| line.contains("GET /{round} has held"));
        gate.open();
        client.response().says("held");
        assert_eq!(is_named, on != Backend::Threaded, "round {round}: {:?}", lines.take());
        lines.forget();
    }
}
