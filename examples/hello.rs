//! A few routes, on whichever backend is compiled in: `cargo run --example hello --features mio`.
//! `PORT` sets the port: 8080 if unset, any free one if 0.

use std::{env, error::Error, process::ExitCode, thread, time::Duration};

use serde::Serialize;
use trijet::{Body, Json, Path, Router, get, post};

/// Never blocks: runs in place, on an event loop or on the connection's thread.
async fn hello() -> &'static str {
    "Hello, World!"
}

#[derive(Serialize)]
struct Greeting {
    hello: String,
}

async fn json() -> Json<Greeting> {
    Json(Greeting { hello: "World".to_owned() })
}

async fn greet(Path(name): Path<String>) -> String {
    format!("Hello, {name}!")
}

/// Sends back what comes, piece by piece, in constant memory.
async fn echo(body: Body) -> Body {
    body
}

/// May block: runs on a thread of its own on every backend.
fn slow() -> &'static str {
    thread::sleep(Duration::from_millis(50));
    "slept 50 ms on a thread\n"
}

fn app() -> Router {
    Router::new()
        .route("/", get(hello))
        .route("/json", get(json))
        .route("/hello/{name}", get(greet))
        .route("/echo", post(echo).body_limit(1 << 30))
        .route("/slow", get(slow))
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
            eprintln!("hello: {error}");
            ExitCode::FAILURE
        }
    }
}
