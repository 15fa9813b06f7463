//! `peer-may THREADS`: the routes of the race on may_minihttp, without a router, on so many workers. It streams no
//! response.

use std::io::{self, BufRead, Read};

use may_minihttp::{HttpServer, HttpService, Request, Response};
use peer_common::{TEXT, WAIT, free_address, tell, threads, user};

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

#[derive(Clone)]
struct Race;

impl HttpService for Race {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        response.header("Content-Type: text/plain; charset=utf-8");
        match (request.method(), request.path()) {
            ("GET", "/plaintext") => response.body(TEXT),
            ("GET", "/json") => response.body_vec(serde_json::to_vec(&Message { message: TEXT })?),
            ("POST", "/echo") => {
                let mut body = Vec::new();
                request.body().read_to_end(&mut body)?;
                response.body_vec(body);
            }
            ("POST", "/upload") => {
                let (mut body, mut count) = (request.body(), 0);
                loop {
                    let length = body.fill_buf()?.len();
                    if length == 0 {
                        break;
                    }
                    body.consume(length);
                    count += length;
                }
                response.body_vec(count.to_string().into_bytes());
            }
            ("GET", "/wait") => {
                may::coroutine::sleep(WAIT);
                response.body(TEXT);
            }
            (_, path) => match user(path) {
                Some(name) => response.body_vec(name.as_bytes().to_vec()),
                None => _ = response.status_code(404, "Not Found"),
            },
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    may::config().set_workers(threads());
    let address = free_address()?;
    let server = HttpServer(Race).start(address)?;
    tell(address);
    server.join().map_err(|_| io::Error::other("the server panicked"))
}
