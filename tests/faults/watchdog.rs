//! A handler that holds its loop: the log names it while it does, once, and tells when it is over.

use trijet::{Backend, Router, State, get, rt};

use crate::common::{client::get as request, gate::Gate, log_lines::LogLines, oracle::Oracle};

in_children_on_every_backend!(":": a_handler_that_holds_its_loop, a_task_that_holds_its_loop);

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
