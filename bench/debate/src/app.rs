//! The app, the same source on every backend: the ways to wait for a remote database, to compute, to take a body and to
//! give one. It runs as a process of its own and knows nothing of what is measured.

use std::{
    cell::RefCell,
    env,
    hint::black_box,
    io::{self, BufRead, Read, Write},
    iter,
    net::{SocketAddr, TcpStream},
    thread::LocalKey,
    time::Duration,
};

use futures_util::stream;
use log::LevelFilter;
use serde::{Deserialize, Serialize};
use trijet::{
    Backend, Body, Bytes, Json, Limits, Path, Router, Server, State, StatusCode, get, inline, post, rt,
};

/// How an app is started.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Settings {
    /// The backend's name.
    pub backend: String,
    /// Event loops, or Tokio's workers; on threaded its threads.
    pub workers: Option<usize>,
    /// Threads for plain `fn` handlers; on threaded for all.
    pub threads: Option<usize>,
    /// Where the database is.
    pub database: Option<SocketAddr>,
    /// Rounds of arithmetic in a handler that computes.
    pub rounds: u64,
    /// The time that a peer may stall within a body, in milliseconds; 0 for ever.
    pub stall_ms: Option<u64>,
}

#[derive(Clone, Copy)]
struct Database(SocketAddr);

#[derive(Clone, Copy)]
struct Rounds(u64);

// Connections to the database that nobody uses now. Each thread has its own, so that nobody waits for a lock.
thread_local! {
    static BLOCKING: RefCell<Vec<TcpStream>> = const { RefCell::new(Vec::new()) };
    static WAITING: RefCell<Vec<rt::TcpStream>> = const { RefCell::new(Vec::new()) };
}

fn free<S>(connections: &'static LocalKey<RefCell<Vec<S>>>) -> Option<S> {
    connections.with_borrow_mut(Vec::pop)
}

/// Asks the database, and blocks its thread until the answer is there.
fn ask(Database(address): Database, delay_ms: u64) -> io::Result<&'static str> {
    let mut connection = match free(&BLOCKING) {
        Some(connection) => connection,
        None => {
            let connection = TcpStream::connect(address)?;
            connection.set_nodelay(true)?;
            connection
        }
    };
    connection.write_all(format!("{delay_ms}\n").as_bytes())?;
    let mut answer = [0; 3];
    connection.read_exact(&mut answer)?;
    BLOCKING.with_borrow_mut(|connections| connections.push(connection));
    checked(answer)
}

/// Asks the database; whoever runs this serves others meanwhile.
async fn ask_waiting(Database(address): Database, delay_ms: u64) -> io::Result<&'static str> {
    use futures_util::io::AsyncReadExt;
    let mut connection = match free(&WAITING) {
        Some(connection) => connection,
        None => rt::TcpStream::connect(address).await?,
    };
    connection.write_all(format!("{delay_ms}\n").as_bytes()).await?;
    let mut answer = [0; 3];
    connection.read_exact(&mut answer).await?;
    WAITING.with_borrow_mut(|connections| connections.push(connection));
    checked(answer)
}

fn checked(answer: [u8; 3]) -> io::Result<&'static str> {
    if &answer == b"ok\n" { Ok("hello") } else { Err(io::ErrorKind::InvalidData.into()) }
}

type Reply = Result<&'static str, StatusCode>;

fn reply(answer: io::Result<&'static str>) -> Reply {
    answer.map_err(|error| {
        log::error!("the database: {error}");
        StatusCode::BAD_GATEWAY
    })
}

/// A plain `fn`, which may block.
fn query_fn(Path(delay_ms): Path<u64>, State(database): State<Database>) -> Reply {
    reply(ask(database, delay_ms))
}

/// An `async fn`, which waits as it should.
async fn query_async(Path(delay_ms): Path<u64>, State(database): State<Database>) -> Reply {
    reply(ask_waiting(database, delay_ms).await)
}

/// The mistake: an `async fn` that blocks.
async fn query_blocking(Path(delay_ms): Path<u64>, State(database): State<Database>) -> Reply {
    reply(ask(database, delay_ms))
}

/// Work that a processor has to do, whoever waits.
fn burn(rounds: u64) -> &'static str {
    let mut state = 1_u64;
    for _ in 0..rounds {
        state = black_box(state ^ (state << 13));
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
    "hello"
}

