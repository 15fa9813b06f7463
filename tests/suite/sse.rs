//! Server-sent events over real sockets: what is on the wire, silence, and every way in which they end.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt, stream};
use trijet::{
    Backend, Limits, Router, get,
    sse::{Event, LastEventId, Sse},
};

use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    gate::Gate,
    server::{Running, start, start_with},
};

on_every_backend!(
    events_of_a_stream_and_of_an_iterator,
    no_event_waits_for_the_next,
    silence_is_broken_by_comments,
    a_client_that_comes_again_says_what_it_has_seen,
    an_error_cuts,
    a_client_that_leaves_ends_it,
    a_stop_ends_it,
    a_stream_that_never_pauses_ends_too,
    a_slow_reader_holds_the_stream,
);

fn ok(event: Event) -> Result<Event, Infallible> {
    Ok(event)
}

fn two() -> [Event; 2] {
    [
        Event::new("one\r\ntwo\rthree\n").event("a\nb").id("1\0\r\n2"),
        Event::new("four").retry(Duration::from_secs(2)),
    ]
}

const TWO: &str =
    "event: ab\nid: 12\ndata: one\ndata: two\ndata: three\ndata: \n\nretry: 2000\ndata: four\n\n";

fn events_of_a_stream_and_of_an_iterator(on: Backend) {
    let app = Router::new()
        .route("/stream", get(async || Sse::new(stream::iter(two()).map(ok))))
        .route("/iterator", get(|| Sse::from_iter(two().map(ok))))
        .route("/none", get(async || Sse::new(stream::empty::<Result<Event, Infallible>>())));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/stream", "/iterator"] {
        let answer = client.get(path).says(TWO);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.chunks.map(|chunks| chunks.len()), Some(2), "an event is a chunk");
    }
    client.get("/none").says("");
    // Also to who asks for the head alone, or knows no chunks.
    client.send(request("/stream").replacen("GET", "HEAD", 1)).response_to_head().with_status(200);
    client.send("GET /stream HTTP/1.0\r\n\r\n").response().says(TWO);
}

/// Reads on until the body holds `text`.
#[track_caller]
fn read_until(client: &mut Client, text: &str) {
    let start = Instant::now();
    let mut read = String::new();
    while !read.contains(text) {
        assert!(start.elapsed() < PATIENCE, "{text:?} never came: {read:?}");
        // Forgets what it has read: the rest is read anew.
        let piece = client.first_read_and_forget();
        assert!(!piece.is_empty(), "it ended: {read:?}");
        read += &String::from_utf8_lossy(&piece);
    }
}

fn no_event_waits_for_the_next(on: Backend) {
    let (sender, events) = channel();
    let events = Arc::new(Mutex::new(Some(events)));
    let listen = move || Sse::from_iter(events.lock().unwrap().take().unwrap().into_iter().map(ok));
    let server = start(on, Router::new().route("/", get(listen)));
    let mut client = server.connect();
    client.send(request("/")).head().with_status(200);
    for number in 0..5 {
        let text = format!("event {number}");
        sender.send(Event::new(&text)).unwrap();
        read_until(&mut client, &format!("data: {text}\n\n"));
    }
    drop(sender);
    read_until(&mut client, "0\r\n\r\n");
}

/// A stream that tells of its end, and waits for ever before that.
fn endless(first: Vec<Event>, dropped: Sender<()>) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    struct Tells(Sender<()>);
    impl Drop for Tells {
        fn drop(&mut self) {
            _ = self.0.send(());
        }
    }
    let tells = Tells(dropped);
    stream::iter(first).map(ok).chain(stream::pending()).inspect(move |_| {
        let _ = &tells;
    })
}

fn silent(dropped: Sender<()>) -> Router {
    let (again, kept) = (dropped.clone(), dropped.clone());
    Router::new()
        .route(
            "/stream",
            get(move || {
                let events = endless(vec![Event::new("first")], dropped.clone());
                std::future::ready(Sse::new(events))
            }),
        )
        .route(
            "/kept",
            get(move || {
                let events = endless(vec![], kept.clone());
                std::future::ready(Sse::new(events).keep_alive(Duration::from_millis(20)))
            }),
        )
        .route(
            "/firehose",
            get(move || {
                let events = endless(vec![], again.clone());
                let more = stream::repeat_with(|| Event::new("more")).map(ok);
                std::future::ready(Sse::new(stream::select(more, events)))
            }),
        )
}

