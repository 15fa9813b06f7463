//! `peer-axum THREADS ROUTES`: the routes of the race on axum, on so many of Tokio's workers.

use std::{convert::Infallible, io, thread};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path},
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use futures_util::{StreamExt, stream};
use peer_common::{PIECE, PIECES, TEXT, WAIT, routes, tell, threads};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

async fn text() -> &'static str {
    TEXT
}

async fn json() -> Json<Message> {
    Json(Message { message: TEXT })
}

async fn user(Path(id): Path<String>) -> String {
    id
}

async fn echo(body: Bytes) -> Bytes {
    body
}

async fn upload(body: Body) -> Result<String, String> {
    let (mut pieces, mut count) = (body.into_data_stream(), 0);
    while let Some(piece) = pieces.next().await {
        count += piece.map_err(|error| error.to_string())?.len();
    }
    Ok(count.to_string())
}

async fn download() -> impl IntoResponse {
    let pieces = (0..PIECES).map(|_| Ok::<_, Infallible>(Bytes::from_static(&PIECE)));
    Body::from_stream(stream::iter(pieces))
}

async fn wait() -> &'static str {
    tokio::time::sleep(WAIT).await;
    TEXT
}

async fn text_fn() -> Result<&'static str, String> {
    tokio::task::spawn_blocking(|| TEXT).await.map_err(|error| error.to_string())
}

async fn wait_fn() -> Result<&'static str, String> {
    let waited = tokio::task::spawn_blocking(|| {
        thread::sleep(WAIT);
        TEXT
    });
    waited.await.map_err(|error| error.to_string())
}

async fn serve() -> io::Result<()> {
    let mut router = Router::new()
        .route("/plaintext", get(text))
        .route("/json", get(json))
        .route("/users/{id}", get(user))
        .route("/echo", post(echo))
        .route("/upload", post(upload))
        .route("/download", get(download))
        .route("/wait", get(wait))
        .route("/fn/plaintext", get(text_fn))
        .route("/fn/wait", get(wait_fn));
    for number in routes() {
        router = router.route(&format!("/r/{number}"), get(text));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    tell(listener.local_addr()?);
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    // A bare router would be copied for each connection, route by route.
    axum::serve(listener, router.layer(DefaultBodyLimit::disable()).into_make_service()).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build()?;
    // On a worker: whoever calls `block_on` is none.
    Ok(runtime.block_on(runtime.spawn(serve()))??)
}
