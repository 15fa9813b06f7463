//! A future that holds what may not move between threads over an `.await`.

use std::rc::Rc;

use trijet::{Router, get};

async fn count() -> String {
    let count = Rc::new(1);
    std::future::ready(()).await;
    count.to_string()
}

fn main() {
    let _ = Router::new().route("/", get(count));
    trijet::check_async(count);
}
