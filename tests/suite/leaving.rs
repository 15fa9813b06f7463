//! Handlers that look whether their client has left: `request.disconnected()` and the extractor. It is
//! noticed at a FIN or a reset, whatever lies unread before it; nothing else of the exchange changes.

use std::{
    pin::pin,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Instant,
};

use futures_util::{
    future::{self, Either},
    stream,
};
use trijet::{
    Backend, Body, Bytes, Next, Request, RequestExt, Response, Router, any, extract::Disconnected, get, post,
};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload},
    eventually,
    gate::Gate,
    server::{Running, start, start_with, unhurried},
};

on_every_backend!(
    a_client_that_leaves_is_noticed_behind_what_is_unread,
    it_is_noticed_wherever_the_handle_comes_from,
    it_is_noticed_while_a_response_is_streamed,
    a_handler_that_looks_runs_to_its_end,
    a_client_that_stays_is_served_on,
    what_comes_meanwhile_is_read_afterwards,
    a_handle_that_outlives_its_exchange_says_so,
    a_cut_ends_a_handler_that_looks,
);

/// Looks until the flag is set, as a handler that computes would.
fn look(client: &Disconnected) -> &'static str {
    let start = Instant::now();
    while !client.is_disconnected() {
        assert!(start.elapsed() < PATIENCE, "it was never noticed");
        thread::yield_now();
    }
    "left"
}

