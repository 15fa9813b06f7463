//! A plain `fn` that lends what belongs to its connection, and waits where the server cannot see it: for
//! another thread, or in an executor of its own; and an `async fn` that lends to a task. The connection is driven all the
//! same.

use std::{
    future::poll_fn,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    pin::pin,
    sync::mpsc::channel,
    task::Poll,
    thread,
};

use futures_util::{StreamExt, stream};
use trijet::{
    Backend, Body, IntoResponse, Limits, Next, Request, RequestExt, Response, Router, any,
    extract::Disconnected, get, post, rt,
};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload, post_chunked},
    executor::block_on,
    gate::Gate,
    pattern::Pattern,
    server::{start, start_on, start_with, start_workers},
};

on_every_backend!(
    a_body_is_read_elsewhere,
    a_body_that_comes_slowly_is_read_elsewhere,
    a_body_is_read_here_and_elsewhere_in_turn,
    a_body_that_was_asked_for_is_read_by_a_task,
    as_many_lend_as_there_are_threads,
    a_client_that_leaves_is_noticed_under_a_lent_body,
    a_lent_body_ends_with_its_server,
    a_lent_body_outlives_its_handler,
    what_is_queued_is_sent_while_a_job_waits,
    calls_that_were_given_up_keep_no_connection_waiting,
    a_call_that_comes_while_another_waits_runs_at_once,
);

type ReadAll = fn(Body) -> Vec<u8>;

/// Reads a lent body, in each of the ways that a plain `fn` might.
const WAYS: [(&str, ReadAll); 6] = [
    ("/reader", |body| {
        thread::spawn(move || {
            let mut all = Vec::new();
            body.reader().read_to_end(&mut all).map(|_| all)
        })
        .join()
        .unwrap()
        .expect("a whole body")
    }),
    ("/scoped", |body| {
        let (send, receive) = channel();
        thread::scope(|scope| {
            scope.spawn(move || std::io::copy(&mut body.reader(), &mut Sender(send)).unwrap());
            receive.iter().flatten().collect()
        })
    }),
    ("/stream", |body| thread::spawn(move || collect(body)).join().unwrap()),
    ("/executor", collect),
    ("/bytes", |body| block_on(body.bytes()).expect("a whole body").to_vec()),
    ("/pieces", |mut body| {
        let mut all = Vec::new();
        loop {
            let (piece, rest) = thread::spawn(move || (block_on(body.next()), body)).join().unwrap();
            body = rest;
            match piece {
                Some(piece) => all.extend_from_slice(&piece.expect("a whole body")),
                None => return all,
            }
        }
    }),
];

struct Sender(std::sync::mpsc::Sender<Vec<u8>>);

