//! The app that is measured, the same on every backend: a route for each case. It must never know by which tool it is
//! watched, nor what for.

use std::{io, time::Duration};

use serde::Serialize;
use trijet::{Backend, Bytes, Json, Limits, Path, Router, Server, get, inline, post};

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

async fn plaintext() -> &'static str {
    "Hello, World!"
}

/// With so many routes beside the others.
fn router(routes: usize) -> Router {
    let hello = || "Hello, World!";
    let router = Router::new()
        .route("/plaintext", get(plaintext))
        .route("/json", get(async || Json(Message { message: "Hello, World!" })))
        .route("/users/{name}", get(async |Path(name): Path<String>| name))
        .route("/echo", post(async |body: Bytes| body))
        .route("/fn", get(hello))
        .route("/inline", get(inline(hello)));
    (0..routes).fold(router, |router, number| {
        router.route(&format!("/api/v{}/things{number}/{{id}}", number % 3), get(plaintext))
    })
}

/// The watchdog looks more seldom, at what it looks at as ever. Its looks come with time, and under a tool a request
/// takes long: they would be counted as the request's.
fn limits() -> Limits {
    Limits { loop_hold_max: Some(Duration::from_secs(10)), ..Limits::default() }
}

/// Tells its address, and serves until its standard input ends.
pub fn serve(backend: &str, routes: &str) -> io::Result<()> {
    let routes = routes.parse().map_err(io::Error::other)?;
    let backend: Backend = backend.parse().map_err(io::Error::other)?;
    let server = Server::new(router(routes)).backend(backend).limits(limits()).workers(1);
    let server = server.start("127.0.0.1:0")?;
    println!("{}", server.local_addr());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    server.shutdown();
    server.wait()
}
