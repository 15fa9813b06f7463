//! With the feature `tokio-context`, every thread that runs or drops something of the app is inside a Tokio
//! runtime, also while the server ends; and that runtime ends with it.

use std::{
    fs,
    pin::Pin,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use ::tokio::runtime::Handle;
use futures_util::Stream;
use trijet::{Backend, Body, Bytes, Limits, Next, Request, Router, State, get, rt};

use crate::common::{
    PATIENCE,
    client::get as request,
    eventually,
    gate::Gate,
    oracle::Oracle,
    server::{start, start_with, unhurried},
};

in_children_on_every_backend!(
    ":": what_is_dropped_at_the_end, what_is_dropped_when_the_client_leaves, what_waits_for_a_thread_at_the_end,
    the_runtime_ends_with_the_server,
    what_runs_beside_a_fn,
    tasks_and_calls_of_the_backend, nobody_waits_for_what_blocks_there, a_body_that_sleeps_and_spawns
);

/// Tells where it is dropped: its destructor needs a runtime, as that of many a client does.
struct Witness {
    name: &'static str,
    told: Sender<(&'static str, bool)>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        let is_inside = Handle::try_current().is_ok();
        drop(::tokio::spawn(async {}));
        self.told.send((self.name, is_inside)).unwrap();
    }
}

/// A body of a long frame and no end, which holds what it is given.
struct Endless(#[expect(dead_code, reason = "dropped with it")] Witness);

impl Stream for Endless {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        assert!(Handle::try_current().is_ok(), "a body is polled outside");
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 64 << 10]))))
    }
}

/// Routes that hold a witness each: in a future, in a body that nobody reads, in a body that waits.
fn held(told: &Sender<(&'static str, bool)>, entered: &Sender<()>) -> Router {
    let witness = |name| {
        let told = told.clone();
        move || Witness { name, told: told.clone() }
    };
    let (state, future, unread, waiting) =
        (witness("state"), witness("future"), witness("unread body"), witness("waiting body"));
    let entered = entered.clone();
    let enter = {
        let entered = entered.clone();
        move || entered.send(()).unwrap()
    };
    let hold = move || {
        let (held, enter) = (future(), enter.clone());
        async move {
            let _held = held;
            enter();
            ::tokio::time::sleep(PATIENCE * 6).await;
        }
    };
    let wait = move || {
        let held = waiting();
        let entered = entered.clone();
        let rest = futures_util::stream::once(async move {
            let _held = held;
            entered.send(()).unwrap();
            ::tokio::time::sleep(PATIENCE * 6).await;
            Ok::<_, std::io::Error>("never")
        });
        std::future::ready(Body::from_stream(rest))
    };
    Router::new()
        .route("/hold", get(hold))
        .route("/unread", get(move || std::future::ready(Body::from_stream(Endless(unread())))))
        .route("/wait", get(wait))
        .route("/state", get(async |_: State<Arc<Witness>>| "here"))
        .state(Arc::new(state()))
}

fn what_is_dropped_at_the_end(on: Backend) {
    let ((told, tellings), (entered, entries)) = (channel(), channel());
    let server = start_with(on, held(&told, &entered), unhurried());
    let mut clients: Vec<_> = ["/hold", "/wait", "/unread"].map(|path| (server.connect(), path)).into();
    for (client, path) in &mut clients {
        client.send(request(path));
    }
    (0..2).for_each(|_| entries.recv_timeout(PATIENCE).expect("the handlers run"));
    // Its head is here: its body is on its way, and stops where nobody reads.
    assert_eq!(clients[2].0.head().status, 200);
    server.handle().shutdown_now();
    server.ended();
    let mut dropped: Vec<_> =
        (0..4).map(|_| tellings.recv_timeout(PATIENCE).expect("all is dropped")).collect();
    dropped.sort_unstable();
    assert_eq!(dropped, ["future", "state", "unread body", "waiting body"].map(|name| (name, true)));
}

fn what_is_dropped_when_the_client_leaves(on: Backend) {
    let ((told, tellings), (entered, _entries)) = (channel(), channel());
    let server = start_with(on, held(&told, &entered), unhurried());
    let mut client = server.connect();
    assert_eq!(client.send(request("/unread")).head().status, 200);
    client.reset();
    assert_eq!(tellings.recv_timeout(PATIENCE), Ok(("unread body", true)));
    server.handle().shutdown();
    server.ended();
    assert_eq!(tellings.recv_timeout(PATIENCE), Ok(("state", true)));
}

/// Queued jobs of the app are dropped by the stop, and a running one outlives the server.
fn what_waits_for_a_thread_at_the_end(on: Backend) {
    const QUEUED: usize = 3;
    let ((told, tellings), (entered, entries), gate) = (channel(), channel(), Gate::default());
    let (hold, told) = (gate.clone(), told);
    let call = move || {
        let (witness, entered, hold) =
            (Witness { name: "call", told: told.clone() }, entered.clone(), hold.clone());
        entered.send(()).unwrap();
        hold.wait();
        drop(witness);
        Handle::current().block_on(async { "answered" })
    };
    let limits = Limits { blocking_threads_max: 1, ..unhurried() };
    let server = start_with(on, Router::new().route("/", get(call)), limits);
    let mut clients: Vec<_> = (0..=QUEUED).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(request("/"));
    }
    entries.recv_timeout(PATIENCE).expect("one runs");
    server.handle().shutdown_now();
    server.ended();
    gate.open();
    assert_eq!(tellings.recv_timeout(PATIENCE), Ok(("call", true)));
    // The thread ends, and with it the app and the last sender.
    tellings.recv_timeout(PATIENCE).expect_err("no other call was begun");
}

