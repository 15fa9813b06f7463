//! One test, everywhere that the app can run: [`on_each_backend`]. It knows no backend by name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use trijet_core::{Router, sim::TestClient};

use crate::{Backend, Server};

/// Runs `test` with a client of a new `app` on the simulation, and then on each backend that is compiled in.
///
/// ```
/// use trijet::{Router, get, testing::on_each_backend};
///
/// on_each_backend(|| Router::new().route("/", get(async || "hello")), |client| {
///     client.get("/").send().assert_text("hello");
/// });
/// ```
///
/// # Panics
/// Where it panics on one of them, with their names; it is run on the others all the same, so that it can be seen whether
/// it is that backend's fault.
#[track_caller]
pub fn on_each_backend(app: impl Fn() -> Router, test: impl Fn(&TestClient)) {
    let mut passed = Vec::new();
    let mut failed = Vec::new();
    let mut run = |name: &str, client: &dyn Fn() -> TestClient| {
        // The client is dropped within: a server that does not end is a fault of this one, too.
        match catch_unwind(AssertUnwindSafe(|| test(&client()))) {
            Ok(()) => passed.push(name.to_owned()),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text =
                    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text");
                // Above is all of it. What `assert_eq!` compares is in the second line and the third.
                let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).take(3).collect();
                failed.push(format!("on {name}: {}", lines.join("\n")));
            }
        }
    };
    run("the simulation", &|| TestClient::new(app()));
    for backend in Backend::compiled() {
        run(backend.name(), &|| Server::new(app()).backend(backend).test_client());
    }
    if !failed.is_empty() {
        let passed =
            if passed.is_empty() { String::new() } else { format!("\nit passed on {}", passed.join(", ")) };
        panic!("the test failed\n{}{passed}", failed.join("\n"));
    }
}
