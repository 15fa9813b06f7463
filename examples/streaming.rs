//! Bodies of any size in constant memory, from `async fn` and from plain `fn`, in both directions.
//! `cargo run --example streaming`, then `curl -T file http://127.0.0.1:8080/sum/async`.
//! `PORT` sets the port: 8080 if unset, any free one if 0.

use std::{convert::Infallible, env, error::Error, io::Read, process::ExitCode};

use futures_util::{StreamExt, stream};
use trijet::{Body, BodyError, Path, Router, StatusCode, body::BodyReader, get, post, put};

/// Bytes of one piece that is sent.
const PIECE: usize = 32 << 10;

/// The most bytes that are taken, in place of the default of 2 MiB.
const UPLOAD_MAX: u64 = 64 << 30;

/// What was received: its length, and a sum that depends on the order of the bytes (FNV-1a).
struct Sum {
    bytes: u64,
    sum: u64,
}

impl Sum {
    const fn new() -> Self {
        Self { bytes: 0, sum: 0xcbf2_9ce4_8422_2325 }
    }

    fn add(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        self.sum =
            data.iter().fold(self.sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }

    fn report(&self) -> String {
        format!("{} bytes, sum {:016x}\n", self.bytes, self.sum)
    }
}

/// An `async fn` awaits the pieces: while none is there, it holds no thread.
async fn sum_async(mut body: Body) -> Result<String, BodyError> {
    let mut sum = Sum::new();
    while let Some(piece) = body.next().await {
        sum.add(&piece?);
    }
    Ok(sum.report())
}

/// A plain `fn` reads: it waits on its thread for the next piece.
fn sum_blocking(body: Body) -> Result<String, StatusCode> {
    let mut sum = Sum::new();
    let mut reader: BodyReader = body.reader();
    let mut buffer = vec![0; PIECE];
    loop {
        match reader.read(&mut buffer).map_err(|_| StatusCode::BAD_REQUEST)? {
            0 => return Ok(sum.report()),
            count => sum.add(&buffer[..count]),
        }
    }
}

/// So many bytes, in pieces that are made as the client takes them.
fn pieces(bytes: u64) -> impl Iterator<Item = Result<Vec<u8>, Infallible>> + Send + 'static {
    (0..bytes).step_by(PIECE).map(move |from| {
        let to = bytes.min(from + PIECE as u64);
        // The low byte of each byte's place: easy to check.
        Ok((from..to).map(|place| place.to_le_bytes()[0]).collect())
    })
}

/// From a stream, which must not block.
async fn download_async(Path(bytes): Path<u64>) -> Body {
    Body::from_stream(stream::iter(pieces(bytes)))
}

/// From an iterator, which may block: it is pulled on a thread, one piece at a time.
fn download_blocking(Path(bytes): Path<u64>) -> Body {
    Body::from_iter(pieces(bytes))
}

/// In and out at once: each piece goes back as it comes, changed.
async fn shout(body: Body) -> Body {
    Body::from_stream(body.into_stream().map(|piece| piece.map(|data| data.to_ascii_uppercase())))
}

fn app() -> Router {
    Router::new()
        .route("/sum/async", put(sum_async).body_limit(UPLOAD_MAX))
        .route("/sum/blocking", put(sum_blocking).body_limit(UPLOAD_MAX))
        .route("/bytes/async/{bytes}", get(download_async))
        .route("/bytes/blocking/{bytes}", get(download_blocking))
        .route("/shout", post(shout).body_limit(UPLOAD_MAX))
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    trijet::serve(("127.0.0.1", port), app())?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streaming: {error}");
            ExitCode::FAILURE
        }
    }
}
