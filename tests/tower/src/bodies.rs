//! Layers that change bodies.

use std::future::ready;

use tower_http::{
    compression::CompressionLayer,
    decompression::{DecompressionLayer, RequestDecompressionLayer},
    limit::RequestBodyLimitLayer,
    map_request_body::MapRequestBodyLayer,
    map_response_body::MapResponseBodyLayer,
    services::ServeDir,
};
use trijet::{
    Body, Bytes, Router, get,
    interop::{layer, service},
    post,
};

use crate::{
    Failed, Row, Stage, Tried, app,
    common::client::{post as upload, post_chunked},
    row, same, says, serve, with,
};

pub(crate) const ROWS: &[Row] = &[
    row("tower-http", "CompressionLayer", compression, "compresses where an `async fn` runs"),
    row("tower-http", "DecompressionLayer", decompression, ""),
    row(
        "tower-http",
        "RequestDecompressionLayer",
        request_decompression,
        "of what it makes our extractors take as much as the route's `body_limit` says (413), and a handler that takes \
         `Body` has to count; a body that is broken is a 500: our `Decompression` bounds both, and says 400",
    ),
    row(
        "tower-http",
        "RequestBodyLimitLayer",
        limit,
        "a body without a length that is over it is a 500 of our extractors: `body_limit` makes it 413",
    ),
    row("tower-http", "MapRequestBodyLayer", map_request, ""),
    row("tower-http", "MapResponseBodyLayer", map_response, ""),
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
fn zipped(on: &Stage, text: Bytes) -> Result<Vec<u8>, Failed> {
    let (now, later) = (text.clone(), text.clone());
    let app = Router::new()
        .route("/fn", get(move || ([("content-type", "text/plain")], now.clone())))
        .route("/async", get(move || ready(([("content-type", "text/plain")], later.clone()))));
    let server = serve(on, app.wrap(layer(CompressionLayer::new())));
    let mut client = server.connect();
    for path in ["/fn", "/async"] {
        same(path, client.get(path).body == text, true)?;
        let answer = client.send(with(path, "accept-encoding: gzip\r\n")).response();
        same(path, answer.header("content-encoding"), Some("gzip"))?;
        same(path, answer.body.len() < text.len() && answer.body.starts_with(&[0x1f, 0x8b]), true)?;
    }
    Ok(client.send(with("/fn", "accept-encoding: gzip\r\n")).response().body)
}

const LONG: &str = "again and again and again and again and again and again and again and again and again";

fn compression(on: &Stage) -> Tried {
    zipped(on, LONG.into()).map(drop)
}

fn decompression(on: &Stage) -> Tried {
    let zipped = Bytes::from(zipped(on, LONG.into())?);
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

fn request_decompression(on: &Stage) -> Tried {
    let small = zipped(on, LONG.into())?;
    let bomb = zipped(on, vec![b'a'; (4 << 20) + 1].into())?;
    let server = serve(on, app().wrap(layer(RequestDecompressionLayer::new())));
    let mut client = server.connect();
    for path in HANDLERS {
        same(path, client.send(upload(path, "plain")).response().text(), "PLAIN")?;
        let sent = |body: &[u8]| {
            let length = body.len();
            server.connect().send(format!(
                "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
            )).send(body).response()
        };
        same(path, sent(&small).text(), LONG.to_uppercase().as_str())?;
        same("a bomb", sent(&bomb).status, 413)?;
        same("broken", sent(b"no gzip at all").status, 500)?;
    }
    Ok(())
}

fn limit(on: &Stage) -> Tried {
    let server = serve(on, app().wrap(layer(RequestBodyLimitLayer::new(8))));
    for path in HANDLERS {
        same(path, server.connect().send(upload(path, "12345678")).response().status, 200)?;
        same(path, server.connect().send(post_chunked(path, "12345678")).response().status, 200)?;
        same(path, server.connect().send(upload(path, "123456789")).response().status, 413)?;
        same(path, server.connect().send(post_chunked(path, "123456789")).response().status, 500)?;
    }
    Ok(())
}

fn map_request(on: &Stage) -> Tried {
    let another = MapRequestBodyLayer::new(|_: Body| Body::from("another"));
    let server = serve(on, app().wrap(layer(another)));
    for path in HANDLERS {
        same(path, server.connect().send(upload(path, "sent")).response().text(), "ANOTHER")?;
    }
    Ok(())
}

fn map_response(on: &Stage) -> Tried {
    let streamed = MapResponseBodyLayer::new(|body: Body| Body::from_stream(body.into_stream()));
    let server = serve(on, app().wrap(layer(streamed)));
    for path in HANDLERS {
        let answer = server.connect().send(upload(path, "sent")).response();
        same(path, (answer.text(), answer.chunks.is_some()), ("SENT", true))?;
    }
    Ok(())
}

fn serve_dir(on: &Stage) -> Tried {
    let files = service(ServeDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let server = serve(on, Router::new().nest("/src", files.into_router()));
    says("a file", &server.connect().get("/src/head.md"), include_str!("head.md"))?;
    same("none", server.connect().get("/src/none").status, 404)
}

fn axum_middleware(on: &Stage) -> Tried {
    async fn named(
        request: axum::extract::Request,
        next: axum::middleware::Next,
    ) -> axum::response::Response {
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-name", axum::http::HeaderValue::from_static("axum"));
        response
    }
    let both = (MapRequestBodyLayer::new(axum::body::Body::new::<Body>), axum::middleware::from_fn(named));
    let count = post(async |body: Bytes| body.len().to_string());
    let app = app().route("/count", count.body_limit(8));
    let server = serve(on, app.wrap(layer(both)));
    for (path, said) in [("/upper/fn", "LOUD"), ("/upper/async", "LOUD"), ("/count", "4"), ("/echo", "loud")]
    {
        let answer = server.connect().send(upload(path, "loud")).response();
        same(path, (answer.text(), answer.header("x-name")), (said, Some("axum")))?;
    }
    // What is wrong with a body is seen through the error that axum makes of it.
    same("too long", server.connect().send(post_chunked("/count", "123456789")).response().status, 413)
}
