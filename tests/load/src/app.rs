//! The server of the loads, as a process of its own: an app with the routes that they need, on the backend
//! that it is told. It prints its address, answers `counts` and `trim` on its standard input, and stops once
//! that ends.

use std::{
    io::{self, BufRead, Write},
    iter,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use trijet::{
    Backend, Body, BodyError, Bytes, Json as JsonBody, Limits, Path, Router, Server, StatusCode, get, post,
};

use crate::pattern::Pattern;

/// What `counts` tells.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Streamed responses that were begun.
    pub streams: u64,
    /// Pieces that their producers have made.
    pub pieces: u64,
}

static STREAMS: AtomicU64 = AtomicU64::new(0);
static PIECES: AtomicU64 = AtomicU64::new(0);

/// How long `/work` takes: with so many threads, the capacity is known.
pub const WORK: Duration = Duration::from_millis(10);

/// Bytes of a piece of a streamed body: what is queued for a slow reader is made of such.
pub const PIECE: u64 = 16 << 10;

/// So many bytes of the pattern, each piece in memory of its own, counted as they are made.
fn pieces(length: u64) -> impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'static {
    STREAMS.fetch_add(1, Relaxed);
    let mut pattern = Pattern::default();
    iter::from_fn(move || {
        let rest = (length - pattern.position()).min(PIECE);
        (rest > 0).then(|| Ok(pattern.piece(rest as usize).to_vec()))
    })
    .inspect(|_| {
        PIECES.fetch_add(1, Relaxed);
    })
}

/// A body that ends in `fault` after its first pieces.
fn broken(fault: fn() -> io::Error) -> Body {
    let whole = pieces(200_000).map(Some).chain([None]);
    Body::from_stream(stream::iter(whole.map(move |piece| piece.unwrap_or_else(|| Err(fault())))))
}

/// A plain `fn` with a body that was collected: core waits for the sender.
fn take_bytes(body: Bytes) -> Result<String, StatusCode> {
    checked(&body)
}

fn take_json(JsonBody(items): JsonBody<Vec<u64>>) -> String {
    format!("{} right", items.len())
}

/// An `async fn` that reads its body itself.
async fn take_stream(mut body: Body) -> Result<Result<String, StatusCode>, BodyError> {
    let mut pattern = Pattern::default();
    while let Some(piece) = body.next().await {
        if !pattern.matches(&piece?) {
            return Ok(Err(StatusCode::UNPROCESSABLE_ENTITY));
        }
    }
    Ok(Ok(format!("{} right", pattern.position())))
}

/// As above, whatever the bytes.
async fn count(mut body: Body) -> Result<String, BodyError> {
    let mut count = 0;
    while let Some(piece) = body.next().await {
        count += piece?.len();
    }
    Ok(format!("{count} counted"))
}

fn checked(body: &[u8]) -> Result<String, StatusCode> {
    let is_right = Pattern::default().matches(body);
    is_right.then(|| format!("{} right", body.len())).ok_or(StatusCode::UNPROCESSABLE_ENTITY)
}

fn router() -> Router {
    const UPLOAD_MAX: u64 = 64 << 20;
    Router::new()
        .route("/", get(async || "hello"))
        .route("/fn", get(|| "hello"))
        .route(
            "/work",
            get(|| {
                thread::sleep(WORK);
                "done"
            }),
        )
        .route("/bytes", post(take_bytes).body_limit(UPLOAD_MAX))
        .route("/json", post(take_json).body_limit(UPLOAD_MAX))
        .route("/stream", post(take_stream).body_limit(UPLOAD_MAX))
        .route("/count", post(count).body_limit(UPLOAD_MAX))
        .route("/small", post(take_bytes).body_limit(16))
        .route("/echo", post(async |body: Body| Body::from_stream(body.into_stream().map(|piece| piece))))
        .route(
            "/stream/{length}",
            get(async |Path(length): Path<u64>| Body::from_stream(stream::iter(pieces(length)))),
        )
        .route("/iter/{length}", get(|Path(length): Path<u64>| Body::from_iter(pieces(length))))
        .route(
            "/whole/{length}",
            get(async |Path(length): Path<u64>| {
                pieces(length).filter_map(Result::ok).collect::<Vec<_>>().concat()
            }),
        )
        .route("/panic", get(async || -> &'static str { panic!("planted") }))
        .route("/panic-fn", get(|| -> &'static str { panic!("planted") }))
        .route("/panic-late", get(async || broken(|| panic!("planted"))))
        .route("/fail-late", get(async || broken(|| io::Error::other("planted"))))
}

/// Runs the server until its standard input ends.
///
/// # Errors
/// A setting that it does not know, or what the system refused.
pub fn serve(settings: &[String]) -> io::Result<()> {
    let unknown = |setting: &str| io::Error::other(format!("{setting:?} is no setting of the server"));
    let mut limits = Limits::default();
    let (mut backend, mut workers) = (None, None);
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or_else(|| unknown(setting))?;
        let number = || value.parse::<usize>().map_err(|_| unknown(setting));
        let time = || number().map(|number| Duration::from_millis(number as u64));
        match name {
            "backend" => backend = Some(value.parse::<Backend>()?),
            "workers" => workers = Some(number()?),
            "threads" => limits.blocking_threads_max = number()?,
            "head_ms" => limits.head_timeout = time()?,
            "grace_ms" => limits.progress_grace = time()?,
            _ => return Err(unknown(setting)),
        }
    }
    // The planted ones would fill the log.
    std::panic::set_hook(Box::new(|_| {}));
    let mut server = Server::new(router()).limits(limits);
    if let Some(backend) = backend {
        server = server.backend(backend);
    }
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    let handle = server.start("127.0.0.1:0")?;
    say(&handle.local_addr().to_string())?;
    let orders = handle.clone();
    thread::spawn(move || {
        for order in io::stdin().lock().lines().map_while(Result::ok) {
            match order.as_str() {
                "counts" => {}
                "trim" => give_back(),
                _ => break,
            }
            let counts = Counts { streams: STREAMS.load(Relaxed), pieces: PIECES.load(Relaxed) };
            if say(&serde_json::json!(counts).to_string()).is_err() {
                break;
            }
        }
        orders.shutdown();
    });
    handle.wait()
}

/// Has the allocator give what was freed back to the system. It keeps it otherwise, wherever a little that is
/// still in use lies above it; and what a server holds is to be seen, not what its allocator does.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a function of the C library, which takes any number")]
fn give_back() {
    unsafe extern "C" {
        safe fn malloc_trim(pad: usize) -> i32;
    }
    malloc_trim(0);
}

#[cfg(not(target_env = "gnu"))]
fn give_back() {}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
