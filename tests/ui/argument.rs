//! An argument that is no extractor: state goes in `State<Db>`.

use trijet::{Router, get};

#[derive(Clone)]
struct Db;

fn report(db: Db) -> &'static str {
    let _ = db;
    "report"
}

fn main() {
    let _ = Router::new().route("/", get(report));
    trijet::check_fn(report);
}
