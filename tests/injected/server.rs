//! The server that the faults are for: a process of its own, which says its address, and stops once its
//! input ends. An error at start is a sentence on stderr and the exit code 1.

use std::{
    io::{self, Read, Write},
    pin::pin,
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll, Wake},
    thread,
};

use trijet::{Body, Bytes, Limits, Router, ServerHandle, backend, get, post};

/// Bytes of `/big`.
pub(crate) const BIG: usize = 100_000;
/// Threads for plain functions (threaded: for requests).
pub(crate) const THREADS: usize = 6;

pub(crate) fn big() -> Vec<u8> {
    (0..BIG).map(|index| (index % 251) as u8).collect()
}

async fn quick() -> &'static str {
    "quick"
}

fn plain() -> &'static str {
    "plain"
}

async fn echo(body: Bytes) -> Bytes {
    body
}

fn plain_echo(body: Bytes) -> Bytes {
    body
}

/// Reads its body itself, and says how long it was.
fn measure(body: Body) -> io::Result<String> {
    let mut read = Vec::new();
    body.reader().read_to_end(&mut read)?;
    Ok(read.len().to_string())
}

/// Reads its body in an executor of its own, which knows nothing of the server.
fn lent_measure(body: Body) -> String {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut read = pin!(body.bytes());
    loop {
        match read.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(body)) => return body.len().to_string(),
            Poll::Ready(Err(error)) => return error.to_string(),
            Poll::Pending => thread::park(),
        }
    }
}

async fn pieces() -> Body {
    let items = (0..50).map(|index| Ok::<_, io::Error>(Bytes::from(format!("piece {index};"))));
    Body::from_stream(futures_util::stream::iter(items))
}

fn app() -> Router {
    Router::new()
        .route("/quick", get(quick))
        .route("/plain", get(plain))
        .route("/echo", post(echo))
        .route("/plain-echo", post(plain_echo))
        .route("/measure", post(async |body: Bytes| body.len().to_string()))
        .route("/plain-measure", post(|body: Body| measure(body).unwrap_or_else(|error| error.to_string())))
        .route("/lent-measure", post(lent_measure))
        .route("/pieces", get(pieces))
        .route("/big", get(async || big()))
}

fn start(backend: &str, threads: usize) -> io::Result<ServerHandle> {
    let limits = Limits { blocking_threads_max: threads, ..Limits::default() };
    let at = "127.0.0.1:0";
    match backend {
        #[cfg(feature = "threaded")]
        "threaded" => backend::threaded::Server::new(app()).limits(limits).start(at),
        #[cfg(feature = "mio")]
        "mio" => backend::mio::Server::new(app()).limits(limits).workers(2).start(at),
        #[cfg(feature = "tokio")]
        "tokio" => backend::tokio::Server::new(app()).limits(limits).workers(2).start(at),
        other => Err(io::Error::other(format!("the backend {other} is not compiled in"))),
    }
}

fn serve(backend: &str, threads: usize) -> io::Result<()> {
    let handle = start(backend, threads)?;
    writeln!(io::stdout(), "{}", handle.local_addr())?;
    let stop = handle.clone();
    let watch = thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        _ = io::stdin().read_to_end(&mut Vec::new());
        stop.shutdown();
    });
    watch.map_err(|error| io::Error::other(format!("the thread for stdin cannot be started: {error}")))?;
    handle.serve()
}

pub(crate) fn main(backend: &str, threads: &str) -> ExitCode {
    env_logger::init();
    match serve(backend, threads.parse().expect("a number of threads")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln`, which panics where it fails.
            _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
