//! What outlives its server: a plain `fn` or a call that goes on after the end, and an `async fn` that never lets go of its
//! loop. Time is measured from below alone: a timer must not be over before it is.

use std::{
    future::{pending, poll_fn},
    io::{self, ErrorKind},
    net::TcpListener,
    pin::{Pin, pin},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use trijet::{
    Backend, Limits, Router, ServerHandle, get,
    rt::{self, TcpStream},
};

use crate::common::{
    PATIENCE,
    client::get as request,
    executor::block_on,
    gate::Gate,
    server::{Running, start, start_with, start_workers},
};

on_every_backend!(
    a_plain_fn_that_outlives_its_server_is_told,
    connections_that_outlive_their_server_fail,
    timers_that_outlive_their_server_keep_their_time,
    a_timer_beside_a_held_loop_keeps_its_time,
    calls_that_wait_at_the_end_are_told,
    a_handler_that_never_lets_go_is_left_behind,
);

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// What every use of a connection comes to once its server has ended.
fn has_failed<T>(done: io::Result<T>) -> Result<(), (ErrorKind, String)> {
    let told = done.map(|_| (ErrorKind::Other, "it was done".to_owned()));
    let told = told.unwrap_or_else(|error| (error.kind(), error.to_string()));
    let text = "the server that this connection belongs to has ended";
    if told == (ErrorKind::ConnectionAborted, text.to_owned()) { Ok(()) } else { Err(told) }
}

/// Ends a server while its handler, which has told that it has begun, goes on.
fn end_under(server: &Running, begins: &Receiver<()>) {
    let mut client = server.connect();
    client.send(request("/"));
    begins.recv_timeout(PATIENCE).unwrap();
    server.handle().shutdown_now();
    server.ended();
}

fn a_plain_fn_that_outlives_its_server_is_told(on: Backend) {
    let (begun, begins) = channel();
    let (gate, (told, tells)) = (Gate::default(), channel());
    let held = gate.clone();
    let outlive = move || {
        begun.send(()).unwrap();
        held.wait();
        // Nobody serves these any more.
        let task = block_on(rt::spawn(async {})).map_err(|error| error.is_aborted());
        told.send((task, has_failed(block_on(TcpStream::connect("127.0.0.1:1"))))).unwrap();
    };
    let server = start(on, Router::new().route("/", get(outlive)));
    end_under(&server, &begins);
    gate.open();
    assert_eq!(tells.recv_timeout(PATIENCE), Ok((Err(true), Ok(()))));
}

/// One that somebody waits for at the end, one that is used after it, and one that is begun then: there is somebody who
/// would take it.
fn connections_that_outlive_their_server_fail(on: Backend) {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    let (begun, begins) = channel();
    let (gate, (told, tells)) = (Gate::default(), channel());
    let held = gate.clone();
    let outlive = move || {
        let mut awaited = block_on(TcpStream::connect(address)).unwrap();
        let mut used = block_on(TcpStream::connect(address)).unwrap();
        let (begun, read) = (begun.clone(), told.clone());
        thread::spawn(move || {
            let read_some = poll_fn(|cx| {
                let polled = awaited.poll_read(cx, &mut [0]);
                if polled.is_pending() {
                    _ = begun.send(());
                }
                polled
            });
            read.send(("the read that waits", has_failed(block_on(read_some)))).unwrap();
        });
        held.wait();
        told.send(("a write", has_failed(block_on(used.write_all(b"late"))))).unwrap();
        told.send(("a read", has_failed(block_on(used.read(&mut [0]))))).unwrap();
        told.send(("a connect", has_failed(block_on(TcpStream::connect(address))))).unwrap();
    };
    let server = start(on, Router::new().route("/", get(outlive)));
    end_under(&server, &begins);
    // It is told of the end by that alone: the handler stands still.
    assert_eq!(tells.recv_timeout(PATIENCE), Ok(("the read that waits", Ok(()))));
    gate.open();
    for what in ["a write", "a read", "a connect"] {
        assert_eq!(tells.recv_timeout(PATIENCE), Ok((what, Ok(()))));
    }
}

fn timers_that_outlive_their_server_keep_their_time(on: Backend) {
    const TIME: Duration = Duration::from_millis(30);
    let (begun, begins) = channel();
    let (gates, (told, tells)) = ([Gate::default(), Gate::default()], channel());
    let [held, last] = gates.clone();
    let outlive = move || {
        // The server serves it, until it ends.
        let (sleep, rest) = (rt::sleep(LONG), last.clone());
        let begun = begun.clone();
        let other = thread::spawn(move || {
            let rest = async move {
                begun.send(()).unwrap();
                rest.opened().await;
            };
            matches!(block_on(select(pin!(sleep), pin!(rest))), Either::Right(_))
        });
        held.wait();
        let mut interval = rt::interval(TIME);
        for _ in 0..3 {
            let due = block_on(interval.tick());
            assert!(rt::now() >= due);
        }
        let start = Instant::now();
        block_on(rt::sleep(TIME));
        assert!(start.elapsed() >= TIME);
        block_on(rt::timeout(TIME, pending::<()>())).unwrap_err();
        assert!(start.elapsed() >= 2 * TIME);
        assert!(!other.is_finished());
        last.open();
        assert!(other.join().unwrap());
        told.send(()).unwrap();
    };
    let server = start(on, Router::new().route("/", get(outlive)));
    end_under(&server, &begins);
    gates[0].open();
    tells.recv_timeout(PATIENCE).expect("all keep their time");
}

/// The loop that would have served it is not let go of, so that the end itself has to hand it over.
fn a_timer_beside_a_held_loop_keeps_its_time(on: Backend) {
    const TIME: Duration = Duration::from_millis(30);
    let (begun, begins) = channel();
    let (holds, held) = (Gate::default(), Gate::default());
    let (told, tells) = channel();
    let (started, gate) = (holds.clone(), held.clone());
    let hold = move || {
        let (begun, told, started, gate) = (begun.clone(), told.clone(), started.clone(), gate.clone());
        async move {
            drop(rt::spawn_blocking({
                let started = started.clone();
                move || {
                    started.wait();
                    let start = Instant::now();
                    let mut sleep = rt::sleep(TIME);
                    block_on(poll_fn(|cx| {
                        let polled = Pin::new(&mut sleep).poll(cx);
                        _ = begun.send(());
                        polled
                    }));
                    told.send(start.elapsed()).unwrap();
                }
            }));
            started.open();
            gate.wait();
        }
    };
    let server = start_workers(on, Router::new().route("/", get(hold)), Limits::default(), 1);
    end_under(&server, &begins);
    let slept = tells.recv_timeout(PATIENCE);
    held.open();
    assert!(slept.expect("it ends while the loop is held") >= TIME);
}

fn calls_that_wait_at_the_end_are_told(on: Backend) {
    let (begun, begins) = channel();
    let (gate, (told, tells)) = (Gate::default(), channel());
    let held = gate.clone();
    let outlive = move || {
        let (begun, held) = (begun.clone(), held.clone());
        let opened = held.clone();
        let running = rt::spawn_blocking(move || {
            begun.send(()).unwrap();
            held.wait();
        });
        let queued = rt::spawn_blocking(|| ());
        opened.wait();
        block_on(running).unwrap();
        for never_run in [queued, rt::spawn_blocking(|| ())] {
            let error = block_on(never_run).unwrap_err();
            assert!(error.is_aborted() && !error.is_rejected(), "{error}");
        }
        told.send(()).unwrap();
    };
    let limits = Limits { blocking_threads_max: 1, ..Limits::default() };
    let server = start_with(on, Router::new().route("/", get(outlive)), limits);
    end_under(&server, &begins);
    gate.open();
    tells.recv_timeout(PATIENCE).expect("the server has ended, and no queue was full");
}

/// An `async fn` must not block, and this one does, for ever as far as its server goes.
fn a_handler_that_never_lets_go_is_left_behind(on: Backend) {
    let stops: [fn(&ServerHandle); 2] = [ServerHandle::shutdown, ServerHandle::shutdown_now];
    for stop in stops {
        let (begun, begins) = channel();
        let (dropped, drops) = channel::<()>();
        let gate = Gate::default();
        let held = gate.clone();
        let hold = move || {
            let (begun, held, dropped) = (begun.clone(), held.clone(), dropped.clone());
            async move {
                drop(rt::spawn(async move {
                    let _kept = dropped;
                    pending::<()>().await;
                }));
                begun.send(()).unwrap();
                held.wait();
            }
        };
        let limits = Limits { shutdown_timeout: Duration::from_millis(100), ..Limits::default() };
        let server = start_workers(on, Router::new().route("/", get(hold)), limits, 1);
        let mut client = server.connect();
        client.send(request("/"));
        begins.recv_timeout(PATIENCE).unwrap();
        stop(server.handle());
        server.ended();
        // Its own end comes when it lets go, and with it that of all that its loop has.
        gate.open();
        client.is_cut();
        assert_eq!(drops.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        drop(server);
    }
}
