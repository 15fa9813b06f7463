//! `peer-tiny_http THREADS`: the routes of the race on tiny_http, without a router, with so many threads that take requests.

use std::{
    error::Error,
    io::{self, Read},
    sync::Arc,
    thread,
};

use peer_common::{PIECE, PIECES, TEXT, TEXT_TYPE, WAIT, tell, threads, user};
use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

fn answer(request: Request, kind: &str, body: impl Into<Vec<u8>>) -> io::Result<()> {
    let kind = Header::from_bytes("Content-Type", kind).map_err(|()| io::ErrorKind::InvalidInput)?;
    request.respond(Response::from_data(body).with_header(kind))
}

fn serve(mut request: Request) -> io::Result<()> {
    match (request.method(), request.url()) {
        (Method::Get, "/plaintext" | "/fn/plaintext") => answer(request, TEXT_TYPE, TEXT),
        (Method::Get, "/json") => {
            answer(request, "application/json", serde_json::to_vec(&Message { message: TEXT })?)
        }
        (Method::Post, "/echo") => {
            let mut body = Vec::with_capacity(request.body_length().unwrap_or(0));
            request.as_reader().read_to_end(&mut body)?;
            answer(request, "application/octet-stream", body)
        }
        (Method::Post, "/upload") => {
            let count = io::copy(request.as_reader(), &mut io::sink())?;
            answer(request, TEXT_TYPE, count.to_string())
        }
        (Method::Get, "/download") => {
            let pieces = io::repeat(PIECE[0]).take((PIECE.len() * PIECES) as u64);
            request.respond(Response::new(StatusCode(200), Vec::new(), pieces, None, None))
        }
        (Method::Get, "/wait" | "/fn/wait") => {
            thread::sleep(WAIT);
            answer(request, TEXT_TYPE, TEXT)
        }
        (_, path) => match user(path).map(str::to_owned) {
            Some(name) => answer(request, TEXT_TYPE, name),
            None => request.respond(Response::empty(404)),
        },
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Arc::new(Server::http("127.0.0.1:0")?);
    tell(server.server_addr().to_ip().ok_or("there is no address")?);
    let take = |server: Arc<Server>| {
        move || {
            for request in server.incoming_requests() {
                // A client that leaves is no matter.
                _ = serve(request);
            }
        }
    };
    let threads: Vec<_> = (0..threads()).map(|_| thread::spawn(take(server.clone()))).collect();
    threads.into_iter().for_each(|thread| _ = thread.join());
    Ok(())
}
