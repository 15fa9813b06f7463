//! Answers that come later, from another thread, a callback or a task: `Deferred`. Whatever becomes of the one who owes
//! the answer, there is one.

use std::{
    future,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use trijet::{
    Backend, Deferred, IntoResponse, Next, Reply, Request, Response, Router, StatusCode, get, inline, rt,
};

use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    server::{Running, start},
};

on_every_backend!(
    it_is_answered_from_another_thread,
    it_may_be_answered_before_its_handler_returns,
    a_task_answers_it,
    what_is_said_of_it_is_added,
    middleware_sees_the_answer,
    a_reply_that_is_dropped_is_a_500,
    a_deadline_is_a_504,
    an_answer_may_be_deferred_again,
    pipelined_answers_stay_in_order,
    a_client_that_leaves_a_cancelled_route_is_noticed,
    a_stop_waits_for_the_answer,
    a_cut_does_not,
);

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// A handler whose replies come out at the other end.
fn owing(deadline: Duration) -> (impl Fn() -> Deferred + Clone + Send + Sync + 'static, Receiver<Reply>) {
    let (send, receive) = channel();
    let handler = move || {
        let (reply, deferred) = Deferred::new(deadline);
        send.send(reply).unwrap();
        deferred
    };
    (handler, receive)
}

/// In each way that a handler can be written.
fn every_way(handler: impl Fn() -> Deferred + Clone + Send + Sync + 'static) -> Router {
    let (plain, in_place, below) = (handler.clone(), handler.clone(), handler.clone());
    fn layer(request: Request, next: Next) -> Response {
        next.run_blocking(request)
    }
    Router::new()
        .route("/async", get(move || future::ready(handler())))
        .route("/fn", get(plain))
        .route("/inline", get(inline(in_place)))
        .nest("/below", Router::new().route("/fn", get(below)).wrap(layer))
}

const WAYS: [&str; 4] = ["/async", "/fn", "/inline", "/below/fn"];

fn next(replies: &Receiver<Reply>) -> Reply {
    replies.recv_timeout(PATIENCE).expect("the handler has run")
}

fn it_is_answered_from_another_thread(on: Backend) {
    let (handler, replies) = owing(LONG);
    let server = start(on, every_way(handler));
    let mut client = server.connect();
    for way in WAYS {
        client.send(request(way));
        let reply = next(&replies);
        assert!(reply.is_wanted());
        thread::spawn(move || reply.send((StatusCode::ACCEPTED, way))).join().unwrap();
        assert_eq!(client.response().with_status(202).text(), way);
    }
}

fn it_may_be_answered_before_its_handler_returns(on: Backend) {
    let at_once = || {
        let (reply, deferred) = Deferred::new(LONG);
        reply.send("at once");
        deferred
    };
    let server = start(on, every_way(at_once));
    let mut client = server.connect();
    for way in WAYS {
        client.get(way).says("at once");
    }
}

fn a_task_answers_it(on: Backend) {
    let by_task = || {
        let (reply, deferred) = Deferred::new(LONG);
        drop(rt::spawn(async {
            rt::sleep(Duration::from_millis(2)).await;
            reply.send("by a task");
        }));
        deferred
    };
    let server = start(on, every_way(by_task));
    let mut client = server.connect();
    for way in WAYS {
        client.get(way).says("by a task");
    }
}

fn what_is_said_of_it_is_added(on: Backend) {
    let (handler, replies) = owing(LONG);
    let with_parts = move || (StatusCode::CREATED, [("x-of", "the tuple"), ("x-too", "this")], handler());
    let server = start(on, Router::new().route("/", get(with_parts)));
    let mut client = server.connect();
    client.send(request("/"));
    next(&replies).send(([("x-of", "the answer"), ("x-own", "that")], "body"));
    let response = client.response().with_status(201);
    let header = |name| response.header(name).unwrap().to_owned();
    assert_eq!(["x-of", "x-too", "x-own"].map(header), ["the tuple", "this", "that"]);
    assert_eq!(response.text(), "body");
    // But not to an error in its place.
    client.send(request("/"));
    drop(next(&replies));
    let error = client.response().with_status(500);
    assert_eq!(error.header("x-of"), None);
}

