//! Where handlers run: plain `fn` in parallel on threads, `async fn` never behind them on an event loop,
//! a full pool that queues and then refuses, and nobody who starves.

use std::{
    io::{Read, Write},
    pin::pin,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use futures_util::{future::select, stream};
use trijet::{Backend, Body, Bytes, Limits, Next, Path, Request, Router, State, StatusCode, get, post};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload},
    eventually,
    gate::Gate,
    pattern::{Pattern, Reader},
    response::Response,
    server::{Running, start, start_with, start_workers, unhurried},
};

on_every_backend!(
    two_fns_run_at_once,
    a_blocked_fn_blocks_nobody_else,
    a_full_pool_queues_then_refuses,
    waiting_for_the_pool_has_an_end,
    a_full_pool_cuts_no_answer_that_has_begun,
    idle_connections_and_slow_heads_hold_no_thread,
    slow_bodies_that_are_collected_hold_no_thread,
    slow_readers_hold_no_thread,
    a_fn_that_reads_a_stream_itself_holds_its_thread,
    who_waits_makes_way_for_who_is_waited_for,
    who_waits_makes_way_whoever_wakes_who_is_waited_for,
    busy_connections_are_all_served,
);

/// A `fn` that tells when it runs, and waits for its gate.
struct Held {
    gate: Gate,
    entries: Receiver<()>,
    app: Router,
}

fn held() -> Held {
    let gate = Gate::default();
    let (entered, entries) = channel();
    let wait = gate.clone();
    let app = Router::new().route("/", get(async || "hello")).route("/fn", get(|| "hello")).route(
        "/hold",
        get(move || {
            entered.send(()).unwrap();
            wait.wait();
            "held"
        }),
    );
    Held { gate, entries, app }
}

fn entered(held: &Held) {
    held.entries.recv_timeout(PATIENCE).expect("the handler runs");
}

fn two_fns_run_at_once(on: Backend) {
    let (here, there) = (channel(), channel());
    /// Each side tells the other that it runs, and waits to be told.
    fn meet(tell: Sender<()>, told: Receiver<()>) -> impl Fn() -> &'static str + Clone + Send + Sync {
        let told = Arc::new(Mutex::new(told));
        move || {
            tell.send(()).unwrap();
            told.lock().unwrap().recv_timeout(PATIENCE).map_or("alone", |()| "met")
        }
    }
    let app = Router::new().route("/a", get(meet(here.0, there.1))).route("/b", get(meet(there.0, here.1)));
    let server = start(on, app);
    let (mut a, mut b) = (server.connect(), server.connect());
    a.send(request("/a"));
    b.send(request("/b"));
    a.response().says("met");
    b.response().says("met");
}

/// One loop on mio and Tokio, where a call that blocked it would stop everything.
fn start_one_loop(on: Backend, app: Router, limits: Limits) -> Running {
    match on {
        Backend::Threaded => start_with(on, app, limits),
        _ => start_workers(on, app, limits, 1),
    }
}

fn a_blocked_fn_blocks_nobody_else(on: Backend) {
    let mut held = held();
    let server = start_one_loop(on, std::mem::take(&mut held.app), Limits::default());
    let mut holder = server.connect();
    holder.send(request("/hold"));
    entered(&held);
    let mut other = server.connect();
    for _ in 0..10 {
        other.get("/").says("hello");
        other.get("/fn").says("hello");
    }
    assert!(holder.is_silent());
    held.gate.open();
    holder.response().says("held");
}

#[track_caller]
fn is_503(response: &Response) {
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{response:?}");
}

/// One thread, which is taken, and room for one to wait.
fn full(on: Backend, queue_timeout: Duration) -> (Held, Running, Client) {
    let mut held = held();
    let limits = Limits {
        blocking_threads_max: 1,
        blocking_queue_max: 1,
        blocking_queue_timeout: queue_timeout,
        ..Limits::default()
    };
    let server = start_one_loop(on, std::mem::take(&mut held.app), limits);
    let mut holder = server.connect();
    holder.send(request("/hold"));
    entered(&held);
    (held, server, holder)
}

fn a_full_pool_queues_then_refuses(on: Backend) {
    let (held, server, mut holder) = full(on, Duration::from_secs(600));
    let mut waiting: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(request("/fn"));
    }
    // All but one are refused at once, whichever it is.
    eventually("all but one are refused", || {
        waiting.iter_mut().filter_map(|client| client.is_silent().then_some(())).count() <= 1
    });
    let mut queued = Vec::new();
    for mut client in waiting {
        if client.is_silent() {
            queued.push(client);
            continue;
        }
        let refused = client.response();
        is_503(&refused);
        // On threads the request was not even read; elsewhere it was only this route that is busy.
        assert_eq!(refused.closes(), on == Backend::Threaded);
        if on != Backend::Threaded {
            client.get("/").says("hello");
        }
    }
    assert_eq!(queued.len(), 1, "one waits");
    held.gate.open();
    holder.response().says("held");
    queued[0].response().says("hello");
    server.connect().get("/fn").says("hello");
}

