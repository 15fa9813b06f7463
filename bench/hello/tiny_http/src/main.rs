//! tiny_http's hello world. It must never do more.

use tiny_http::{Response, Server};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for request in Server::http("127.0.0.1:8080")?.incoming_requests() {
        request.respond(Response::from_string("Hello, World!"))?;
    }
    Ok(())
}
