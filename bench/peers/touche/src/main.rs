//! `peer-touche THREADS`: the routes of the race on touche, without a router, with so many threads.

use std::{error::Error, io, thread};

use peer_common::{PIECE, PIECES, TEXT, TEXT_TYPE, WAIT, free_address, tell, threads, user};
use touche::{Body, HttpBody, Request, Response, Server};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

type Answer = Result<Response<Body>, Box<dyn Error + Send + Sync>>;

fn answer(kind: &str, body: impl Into<Body>) -> Answer {
    Ok(Response::builder().header("content-type", kind).body(body.into())?)
}

fn serve(request: Request<Body>) -> Answer {
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/plaintext" | "/fn/plaintext") => answer(TEXT_TYPE, TEXT),
        ("GET", "/json") => answer("application/json", serde_json::to_vec(&Message { message: TEXT })?),
        ("POST", "/echo") => answer("application/octet-stream", request.into_body().into_bytes()?),
        ("POST", "/upload") => {
            let count = io::copy(&mut request.into_body().into_reader(), &mut io::sink())?;
            answer(TEXT_TYPE, count.to_string())
        }
        ("GET", "/download") => {
            Ok(Response::new(Body::from_iter(std::iter::repeat_n(PIECE.as_slice(), PIECES))))
        }
        ("GET", "/wait" | "/fn/wait") => {
            thread::sleep(WAIT);
            answer(TEXT_TYPE, TEXT)
        }
        (_, path) => match user(path) {
            Some(name) => answer(TEXT_TYPE, name.to_owned()),
            None => Ok(Response::builder().status(404).body(Body::empty())?),
        },
    }
}

fn main() -> io::Result<()> {
    let address = free_address()?;
    // It listens from here on.
    let server = Server::builder().max_threads(threads()).nodelay(true).bind(address);
    tell(address);
    server.serve(serve)
}