fn waiting_for_the_pool_has_an_end(on: Backend) {
    let (held, server, mut holder) = full(on, Duration::from_secs(2));
    let mut waiting = server.connect();
    is_503(&waiting.send(request("/fn")).response());
    // Who has given up makes room for the next.
    let mut next = server.connect();
    next.send(request("/fn"));
    if on != Backend::Threaded {
        // The one loop has looked at the next one once it has answered this.
        server.connect().get("/").says("hello");
    }
    held.gate.open();
    holder.response().says("held");
    next.response().says("hello");
    // The thread is free a moment after its answer is here.
    eventually("a thread is free again", || server.connect().get("/fn").status == 200);
}

/// Downloads from iterators go on where requests are refused: their next piece waits for a thread as long as it takes.
fn a_full_pool_cuts_no_answer_that_has_begun(on: Backend) {
    const DOWNLOADS: usize = 6;
    // On threads it is connections that wait, within an answer or before it; and one has begun only where more is to be
    // written than sockets and buffers hold.
    let (length, queue_max) = if on == Backend::Threaded { (4 << 20, 1024) } else { (512 << 10, 4) };
    let mut held = held();
    let iterate = move || async move { Body::from_iter(Reader::new(length)) };
    let app = std::mem::take(&mut held.app).route("/iter", get(iterate));
    let limits = Limits {
        blocking_threads_max: 2,
        blocking_queue_max: queue_max,
        blocking_queue_timeout: Duration::from_secs(600),
        ..unhurried()
    };
    let server = start_one_loop(on, app, limits);
    let take_both_threads = || {
        [(); 2].map(|()| {
            let mut holder = server.connect();
            holder.send(request("/hold"));
            entered(&held);
            holder
        })
    };
    let begin_downloads = || {
        [(); DOWNLOADS].map(|()| {
            let mut client = Client::connect_narrow(server.address());
            let head = client.send(request("/iter")).head().with_status(200);
            (client, head)
        })
    };
    // On threads, it takes one to begin: both are taken afterwards.
    let (mut holders, downloads) = if on == Backend::Threaded {
        let downloads = begin_downloads();
        (take_both_threads(), downloads)
    } else {
        (take_both_threads(), begin_downloads())
    };
    let readers = downloads.map(|(mut client, head)| {
        thread::spawn(move || {
            let mut pattern = Pattern::default();
            client.body(head.ending(), |piece| assert!(pattern.matches(piece)));
            pattern.position()
        })
    });
    eventually("all of them wait for another piece", || server.handle().statistics().queued == DOWNLOADS);
    // What is over the limit of requests is refused, as ever.
    if on != Backend::Threaded {
        (0..10).for_each(|_| is_503(&server.connect().send(request("/fn")).response()));
    }
    held.gate.open();
    holders.iter_mut().for_each(|holder| drop(holder.response().says("held")));
    for reader in readers {
        assert_eq!(reader.join().expect("a whole answer"), length);
    }
    eventually("a thread is free again", || server.connect().get("/fn").status == 200);
}

fn idle_connections_and_slow_heads_hold_no_thread(on: Backend) {
    let held = held();
    let server = start_workers(on, held.app, Limits::default(), 8);
    let mut idle: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    for client in &mut idle {
        client.get("/").says("hello");
    }
    let mut slow: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send("GET / HTTP/1.1\r\nho");
    }
    for _ in 0..20 {
        let mut client = server.connect();
        client.get("/").says("hello");
        client.get("/fn").says("hello");
    }
    for client in &mut slow {
        client.send("st: t\r\n\r\n").response().says("hello");
    }
    for client in idle.iter_mut().rev() {
        client.get("/fn").says("hello");
    }
}

fn slow_bodies_that_are_collected_hold_no_thread(on: Backend) {
    let mut held = held();
    let app = std::mem::take(&mut held.app)
        .route("/bytes", post(async |body: Bytes| body))
        .route("/fn-bytes", post(|body: Bytes| body));
    let server = start_workers(on, app, Limits { blocking_threads_max: 4, ..Limits::default() }, 4);
    let mut slow: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for (index, client) in slow.iter_mut().enumerate() {
        let path = ["/bytes", "/fn-bytes"][index % 2];
        client.send(upload(path, "some").trim_end_matches("me"));
    }
    for _ in 0..20 {
        let mut client = server.connect();
        client.get("/").says("hello");
        client.get("/fn").says("hello");
    }
    for client in &mut slow {
        client.send("me").response().says("some");
    }
}

