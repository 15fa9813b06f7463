//! Layers that change bodies.

use std::future::ready;

use tower::ServiceBuilder;
use tower_http::{
    compression::CompressionLayer,
    decompression::{DecompressionLayer, RequestDecompressionLayer},
    limit::RequestBodyLimitLayer,
    map_request_body::MapRequestBodyLayer,
    map_response_body::MapResponseBodyLayer,
    services::ServeDir,
};
use trijet::{
    Backend, Body, Bytes, Router, get,
    interop::{layer, service},
    post,
};

use crate::{
    Row, app,
    common::client::{post as upload, post_chunked},
    row, same, serve, with,
};

pub(crate) const ROWS: &[Row] = &[
    row("tower-http", "CompressionLayer", compression, "compresses where an `async fn` runs"),
    row("tower-http", "DecompressionLayer", decompression, ""),
    row("tower-http", "RequestDecompressionLayer", request_decompression, ""),
    row(
        "tower-http",
        "RequestBodyLimitLayer",
        limit,
        "a body without a length that is over it is a 500 of our extractors: `body_limit` makes it 413",
    ),
    row("tower-http", "MapRequestBodyLayer, MapResponseBodyLayer", map, ""),
    row("tower-http", "ServeDir, a service", serve_dir, "takes `tokio::fs`; our `Files` does not"),
    row(
        "axum",
        "middleware::from_fn",
        axum_middleware,
        "behind a `MapRequestBodyLayer`, as it takes axum's body",
    ),
];

const HANDLERS: [&str; 2] = ["/upper/fn", "/upper/async"];

/// Compressed by the layer itself.
fn zipped(on: Backend, text: &'static str) -> Result<Vec<u8>, String> {
    let app = Router::new().route("/fn", get(move || text)).route("/async", get(move || ready(text)));
    let server = serve(on, app.wrap(layer(CompressionLayer::new())));
    let mut client = server.connect();
    for path in ["/fn", "/async"] {
        same(path, client.get(path).text(), text)?;
        let answer = client.send(with(path, "accept-encoding: gzip\r\n")).response();
        same(path, answer.header("content-encoding"), Some("gzip"))?;
        same(path, answer.body.len() < text.len() && answer.body.starts_with(&[0x1f, 0x8b]), true)?;
    }
    Ok(client.send(with("/fn", "accept-encoding: gzip\r\n")).response().body)
}

const LONG: &str = "again and again and again and again and again and again and again and again and again";

fn compression(on: Backend) -> Result<(), String> {
    zipped(on, LONG).map(drop)
}

fn decompression(on: Backend) -> Result<(), String> {
    let zipped = Bytes::from(zipped(on, LONG)?);
    let answer = move || ([("content-encoding", "gzip")], zipped.clone());
    let later = {
        let answer = answer.clone();
        move || ready(answer())
    };
    let app = Router::new().route("/fn", get(answer)).route("/async", get(later));
    let server = serve(on, app.wrap(layer(DecompressionLayer::new())));
    for path in ["/fn", "/async"] {
        let answer = server.connect().get(path);
        same(path, (answer.text(), answer.header("content-encoding")), (LONG, None))?;
    }
    Ok(())
}

fn request_decompression(on: Backend) -> Result<(), String> {
    let zipped = zipped(on, LONG)?;
    let server = serve(on, app().wrap(layer(RequestDecompressionLayer::new())));
    let mut client = server.connect();
    for path in HANDLERS {
        same(path, client.send(upload(path, "plain")).response().text(), "PLAIN")?;
        let length = zipped.len();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
        ));
        same(path, client.send(&zipped).response().text(), LONG.to_uppercase().as_str())?;
    }
    Ok(())
}

fn limit(on: Backend) -> Result<(), String> {
    let server = serve(on, app().wrap(layer(RequestBodyLimitLayer::new(8))));
    for path in HANDLERS {
        same(path, server.connect().send(upload(path, "12345678")).response().status, 200)?;
        same(path, server.connect().send(post_chunked(path, "12345678")).response().status, 200)?;
        same(path, server.connect().send(upload(path, "123456789")).response().status, 413)?;
        same(path, server.connect().send(post_chunked(path, "123456789")).response().status, 500)?;
    }
    Ok(())
}

fn map(on: Backend) -> Result<(), String> {
    let both = ServiceBuilder::new()
        .layer(MapRequestBodyLayer::new(|_: Body| Body::from("another")))
        .layer(MapResponseBodyLayer::new(|body: Body| Body::from_stream(body.into_stream())));
    let server = serve(on, app().wrap(layer(both)));
    for path in HANDLERS {
        let answer = server.connect().send(upload(path, "sent")).response();
        same(path, (answer.text(), answer.chunks.is_some()), ("ANOTHER", true))?;
    }
    Ok(())
}

fn serve_dir(on: Backend) -> Result<(), String> {
    let files = service(ServeDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let server = serve(on, Router::new().nest("/src", files.into_router()));
    same("a file", server.connect().get("/src/head.md").text(), include_str!("head.md"))?;
    same("none", server.connect().get("/src/none").status, 404)
}

fn axum_middleware(on: Backend) -> Result<(), String> {
    async fn named(
        request: axum::extract::Request,
        next: axum::middleware::Next,
    ) -> axum::response::Response {
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-name", axum::http::HeaderValue::from_static("axum"));
        response
    }
    let both = (MapRequestBodyLayer::new(axum::body::Body::new::<Body>), axum::middleware::from_fn(named));
    let app = app().route("/count", post(async |body: Bytes| body.len().to_string()));
    let server = serve(on, app.wrap(layer(both)));
    for (path, said) in [("/upper/fn", "LOUD"), ("/upper/async", "LOUD"), ("/count", "4"), ("/echo", "loud")]
    {
        let answer = server.connect().send(upload(path, "loud")).response();
        same(path, (answer.text(), answer.header("x-name")), (said, Some("axum")))?;
    }
    Ok(())
}
