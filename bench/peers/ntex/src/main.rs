//! `peer-ntex THREADS ROUTES`: the routes of the race on ntex with Tokio, on so many workers.

use std::{convert::Infallible, net::TcpListener};

use futures_util::{StreamExt, stream};
use ntex::{
    SharedCfg,
    http::{HttpServiceConfig, KeepAlive},
    rt::System,
    time::{Millis, sleep},
    util::Bytes,
    web::{
        self, App, Error, HttpResponse, HttpServer,
        types::{Json, Path, Payload, PayloadConfig},
    },
};
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

async fn echo(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().body(body)
}

async fn upload(mut body: Payload) -> Result<String, Error> {
    let mut count = 0;
    while let Some(piece) = body.next().await {
        count += piece?.len();
    }
    Ok(count.to_string())
}

async fn download() -> HttpResponse {
    let pieces = (0..PIECES).map(|_| Ok::<_, Infallible>(Bytes::from_static(&PIECE)));
    HttpResponse::Ok().streaming(stream::iter(pieces))
}

async fn wait() -> &'static str {
    sleep(Millis(WAIT.as_millis() as u32)).await;
    TEXT
}

fn configure(service: &mut web::ServiceConfig) {
    service
        .state(PayloadConfig::new(BODY_MAX))
        .route("/plaintext", web::get().to(text))
        .route("/json", web::get().to(json))
        .route("/users/{id}", web::get().to(user))
        .route("/echo", web::post().to(echo))
        .route("/upload", web::post().to(upload))
        .route("/download", web::get().to(download))
        .route("/wait", web::get().to(wait));
    for number in routes() {
        service.route(&format!("/r/{number}"), web::get().to(text));
    }
}

fn main() -> std::io::Result<()> {
    System::new("race", ntex::rt::DefaultRuntime).block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let kept = KeepAlive::Timeout(ntex::time::Seconds(KEEP_ALIVE.as_secs() as u16));
        let server = HttpServer::new(async || App::new().configure(configure))
            .workers(threads())
            .config(SharedCfg::new("race").add(HttpServiceConfig::new().set_keepalive(kept)))
            .listen(listener)?;
        tell(address);
        server.run().await
    })
}
