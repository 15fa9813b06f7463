//! An extractor of the body that is not the last argument.

use trijet::{Json, Method, Router, post};

async fn add(Json(name): Json<String>, method: Method) -> String {
    format!("{method} {name}")
}

fn main() {
    let _ = Router::new().route("/", post(add));
    trijet::check_async(add);
}
