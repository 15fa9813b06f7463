//! A return type that is no response: a number has to be made text or JSON.

use trijet::{Router, get};

fn count() -> u32 {
    42
}

async fn count_async() -> u32 {
    42
}

fn main() {
    let _ = Router::new().route("/", get(count)).route("/async", get(count_async));
    trijet::check_fn(count);
    trijet::check_async(count_async);
}
