//! Trijet's hello world, on the backend that the features choose. It must never do more.

use trijet::{Router, get};

async fn hello() -> &'static str {
    "Hello, World!"
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(trijet::serve("127.0.0.1:8080", Router::new().route("/", get(hello)))?)
}
