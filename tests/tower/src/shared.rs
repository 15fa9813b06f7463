//! Layers whose state all requests share, and those that make one service of another.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
    mpsc::channel,
};

use tower::{
    ServiceBuilder,
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
    load_shed::error::Overloaded,
    retry::{Policy, RetryLayer},
    util::{MapRequestLayer, MapResponseLayer},
};
use trijet::{Backend, Body, BoxError, Request, Response, Router, StatusCode, get, interop::layer};

use crate::{
    Row, app,
    common::{PATIENCE, client::get as request, gate::Gate, server::Running},
    row, same, serve,
};

pub(crate) const ROWS: &[Row] = &[
    row("tower", "limit::ConcurrencyLimitLayer", concurrency, "one limit for all requests"),
    row("tower", "limit::GlobalConcurrencyLimitLayer", global_concurrency, ""),
    row("tower", "load_shed::LoadShedLayer", load_shed, "its error is answered by `on_error`"),
    row("tower", "retry::RetryLayer", retry, "a policy that clones a request keeps its extensions"),
    row("tower", "util::MapRequestLayer, util::MapResponseLayer", map, ""),
];

/// A handler that waits for a gate, below what `wrap` makes of it.
struct Held {
    server: Running,
    gate: Gate,
    entries: std::sync::mpsc::Receiver<()>,
}

fn held(on: Backend, wrap: impl FnOnce(Router) -> Router) -> Held {
    let gate = Gate::default();
    let (entered, entries) = channel();
    let opened = gate.clone();
    let hold = move || {
        let (entered, gate) = (entered.clone(), opened.clone());
        async move {
            entered.send(()).unwrap();
            gate.opened().await;
            "held"
        }
    };
    let app = Router::new().nest("/limited", wrap(Router::new().route("/", get(hold))));
    Held { server: serve(on, app.route("/free", get(async || "free"))), gate, entries }
}

/// Of four requests two are let in, and the others once those are over.
fn two_at_a_time(held: Held) -> Result<(), String> {
    let mut clients: Vec<_> = (0..4).map(|_| held.server.connect()).collect();
    for client in &mut clients[..2] {
        client.send(request("/limited"));
        held.entries.recv_timeout(PATIENCE).map_err(|_| "it is not let in")?;
    }
    for client in &mut clients[2..] {
        client.send(request("/limited"));
    }
    // On mio and Tokio, what came before on any connection has been looked at by then, or soon after.
    for _ in 0..16 {
        same("others", held.server.connect().get("/free").text(), "free")?;
    }
    same("a third", held.entries.try_recv().is_err(), true)?;
    held.gate.open();
    for client in &mut clients {
        same("held", client.response().text(), "held")?;
    }
    Ok(())
}

fn concurrency(on: Backend) -> Result<(), String> {
    two_at_a_time(held(on, |app| app.wrap(layer(ConcurrencyLimitLayer::new(2)))))
}

fn global_concurrency(on: Backend) -> Result<(), String> {
    two_at_a_time(held(on, |app| app.wrap(layer(GlobalConcurrencyLimitLayer::new(2)))))
}

fn load_shed(on: Backend) -> Result<(), String> {
    let shed = layer(ServiceBuilder::new().load_shed().concurrency_limit(1)).on_error(|error: BoxError| {
        match error.is::<Overloaded>() {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::INTERNAL_SERVER_ERROR,
        }
    });
    let held = held(on, |app| app.wrap(shed));
    let mut first = held.server.connect();
    first.send(request("/limited"));
    held.entries.recv_timeout(PATIENCE).map_err(|_| "it is not let in")?;
    same("the second", held.server.connect().get("/limited").status, 503)?;
    held.gate.open();
    same("the first", first.response().text(), "held")?;
    same("later", first.get("/limited").text(), "held")
}

/// Tries what has no body as often as it says.
#[derive(Clone)]
struct Again(u32);

impl Policy<Request, Response, std::convert::Infallible> for Again {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request,
        result: &mut Result<Response, std::convert::Infallible>,
    ) -> Option<Self::Future> {
        let failed = matches!(result, Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE);
        self.0 = self.0.checked_sub(1)?;
        failed.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        let mut clone = Request::new(Body::empty());
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}

fn retry(on: Backend) -> Result<(), String> {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let third = move || match counted.fetch_add(1, Ordering::Relaxed) {
        2 => Ok("the third"),
        _ => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    let server = serve(on, Router::new().route("/", get(third)).wrap(layer(RetryLayer::new(Again(3)))));
    same("tried", server.connect().get("/").text(), "the third")?;
    same("in vain", server.connect().get("/").status, 503)?;
    same("calls", calls.load(Ordering::Relaxed), 7)
}

fn map(on: Backend) -> Result<(), String> {
    let named = |mut request: Request| {
        *request.uri_mut() = "/named".parse().unwrap();
        request
    };
    let doubled = |response: Response| response.map(|_| Body::from("another"));
    let server = serve(on, app().wrap(layer(MapRequestLayer::new(named))));
    same("request", server.connect().get("/uri/x").text(), "/named")?;
    let server = serve(on, app().wrap(layer(MapResponseLayer::new(doubled))));
    for path in ["/fn", "/async"] {
        same(path, server.connect().get(path).text(), "another")?;
    }
    Ok(())
}
