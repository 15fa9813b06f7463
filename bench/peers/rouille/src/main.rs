//! `peer-rouille THREADS`: the routes of the race on rouille, with so many threads. Its routes are compared one by one.

use std::{
    error::Error,
    io::{self, Read},
    thread,
};

use peer_common::{PIECE, PIECES, TEXT, WAIT, tell, threads, user};
use rouille::{Request, Response, ResponseBody, Server};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

fn serve(request: &Request) -> Response {
    let body = || request.data().map_or_else(|| Err(io::ErrorKind::InvalidInput.into()), Ok);
    let answered = match (request.method(), request.raw_url()) {
        ("GET", "/plaintext" | "/fn/plaintext") => Ok(Response::text(TEXT)),
        ("GET", "/json") => Ok(Response::json(&Message { message: TEXT })),
        ("POST", "/echo") => body().and_then(|mut body| {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes)?;
            Ok(Response::from_data("application/octet-stream", bytes))
        }),
        ("POST", "/upload") => body()
            .and_then(|mut body| io::copy(&mut body, &mut io::sink()))
            .map(|count| Response::text(count.to_string())),
        ("GET", "/download") => {
            let pieces = io::repeat(PIECE[0]).take((PIECE.len() * PIECES) as u64);
            Ok(Response { data: ResponseBody::from_reader(pieces), ..Response::text("") })
        }
        ("GET", "/wait" | "/fn/wait") => {
            thread::sleep(WAIT);
            Ok(Response::text(TEXT))
        }
        (_, path) => Ok(user(path).map_or_else(Response::empty_404, Response::text)),
    };
    answered.unwrap_or_else(|_: io::Error| Response::empty_400())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Server::new("127.0.0.1:0", serve)?.pool_size(threads());
    tell(server.server_addr());
    server.run();
    Ok(())
}
