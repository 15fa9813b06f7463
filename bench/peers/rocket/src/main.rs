//! `peer-rocket THREADS ROUTES`: a hello world, and the routes of the race, on Rocket with so many workers.

use std::thread;

use peer_common::{BODY_MAX, KEEP_ALIVE, PIECE, PIECES, TEXT, WAIT, free_address, routes, tell, threads};
use rocket::{
    Config, Request, Route,
    data::{Data, ToByteUnit},
    fairing::AdHoc,
    futures::stream,
    get,
    http::Method,
    log::LogLevel,
    post,
    response::stream::ByteStream,
    route::{BoxFuture, Outcome},
    routes,
    serde::json::Json,
    shield::Shield,
    tokio::{self, io::AsyncReadExt, task::spawn_blocking, time},
};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

fn hello<'r>(request: &'r Request<'_>, _: Data<'r>) -> BoxFuture<'r> {
    Box::pin(async move { Outcome::from(request, "hello") })
}

fn numbered<'r>(request: &'r Request<'_>, _: Data<'r>) -> BoxFuture<'r> {
    Box::pin(async move { Outcome::from(request, TEXT) })
}

#[get("/plaintext")]
async fn text() -> &'static str {
    TEXT
}

#[get("/json")]
async fn json() -> Json<Message> {
    Json(Message { message: TEXT })
}

#[get("/users/<id>")]
async fn user(id: &str) -> String {
    id.to_owned()
}

#[post("/echo", data = "<body>")]
async fn echo(body: Data<'_>) -> std::io::Result<Vec<u8>> {
    Ok(body.open(BODY_MAX.bytes()).into_bytes().await?.into_inner())
}

#[post("/upload", data = "<body>")]
async fn upload(body: Data<'_>) -> std::io::Result<String> {
    let mut body = body.open(BODY_MAX.bytes());
    let (mut buffer, mut count) = (vec![0; PIECE.len()], 0);
    loop {
        match body.read(&mut buffer).await? {
            0 => return Ok(count.to_string()),
            length => count += length,
        }
    }
}

#[get("/download")]
async fn download() -> ByteStream<impl stream::Stream<Item = &'static [u8]>> {
    ByteStream(stream::iter((0..PIECES).map(|_| PIECE.as_slice())))
}

#[get("/wait")]
async fn wait() -> &'static str {
    time::sleep(WAIT).await;
    TEXT
}

#[get("/fn/plaintext")]
async fn text_fn() -> Option<&'static str> {
    spawn_blocking(|| TEXT).await.ok()
}

#[get("/fn/wait")]
async fn wait_fn() -> Option<&'static str> {
    let waited = spawn_blocking(|| {
        thread::sleep(WAIT);
        TEXT
    });
    waited.await.ok()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // It cannot tell which port it was given.
    let address = free_address()?;
    let config = Config {
        address: address.ip(),
        port: address.port(),
        workers: threads(),
        keep_alive: KEEP_ALIVE.as_secs() as u32,
        log_level: LogLevel::Off,
        ..Config::release_default()
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build()?;
    let told = AdHoc::on_liftoff("address", move |_| Box::pin(async move { tell(address) }));
    let mut all = routes![text, json, user, echo, upload, download, wait, text_fn, wait_fn];
    all.push(Route::new(Method::Get, "/hello", hello));
    all.extend(routes().map(|number| Route::new(Method::Get, &format!("/r/{number}"), numbered)));
    // Without the header fields that it adds by default: the answers are to be alike.
    let rocket = rocket::custom(config).attach(Shield::new()).attach(told).mount("/", all);
    // On a worker: whoever calls `block_on` is none.
    _ = runtime.block_on(runtime.spawn(rocket.launch()))??;
    Ok(())
}