/// Handlers that tell when they have begun, and answer once their client has left.
fn app(begun: &Sender<()>) -> Router {
    let tell = |begun: &Sender<()>| {
        let begun = begun.clone();
        move || begun.send(()).unwrap()
    };
    let [tells, also, too, on_a_thread, in_a_layer, below_a_layer] = [(); 6].map(|()| tell(begun));
    let future = move |client: Disconnected| {
        tells();
        async move {
            let again = client.clone();
            client.await;
            again.await;
            "left"
        }
    };
    let select = move |request: Request| {
        also();
        async move {
            let client = request.disconnected();
            match future::select(client.clone(), pin!(future::pending::<()>())).await {
                Either::Left(_) if client.is_disconnected() => "left",
                _ => "not left",
            }
        }
    };
    let flag = move |client: Disconnected| {
        too();
        look(&client)
    };
    let thread = move |request: Request| {
        let client = request.disconnected();
        on_a_thread();
        let clone = client.clone();
        let seen = thread::spawn(move || look(&clone)).join().unwrap();
        // All handles of an exchange are of one mind.
        assert!(client.is_disconnected() && request.disconnected().is_disconnected());
        seen
    };
    let layer = move |request: Request, next: Next| -> Response {
        let client = request.disconnected();
        in_a_layer();
        look(&client);
        next.run_blocking(request)
    };
    let through = |request: Request, next: Next| -> Response { next.run_blocking(request) };
    let below = move |request: Request| {
        let client = request.disconnected();
        below_a_layer();
        look(&client)
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/future", any(future))
        .route("/select", any(select))
        .route("/flag", any(flag))
        .route("/thread", any(thread))
        .route("/layer", any(async || "left").wrap(layer))
        .route("/below", any(below).wrap(through))
}

fn served(on: Backend) -> (Running, Receiver<()>) {
    let (begun, begins) = channel();
    (start(on, app(&begun)), begins)
}

fn a_client_that_leaves_is_noticed_behind_what_is_unread(on: Backend) {
    let (server, begins) = served(on);
    for path in ["/future", "/flag"] {
        let unread = upload(path, &"x".repeat(10_000));
        let rows = [
            (request(path), 0),
            (request(path) + &request("/").repeat(20), 20),
            (unread.clone(), 0),
            (unread + &request("/"), 1),
            // A part of a body.
            (upload(path, "body").replace("body", "bo"), 0),
        ];
        for (bytes, more) in &rows {
            // It may be there when the handler begins, or come later.
            for at_once in [true, false] {
                let mut client = server.connect();
                client.send(bytes);
                if at_once {
                    client.half_close();
                }
                begins.recv_timeout(PATIENCE).expect("the handler begins");
                if !at_once {
                    assert!(client.is_silent());
                    client.half_close();
                }
                // To look changes nothing: a half-close gets its answers.
                client.response().says("left");
                for _ in 0..*more {
                    client.response().says("hello");
                }
                client.is_ended();
            }
            let mut client = server.connect();
            client.send(bytes);
            begins.recv_timeout(PATIENCE).expect("the handler begins");
            client.reset();
        }
    }
    // The server ends only if each of the handlers has noticed.
    server.handle().shutdown();
    server.ended();
}

fn it_is_noticed_wherever_the_handle_comes_from(on: Backend) {
    let (server, begins) = served(on);
    for path in ["/future", "/select", "/flag", "/thread", "/layer", "/below"] {
        let mut client = server.connect();
        client.get("/").says("hello");
        client.send(request(path));
        begins.recv_timeout(PATIENCE).expect("the handler begins");
        assert!(client.is_silent(), "{path}");
        client.half_close();
        client.response().says("left");
        client.is_ended();
    }
}

fn it_is_noticed_while_a_response_is_streamed(on: Backend) {
    let (noticed, notices) = channel();
    let events = move |client: Disconnected| {
        let noticed = noticed.clone();
        let first = stream::iter([Ok::<_, std::io::Error>("first")]);
        let last = stream::once(async move {
            client.await;
            noticed.send(()).unwrap();
            Ok("last")
        });
        std::future::ready(Body::from_stream(stream::StreamExt::chain(first, last)))
    };
    let server = start(on, Router::new().route("/", get(events)));
    let mut client = server.connect();
    client.send(request("/")).head().with_status(200);
    client.half_close();
    notices.recv_timeout(PATIENCE).expect("a half-close is noticed");
    let mut client = server.connect();
    client.send(request("/")).head().with_status(200);
    client.reset();
    notices.recv_timeout(PATIENCE).expect("a reset is noticed");
}

fn a_handler_that_looks_runs_to_its_end(on: Backend) {
    let (told, events) = channel();
    let gate = Gate::default();
    let also_told = told.clone();
    let (wait, hold) = (gate.clone(), gate.clone());
    let app = Router::new()
        .route(
            "/async",
            get(move |client: Disconnected| {
                let (told, wait) = (told.clone(), wait.clone());
                async move {
                    client.await;
                    told.send("noticed").unwrap();
                    wait.opened().await;
                    told.send("ended").unwrap();
                }
            }),
        )
        .route(
            "/fn",
            get(move |client: Disconnected| {
                look(&client);
                also_told.send("noticed").unwrap();
                hold.wait();
                also_told.send("ended").unwrap();
            }),
        );
    let server = start(on, app);
    for path in ["/async", "/fn"] {
        let leave: [fn(Client); 2] = [drop, Client::reset];
        for leave in leave {
            let mut client = server.connect();
            client.send(request(path));
            leave(client);
            assert_eq!(events.recv_timeout(PATIENCE), Ok("noticed"), "{path}");
        }
    }
    assert!(events.try_recv().is_err(), "nothing ends by itself");
    gate.open();
    for _ in 0..4 {
        assert_eq!(events.recv_timeout(PATIENCE), Ok("ended"));
    }
}

fn a_client_that_stays_is_served_on(on: Backend) {
    /// Lets the driver wait once.
    async fn pause() {
        let mut is_over = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut is_over, true) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
    let asks = |request: Request| async move {
        let client = request.disconnected();
        pause().await;
        format!("{}", client.is_disconnected())
    };
    let reads = |client: Disconnected, body: Bytes| async move {
        pause().await;
        format!("{} {}", client.is_disconnected(), body.len())
    };
    let app = Router::new()
        .route("/asks", any(asks))
        .route("/reads", post(reads))
        .route("/fn", any(|client: Disconnected| format!("{}", client.is_disconnected())))
        .route("/request", any(|request: Request| format!("{}", request.disconnected().is_disconnected())))
        .route("/plain", any(async || "false"))
        .route("/left", any(async |client: Disconnected| client.await))
        .route("/flag", any(|client: Disconnected| look(&client)));
    let server = start_with(on, app, unhurried());
    let mut client = server.connect();
    let body = "x".repeat(5000);
    for _ in 0..100 {
        client.get("/asks").says("false");
        client.get("/fn").says("false");
        client.get("/plain").says("false");
        client.get("/request").says("false");
        client.send(upload("/reads", &body)).response().says("false 5000");
        client.send(upload("/asks", &body)).response().says("false");
        client.send(upload("/fn", &body)).response().says("false");
    }
    for path in ["/asks", "/fn", "/request", "/plain"] {
        client.send((request(path) + &upload(path, "body")).repeat(40));
    }
    for _ in 0..4 * 2 * 40 {
        client.response().says("false");
    }
    // After all these it is noticed still, and for each that asks.
    client.send(request("/left") + &request("/plain") + &request("/flag")).half_close();
    for answer in ["", "false", "left"] {
        client.response().says(answer);
    }
    client.is_ended();
}

/// The edge that tells of these bytes comes while nobody reads: it must not be lost.
fn what_comes_meanwhile_is_read_afterwards(on: Backend) {
    let (begun, begins) = channel();
    let also_begun = begun.clone();
    let (go, goes) = channel::<Gate>();
    let gates = std::sync::Arc::new(std::sync::Mutex::new(goes));
    let also_gates = gates.clone();
    let waits = move |client: Disconnected, mut body: Body| {
        let gate = gates.lock().unwrap().recv().unwrap();
        let begun = begun.clone();
        async move {
            begun.send(()).unwrap();
            match future::select(client.clone(), pin!(gate.opened())).await {
                Either::Left(_) => "left".to_owned(),
                Either::Right(_) => {
                    let mut count = 0;
                    while let Some(piece) = body.next().await {
                        count += piece.unwrap().len();
                    }
                    format!("{count} {}", client.is_disconnected())
                }
            }
        }
    };
    let holds = move |client: Disconnected, body: Body| {
        let gate = also_gates.lock().unwrap().recv().unwrap();
        also_begun.send(()).unwrap();
        gate.wait();
        let count = std::io::copy(&mut body.reader(), &mut std::io::sink()).unwrap();
        format!("{count} {}", client.is_disconnected())
    };
    let app = Router::new().route("/async", post(waits)).route("/fn", post(holds));
    let server = start_with(on, app.route("/", get(async || "hello")), unhurried());
    let mut client = server.connect();
    for path in ["/async", "/fn"].repeat(20) {
        let gate = Gate::default();
        go.send(gate.clone()).unwrap();
        client.send(format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 40000\r\n\r\n"));
        begins.recv_timeout(PATIENCE).expect("the handler begins");
        for _ in 0..4 {
            client.send("x".repeat(10_000));
        }
        client.send(request("/"));
        gate.open();
        client.response().says("40000 false");
        client.response().says("hello");
        client.get("/").says("hello");
    }
    client.half_close().is_ended();
}

fn a_handle_that_outlives_its_exchange_says_so(on: Backend) {
    let (kept, handles) = channel();
    let [also_kept, of_another] = [(); 2].map(|()| kept.clone());
    let app = Router::new()
        .route(
            "/async",
            get(move |client: Disconnected| {
                kept.send(client).unwrap();
                async { "hello" }
            }),
        )
        .route("/fn", get(move |client: Disconnected| also_kept.send(client).unwrap()))
        .route(
            "/panic",
            get(move |request: Request| -> () {
                of_another.send(request.disconnected()).unwrap();
                panic!("planted");
            }),
        );
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/async", "/fn", "/panic"] {
        client.get(path);
        let handle = handles.recv_timeout(PATIENCE).unwrap();
        eventually("the end of the exchange", || handle.is_disconnected());
        futures_util::FutureExt::now_or_never(handle).expect("the future is ready too");
    }
}

fn a_cut_ends_a_handler_that_looks(on: Backend) {
    let (told, events) = channel();
    let handler = move |client: Disconnected| {
        told.send("begun").unwrap();
        told.send(look(&client)).unwrap();
    };
    let server = start(on, Router::new().route("/", get(handler)));
    let mut client = server.connect();
    client.send(request("/"));
    assert_eq!(events.recv_timeout(PATIENCE), Ok("begun"));
    server.handle().shutdown_now();
    server.ended();
    assert_eq!(events.recv_timeout(PATIENCE), Ok("left"));
    client.is_cut();
}
