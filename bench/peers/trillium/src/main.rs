//! `peer-trillium THREADS ROUTES`: the routes of the race on trillium with Tokio, on so many of its workers.

use futures_util::{AsyncReadExt, io::repeat};
use peer_common::{
    BODY_MAX, PIECE, PIECES, TEXT, TEXT_TYPE, WAIT, free_address, routes, tell_once_there, threads,
};
use trillium::{Body, Conn, KnownHeaderName::ContentType};
use trillium_router::{Router, RouterConnExt};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

fn say(conn: Conn, body: impl Into<Body>) -> Conn {
    conn.with_response_header(ContentType, TEXT_TYPE).ok(body)
}

async fn text(conn: Conn) -> Conn {
    say(conn, TEXT)
}

async fn json(conn: Conn) -> Conn {
    match serde_json::to_vec(&Message { message: TEXT }) {
        Ok(text) => conn.with_response_header(ContentType, "application/json").ok(text),
        Err(_) => conn.with_status(500),
    }
}

async fn user(conn: Conn) -> Conn {
    let id = conn.param("id").unwrap_or_default().to_owned();
    say(conn, id)
}

async fn echo(mut conn: Conn) -> Conn {
    match conn.request_body().await.with_max_len(BODY_MAX as u64 + 1).read_bytes().await {
        Ok(body) => say(conn, body),
        Err(_) => conn.with_status(400),
    }
}

async fn upload(mut conn: Conn) -> Conn {
    let mut body = conn.request_body().await.with_max_len(BODY_MAX as u64 + 1);
    let (mut buffer, mut count) = (vec![0; PIECE.len()], 0);
    loop {
        match body.read(&mut buffer).await {
            Ok(0) => break,
            Ok(length) => count += length,
            Err(_) => return conn.with_status(400),
        }
    }
    say(conn, count.to_string())
}

async fn download(conn: Conn) -> Conn {
    let pieces = repeat(PIECE[0]).take((PIECE.len() * PIECES) as u64);
    conn.ok(Body::new_streaming(pieces, None))
}

async fn wait(conn: Conn) -> Conn {
    tokio::time::sleep(WAIT).await;
    say(conn, TEXT)
}

async fn serve(address: std::net::SocketAddr) {
    let mut router = Router::new()
        .get("/plaintext", text)
        .get("/json", json)
        .get("/users/:id", user)
        .post("/echo", echo)
        .post("/upload", upload)
        .get("/download", download)
        .get("/wait", wait);
    for number in routes() {
        router = router.get(format!("/r/{number}").as_str(), text);
    }
    let config = trillium_tokio::config().with_socketaddr(address).with_nodelay().without_signals();
    config.with_max_connections(None).run_async(router).await;
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = free_address()?;
    tell_once_there(address);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build()?;
    // On a worker: whoever calls `block_on` is none.
    Ok(runtime.block_on(runtime.spawn(serve(address)))?)
}
