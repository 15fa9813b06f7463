//! Layers whose state all requests share, and those that make one service of another.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::channel,
    },
};

use tower::{
    ServiceBuilder,
    filter::{AsyncFilterLayer, FilterLayer},
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
    load_shed::error::Overloaded,
    retry::{Policy, RetryLayer},
    util::{
        AndThenLayer, MapErrLayer, MapFutureLayer, MapRequestLayer, MapResponseLayer, MapResultLayer,
        ThenLayer,
    },
};
use trijet::{Body, BoxError, Request, Response, Router, StatusCode, get, interop::layer};

use crate::{
    Row, Stage, Tried, app,
    common::{PATIENCE, client::get as request, gate::Gate, server::Running},
    row, same, serve,
};

pub(crate) const ROWS: &[Row] = &[
    row("tower", "limit::ConcurrencyLimitLayer", concurrency, "one limit for all requests"),
    row("tower", "limit::GlobalConcurrencyLimitLayer", global_concurrency, ""),
    row("tower", "load_shed::LoadShedLayer", load_shed, "its error is answered by `on_error`"),
    row("tower", "retry::RetryLayer", retry, "a policy that clones a request keeps its extensions"),
    row("tower", "filter::FilterLayer", filter, "its error is answered by `on_error`"),
    row("tower", "filter::AsyncFilterLayer", async_filter, "its error is answered by `on_error`"),
    row("tower", "util::MapRequestLayer", map_request, ""),
    row("tower", "util::MapResponseLayer", map_response, ""),
    row("tower", "util::MapResultLayer", map_result, ""),
    row("tower", "util::MapErrLayer", map_err, "around a layer that fails: what is inside of all never does"),
    row("tower", "util::MapFutureLayer", map_future, ""),
    row("tower", "util::AndThenLayer", and_then, ""),
    row("tower", "util::ThenLayer", then, ""),
];

/// A handler that waits for a gate, below what `wrap` makes of it.
struct Held {
    server: Rc<Running>,
    gate: Gate,
    entries: std::sync::mpsc::Receiver<()>,
}

fn held(on: &Stage, wrap: impl FnOnce(Router) -> Router) -> Held {
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
fn two_at_a_time(held: Held) -> Tried {
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

fn concurrency(on: &Stage) -> Tried {
    two_at_a_time(held(on, |app| app.wrap(layer(ConcurrencyLimitLayer::new(2)))))
}

fn global_concurrency(on: &Stage) -> Tried {
    two_at_a_time(held(on, |app| app.wrap(layer(GlobalConcurrencyLimitLayer::new(2)))))
}

fn load_shed(on: &Stage) -> Tried {
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
struct Again {
    times: u32,
    keeps_extensions: bool,
}

impl Policy<Request, Response, std::convert::Infallible> for Again {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request,
        result: &mut Result<Response, std::convert::Infallible>,
    ) -> Option<Self::Future> {
        let failed = matches!(result, Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE);
        self.times = self.times.checked_sub(1)?;
        failed.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        let mut clone = Request::new(Body::empty());
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.headers_mut() = request.headers().clone();
        if self.keeps_extensions {
            *clone.extensions_mut() = request.extensions().clone();
        }
        Some(clone)
    }
}

fn retry(on: &Stage) -> Tried {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let third = move || match counted.fetch_add(1, Ordering::Relaxed) {
        2 => Ok("the third"),
        _ => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    let app = Router::new().route("/", get(third));
    let again = RetryLayer::new(Again { times: 3, keeps_extensions: true });
    let server = serve(on, app.wrap(layer(again)));
    same("tried", server.connect().get("/").text(), "the third")?;
    same("in vain", server.connect().get("/").status, 503)?;
    same("calls", calls.load(Ordering::Relaxed), 7)?;
    let fails = Router::new().route("/", get(async || StatusCode::SERVICE_UNAVAILABLE));
    let forgets = RetryLayer::new(Again { times: 3, keeps_extensions: false });
    let server = serve(on, fails.wrap(layer(forgets)));
    same("without the extensions", server.connect().get("/").status, 500)
}

/// Only what has a query passes.
fn with_query(request: Request) -> Result<Request, BoxError> {
    if request.uri().query().is_some() { Ok(request) } else { Err("there is no query".into()) }
}

fn filters(server: &Running) -> Tried {
    for path in ["/fn", "/async"] {
        same(path, server.connect().get(path).status, 418)?;
        same(path, server.connect().get(&format!("{path}?a")).text(), "hello")?;
    }
    Ok(())
}

fn filter(on: &Stage) -> Tried {
    let filter = layer(FilterLayer::new(with_query)).on_error(|_| StatusCode::IM_A_TEAPOT);
    filters(&serve(on, app().wrap(filter)))
}

fn async_filter(on: &Stage) -> Tried {
    let later = |request: Request| ready(with_query(request));
    let filter = layer(AsyncFilterLayer::new(later)).on_error(|_| StatusCode::IM_A_TEAPOT);
    filters(&serve(on, app().wrap(filter)))
}

fn map_request(on: &Stage) -> Tried {
    let named = |mut request: Request| {
        *request.uri_mut() = "/named".parse().unwrap();
        request
    };
    let server = serve(on, app().wrap(layer(MapRequestLayer::new(named))));
    same("request", server.connect().get("/uri/x").text(), "/named")
}

fn another(response: Response) -> Response {
    response.map(|_| Body::from("another"))
}

fn says_another(server: &Running) -> Tried {
    for path in ["/fn", "/async"] {
        same(path, server.connect().get(path).text(), "another")?;
    }
    Ok(())
}

fn map_response(on: &Stage) -> Tried {
    says_another(&serve(on, app().wrap(layer(MapResponseLayer::new(another)))))
}

type Outcome = Result<Response, Infallible>;

fn map_result(on: &Stage) -> Tried {
    let map = |outcome: Outcome| outcome.map(another);
    says_another(&serve(on, app().wrap(layer(MapResultLayer::new(map)))))
}

fn map_err(on: &Stage) -> Tried {
    let named = |_: BoxError| BoxError::from("named");
    let both = (MapErrLayer::new(named), FilterLayer::new(with_query));
    let told = layer(both).on_error(|error| match error.to_string() == "named" {
        true => StatusCode::IM_A_TEAPOT,
        false => StatusCode::BAD_GATEWAY,
    });
    filters(&serve(on, app().wrap(told)))
}

fn map_future(on: &Stage) -> Tried {
    type Answering = Pin<Box<dyn Future<Output = Outcome> + Send>>;
    let map = |future: Answering| async move { future.await.map(another) };
    says_another(&serve(on, app().wrap(layer(MapFutureLayer::new(map)))))
}

fn and_then(on: &Stage) -> Tried {
    let map = |response: Response| ready(Outcome::Ok(another(response)));
    says_another(&serve(on, app().wrap(layer(AndThenLayer::new(map)))))
}

fn then(on: &Stage) -> Tried {
    let map = |outcome: Outcome| ready(outcome.map(another));
    says_another(&serve(on, app().wrap(layer(ThenLayer::new(map)))))
}