impl Write for Sender {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.0.send(from.to_vec()).unwrap();
        Ok(from.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn collect(body: Body) -> Vec<u8> {
    let pieces = body.into_stream().map(|piece| piece.expect("a whole body").to_vec());
    block_on(pieces.concat())
}

fn through(request: Request, next: Next) -> Response {
    next.run_blocking(request)
}

/// Each way, and below a plain middleware too.
fn app() -> Router {
    let (mut app, mut below) =
        (Router::new().route("/", get(async || "hello")).route("/fn", get(|| "hello")), Router::new());
    for (path, read) in WAYS {
        app = app.route(path, post(move |body: Body| read(body)));
        below = below.route(path, post(move |body: Body| read(body)));
    }
    app.nest("/below", below.wrap(through))
}

fn paths() -> impl Iterator<Item = String> {
    WAYS.iter().flat_map(|(path, _)| [path.to_string(), format!("/below{path}")])
}

fn a_body_is_read_elsewhere(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for _ in 0..10 {
        for path in paths() {
            client.send(upload(&path, "by its length")).response().says("by its length");
            client.send(post_chunked(&path, "in chunks")).response().says("in chunks");
            client.send(upload(&path, "")).response().says("");
            client.get("/fn").says("hello");
        }
    }
    // Pipelined: each is lent anew.
    for path in paths() {
        client.send((upload(&path, "body") + &request("/fn")).repeat(5));
    }
    for _ in paths() {
        for _ in 0..5 {
            client.response().says("body");
            client.response().says("hello");
        }
    }
    client.half_close().is_ended();
}

fn a_body_that_comes_slowly_is_read_elsewhere(on: Backend) {
    let server = start(on, app().route("/count", post(count)));
    // The other end is told of each piece, so that none is there before it is waited for.
    fn count(body: Body) -> Body {
        let (send, receive) = channel();
        thread::spawn(move || {
            let mut body = body;
            while let Some(piece) = block_on(body.next()) {
                send.send(piece).unwrap();
            }
        });
        Body::from_iter(receive)
    }
    let mut client = server.connect();
    for path in paths() {
        client.send(format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 300000\r\n\r\n"));
        let mut pattern = Pattern::default();
        let mut all = Vec::new();
        for _ in 0..30 {
            let piece = pattern.piece(10_000).to_vec();
            client.send(&piece);
            all.extend_from_slice(&piece);
        }
        assert_eq!(client.response().body, all, "{path}");
    }
    client.send("POST /count HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    client.head().with_status(100);
    client.send("abcde").response().says("abcde");
    client.get("/fn").says("hello");
}

fn a_body_is_read_here_and_elsewhere_in_turn(on: Backend) {
    fn in_turn(body: Body) -> Vec<u8> {
        let (mut reader, mut all) = (body.reader(), Vec::new());
        for turn in 0.. {
            let read = move || {
                let mut piece = [0; 1000];
                let count = reader.read(&mut piece).expect("a whole body");
                (piece[..count].to_vec(), reader)
            };
            let (piece, rest) = if turn % 2 == 0 { read() } else { thread::spawn(read).join().unwrap() };
            reader = rest;
            if piece.is_empty() {
                break;
            }
            all.extend_from_slice(&piece);
        }
        all
    }
    let server = start(on, Router::new().route("/", post(in_turn)));
    let mut client = server.connect();
    for length in [0, 1, 999, 5000, 100_000] {
        let body = "x".repeat(length);
        client.send(upload("/", &body)).response().says(&body);
        client.send(post_chunked("/", &"y".repeat(length + 1))).response().says(&"y".repeat(length + 1));
    }
}

/// Every thread of the limit is taken by a handler that waits for another.
/// Who has asked for a piece does not take it: it comes to the task that has the body by then.
fn a_body_that_was_asked_for_is_read_by_a_task(on: Backend) {
    let app = Router::new().route(
        "/",
        post(async |mut body: Body| {
            poll_fn(|cx| {
                assert!(pin!(body.next()).poll(cx).is_pending(), "nothing comes unasked");
                Poll::Ready(())
            })
            .await;
            rt::spawn(async { body.bytes().await }).await.expect("the task ends").expect("a whole body")
        }),
    );
    let server = start(on, app);
    let mut client = server.connect();
    client.send(upload("/", "at once")).response().says("at once");
    client.send("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\n");
    for piece in ["two ", "pieces"] {
        client.send(piece);
    }
    client.response().says("two pieces");
    client.send(post_chunked("/", "in chunks")).response().says("in chunks");
}

fn as_many_lend_as_there_are_threads(on: Backend) {
    let (begun, begins) = channel();
    let gate = Gate::default();
    let go = gate.clone();
    let lend = move |body: Body| {
        begun.send(()).unwrap();
        go.wait();
        thread::spawn(move || collect(body)).join().unwrap()
    };
    let limits = Limits { blocking_threads_max: 2, ..Limits::default() };
    let server = start_with(on, Router::new().route("/", post(lend)), limits);
    let mut clients: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(upload("/", "text").replace("text", "te"));
        begins.recv_timeout(PATIENCE).expect("a thread for each");
    }
    gate.open();
    for client in &mut clients {
        client.send("xt").response().says("text");
        client.send(upload("/", "again")).response().says("again");
    }
}

fn a_client_that_leaves_is_noticed_under_a_lent_body(on: Backend) {
    let (told, events) = channel();
    let handler = move |request: Request| {
        let client = request.disconnected();
        told.send("begun").unwrap();
        let body = request.into_body();
        let end = thread::spawn(move || block_on(body.bytes())).join().unwrap();
        assert!(end.is_err(), "a part of a body");
        block_on(client);
        told.send("noticed").unwrap();
    };
    let flag = |client: Disconnected| {
        let (again, start) = (client.clone(), std::time::Instant::now());
        thread::spawn(move || block_on(again)).join().unwrap();
        assert!(client.is_disconnected() && start.elapsed() < PATIENCE);
        "left"
    };
    let server = start(on, Router::new().route("/", post(handler)).route("/flag", any(flag)));
    for leave in [drop, Client::reset] {
        let mut client = server.connect();
        client.send(upload("/", "body").replace("body", "bo"));
        assert_eq!(events.recv_timeout(PATIENCE), Ok("begun"));
        leave(client);
        assert_eq!(events.recv_timeout(PATIENCE), Ok("noticed"));
    }
    let mut client = server.connect();
    client.send(request("/flag")).half_close().response().says("left");
}

fn a_lent_body_ends_with_its_server(on: Backend) {
    let (told, events) = channel();
    let handler = move |body: Body| {
        let told = told.clone();
        thread::spawn(move || {
            told.send("begun").unwrap();
            let end = block_on(body.bytes());
            told.send(if end.is_err() { "failed" } else { "whole" }).unwrap();
        })
        .join()
        .unwrap();
    };
    let server = start(on, Router::new().route("/", post(handler)));
    let mut client = server.connect();
    client.send(upload("/", "body").replace("body", "bo"));
    assert_eq!(events.recv_timeout(PATIENCE), Ok("begun"));
    server.handle().shutdown_now();
    server.ended();
    assert_eq!(events.recv_timeout(PATIENCE), Ok("failed"));
    client.is_cut();
}

/// The handler has answered, and with that the body is over for whoever still reads it.
fn a_lent_body_outlives_its_handler(on: Backend) {
    let (told, events) = channel();
    let handler = move |body: Body| {
        let told = told.clone();
        thread::spawn(move || told.send(block_on(body.bytes()).is_err()).unwrap());
        "answered"
    };
    let server = start(on, Router::new().route("/", post(handler)).route("/fn", get(|| "hello")));
    for _ in 0..50 {
        let mut client = server.connect();
        client.send(upload("/", "body").replace("body", "bo")).response().says("answered");
        client.send("dy").get("/fn").says("hello");
        // It may have been whole before.
        events.recv_timeout(PATIENCE).expect("the reader ends");
    }
}

/// An iterator that waits for what the client does with the pieces before: none of them may be kept back, also
/// where the client's window was full when they were queued.
fn what_is_queued_is_sent_while_a_job_waits(on: Backend) {
    // The server asks for the next piece while less than 64 KiB of those before is unsent: these are all asked for
    // though the client reads nothing.
    const PIECE: usize = 20 << 10;
    const MOST: usize = 3;
    let (told, pulls) = channel();
    let (go_on, gate) = channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    let stream = move |trijet::Path(stop): trijet::Path<usize>| {
        let (told, gate) = (told.clone(), gate.clone());
        Body::from_iter((0..=stop).map(move |piece| {
            told.send(piece).unwrap();
            if piece == stop {
                // Until the client has all that came before.
                _ = gate.lock().unwrap().recv_timeout(2 * PATIENCE);
            }
            Ok::<_, std::io::Error>(vec![b'.'; PIECE])
        }))
    };
    let app = Router::new().route("/{stop}", get(stream));
    let server = start_on(on, app, Limits::default(), listen_narrow());
    assert!(capacity() < PIECE, "not even the first piece is to be sent as a whole");
    for stop in 1..=MOST {
        let mut client = Client::connect_narrow(server.address());
        client.send(request(&format!("/{stop}")));
        for piece in 0..=stop {
            assert_eq!(pulls.recv_timeout(PATIENCE), Ok(piece), "of {stop}");
        }
        let mut received = 0;
        while received < stop * PIECE {
            let count = client.take_in();
            assert!(count > 0, "{received} of {}", stop * PIECE);
            received += count;
        }
        go_on.send(()).unwrap();
    }
}

/// A listener whose connections have a send buffer as small as the system allows.
fn listen_narrow() -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_send_buffer_size(4 << 10).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(16).unwrap();
    socket.into()
}

/// How much fits between a narrow server and a narrow client that reads nothing.
fn capacity() -> usize {
    let listener = listen_narrow();
    let _client = Client::connect_narrow(listener.local_addr().unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    std::iter::from_fn(|| stream.write(&[b'.'; 1000]).ok()).sum()
}

/// Threads that run what nobody waits for any more do not keep the connection from being driven.
fn calls_that_were_given_up_keep_no_connection_waiting(on: Backend) {
    let (gate, begun) = (Gate::default(), Gate::default());
    let hung = {
        let (gate, begun) = (gate.clone(), begun.clone());
        move || {
            begun.open();
            gate.wait();
        }
    };
    // Gives up what is not ready at its second poll, which comes once a call has begun.
    let impatient = move |request: Request, next: Next| {
        let begun = begun.clone();
        async move {
            let mut inner = Box::pin(next.run(request));
            let mut polls = 0;
            std::future::poll_fn(move |cx| {
                polls += 1;
                match inner.as_mut().poll(cx) {
                    Poll::Pending if polls > 1 => Poll::Ready("given up".into_response()),
                    Poll::Pending => {
                        let (begun, waker) = (begun.clone(), cx.waker().clone());
                        thread::spawn(move || {
                            begun.wait();
                            waker.wake();
                        });
                        Poll::Pending
                    }
                    ready => ready,
                }
            })
            .await
        }
    };
    let app = Router::new().route("/", get(hung)).route("/async", get(async || "hello")).wrap(impatient);
    let server = start_workers(on, app, Limits::default(), 1);
    let mut client = server.connect();
    client.send((request("/") + &request("/async")).repeat(3));
    for _ in 0..3 {
        client.response().says("given up");
        client.response().says("hello");
    }
    gate.open();
}

/// The first one waits for a body that the client sends only when it has what the second gives.
fn a_call_that_comes_while_another_waits_runs_at_once(on: Backend) {
    let (begin, begins) = channel::<Gate>();
    let begins = std::sync::Arc::new(std::sync::Mutex::new(begins));
    let handler = move |body: Body| {
        let gate = begins.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        async move {
            let reads = Body::from_reader(body.reader()).into_stream();
            let gives = stream::once(gate.opened())
                .flat_map(|()| Body::from_iter([Ok::<_, std::io::Error>("more")]).into_stream());
            Body::from_stream(stream::select(reads, gives))
        }
    };
    let server = start(on, Router::new().route("/", post(handler)));
    let mut client = server.connect();
    for _ in 0..3 {
        let gate = Gate::default();
        begin.send(gate.clone()).unwrap();
        client.send("POST / HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
        // The first one reads.
        client.head().with_status(100);
        gate.open();
        let head = client.head();
        let mut sender = client.sender();
        let (ending, mut all) = (head.ending(), Vec::new());
        client.body(ending, |piece| {
            all.extend_from_slice(piece);
            if all == b"more" {
                sender.write_all(b"body").unwrap();
            }
        });
        assert_eq!(all, b"morebody");
        assert!(client.end_of_chunks(ending).is_empty());
    }
}
