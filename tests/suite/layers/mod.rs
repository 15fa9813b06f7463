//! The middleware of the package `trijet-web`, over real sockets. Tables of what each decides stand beside its
//! code; here is what it does to requests, responses, bodies and connections.

mod auth;
mod bodies;
#[cfg(feature = "compression")]
mod coding;
mod crowds;
#[cfg(feature = "compression")]
mod decoding;
mod observing;
mod origins;
#[cfg(feature = "client-address")]
mod proxied;

use std::time::Duration;

use trijet::{
    Backend, Next, Request, Router, get,
    middleware::{
        AccessLog, Basic, BasicAuth, BodyLimit, ConcurrencyLimit, Cors, CrossOriginProtection, ETags,
        RateLimit, RequestIds, SecurityHeaders, Timeout,
    },
};

use crate::common::{response::Response, server::start};

on_every_backend!(each_stands_around_an_app_a_nest_and_a_route, layers_that_block_may_stand_between);

async fn past(request: Request, next: Next) -> trijet::Response {
    next.run(request).await
}

fn through(request: Request, next: Next) -> trijet::Response {
    next.run_blocking(request)
}

/// All that there is, in the order of the table in `trijet::middleware`, with another layer between each two.
macro_rules! wrapped {
    ($inside:expr, $between:ident) => {{
        let wrapped = $inside;
        #[cfg(feature = "compression")]
        let wrapped = wrapped.wrap(trijet::middleware::Decompression::new()).wrap($between);
        let wrapped = wrapped.wrap(BodyLimit::new(1 << 20)).wrap($between).wrap(ETags::new()).wrap($between);
        #[cfg(feature = "compression")]
        let wrapped = wrapped.wrap(trijet::middleware::Compression::new()).wrap($between);
        #[cfg(feature = "sessions")]
        let wrapped = wrapped
            .wrap(trijet::sessions::Sessions::new(trijet::sessions::MemoryStore::new()))
            .wrap($between);
        let wrapped = wrapped
            .wrap(BasicAuth::new("suite", |given: Basic| (given.user == "ada").then_some(())))
            .wrap($between)
            .wrap(Timeout::new(Duration::from_secs(600)))
            .wrap($between)
            .wrap(ConcurrencyLimit::new(100))
            .wrap($between)
            .wrap(RateLimit::new(1_000, Duration::from_secs(600)))
            .wrap($between)
            .wrap(CrossOriginProtection::new())
            .wrap($between)
            .wrap(Cors::any())
            .wrap($between)
            .wrap(SecurityHeaders::new())
            .wrap($between);
        #[cfg(feature = "metrics")]
        let wrapped = wrapped.wrap(trijet::middleware::Metrics::new()).wrap($between);
        #[cfg(feature = "tracing")]
        let wrapped = wrapped.wrap(trijet::middleware::Spans::new()).wrap($between);
        let wrapped = wrapped.wrap(AccessLog::json()).wrap($between).wrap(RequestIds::new());
        #[cfg(feature = "client-address")]
        let wrapped =
            wrapped.wrap($between).wrap(trijet::client::BehindProxies::forwarded(["192.0.2.0/24"]).unwrap());
        wrapped
    }};
}

fn routes() -> Router {
    Router::new()
        .route("/fn", get(|| "hello").post(|text: String| text))
        .route("/async", get(async || "hello").post(async |text: String| text))
}

fn each_answers_as_it_should(on: Backend, app: Router) {
    let server = start(on, app);
    let mut client = server.connect();
    let ada = ("authorization", "Basic YWRhOmxvdmVsYWNl");
    for path in ["/app/fn", "/app/async", "/nest/fn", "/nest/async", "/route/fn", "/route/async"] {
        let refused = client.send(asking("GET", path, &[])).response().with_status(401);
        let answer = client.send(asking("GET", path, &[ada])).response().says("hello");
        for answer in [&refused, &answer] {
            for name in ["x-request-id", "x-frame-options", "ratelimit"] {
                assert_eq!(values(answer, name).len(), 1, "{path} {name}");
            }
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        }
        let tag = answer.header("etag").unwrap();
        client.send(asking("GET", path, &[ada, ("if-none-match", tag)])).response().with_status(304);
        let evil = [ada, ("sec-fetch-site", "cross-site"), ("content-length", "0")];
        client.send(asking("POST", path, &evil)).response().with_status(403);
        let post = asking("POST", path, &[ada, ("content-length", "4")]) + "text";
        client.send(post).response().says("text");
    }
}

fn each_stands_around_an_app_a_nest_and_a_route(on: Backend) {
    let route = Router::new()
        .route("/fn", wrapped!(get(|| "hello").post(|text: String| text), past))
        .route("/async", wrapped!(get(async || "hello").post(async |text: String| text), past));
    let nests = Router::new().nest("/nest", wrapped!(routes(), past)).nest("/route", route);
    // The app itself is wrapped by the second server; a nest is a router of its own.
    each_answers_as_it_should(on, nests.nest("/app", wrapped!(routes(), past)));
    let server = start(on, wrapped!(Router::new().nest("/app", routes()), past));
    server.connect().get("/app/fn").with_status(401);
    server.connect().get("/missing").with_status(401);
}

fn layers_that_block_may_stand_between(on: Backend) {
    let route = Router::new()
        .route("/fn", wrapped!(get(|| "hello").post(|text: String| text), through))
        .route("/async", wrapped!(get(async || "hello").post(async |text: String| text), through));
    let app = Router::new()
        .nest("/nest", wrapped!(routes(), through))
        .nest("/route", route)
        .nest("/app", wrapped!(routes(), through));
    each_answers_as_it_should(on, app);
}

/// The request line, `Host`, and these fields.
fn asking(method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: app.example\r\n{fields}\r\n")
}

/// All values of a field, in order.
fn values<'r>(response: &'r Response, name: &str) -> Vec<&'r str> {
    let matching = response.headers.iter().filter(|(field, _)| field == name);
    matching.map(|(_, value)| value.as_str()).collect()
}

/// What gets much smaller.
#[cfg(feature = "compression")]
fn text() -> String {
    "the quick brown fox jumps over the lazy dog; ".repeat(200)
}

/// Larger than the pieces that are compressed at a time, and not the same all along.
#[cfg(feature = "compression")]
fn large() -> Vec<u8> {
    (0..40_000_u32)
        .flat_map(|index| format!("line {} of many\n", index * 7919 % 40_009).into_bytes())
        .collect()
}