/// The wait for a client to take its answer is nobody's: not of an answer that is whole from the start,
/// and not of one that is made as it is taken.
fn slow_readers_hold_no_thread(on: Backend) {
    const LENGTH: u64 = 8 << 20;
    fn whole() -> Vec<u8> {
        let mut all = Vec::new();
        Reader::new(LENGTH).read_to_end(&mut all).unwrap();
        all
    }
    let app = held()
        .app
        .route("/whole", get(async || whole()))
        .route("/whole/fn", get(whole))
        .route("/stream", get(async || Body::from_stream(stream::iter(Reader::new(LENGTH)))))
        .route("/iter", get(|| Body::from_iter(Reader::new(LENGTH))));
    let server = start_workers(on, app, Limits { blocking_threads_max: 4, ..unhurried() }, 4);
    let paths = ["/whole", "/whole/fn", "/stream", "/iter"];
    let mut slow: Vec<(Client, Response)> = (0..40)
        .map(|index| {
            let mut client = Client::connect_narrow(server.address());
            let head = client.send(request(paths[index % 4])).head().with_status(200);
            (client, head)
        })
        .collect();
    for _ in 0..20 {
        let mut client = server.connect();
        client.get("/").says("hello");
        client.get("/fn").says("hello");
    }
    // Those that read on get all of it.
    for (client, head) in slow.iter_mut().take(4) {
        let mut pattern = Pattern::default();
        client.body(head.ending(), |piece| assert!(pattern.matches(piece)));
        assert_eq!(pattern.position(), LENGTH);
    }
    server.connect().get("/fn").says("hello");
}

/// The exception, on every backend: its thread is its own until it is done.
fn a_fn_that_reads_a_stream_itself_holds_its_thread(on: Backend) {
    let mut held = held();
    let (entered, entries) = channel();
    let read = move |body: Body| {
        entered.send(()).unwrap();
        let mut all = Vec::new();
        body.reader()
            .read_to_end(&mut all)
            .map(|count| count.to_string())
            .map_err(|_| StatusCode::BAD_REQUEST)
    };
    let app = std::mem::take(&mut held.app).route("/read", post(read));
    let server = start_one_loop(on, app, Limits { blocking_threads_max: 1, ..Limits::default() });
    let mut reader = server.connect();
    reader.send(upload("/read", "some").trim_end_matches("me"));
    entries.recv_timeout(PATIENCE).expect("the handler runs");
    let mut other = server.connect();
    other.send(request("/fn"));
    if on != Backend::Threaded {
        server.connect().get("/").says("hello");
    }
    assert!(other.is_silent());
    reader.send("me").response().says("4");
    other.response().says("hello");
}

const THREADS: usize = 4;
const BUSY: usize = 4 * THREADS;

/// Every connection has more sent than was answered, all the time, so that it is the server alone that
/// decides who is next.
/// A lock that is held while a body is read: those that wait for the lock may have all the threads there are.
fn who_waits_makes_way_for_who_is_waited_for(on: Backend) {
    const THREADS: usize = 4;
    let lock = Arc::new(futures_util::lock::Mutex::new(()));
    let (tell, told) = channel();
    let app = Router::new()
        .route("/async", post(async |body: String| body))
        .route("/fn", post(|body: String| body))
        .wrap(move |request: Request, next: Next| {
            let (lock, tell) = (lock.clone(), tell.clone());
            async move {
                tell.send("asks").unwrap();
                let _held = lock.lock().await;
                tell.send("has").unwrap();
                next.run(request).await
            }
        });
    let limits = Limits { blocking_threads_max: THREADS, ..unhurried() };
    let server = start_workers(on, app, limits, THREADS);
    let next = || told.recv_timeout(PATIENCE).unwrap();
    for path in ["/async", "/fn"] {
        let mut holder = server.connect();
        holder.send(upload(path, "some").trim_end_matches("me"));
        assert_eq!([next(), next()], ["asks", "has"]);
        // With the first of them for whom there is no thread any more, on threads.
        let mut waiting: Vec<Client> = (0..THREADS + 2).map(|_| server.connect()).collect();
        for client in &mut waiting {
            client.send(upload(path, "all"));
        }
        (0..THREADS).for_each(|_| assert_eq!(next(), "asks"));
        holder.send("me").response().says("some");
        for client in &mut waiting {
            client.response().says("all");
        }
        // Those two asked late, and all had it in the end.
        let mut rest: Vec<&str> = (0..THREADS + 4).map(|_| next()).collect();
        rest.sort_unstable();
        assert_eq!(rest, [vec!["asks"; 2], vec!["has"; THREADS + 2]].concat());
    }
}

