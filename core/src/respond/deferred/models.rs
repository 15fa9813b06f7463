//! A reply, and the wait for it, in every order that their threads can come in: `just loom`.

use std::{
    future::ready,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use trijet_loom::{model, thread};

use super::*;
use crate::{jobs::block_on, respond::BoxReply, rt::stand_in::StandIn};

/// How many answers were dropped; std's, as counting adds no orders to a model.
#[derive(Clone, Default)]
struct Counts(Arc<AtomicUsize>);

struct Held(Counts);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Relaxed);
    }
}

impl Counts {
    /// An answer that is counted when it goes.
    fn answer(&self) -> Response {
        let mut response = "answer".into_response();
        response.extensions_mut().insert(Arc::new(Held(self.clone())));
        response
    }

    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

type Waiting = BoxReply;

/// A reply, and the wait for it as a handler's is waited for, which has begun.
fn deferred(runtime: &Arc<StandIn>) -> (Reply, Waiting) {
    let (reply, deferred) = Deferred::new(Duration::from_secs(5));
    let mut waiting: Waiting = BoxReply::new(ready(deferred.into_response().into()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(runtime.inside(|| pin!(&mut waiting).poll(&mut cx)).is_pending());
    (reply, waiting)
}

/// The status of the answer. One that never comes is a deadlock, which loom reports.
fn wait(waiting: Waiting) -> u16 {
    block_on(waiting).unwrap().into_response().status().as_u16()
}

/// It is sent in time, too late, or just then. Whoever sends it may look first.
#[test]
fn there_is_one_answer_by_the_deadline() {
    model(|| {
        let (runtime, counts) = (Arc::new(StandIn::default()), Counts::default());
        let (reply, waiting) = deferred(&runtime);
        let answer = counts.answer();
        let sender = thread::spawn(move || {
            let was_wanted = reply.is_wanted();
            reply.send(answer);
            was_wanted
        });
        let clock = thread::spawn(move || runtime.expire());
        let status = wait(waiting);
        let was_wanted = sender.join().unwrap();
        clock.join().unwrap();
        assert!(status == 200 && was_wanted || status == 504, "{status}, wanted: {was_wanted}");
        assert_eq!(counts.get(), 1, "the answer is kept, or was given out twice");
    });
}

/// As an answer that comes while nothing else would wake the connection, or the end of whoever owes it.
#[test]
fn whoever_waits_is_woken_by_the_answer_and_by_its_loss() {
    for is_sent in [true, false] {
        model(move || {
            let (runtime, counts) = (Arc::new(StandIn::default()), Counts::default());
            let (reply, waiting) = deferred(&runtime);
            let answer = counts.answer();
            let sender = thread::spawn(move || {
                assert!(reply.is_wanted());
                if is_sent {
                    reply.send(answer);
                }
            });
            assert_eq!(wait(waiting), if is_sent { 200 } else { 500 });
            sender.join().unwrap();
            assert_eq!(counts.get(), 1);
        });
    }
}

/// It is lost by a drop, just as the deadline comes.
#[test]
fn a_reply_that_is_dropped_is_an_error_or_too_late() {
    model(|| {
        let runtime = Arc::new(StandIn::default());
        let (reply, waiting) = deferred(&runtime);
        let sender = thread::spawn(move || drop(reply));
        let clock = thread::spawn(move || runtime.expire());
        assert!(matches!(wait(waiting), 500 | 504));
        sender.join().unwrap();
        clock.join().unwrap();
    });
}

/// The connection is given up; it may have looked once more before.
#[test]
fn an_answer_that_nobody_waits_for_is_dropped_once() {
    for looks in [false, true] {
        model(move || {
            let (runtime, counts) = (Arc::new(StandIn::default()), Counts::default());
            let (reply, mut waiting) = deferred(&runtime);
            let answer = counts.answer();
            // Std's too: it tells what has been, whatever the order.
            let is_gone = Arc::new(AtomicBool::new(false));
            let gone = is_gone.clone();
            let sender = thread::spawn(move || {
                let is_gone = gone.load(Relaxed);
                assert!(!(is_gone && reply.is_wanted()), "nobody wants it any more");
                reply.send(answer);
            });
            if looks {
                let _ = pin!(&mut waiting).poll(&mut Context::from_waker(Waker::noop()));
            }
            drop(waiting);
            is_gone.store(true, Relaxed);
            sender.join().unwrap();
            assert_eq!(counts.get(), 1);
        });
    }
}
