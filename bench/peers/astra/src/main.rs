//! `peer-astra THREADS`: the routes of the race on astra, without a router, with so many threads.

use std::{
    io::{self, Read},
    thread,
};

use astra::{Body, Request, Response, ResponseBuilder, Server};
use peer_common::{PIECE, PIECES, TEXT, TEXT_TYPE, WAIT, free_address, tell, threads, user};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

fn answer(kind: &str, body: Body) -> Response {
    let built = ResponseBuilder::new().header("content-type", kind).body(body);
    built.unwrap_or_else(|_| Response::new(Body::empty()))
}

fn status(code: u16) -> Response {
    let built = ResponseBuilder::new().status(code).body(Body::empty());
    built.unwrap_or_else(|_| Response::new(Body::empty()))
}

fn serve(mut request: Request) -> io::Result<Response> {
    Ok(match (request.method().as_str(), request.uri().path()) {
        ("GET", "/plaintext" | "/fn/plaintext") => answer(TEXT_TYPE, Body::new(TEXT)),
        ("GET", "/json") => {
            answer("application/json", Body::new(serde_json::to_vec(&Message { message: TEXT })?))
        }
        ("POST", "/echo") => {
            let mut body = Vec::new();
            request.body_mut().reader().read_to_end(&mut body)?;
            answer("application/octet-stream", Body::new(body))
        }
        ("POST", "/upload") => {
            let count = io::copy(&mut request.body_mut().reader(), &mut io::sink())?;
            answer(TEXT_TYPE, Body::new(count.to_string()))
        }
        ("GET", "/download") => {
            let pieces = io::repeat(PIECE[0]).take((PIECE.len() * PIECES) as u64);
            Response::new(Body::wrap_reader(pieces))
        }
        ("GET", "/wait" | "/fn/wait") => {
            thread::sleep(WAIT);
            answer(TEXT_TYPE, Body::new(TEXT))
        }
        (_, path) => match user(path) {
            Some(name) => answer(TEXT_TYPE, Body::new(name.to_owned())),
            None => status(404),
        },
    })
}

fn main() -> io::Result<()> {
    let address = free_address()?;
    // It listens from here on.
    let server = Server::bind(address).max_workers(threads());
    tell(address);
    server.serve(|request, _| serve(request).unwrap_or_else(|_| status(400)))
}
