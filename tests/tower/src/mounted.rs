//! An app of axum, mounted: what its extractors, its state and its layers see.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    Extension, Json,
    extract::{MatchedPath, OriginalUri, Path, Query, State},
    routing::{get, post},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tower_http::{cors::CorsLayer, normalize_path::NormalizePath};
use trijet::{Backend, Router, http::Uri, interop};

use crate::common::{
    client::{get as request, post as upload, post_chunked},
    server::start,
};

on_every_backend!(
    the_extractors_of_axum,
    in_a_nest_it_does_not_see_the_prefix,
    its_empty_answers_are_worded_as_the_app_says,
    what_prepare_brings,
    a_layer_around_the_whole_of_it,
    its_bodies_and_limits,
);

#[derive(Deserialize, Serialize)]
struct Sum {
    left: u32,
    right: u32,
}

#[derive(Deserialize)]
struct Asked {
    q: String,
}

/// Nothing in it knows where it runs.
fn app() -> axum::Router {
    axum::Router::new()
        .route("/", get(async || "home"))
        .route(
            "/users/{id}",
            get(async |Path(id): Path<u32>, State(name): State<&'static str>| format!("{name} {id}")),
        )
        .route(
            "/stream",
            get(async || axum::body::Body::from_stream(stream::iter([Ok::<_, Infallible>("a stream")]))),
        )
        .route("/search", get(async |Query(asked): Query<Asked>| asked.q))
        .route("/sum", post(async |Json(sum): Json<Sum>| Json(sum.left + sum.right)))
        .route("/upper", post(async |text: String| text.to_uppercase()))
        .route("/path", get(async |path: MatchedPath, uri: Uri| format!("{} {uri}", path.as_str())))
        .nest(
            "/inner",
            axum::Router::new().route("/x", get(async |OriginalUri(uri): OriginalUri| uri.to_string())),
        )
        .layer(CorsLayer::permissive())
        .with_state("user")
}

fn the_extractors_of_axum(on: Backend) {
    let server = start(on, Router::new().fallback(interop::service(app())));
    let mut client = server.connect();
    client.get("/").says("home");
    client.get("/users/7").says("user 7");
    client.get("/users/seven").with_status(400);
    client.get("/search?q=a%20b").says("a b");
    client.get("/path?a").says("/path /path?a");
    client.get("/inner/x").says("/inner/x");
    client.get("/none").with_status(404);
    let head = client.send(request("/").replacen("GET", "HEAD", 1)).response_to_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
    client.get("/stream").says("a stream");
    let head = client.send(request("/stream").replacen("GET", "HEAD", 1)).response_to_head();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, None),
        "axum leaves its body out, not empty"
    );
    client.send(request("/").replacen("GET", "DELETE", 1)).response().with_status(405);
    let sum = upload("/sum", r#"{"left":40,"right":2}"#);
    let answer =
        client.send(sum.replacen("host: t", "host: t\r\ncontent-type: application/json", 1)).response();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    answer.says("42");
    client.send(sum).response().with_status(415);
}

fn in_a_nest_it_does_not_see_the_prefix(on: Backend) {
    let tell = axum::Router::new().route(
        "/whole",
        get(async |uri: Uri, Extension(whole): Extension<interop::OriginalUri>| format!("{uri} {}", whole.0)),
    );
    let app = Router::new()
        .nest("/old/{version}", interop::service(app().merge(tell)).into_router())
        .route("/", trijet::get(async || "ours"));
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/").says("ours");
    client.get("/old/1").says("home");
    client.get("/old/1/").says("home");
    client.get("/old/1/users/7").says("user 7");
    client.get("/old/1/whole?a").says("/whole?a /old/1/whole?a");
    client.get("/old/1/none").with_status(404);
    client.get("/none").with_status(404);
}

fn its_empty_answers_are_worded_as_the_app_says(on: Backend) {
    let fails = axum::Router::new().route("/fails", get(async || axum::http::StatusCode::CONFLICT));
    let app = Router::new()
        .nest("/axum", interop::service(app().merge(fails)).into_router())
        .errors(|failure: trijet::respond::Failure| format!("{} worded", failure.status()));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, status, text) in [
        ("/axum/none", 404, "404 Not Found worded"),
        ("/axum/fails", 409, "409 Conflict worded"),
        ("/none", 404, "404 Not Found worded"),
    ] {
        assert_eq!(client.get(path).with_status(status).text(), text, "{path}");
    }
    assert!(!client.get("/axum/users/seven").with_status(400).text().contains("worded"));
}

fn what_prepare_brings(on: Backend) {
    let tell = async |Extension(peer): Extension<SocketAddr>, OriginalUri(uri): OriginalUri| {
        format!("{} {uri}", peer.ip())
    };
    let app = axum::Router::new().route("/", get(tell));
    let mounted = interop::service(app).prepare(|request, context| {
        let whole = OriginalUri(request.uri().clone());
        request.extensions_mut().insert(whole);
        if let Some(peer) = context.peer_address() {
            request.extensions_mut().insert(peer);
        }
    });
    let server = start(on, Router::new().nest("/nest", mounted.into_router()));
    server.connect().get("/nest").says("127.0.0.1 /nest");
}

/// Before axum looks for the route, as its documentation has it.
fn a_layer_around_the_whole_of_it(on: Backend) {
    let trimmed = NormalizePath::trim_trailing_slash(app());
    let server = start(on, Router::new().fallback(interop::service(trimmed)));
    server.connect().get("/users/7/").says("user 7");
}

fn its_bodies_and_limits(on: Backend) {
    let server = start(on, Router::new().fallback(interop::service(app())));
    let long = "lowercase ".repeat(100_000);
    let mut client = server.connect();
    client.send(upload("/upper", &long)).response().says(&long.to_uppercase());
    client.send(post_chunked("/upper", &long)).response().says(&long.to_uppercase());
    let too_long = "a".repeat((2 << 20) + 1);
    server
        .connect()
        .send(upload("/upper", "").replacen("length: 0", "length: 2097153", 1))
        .response()
        .with_status(413);
    // Its length is not announced: axum finds an error in the body, of whose kind it knows nothing.
    server.connect().send(post_chunked("/upper", &too_long)).response().with_status(400);
}
