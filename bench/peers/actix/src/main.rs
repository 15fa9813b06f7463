//! `peer-actix THREADS ROUTES`: the routes of the race on actix-web, on so many workers.

use std::{convert::Infallible, thread};

use actix_web::{
    App, Error, HttpResponse, HttpServer, Responder,
    rt::{System, time},
    web::{self, Bytes, Json, Path, Payload, PayloadConfig},
};
use futures_util::{StreamExt, stream};
use peer_common::{BODY_MAX, KEEP_ALIVE, PIECE, PIECES, TEXT, WAIT, routes, tell, threads};

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

async fn user(id: Path<String>) -> String {
    id.into_inner()
}

async fn echo(body: Bytes) -> Bytes {
    body
}

async fn upload(mut body: Payload) -> Result<String, Error> {
    let mut count = 0;
    while let Some(piece) = body.next().await {
        count += piece?.len();
    }
    Ok(count.to_string())
}

async fn download() -> impl Responder {
    let pieces = (0..PIECES).map(|_| Ok::<_, Infallible>(Bytes::from_static(&PIECE)));
    HttpResponse::Ok().streaming(stream::iter(pieces))
}

async fn wait() -> &'static str {
    time::sleep(WAIT).await;
    TEXT
}

async fn text_fn() -> Result<&'static str, Error> {
    Ok(web::block(|| TEXT).await?)
}

async fn wait_fn() -> Result<&'static str, Error> {
    let waited = web::block(|| {
        thread::sleep(WAIT);
        TEXT
    });
    Ok(waited.await?)
}

fn configure(service: &mut web::ServiceConfig) {
    service
        .app_data(PayloadConfig::new(BODY_MAX))
        .route("/plaintext", web::get().to(text))
        .route("/json", web::get().to(json))
        .route("/users/{id}", web::get().to(user))
        .route("/echo", web::post().to(echo))
        .route("/upload", web::post().to(upload))
        .route("/download", web::get().to(download))
        .route("/wait", web::get().to(wait))
        .route("/fn/plaintext", web::get().to(text_fn))
        .route("/fn/wait", web::get().to(wait_fn));
    for number in routes() {
        service.route(&format!("/r/{number}"), web::get().to(text));
    }
}

fn main() -> std::io::Result<()> {
    System::new().block_on(async {
        let server = HttpServer::new(|| App::new().configure(configure))
            .workers(threads())
            .keep_alive(KEEP_ALIVE)
            .tcp_nodelay(true)
            .bind("127.0.0.1:0")?;
        tell(server.addrs()[0]);
        server.run().await
    })
}
