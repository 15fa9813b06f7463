//! Futures of handlers that are woken in every way that the contract of a waker allows.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
};

use futures_util::future::{self, Either};
use trijet::{Backend, Limits, Router, get};

use crate::common::{
    PATIENCE,
    client::get as request,
    eventually,
    gate::Gate,
    server::{start, start_with, start_workers},
};

on_every_backend!(
    a_late_wake_reaches_nobody_else,
    a_kept_waker_keeps_no_app,
    from_another_thread,
    while_it_is_polled,
    twice_and_too_often,
    too_late,
    by_the_next_request
);

/// Pending once; `wake` is given the waker.
async fn once(wake: impl FnOnce(Waker)) {
    let mut wake = Some(wake);
    poll_fn(|cx| match wake.take() {
        Some(wake) => {
            wake(cx.waker().clone());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

/// Pending until the flag is set; `begin` is given the waker, each time.
async fn until(flag: Arc<AtomicBool>, mut begin: impl FnMut(Waker)) {
    poll_fn(|cx| {
        if flag.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        begin(cx.waker().clone());
        if flag.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn serves(on: Backend, app: Router) {
    let server = start(on, app.route("/hello", get(async || "hello")));
    let mut clients = [server.connect(), server.connect()];
    for _ in 0..50 {
        for client in &mut clients {
            client.send(request("/"));
        }
        for client in &mut clients {
            client.response().says("woken");
            client.get("/hello").says("hello");
        }
    }
}

fn from_another_thread(on: Backend) {
    let handler = async || {
        let flag = Arc::new(AtomicBool::new(false));
        let mut started = false;
        until(flag.clone(), |waker| {
            if !std::mem::replace(&mut started, true) {
                let flag = flag.clone();
                thread::spawn(move || {
                    thread::yield_now();
                    flag.store(true, Ordering::Release);
                    waker.wake();
                });
            }
        })
        .await;
        "woken"
    };
    serves(on, Router::new().route("/", get(handler)));
}

fn while_it_is_polled(on: Backend) {
    let handler = async || {
        for _ in 0..20 {
            once(Waker::wake).await;
            // By another thread, and certainly before the poll returns.
            once(|waker| thread::spawn(|| waker.wake()).join().unwrap()).await;
        }
        "woken"
    };
    serves(on, Router::new().route("/", get(handler)));
}

fn twice_and_too_often(on: Backend) {
    let handler = async || {
        let threads = Mutex::new(Vec::new());
        for _ in 0..3 {
            once(|waker| {
                waker.wake_by_ref();
                waker.wake_by_ref();
                threads.lock().unwrap().push(thread::spawn(move || {
                    for _ in 0..100 {
                        waker.wake_by_ref();
                    }
                }));
            })
            .await;
        }
        "woken"
    };
    serves(on, Router::new().route("/", get(handler)));
}

/// Wakers that outlive their request, and their connection, and are called then.
fn too_late(on: Backend) {
    let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let keep = kept.clone();
    let handler = move || {
        let keep = keep.clone();
        async move {
            once(|waker| {
                keep.lock().unwrap().push(waker.clone());
                waker.wake();
            })
            .await;
            "woken"
        }
    };
    let server = start(on, Router::new().route("/", get(handler)).route("/hello", get(async || "hello")));
    let wake_all = || kept.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    let mut other = server.connect();
    for _ in 0..50 {
        let mut client = server.connect();
        client.get("/").says("woken");
        wake_all();
        client.get("/hello").says("hello");
        drop(client);
        wake_all();
        other.get("/hello").says("hello");
    }
    server.handle().shutdown();
    drop(other);
    server.ended();
    // Nothing is left that they could reach.
    wake_all();
}

/// The next connection is likely to take the place of the one that has gone, but not its wakers.
fn a_late_wake_reaches_nobody_else(on: Backend) {
    let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let polls = Arc::new(AtomicUsize::new(0));
    let (entered, entries) = mpsc::channel();
    let gate = Gate::default();
    let (keep, count, wait) = (kept.clone(), polls.clone(), gate.clone());
    let leave_waker = move || {
        let keep = keep.clone();
        async move {
            once(|waker| {
                keep.lock().unwrap().push(waker.clone());
                waker.wake();
            })
            .await;
        }
    };
    let count_polls = move || {
        let (count, entered) = (count.clone(), entered.clone());
        let mut opened = Box::pin(wait.clone().opened());
        poll_fn(move |cx| {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                entered.send(()).unwrap();
            }
            opened.as_mut().poll(cx)
        })
    };
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/leave-waker", get(leave_waker))
        .route("/count-polls", get(count_polls));
    let limits = Limits { blocking_threads_max: 4, ..Limits::default() };
    let server = match on {
        Backend::Threaded => start_with(on, app, limits),
        _ => start_workers(on, app, limits, 1),
    };
    let mut other = server.connect();
    other.get("/").says("hello");
    let mut gone = server.connect();
    gone.get("/leave-waker").with_status(200);
    // The server ends it first, so that its place is free.
    gone.send("GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").response().says("hello");
    gone.is_ended();
    drop(gone);
    other.get("/").says("hello");
    let mut counted = server.connect();
    counted.send(request("/count-polls"));
    entries.recv_timeout(PATIENCE).expect("the handler runs");
    for _ in 0..10 {
        kept.lock().unwrap().iter().for_each(Waker::wake_by_ref);
        other.get("/").says("hello");
    }
    assert_eq!(polls.load(Ordering::Relaxed), 1, "nobody woke it");
    gate.open();
    counted.response().with_status(200);
}

/// An app may keep the wakers of its requests, which must not keep the app: nobody could free either.
fn a_kept_waker_keeps_no_app(on: Backend) {
    let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let app = Arc::downgrade(&kept);
    let keep = move || {
        let kept = kept.clone();
        async move {
            once(|waker| {
                kept.lock().unwrap().push(waker.clone());
                waker.wake();
            })
            .await;
        }
    };
    let server = start(on, Router::new().route("/", get(keep)));
    server.connect().get("/").with_status(200);
    server.handle().shutdown();
    server.ended();
    drop(server);
    eventually("the app is freed", || app.strong_count() == 0);
}

/// One handler opens the gate that others wait at, also pipelined behind nothing of their own.
fn by_the_next_request(on: Backend) {
    let gate = Gate::default();
    let (wait, open) = (gate.clone(), gate);
    let handler = move || {
        let wait = wait.clone();
        async move {
            match future::select(pin!(wait.opened()), pin!(future::pending::<()>())).await {
                Either::Left(_) => "woken",
                Either::Right(_) => "never",
            }
        }
    };
    let app = Router::new().route("/", get(handler)).route(
        "/open",
        get(move || {
            open.open();
            "opened"
        }),
    );
    let server = start(on, app);
    let mut waiting: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(request("/"));
    }
    server.connect().get("/open").says("opened");
    for client in &mut waiting {
        client.response().says("woken");
    }
}