/// The threads of this process that have this name.
fn threads(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|each| each.trim_end() == name).count()
}

fn the_runtime_ends_with_the_server(on: Backend) {
    const NAME: &str = "trijet-context";
    let oracle = Oracle::watch(on, Router::new().route("/", get(async || "hello")));
    // A thread names itself once it runs.
    let there_are = |count| eventually("each has its own", || threads(NAME) == count);
    there_are(usize::from(on != Backend::Tokio));
    let servers: Vec<_> =
        (0..3).map(|_| start(on, Router::new().route("/", get(async || "hello")))).collect();
    servers.iter().for_each(|server| drop(server.connect().get("/").says("hello")));
    there_are(4 * usize::from(on != Backend::Tokio));
    drop(servers);
    drop(oracle);
    eventually("the runtimes end", || threads(NAME) == 0);
}

fn nobody_waits_for_what_blocks_there(on: Backend) {
    let gate = Gate::default();
    let (hold, (entered, entries)) = (gate.clone(), channel());
    let leave_behind = move || {
        let (hold, entered) = (hold.clone(), entered.clone());
        drop(::tokio::task::spawn_blocking(move || {
            entered.send(()).unwrap();
            hold.wait();
        }));
        std::future::ready("left")
    };
    let server = start(on, Router::new().route("/", get(leave_behind)));
    server.connect().get("/").says("left");
    entries.recv_timeout(PATIENCE).expect("it blocks");
    server.handle().shutdown();
    server.ended();
    gate.open();
}

/// Middleware that waits while a plain `fn` runs inside it: on threaded, another thread polls it meanwhile.
fn what_runs_beside_a_fn(on: Backend) {
    let gate = Gate::default();
    let hold = gate.clone();
    let beside = move |request: Request, next: Next| {
        let gate = gate.clone();
        async move {
            let naps = async {
                for _ in 0..3 {
                    ::tokio::time::sleep(Duration::from_millis(1)).await;
                }
                gate.open();
            };
            futures_util::future::join(next.run(request), naps).await.0
        }
    };
    let held = move || {
        hold.wait();
        "held"
    };
    let oracle = Oracle::watch(on, Router::new().route("/", get(held).wrap(beside)));
    oracle.connect().get("/").says("held");
}

/// What `trijet::rt` starts is inside too, on whichever thread that is.
fn tasks_and_calls_of_the_backend(on: Backend) {
    let both = async || {
        let task = rt::spawn(async {
            ::tokio::time::sleep(Duration::from_millis(1)).await;
            "task"
        });
        let call = rt::spawn_blocking(|| Handle::current().block_on(async { "call" }));
        let (task, call) = (task.await.unwrap_or("lost"), call.await.unwrap_or("lost"));
        format!("{task} {call}")
    };
    let oracle = Oracle::watch(on, Router::new().route("/", get(both)));
    oracle.connect().get("/").says("task call");
}

/// Unmodified code for Tokio: a body whose stream sleeps, and whose destructor spawns.
fn a_body_that_sleeps_and_spawns(on: Backend) {
    struct Dripping {
        left: usize,
        sleep: Pin<Box<::tokio::time::Sleep>>,
        done: Sender<&'static str>,
    }
    fn moment() -> Pin<Box<::tokio::time::Sleep>> {
        Box::pin(::tokio::time::sleep(Duration::from_millis(1)))
    }
    impl Stream for Dripping {
        type Item = Result<&'static str, std::io::Error>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            self.sleep = moment();
            Poll::Ready(Some(Ok("drip")))
        }
    }
    impl Drop for Dripping {
        fn drop(&mut self) {
            let done = self.done.clone();
            drop(::tokio::spawn(async move {
                moment().await;
                done.send("done").unwrap();
            }));
        }
    }
    let (done, told) = channel();
    let (whole, endless) = (done.clone(), done);
    let drip = move |left, done: &Sender<_>| {
        std::future::ready(Body::from_stream(Dripping { left, sleep: moment(), done: done.clone() }))
    };
    let app = Router::new()
        .route("/whole", get(move || drip(20, &whole)))
        .route("/endless", get(move || drip(usize::MAX, &endless)));
    let oracle = Oracle::watch(on, app);
    oracle.connect().get("/whole").says(&"drip".repeat(20));
    assert_eq!(told.recv_timeout(PATIENCE), Ok("done"));
    let mut client = oracle.connect();
    assert_eq!(client.send(request("/endless")).head().status, 200);
    client.reset();
    assert_eq!(told.recv_timeout(PATIENCE), Ok("done"));
    assert!(thread::spawn(Handle::try_current).join().unwrap().is_err(), "this process has no other runtime");
}
