//! Clients that end their direction, leave or reset, at any point: who still gets an answer, what a
//! handler is told, and that nobody else notices.

use std::{
    io::Read,
    sync::mpsc::{Receiver, Sender, channel},
};

use futures_util::stream;
use trijet::{Backend, Body, BodyError, Bytes, Limits, Router, get, post};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload, post_chunked},
    gate::Gate,
    pattern::Pattern,
    server::{Running, start, start_workers},
};

on_every_backend!(
    a_half_close_still_gets_its_answers,
    an_end_that_comes_with_the_data,
    a_body_is_whole_or_an_error,
    a_request_that_ends_within_its_head,
    resets_at_every_phase,
    a_handler_whose_client_left_runs_to_its_end,
    an_endless_response_ends_with_its_client,
);

/// What a handler read: the body, or that it was not whole.
type Reported = Result<Vec<u8>, ()>;

fn app(report: &Sender<Reported>) -> Router {
    let [whole, piecewise, reader] = [(); 3].map(|()| report.clone());
    let collect = move |body: Body| {
        let whole = whole.clone();
        async move {
            let body = body.bytes().await;
            whole.send(body.as_ref().map(|body| body.to_vec()).map_err(drop)).unwrap();
            body
        }
    };
    let pieces = move |mut body: Body| {
        let piecewise = piecewise.clone();
        async move {
            let mut all = Vec::new();
            while let Some(piece) = body.next().await {
                match piece {
                    Ok(piece) => all.extend_from_slice(&piece),
                    Err(error) => {
                        piecewise.send(Err(())).unwrap();
                        return Err(error);
                    }
                }
            }
            piecewise.send(Ok(all.clone())).unwrap();
            Ok(all)
        }
    };
    let read = move |body: Body| {
        let mut all = Vec::new();
        let result = body.reader().read_to_end(&mut all);
        reader.send(result.as_ref().map(|_| all.clone()).map_err(drop)).unwrap();
        result.map(|_| all).map_err(|_| BodyError::Disconnected)
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/fn", get(|| "hello"))
        .route("/collect", post(collect))
        .route("/pieces", post(pieces))
        .route("/read", post(read))
        .route("/extract", post(|body: Bytes| body))
        .route("/endless", get(async || Body::from_stream(endless())))
        .route("/endless-fn", get(|| Body::from_iter(std::iter::repeat_with(piece))))
}

fn piece() -> std::io::Result<&'static [u8]> {
    Ok(Pattern::default().piece(16 << 10))
}

fn endless() -> impl futures_util::Stream<Item = std::io::Result<&'static [u8]>> {
    stream::repeat_with(piece)
}

fn served(on: Backend) -> (Running, Receiver<Reported>) {
    let (report, reports) = channel();
    (start(on, app(&report)), reports)
}

fn a_half_close_still_gets_its_answers(on: Backend) {
    let (server, _reports) = served(on);
    for path in ["/", "/fn"] {
        let mut client = server.connect();
        client.send(request(path).repeat(20)).half_close();
        for _ in 0..20 {
            client.response().says("hello");
        }
        client.is_ended();
    }
    for path in ["/collect", "/pieces", "/read", "/extract"] {
        for body in [upload(path, "text"), post_chunked(path, "text")] {
            let mut client = server.connect();
            client.send(body).half_close();
            client.response().says("text");
            client.is_ended();
        }
    }
    // Nothing at all was asked.
    let mut client = server.connect();
    client.half_close();
    client.is_ended();
}

/// The only loop, or thread, is held while the bytes and the end arrive, so that it sees both at once.
fn an_end_that_comes_with_the_data(on: Backend) {
    let (report, reports) = channel();
    let (entered, entries) = channel();
    let gate = Gate::default();
    let held = gate.clone();
    let app = app(&report).route(
        "/hold",
        get(move || {
            let (entered, held) = (entered.clone(), held.clone());
            async move {
                entered.send(()).unwrap();
                // An `async fn` must not block: this one does, to hold its loop.
                held.wait();
            }
        }),
    );
    let server = start_workers(on, app, Limits::default(), 1);
    let cases = [
        ("an answer is due", request("/"), Some(200)),
        ("a body is short", upload("/collect", "text").replace("text", "te"), Some(400)),
        ("a body is short, for a fn", upload("/read", "text").replace("text", "te"), Some(400)),
        ("a head is short", request("/")[..20].to_owned(), Some(400)),
        ("nothing was asked", String::new(), None),
    ];
    let mut clients: Vec<Client> = cases.iter().map(|_| server.connect()).collect();
    for client in &mut clients {
        client.get("/").says("hello");
    }
    let mut holder = server.connect();
    holder.send(request("/hold"));
    entries.recv_timeout(PATIENCE).unwrap();
    for (client, (_, bytes, _)) in clients.iter_mut().zip(&cases) {
        client.send(bytes).half_close();
    }
    gate.open();
    for (client, (what, _, status)) in clients.iter_mut().zip(&cases) {
        if let Some(status) = status {
            assert_eq!(client.response().status, *status, "{what}");
        }
        client.is_ended();
    }
    assert!(reports.try_iter().all(|report| report.is_err()));
    holder.response().with_status(200);
}

