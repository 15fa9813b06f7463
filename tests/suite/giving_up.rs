//! Requests that are answered, or given up, while a plain `fn` of theirs still runs: neither their connection
//! nor their server waits for it, and what it waits for is dropped with them.

use std::{
    future::pending,
    pin::Pin,
    sync::mpsc::{Sender, channel},
    thread,
};

use futures_util::future::{Either, select};
use trijet::{Backend, IntoResponse, Next, Request, RequestExt, Response, Router, StatusCode, any, get, rt};

use crate::common::{PATIENCE, client::get as request, executor::block_on, gate::Gate, server::start};

on_every_backend!(
    a_connection_goes_on_while_a_fn_of_it_waits,
    what_a_plain_middleware_waits_for_is_dropped,
    a_fn_that_others_wait_for_has_no_client,
);

type Inner = Pin<Box<dyn Future<Output = Response> + Send>>;

fn on_a_task(inner: Inner) {
    drop(rt::spawn(inner));
}

fn on_a_thread(inner: Inner) {
    thread::spawn(move || block_on(inner));
}

/// Once the gate is open, it answers in place of what is inside, and leaves that.
fn impatient(
    gate: &Gate,
    leave: fn(Inner),
) -> impl Fn(Request, Next) -> Inner + Clone + Send + Sync + 'static {
    let gate = gate.clone();
    move |request, next| {
        let (inner, over): (Inner, _) = (Box::pin(next.run(request)), Box::pin(gate.clone().opened()));
        Box::pin(async move {
            match select(inner, over).await {
                Either::Left((response, _)) => response,
                Either::Right(((), inner)) => {
                    leave(inner);
                    "given up".into_response()
                }
            }
        })
    }
}

/// Tells that it was dropped.
struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

fn through(request: Request, next: Next) -> Response {
    next.run_blocking(request)
}

fn a_connection_goes_on_while_a_fn_of_it_waits(on: Backend) {
    let ways: [fn(Inner); 3] = [drop, on_a_task, on_a_thread];
    for leave in ways {
        for is_pipelined in [false, true] {
            let (begun, end) = (Gate::default(), Gate::default());
            let (begins, ends) = (begun.clone(), end.clone());
            let waits = move || {
                begins.open();
                ends.clone().opened()
            };
            let app = Router::new()
                .route("/waits", get(waits).wrap(through).wrap(impatient(&begun, leave)))
                .route("/fn", get(|| "fn"))
                .route("/async", get(async || "async"));
            let server = start(on, app);
            let mut client = server.connect();
            let rest = ["fn", "async", "fn"];
            client.send(request("/waits"));
            if is_pipelined {
                client.send(rest.map(|path| request(&format!("/{path}"))).concat());
            }
            client.response().says("given up");
            for says in rest {
                if !is_pipelined {
                    client.send(request(&format!("/{says}")));
                }
                client.response().says(says);
            }
            server.handle().shutdown();
            server.ended();
            client.is_ended();
            end.open();
        }
    }
}

fn what_a_plain_middleware_waits_for_is_dropped(on: Backend) {
    for by in ["the client", "a middleware", "the server"] {
        let (begun, begins) = channel();
        let (dropped, drops) = channel();
        let (told, tells) = channel();
        let handler = move || {
            begun.send(()).unwrap();
            let guard = Dropped(dropped.clone());
            async move {
                let _held = guard;
                pending::<()>().await;
            }
        };
        let plain = move |request: Request, next: Next| {
            let response = next.run_blocking(request);
            told.send(response.status()).unwrap();
            response
        };
        let gate = Gate::default();
        let app = Router::new().route(
            "/",
            any(handler).cancel_on_disconnect().wrap(plain).wrap(through).wrap(impatient(&gate, drop)),
        );
        let server = start(on, app);
        let mut client = server.connect();
        client.send(request("/"));
        begins.recv_timeout(PATIENCE).expect("the handler begins");
        assert!(tells.try_recv().is_err() && drops.try_recv().is_err());
        match by {
            "the client" => drop(client),
            "a middleware" => {
                gate.open();
                client.response().says("given up");
            }
            _ => server.handle().shutdown_now(),
        }
        drops.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("given up by {by}"));
        assert_eq!(tells.recv_timeout(PATIENCE), Ok(StatusCode::SERVICE_UNAVAILABLE), "{by}");
    }
}

/// Whoever waits for it knows of no exchange: then it is told so at once, and does not wait for an answer.
fn a_fn_that_others_wait_for_has_no_client(on: Backend) {
    let ways: [fn(Inner); 2] = [on_a_task, on_a_thread];
    for leave in ways {
        let (begun, go_on) = (Gate::default(), Gate::default());
        let (told, tells) = channel();
        let (begins, goes_on) = (begun.clone(), go_on.clone());
        let asks = move |request: Request| {
            begins.open();
            goes_on.wait();
            told.send(request.disconnected().is_disconnected()).unwrap();
        };
        let server = start(on, Router::new().route("/", get(asks)).wrap(impatient(&begun, leave)));
        server.connect().get("/").says("given up");
        go_on.open();
        assert_eq!(tells.recv_timeout(PATIENCE), Ok(false));
    }
}
