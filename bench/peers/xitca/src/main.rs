//! `peer-xitca THREADS ROUTES`: the routes of the race on xitca-web, on so many workers.

use std::{convert::Infallible, iter, net::TcpListener, pin::pin};

use futures_util::stream;
use peer_common::{KEEP_ALIVE, PIECE, PIECES, TEXT, WAIT, routes, tell, threads};
use xitca_web::{
    App,
    body::{BodyExt, BoxBody, RequestBody, ResponseBody, StreamDataBody},
    bytes::Bytes,
    error::Error,
    handler::{body::Body, handler_service, json::Json, params::Params},
    http::WebResponse,
    route::{get, post},
};

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

async fn user(Params(id): Params<String>) -> String {
    id
}

async fn echo(body: Bytes) -> Bytes {
    body
}

async fn upload(Body(body): Body<RequestBody>) -> Result<String, Error> {
    let (mut body, mut count) = (pin!(body), 0);
    while let Some(piece) = body.as_mut().data().await {
        count += piece?.len();
    }
    Ok(count.to_string())
}

async fn download() -> WebResponse {
    // It takes a number of pieces that is known for the length: this iterator does not tell it.
    let mut left = 0..PIECES;
    let pieces = iter::from_fn(move || left.next().map(|_| Ok::<_, Infallible>(Bytes::from_static(&PIECE))));
    WebResponse::new(ResponseBody::body(BoxBody::new(StreamDataBody::new(stream::iter(pieces)))))
}

async fn wait() -> &'static str {
    tokio::time::sleep(WAIT).await;
    TEXT
}

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut app = App::new()
        .at("/plaintext", get(handler_service(text)))
        .at("/json", get(handler_service(json)))
        .at("/users/{id}", get(handler_service(user)))
        .at("/echo", post(handler_service(echo)))
        .at("/upload", post(handler_service(upload)))
        .at("/download", get(handler_service(download)))
        .at("/wait", get(handler_service(wait)));
    for number in routes() {
        app = app.at(&format!("/r/{number}"), get(handler_service(text)));
    }
    let server = app.serve().worker_threads(threads()).keep_alive_timeout(KEEP_ALIVE).listen(listener)?.run();
    tell(address);
    server.wait()
}