/// As above, where neither a peer nor time tells anything to the poller of threads.
fn who_waits_makes_way_whoever_wakes_who_is_waited_for(on: Backend) {
    let (lock, gate) = (Arc::new(futures_util::lock::Mutex::new(())), Gate::default());
    let (tell, told) = channel();
    let wait = gate.clone();
    let app = Router::new().route(
        "/",
        post(move |body: Body| {
            let (lock, gate, tell) = (lock.clone(), wait.clone(), tell.clone());
            async move {
                tell.send("asks").unwrap();
                let _held = lock.lock().await;
                tell.send("has").unwrap();
                let (whole, opened) = (pin!(body.bytes()), pin!(gate.opened()));
                select(whole, opened).await;
                "done"
            }
        }),
    );
    let limits = Limits { blocking_threads_max: 1, ..unhurried() };
    let server = start_workers(on, app, limits, 1);
    let next = || told.recv_timeout(PATIENCE).unwrap();
    let (mut holder, mut waiting) = (server.connect(), server.connect());
    holder.send(upload("/", "some").trim_end_matches("me"));
    assert_eq!([next(), next()], ["asks", "has"]);
    waiting.send(upload("/", "all"));
    assert_eq!(next(), "asks");
    // For longer than the poller of threads has any reason to look at its queue.
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "the lock is held");
    gate.open();
    holder.response().says("done");
    waiting.response().says("done");
}

fn busy_connections_are_all_served(on: Backend) {
    for path in ["/async", "/fn"] {
        let served: Arc<Mutex<Vec<usize>>> = Arc::default();
        let (note, also_note) = (served.clone(), served.clone());
        let serve = move |Path(id): Path<usize>| note.lock().unwrap().push(id);
        let serve_async = async |Path(id): Path<usize>, State(served): State<Served>| {
            served.lock().unwrap().push(id);
        };
        let app = Router::new()
            .route("/fn/{id}", get(serve))
            .route("/async/{id}", get(serve_async))
            .state::<Served>(also_note);
        let limits = Limits { blocking_threads_max: THREADS, ..Limits::default() };
        // Between loops it would be the system's scheduler that is measured.
        let server = match on {
            Backend::Threaded => start_workers(on, app, limits, THREADS),
            _ => start_workers(on, app, limits, 1),
        };
        let mut clients: Vec<Pump> =
            (0..BUSY).map(|id| Pump::new(&server, &format!("{path}/{id}"))).collect();
        let mut shares = None;
        eventually("enough is served", || {
            clients.iter_mut().for_each(Pump::turn);
            shares = shares_after_all_began(&served.lock().unwrap());
            shares.is_some()
        });
        let shares = shares.unwrap_or_default();
        let index = shares.iter().sum::<f64>().powi(2)
            / (BUSY as f64 * shares.iter().map(|share| share * share).sum::<f64>());
        assert!(index >= 0.9, "{path}: Jain index {index:.3} of {shares:?}");
    }
}

type Served = Arc<Mutex<Vec<usize>>>;

/// How often each was served since all have begun, once that is often enough to tell.
fn shares_after_all_began(served: &[usize]) -> Option<Vec<f64>> {
    // Well beyond what a thread serves while another one is not scheduled.
    const ENOUGH: usize = 1000 * BUSY;
    let begin = (0..BUSY).map(|id| served.iter().position(|&other| other == id)).max()??;
    if (0..BUSY).any(|id| !served.contains(&id)) || served.len() < begin + ENOUGH {
        return None;
    }
    let mut shares = vec![0.0; BUSY];
    for &id in &served[begin..begin + ENOUGH] {
        shares[id] += 1.0;
    }
    Some(shares)
}

/// A client that sends the same request without end, and forgets the answers.
struct Pump {
    client: Client,
    requests: Vec<u8>,
    position: usize,
}

impl Pump {
    fn new(server: &Running, path: &str) -> Self {
        let client = server.connect();
        client.stream().set_nonblocking(true).unwrap();
        Self { client, requests: request(path).repeat(200).into_bytes(), position: 0 }
    }

    fn turn(&mut self) {
        let mut stream = self.client.stream();
        let mut answers = [0; 64 << 10];
        while stream.read(&mut answers).is_ok_and(|count| count == answers.len()) {}
        if let Ok(count) = stream.write(&self.requests[self.position..]) {
            self.position = (self.position + count) % self.requests.len();
        }
    }
}