/// How many rounds take so long on this machine, when nobody else computes.
pub fn rounds_for(time: Duration) -> u64 {
    const TRIAL: u64 = 1_000_000;
    let least = (0..15).map(|_| {
        let start = std::time::Instant::now();
        burn(TRIAL);
        start.elapsed()
    });
    let trial = least.min().unwrap_or(time).max(Duration::from_nanos(1));
    (TRIAL as f64 * time.as_secs_f64() / trial.as_secs_f64()) as u64
}

/// Reads its body by itself.
fn take_reader(body: Body) -> io::Result<String> {
    let count = io::copy(&mut body.reader(), &mut io::sink())?;
    Ok(format!("{count} bytes"))
}

fn take_bytes(body: Bytes) -> String {
    format!("{} bytes", body.len())
}

fn take_json(Json(numbers): Json<Vec<u64>>) -> String {
    format!("{} numbers", numbers.len())
}

async fn take_stream(mut body: Body) -> Result<String, trijet::BodyError> {
    let mut count = 0;
    while let Some(piece) = body.next().await {
        count += piece?.len();
    }
    Ok(format!("{count} bytes"))
}

fn pieces(length: usize) -> impl Iterator<Item = io::Result<Bytes>> + Send {
    const PIECE: usize = 16 << 10;
    iter::repeat_with(|| Ok(Bytes::from_static(&[b'x'; PIECE]))).take(length / PIECE)
}

fn router(settings: &Settings) -> Router {
    const UPLOAD_MAX: u64 = 64 << 20;
    let hello = || "hello";
    let database = settings.database.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/hello/fn", get(hello))
        .route("/hello/inline", get(inline(hello)))
        .route("/query/fn/{delay}", get(query_fn))
        .route("/query/async/{delay}", get(query_async))
        .route("/query/blocking/{delay}", get(query_blocking))
        .route("/burn/async", get(async |State(Rounds(rounds)): State<Rounds>| burn(rounds)))
        .route("/burn/fn", get(|State(Rounds(rounds)): State<Rounds>| burn(rounds)))
        .route("/burn/inline", get(inline(|State(Rounds(rounds)): State<Rounds>| burn(rounds))))
        .route("/upload/reader", post(|body: Body| take_reader(body).map_err(|_| StatusCode::BAD_REQUEST)))
        .route("/upload/bytes", post(take_bytes).body_limit(UPLOAD_MAX))
        .route("/upload/json", post(take_json).body_limit(UPLOAD_MAX))
        .route("/upload/async", post(take_stream))
        .route(
            "/download/iterator/{length}",
            get(|Path(length): Path<usize>| Body::from_iter(pieces(length))),
        )
        .route(
            "/download/stream/{length}",
            get(async |Path(length): Path<usize>| Body::from_stream(stream::iter(pieces(length)))),
        )
        .route("/download/whole/{length}", get(async |Path(length): Path<usize>| vec![b'x'; length]))
        .state(Database(database))
        .state(Rounds(settings.rounds))
}

fn limits(settings: &Settings) -> Limits {
    /// Connections that wait for a thread are to be seen waiting, not refused.
    const QUEUE: usize = 100_000;
    let mut limits = Limits {
        blocking_queue_max: QUEUE,
        blocking_queue_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    if let Some(threads) = settings.threads {
        limits.blocking_threads_max = threads;
    }
    match settings.stall_ms {
        None => {}
        Some(0) => (limits.stall_timeout, limits.progress_grace) = (Duration::MAX, Duration::MAX),
        Some(stall) => {
            limits.stall_timeout = Duration::from_millis(stall);
            limits.progress_grace = Duration::from_millis(stall);
        }
    }
    limits
}

/// Runs the app until its standard input ends; tells its address.
pub fn run() -> io::Result<()> {
    env_logger::Builder::new().filter_level(LevelFilter::Warn).init();
    let settings = env::args().nth(2).unwrap_or_default();
    let settings: Settings = serde_json::from_str(&settings).map_err(io::Error::other)?;
    let mut server = Server::new(router(&settings))
        .limits(limits(&settings))
        .backend(settings.backend.parse::<Backend>().map_err(io::Error::other)?);
    if let Some(workers) = settings.workers {
        server = server.workers(workers);
    }
    let handle = server.start("127.0.0.1:0")?;
    println!("{}", handle.local_addr());
    let stop = handle.clone();
    std::thread::spawn(move || {
        for _ in io::stdin().lock().lines() {}
        stop.shutdown_now();
    });
    handle.wait()
}