fn a_body_is_whole_or_an_error(on: Backend) {
    let (server, reports) = served(on);
    let framings = [
        ("content-length: 11", &b"hello world"[..]),
        ("transfer-encoding: chunked", b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-sum: 1\r\n\r\n"),
    ];
    for path in ["/collect", "/pieces", "/read"] {
        for (framing, body) in framings {
            let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\n{framing}\r\n\r\n");
            for cut in 0..=body.len() {
                let mut client = server.connect();
                client.send([head.as_bytes(), &body[..cut]].concat()).half_close();
                let report = reports.recv_timeout(PATIENCE).expect("the handler runs to its end");
                let expected = if cut == body.len() { Ok(b"hello world".to_vec()) } else { Err(()) };
                assert_eq!(report, expected, "{path} {framing}, cut at {cut}");
                let status = if cut == body.len() { 200 } else { 400 };
                client.response().with_status(status);
                client.is_ended();
            }
            for cut in [0, 3, body.len() - 1] {
                let mut client = server.connect();
                client.send([head.as_bytes(), &body[..cut]].concat());
                client.reset();
                let report = reports.recv_timeout(PATIENCE);
                // A reset may overtake the head itself: then nobody is told of it.
                assert_ne!(report.ok().and_then(Result::ok), Some(b"hello world".to_vec()));
            }
        }
    }
}

fn a_request_that_ends_within_its_head(on: Backend) {
    let (server, _reports) = served(on);
    let whole = request("/");
    for cut in 1..whole.len() {
        let mut client = server.connect();
        client.send(&whole[..cut]).half_close();
        assert!(client.response().with_status(400).closes(), "cut at {cut}");
        client.is_ended();
    }
}

fn resets_at_every_phase(on: Backend) {
    let (server, _reports) = served(on);
    let mut others: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let short = upload("/read", "some text").replace("some text", "some");
    let phases = [
        String::new(),
        "GET / HT".to_owned(),
        request("/"),
        request("/fn").repeat(100),
        short.clone(),
        short.replace("/read", "/collect"),
        short.replace("/read", "/pieces"),
        post_chunked("/read", "text").replace("0\r\n\r\n", ""),
        request("/endless"),
        request("/endless-fn"),
    ];
    for phase in phases.iter().cycle().take(phases.len() * 10) {
        let mut client = server.connect();
        client.send(phase);
        if phase.contains("endless") {
            client.head().with_status(200);
        }
        client.reset();
        for other in &mut others {
            other.get("/").says("hello");
        }
    }
    for other in &mut others {
        other.get("/fn").says("hello");
    }
    server.connect().get("/").says("hello");
}

fn a_handler_whose_client_left_runs_to_its_end(on: Backend) {
    let (told, events) = channel();
    let gates = [Gate::default(), Gate::default()];
    let [wait, hold] = gates.clone();
    let also_told = told.clone();
    let app = Router::new()
        .route(
            "/async",
            get(move || {
                let (told, wait) = (told.clone(), wait.clone());
                async move {
                    told.send("begun").unwrap();
                    wait.opened().await;
                    told.send("ended").unwrap();
                }
            }),
        )
        .route(
            "/fn",
            get(move || {
                also_told.send("begun").unwrap();
                hold.wait();
                also_told.send("ended").unwrap();
            }),
        );
    let server = start(on, app);
    for (path, gate) in ["/async", "/fn"].into_iter().zip(&gates) {
        let leave: [fn(Client); 2] = [drop, Client::reset];
        for leave in leave {
            let mut client = server.connect();
            client.send(request(path));
            assert_eq!(events.recv_timeout(PATIENCE), Ok("begun"));
            leave(client);
        }
        gate.open();
        for _ in 0..2 {
            assert_eq!(events.recv_timeout(PATIENCE), Ok("ended"), "{path}");
        }
    }
}

struct TellOnDrop(Sender<()>);

impl Drop for TellOnDrop {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

fn an_endless_response_ends_with_its_client(on: Backend) {
    let (dropped, drops) = channel();
    let also_dropped = dropped.clone();
    let app = Router::new()
        .route(
            "/async",
            get(move || {
                let guard = TellOnDrop(dropped.clone());
                std::future::ready(Body::from_stream(stream::repeat_with(move || {
                    let _held = &guard;
                    piece()
                })))
            }),
        )
        .route(
            "/fn",
            get(move || {
                let guard = TellOnDrop(also_dropped.clone());
                Body::from_iter(std::iter::repeat_with(move || {
                    let _held = &guard;
                    piece()
                }))
            }),
        );
    let server = start(on, app);
    for path in ["/async", "/fn"] {
        let mut client = server.connect();
        client.send(request(path)).head().with_status(200);
        drop(client);
        drops.recv_timeout(PATIENCE).expect("the body is dropped");
    }
}
