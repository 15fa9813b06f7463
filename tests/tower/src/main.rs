//! What of tower's world runs here: the layers of tower and tower-http around a router, on every backend, with a Tokio
//! context and without, which is a page (`docs/tower.md`); and an app of axum.

#[macro_use]
#[path = "../../common/mod.rs"]
mod common;

mod bodies;
mod crates;
mod heads;
mod mounted;
mod page;
mod shared;
mod spans;
mod table;
mod times;

use std::{cell::RefCell, fmt::Debug, rc::Rc};

use trijet::{Backend, Body, Request, Router, get, post};

use common::{
    client::Client,
    response::Response,
    server::{Running, start},
};

/// Tries one thing.
type Probe = fn(&Stage) -> Tried;

type Tried = Result<(), Failed>;

/// What was not so.
struct Failed {
    what: String,
    /// What was answered in place of what should be.
    status: Option<u16>,
}

impl From<&str> for Failed {
    fn from(what: &str) -> Self {
        Self { what: what.to_owned(), status: None }
    }
}

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

/// Where something is tried: a backend, and the servers that the trial has started there. Each of them has a client that
/// has nothing to do with it.
struct Stage {
    on: Backend,
    servers: RefCell<Vec<(Rc<Running>, Client)>>,
}

impl Stage {
    fn new(on: Backend) -> Self {
        Self { on, servers: RefCell::default() }
    }

    /// Whether the others are answered as before: on a connection from before the trial, and on another.
    fn others_have_noticed_nothing(self) {
        for (server, mut bystander) in self.servers.into_inner() {
            for _ in 0..2 {
                bystander.get("/bystander").says("here");
                bystander.get("/bystander/fn").says("here");
                bystander = server.connect();
            }
        }
    }
}

/// Starts `app`, with all that is wrapped around it, beside routes that nothing is wrapped around.
fn serve(on: &Stage, app: Router) -> Rc<Running> {
    let beside =
        Router::new().route("/bystander", get(async || "here")).route("/bystander/fn", get(|| "here"));
    let server = Rc::new(start(on.on, beside.merge(app)));
    let mut bystander = server.connect();
    bystander.get("/bystander").says("here");
    on.servers.borrow_mut().push((server.clone(), bystander));
    server
}

/// Whether it is what it should be.
fn same<A: PartialEq<B> + Debug, B: Debug>(what: &str, found: A, expected: B) -> Tried {
    match found == expected {
        true => Ok(()),
        false => Err(Failed { what: format!("{what}: {found:?}, and not {expected:?}"), status: None }),
    }
}

/// Whether it has this text, or what its status is.
fn says(what: &str, answer: &Response, text: &str) -> Tried {
    match answer.status == 200 && answer.text() == text {
        true => Ok(()),
        false => {
            Err(Failed { what: format!("{what}: {answer:?}, and not {text:?}"), status: Some(answer.status) })
        }
    }
}

/// A GET with more header fields, each with its line end.
fn with(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: t\r\n{fields}\r\n")
}