fn silence_is_broken_by_comments(on: Backend) {
    let (dropped, _drops) = channel();
    let gate = Gate::default();
    let opens = gate.clone();
    let late = move || {
        let gate = gate.clone();
        let late = std::iter::once_with(move || {
            gate.wait();
            ok(Event::new("late"))
        });
        Sse::from_iter(late).keep_alive(Duration::from_millis(10))
    };
    let server = start(on, silent(dropped).route("/iterator", get(late)));
    let mut client = server.connect();
    client.send(request("/kept")).head().with_status(200);
    for _ in 0..5 {
        read_until(&mut client, ":\n\n");
    }
    // A thread that blocks for its event keeps nobody from it either.
    let mut client = server.connect();
    client.send(request("/iterator")).head().with_status(200);
    read_until(&mut client, ":\n\n");
    opens.open();
    read_until(&mut client, "data: late\n\n");
}

fn a_client_that_comes_again_says_what_it_has_seen(on: Backend) {
    async fn seen(LastEventId(id): LastEventId) -> String {
        format!("{id:?}")
    }
    let server = start(on, Router::new().route("/", get(seen)));
    let mut client = server.connect();
    let mut ask =
        |field: &[u8]| client.send([b"GET / HTTP/1.1\r\nhost: t\r\n", field, b"\r\n"].concat()).response();
    ask(b"").says("None");
    ask(b"Last-Event-ID: 7\r\n").says("Some(\"7\")");
    ask(b"last-event-id:\r\n").says("Some(\"\")");
    ask("last-event-id: \u{fc}\r\n".as_bytes()).says("Some(\"\u{fc}\")");
    ask(b"last-event-id: \xff\r\n").with_status(400);
}

fn an_error_cuts(on: Backend) {
    let items = || [Ok(Event::new("one")), Err("planted")];
    let app = Router::new()
        .route("/stream", get(move || std::future::ready(Sse::new(stream::iter(items())))))
        .route("/iterator", get(move || Sse::from_iter(items())));
    let server = start(on, app);
    for path in ["/stream", "/iterator"] {
        let mut client = server.connect();
        client.send(request(path)).head().with_status(200);
        let (rest, _) = client.everything();
        let rest = String::from_utf8(rest).unwrap();
        assert!(rest.contains("data: one\n\n") && !rest.contains("0\r\n\r\n"), "{rest:?}");
    }
}

fn a_client_that_leaves_ends_it(on: Backend) {
    let (dropped, drops) = channel();
    let server = start(on, silent(dropped));
    let leaves: [fn(Client); 3] = [drop, Client::reset, |mut client| {
        client.half_close();
        let (rest, _) = client.everything();
        assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "a cut must not look whole");
    }];
    for leave in leaves {
        let mut client = server.connect();
        client.send(request("/stream")).head().with_status(200);
        read_until(&mut client, "data: first\n\n");
        leave(client);
        drops.recv_timeout(PATIENCE).expect("the stream ends, though nothing is to be sent");
    }
}

fn stop(server: &Running) {
    server.handle().shutdown();
}

fn a_stop_ends_it(on: Backend) {
    let (dropped, drops) = channel();
    // Long enough that the end of the test would not see a cut.
    let limits = Limits { shutdown_timeout: Duration::from_secs(600), ..Limits::default() };
    let server = start_with(on, silent(dropped), limits);
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(request("/stream")).head().with_status(200);
        read_until(client, "data: first\n\n");
    }
    stop(&server);
    for mut client in clients {
        drops.recv_timeout(PATIENCE).expect("a stop ends it");
        read_until(&mut client, "0\r\n\r\n");
        client.is_cut();
    }
    server.ended();
}

fn a_stream_that_never_pauses_ends_too(on: Backend) {
    let (dropped, drops) = channel();
    let limits = Limits { shutdown_timeout: Duration::from_secs(600), ..Limits::default() };
    let server = start_with(on, silent(dropped), limits);
    let mut client = server.connect();
    client.send(request("/firehose")).head().with_status(200);
    read_until(&mut client, "data: more\n\n");
    stop(&server);
    read_until(&mut client, "\r\n0\r\n\r\n");
    drops.recv_timeout(PATIENCE).expect("a stop ends it");
    server.ended();
}

/// The stream is asked for as much as the client takes.
fn a_slow_reader_holds_the_stream(on: Backend) {
    let (asked, asks) = channel();
    let app = Router::new().route(
        "/",
        get(move || {
            let asked = asked.clone();
            let events = stream::iter(0..1_000_000).map(move |_| {
                asked.send(()).unwrap();
                ok(Event::new("x".repeat(1000)))
            });
            std::future::ready(Sse::new(events))
        }),
    );
    let server = start(on, app);
    let mut client = Client::connect_narrow(server.address());
    client.send(request("/"));
    // It goes on until what is queued here and by the system is full.
    let mut count = 0_u32;
    while asks.recv_timeout(Duration::from_millis(500)).is_ok() {
        count += 1;
        assert!(count < 50_000, "nobody reads, and it goes on");
    }
    assert!(count > 10, "{count}");
    client.reset();
}
