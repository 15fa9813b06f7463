//! What of tower's world runs here: the layers of tower and tower-http around a router, on every backend, with a Tokio
//! context and without, which is a page (`docs/tower.md`); and an app of axum.

#[macro_use]
#[path = "../../common/mod.rs"]
mod common;

mod bodies;
mod heads;
mod mounted;
mod page;
mod shared;
mod table;
mod times;

use std::fmt::Debug;

use trijet::{Backend, Body, Request, Router, get, post};

use common::server::{Running, start};

/// Tries one thing on a backend; the error says what was not so.
type Probe = fn(Backend) -> Result<(), String>;

/// A crate's module, a thing in it, and what is tried.
struct Row {
    place: &'static str,
    name: &'static str,
    probe: Probe,
    /// What else is to be said.
    note: &'static str,
}

const fn row(place: &'static str, name: &'static str, probe: Probe, note: &'static str) -> Row {
    Row { place, name, probe, note }
}

/// The handlers of both kinds that layers are wrapped around.
fn app() -> Router {
    async fn uri(request: Request) -> String {
        request.uri().to_string()
    }
    Router::new()
        .route("/fn", get(|| "hello"))
        .route("/async", get(async || "hello"))
        .route("/upper/fn", post(|text: String| text.to_uppercase()))
        .route("/upper/async", post(async |text: String| text.to_uppercase()))
        .route("/echo", post(async |body: Body| body))
        .route("/uri/{*path}", get(uri))
}

fn serve(on: Backend, app: Router) -> Running {
    start(on, app)
}

/// Whether it is what it should be.
fn same<A: PartialEq<B> + Debug, B: Debug>(what: &str, found: A, expected: B) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, and not {expected:?}")),
    }
}

/// A GET with more header fields, each with its line end.
fn with(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: t\r\n{fields}\r\n")
}
