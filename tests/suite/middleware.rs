//! Middleware of both kinds around apps, nests and routes, in any mixture.

use trijet::{Backend, HeaderMap, IntoResponse, Next, Request, Response, Router, StatusCode, get};

use crate::common::{client::get as request, server::start};

on_every_backend!(
    the_order_is_from_the_outside,
    answers_without_a_handler_are_wrapped_too,
    a_layer_may_answer_itself,
    state_is_that_of_the_layers_own_router,
);

/// A layer that leaves its mark on the way in and on the way out.
fn mark(
    name: &'static str,
) -> impl Fn(Request, Next) -> futures_util::future::BoxFuture<'static, Response> + Clone {
    move |request, next| Box::pin(async move { marked(name, next.run(entered(name, request)).await) })
}

fn mark_blocking(name: &'static str) -> impl Fn(Request, Next) -> Response + Clone {
    move |request, next| marked(name, next.run_blocking(entered(name, request)))
}

fn entered(name: &'static str, mut request: Request) -> Request {
    request.headers_mut().append("x-in", name.parse().unwrap());
    request
}

fn marked(name: &'static str, mut response: Response) -> Response {
    response.headers_mut().append("x-out", name.parse().unwrap());
    response
}

fn way_in(headers: HeaderMap) -> String {
    let names: Vec<&str> = headers.get_all("x-in").iter().map(|name| name.to_str().unwrap()).collect();
    names.join(" ")
}

async fn way_in_async(headers: HeaderMap) -> String {
    way_in(headers)
}

fn app() -> Router {
    let inner = Router::new()
        .route("/fn", get(way_in).wrap(mark("route")))
        .route("/async", get(way_in_async).wrap(mark_blocking("route")))
        .wrap(mark_blocking("nest"));
    Router::new()
        .route("/fn", get(way_in))
        .route("/async", get(way_in_async))
        .route("/twice", get(way_in_async).wrap(mark("one")).wrap(mark_blocking("two")).wrap(mark("three")))
        .nest("/nest", inner)
        .wrap(mark("app"))
}

fn the_order_is_from_the_outside(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for (path, body) in [
        ("/fn", "app"),
        ("/async", "app"),
        ("/twice", "app three two one"),
        ("/nest/fn", "app nest route"),
        ("/nest/async", "app nest route"),
    ] {
        let answer = client.get(path).says(body);
        let out: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "x-out")
            .map(|(_, value)| value.as_str())
            .collect();
        let reversed: Vec<&str> = body.split(' ').rev().collect();
        assert_eq!(out, reversed, "{path}");
    }
}

fn answers_without_a_handler_are_wrapped_too(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    assert_eq!(client.get("/missing").with_status(404).header("x-out"), Some("app"));
    let refused = client.send(request("/fn").replacen("GET", "PUT", 1)).response().with_status(405);
    assert_eq!(refused.header("x-out"), Some("app"));
}

fn a_layer_may_answer_itself(on: Backend) {
    fn closed(_: Request, _: Next) -> impl IntoResponse {
        (StatusCode::FORBIDDEN, "closed")
    }
    async fn closed_async(_: Request, _: Next) -> impl IntoResponse {
        (StatusCode::FORBIDDEN, "closed")
    }
    let app = Router::new()
        .route("/fn", get(|| "open").wrap(closed))
        .route("/async", get(|| "open").wrap(closed_async))
        .route("/open", get(|| "open"));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/fn", "/async"] {
        assert_eq!(client.get(path).with_status(403).text(), "closed");
        client.get("/open").says("open");
    }
}

fn state_is_that_of_the_layers_own_router(on: Backend) {
    use trijet::State;
    async fn outer(State(name): State<&'static str>, request: Request, next: Next) -> Response {
        marked(name, next.run(request).await)
    }
    let inner = Router::new()
        .route("/", get(async |State(name): State<&'static str>| name))
        .wrap(outer)
        .state("inner state");
    let app = Router::new().nest("/nest", inner).wrap(outer).state("outer state");
    let server = start(on, app);
    let answer = server.connect().get("/nest").says("inner state");
    let out: Vec<&(String, String)> = answer.headers.iter().filter(|(name, _)| name == "x-out").collect();
    assert_eq!((out[0].1.as_str(), out[1].1.as_str()), ("inner state", "outer state"));
}