fn middleware_sees_the_answer(on: Backend) {
    async fn layer(request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        let seen = response.status().as_u16().to_string();
        ([("x-seen", seen)], response).into_response()
    }
    async fn deferring(request: Request, next: Next) -> Deferred {
        let (reply, deferred) = Deferred::new(LONG);
        let response = next.run(request);
        drop(rt::spawn(async { reply.send(response.await) }));
        deferred
    }
    let (handler, replies) = owing(LONG);
    let app = Router::new()
        .route("/", get(handler))
        .nest("/twice", Router::new().route("/", get(async || "inside")).wrap(deferring))
        .wrap(layer);
    let server = start(on, app);
    let mut client = server.connect();
    client.send(request("/"));
    next(&replies).send(StatusCode::IM_A_TEAPOT);
    assert_eq!(client.response().with_status(418).header("x-seen"), Some("418"));
    let response = client.get("/twice");
    assert_eq!(response.header("x-seen"), Some("200"));
    response.says("inside");
}

fn a_reply_that_is_dropped_is_a_500(on: Backend) {
    let (handler, replies) = owing(LONG);
    let server = start(on, every_way(handler));
    let mut client = server.connect();
    for way in WAYS {
        client.send(request(way));
        drop(next(&replies));
        client.response().with_status(500);
        client.send(request(way));
        let reply = next(&replies);
        let panicked = thread::spawn(move || {
            let _owed = reply;
            panic!("planted");
        });
        assert!(panicked.join().is_err());
        client.response().with_status(500);
    }
}

fn a_deadline_is_a_504(on: Backend) {
    let (handler, replies) = owing(Duration::from_millis(20));
    let server = start(on, every_way(handler));
    let mut client = server.connect();
    for way in WAYS {
        assert_eq!(client.get(way).with_status(504).text(), "The answer did not come in time.");
        let late = next(&replies);
        assert!(!late.is_wanted());
        late.send("too late");
    }
    // The connection is as good as before.
    client.get("/fn").with_status(504);
}

fn an_answer_may_be_deferred_again(on: Backend) {
    let (handler, replies) = owing(LONG);
    let server = start(on, every_way(handler));
    let mut client = server.connect();
    client.send(request("/fn"));
    let (last, deferred) = Deferred::new(LONG);
    next(&replies).send(([("x-way", "long")], deferred));
    last.send("at last");
    let response = client.response();
    assert_eq!(response.header("x-way"), Some("long"));
    response.says("at last");
}

fn pipelined_answers_stay_in_order(on: Backend) {
    let (handler, replies) = owing(LONG);
    let server = start(on, every_way(handler));
    let mut client = server.connect();
    client.send((request("/fn") + &request("/async")).repeat(8));
    for index in 0..16 {
        next(&replies).send(index.to_string());
        client.response().says(&index.to_string());
    }
}

fn a_client_that_leaves_a_cancelled_route_is_noticed(on: Backend) {
    let (handler, replies) = owing(LONG);
    let server = start(on, Router::new().route("/", get(handler).cancel_on_disconnect()));
    let client = waiting(&server, "/");
    let reply = next(&replies);
    assert!(reply.is_wanted());
    client.reset();
    crate::common::eventually("the reply is wanted no more", || !reply.is_wanted());
}

fn waiting(server: &Running, path: &str) -> Client {
    let mut client = server.connect();
    client.send(request(path));
    client
}

fn a_stop_waits_for_the_answer(on: Backend) {
    let (handler, replies) = owing(LONG);
    let server = start(on, every_way(handler));
    let mut clients = WAYS.map(|way| (waiting(&server, way), next(&replies)));
    server.handle().shutdown();
    for (client, reply) in &mut clients {
        let (taken, _) = Deferred::new(LONG);
        std::mem::replace(reply, taken).send("still answered");
        let response = client.response();
        assert!(response.closes());
        response.says("still answered");
    }
    drop(clients);
    server.ended();
}

fn a_cut_does_not(on: Backend) {
    let (handler, replies) = owing(LONG);
    let server = start(on, every_way(handler));
    let mut clients = WAYS.map(|way| (waiting(&server, way), next(&replies)));
    server.handle().shutdown_now();
    server.ended();
    for (client, reply) in &mut clients {
        crate::common::eventually("the reply is wanted no more", || !reply.is_wanted());
        client.is_cut();
    }
}
