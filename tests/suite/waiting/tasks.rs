//! Tasks, and calls that may block.

use std::{
    future::{self, pending},
    sync::{
        Arc, Barrier,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use futures_util::future::join_all;
use trijet::{Backend, Router, get, rt};

use super::{LONG, answer, hold, serving};
use crate::common::{PATIENCE, gate::Gate, server::start_with};

on_every_backend!(
    tasks_are_joined,
    a_task_goes_on_after_its_handler,
    an_aborted_task_is_dropped,
    a_task_whose_drop_panics_costs_nobody_else,
    tasks_end_with_their_server,
    calls_may_block_all_at_once,
    an_aborted_call_gives_its_place_up,
    a_call_that_panics_says_so,
);

fn tasks_are_joined(on: Backend) {
    let server = serving(on, async || {
        let value = rt::spawn(async { 42 });
        let slow = rt::spawn(async {
            rt::sleep(Duration::from_millis(5)).await;
            "slow"
        });
        let panicked = rt::spawn(async { panic!("planted") });
        let never = rt::spawn(pending::<()>());
        assert_eq!((value.await.unwrap(), slow.await.unwrap()), (42, "slow"));
        let error = panicked.await.unwrap_err();
        assert!(error.is_panic() && !error.is_aborted(), "{error}");
        assert!(!never.is_finished());
        never.abort();
        let error = never.await.unwrap_err();
        assert!(error.is_aborted() && !error.is_panic(), "{error}");
        let mut twice = rt::spawn(async {});
        (&mut twice).await.unwrap();
        assert!(twice.is_finished());
        (&mut twice).await.unwrap_err();
        "joined".to_owned()
    });
    assert_eq!(answer(&server), "joined");
}

fn a_task_goes_on_after_its_handler(on: Backend) {
    let (gate, (done, is_done)) = (Gate::default(), channel());
    let held = gate.clone();
    let server = serving(on, move || {
        let (opened, done) = (held.clone().opened(), done.clone());
        drop(rt::spawn(async move {
            opened.await;
            rt::sleep(Duration::from_millis(1)).await;
            done.send(Backend::current()).unwrap();
        }));
        future::ready("answered".to_owned())
    });
    assert_eq!(answer(&server), "answered");
    gate.open();
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(Some(on)));
}

fn an_aborted_task_is_dropped(on: Backend) {
    let (dropped, drops) = channel();
    let server = serving(on, move || {
        let task = rt::spawn(hold(dropped.clone()));
        async move {
            // It waits by now, or has not begun: both are ended.
            rt::sleep(Duration::from_millis(1)).await;
            task.abort();
            format!("{:?}", task.await.map_err(|error| error.is_aborted()))
        }
    });
    assert_eq!(answer(&server), "Err(true)");
    drops.recv_timeout(PATIENCE).expect("it is dropped");
}

/// Wherever it is dropped: where it is aborted, at the end of its server, and with its last poll.
fn a_task_whose_drop_panics_costs_nobody_else(on: Backend) {
    struct Bomb(Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("planted");
        }
    }
    let (dropped, drops) = channel();
    let server = serving(on, move || {
        let spawn = |time| {
            let bomb = Bomb(dropped.clone());
            rt::spawn(async move {
                rt::sleep(time).await;
                drop(bomb);
            })
        };
        let (aborted, left, panicked) = (spawn(LONG), spawn(LONG), spawn(Duration::ZERO));
        async move {
            rt::sleep(Duration::from_millis(1)).await;
            aborted.abort();
            drop(left);
            let ends = [aborted.await.unwrap_err(), panicked.await.unwrap_err()];
            format!("{} {}", ends[0].is_aborted(), ends[1].is_panic())
        }
    });
    for _ in 0..3 {
        assert_eq!(answer(&server), "true true");
    }
    server.handle().shutdown();
    server.ended();
    for _ in 0..9 {
        drops.recv_timeout(PATIENCE).expect("each is dropped");
    }
}

fn tasks_end_with_their_server(on: Backend) {
    let (dropped, drops) = channel();
    let server = serving(on, move || {
        drop(rt::spawn(hold(dropped.clone())));
        future::ready("answered".to_owned())
    });
    assert_eq!(answer(&server), "answered");
    server.handle().shutdown();
    server.ended();
    drops.recv_timeout(PATIENCE).expect("it is dropped");
}

fn calls_may_block_all_at_once(on: Backend) {
    const CALLS: usize = 20;
    let server = serving(on, async || {
        let all = Arc::new(Barrier::new(CALLS));
        let calls = (0..CALLS).map(|index| {
            let all = all.clone();
            rt::spawn_blocking(move || {
                all.wait();
                index
            })
        });
        let sum: usize = join_all(calls).await.into_iter().map(Result::unwrap).sum();
        sum.to_string()
    });
    assert_eq!(answer(&server), "190");
}

fn an_aborted_call_gives_its_place_up(on: Backend) {
    let calls = async || {
        let (gate, held) = (Gate::default(), Gate::default());
        let (opened, begun) = (gate.clone(), held.clone());
        let running = rt::spawn_blocking(move || {
            begun.open();
            opened.wait();
        });
        held.opened().await;
        let aborted = [1, 2].map(|_| rt::spawn_blocking(|| unreachable!("it is aborted")));
        assert!(rt::spawn_blocking(|| ()).await.unwrap_err().is_rejected());
        aborted.iter().for_each(rt::JoinHandle::abort);
        let queued = [3, 4].map(|number| rt::spawn_blocking(move || number));
        let rejected = rt::spawn_blocking(|| ()).await.unwrap_err();
        assert!(rejected.is_rejected() && !rejected.is_aborted(), "{rejected}");
        gate.open();
        running.await.unwrap();
        for handle in aborted {
            assert!(handle.await.unwrap_err().is_aborted());
        }
        let [three, four]: [_; 2] = join_all(queued).await.try_into().unwrap();
        format!("{} {}", three.unwrap(), four.unwrap())
    };
    let limits =
        trijet::Limits { blocking_threads_max: 1, blocking_queue_max: 2, ..trijet::Limits::default() };
    let server = start_with(on, Router::new().route("/", get(calls)), limits);
    assert_eq!(answer(&server), "3 4");
}

fn a_call_that_panics_says_so(on: Backend) {
    let server = serving(on, async || {
        let panicked: Result<(), rt::JoinError> = rt::spawn_blocking(|| panic!("planted")).await;
        let after = rt::spawn_blocking(|| "fine").await;
        format!("{} {}", panicked.unwrap_err().is_panic(), after.unwrap())
    });
    assert_eq!(answer(&server), "true fine");
}
