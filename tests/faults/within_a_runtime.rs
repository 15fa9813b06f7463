//! Servers that are started within a Tokio runtime of somebody else, which stands still meanwhile.

use std::{fs::File, time::Duration};

use ::tokio::runtime::{Builder, Runtime};
use trijet::{Backend, Router, Server, get};

use crate::common::server::start;

in_children_on_every_backend!("ulimit -n 64": a_server_that_cannot_start, one_that_starts);

fn runtimes() -> [Runtime; 2] {
    let one_thread = Builder::new_current_thread().enable_all().build();
    let many = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    [one_thread, many].map(Result::unwrap)
}

/// Where the system has no descriptors left, at any point of the start: an error in a sentence, and no panic.
fn a_server_that_cannot_start(on: Backend) {
    let [runtime, _] = runtimes();
    let errors: Vec<String> = runtime.block_on(async {
        let mut files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let mut errors = Vec::new();
        loop {
            match Server::new(Router::new()).backend(on).workers(1).start("127.0.0.1:0") {
                Err(error) => errors.push(error.to_string()),
                Ok(server) => {
                    server.shutdown_now();
                    server.wait().unwrap();
                    return errors;
                }
            }
            files.pop().expect("it starts where there are descriptors");
        }
    });
    let has_runtime = on == Backend::Tokio || cfg!(feature = "tokio-context");
    let is_told = errors.iter().any(|error| error.contains("the Tokio runtime cannot be started"));
    assert_eq!(is_told, has_runtime, "{errors:?}");
    for error in &errors {
        assert!(error.contains(": "), "it does not say what could not be done: {errors:?}");
    }
    // On Tokio the runtime is the last that takes any; else one was started in vain, and ended here.
    let is_later = |error: &String| !error.contains("cannot listen") && !error.contains("the Tokio runtime");
    assert!(on == Backend::Tokio || errors.iter().any(is_later), "{errors:?}");
}

/// It needs nothing of the runtime around it, not even that this goes on.
fn one_that_starts(on: Backend) {
    let nap = async || {
        if cfg!(feature = "tokio-context") {
            ::tokio::time::sleep(Duration::from_millis(1)).await;
        }
        "hello"
    };
    let app = move || Router::new().route("/", get(nap));
    for runtime in runtimes() {
        runtime.block_on(async { start(on, app()).connect().get("/").says("hello") });
        let task = runtime.spawn(async move { start(on, app()).connect().get("/").says("hello") });
        runtime.block_on(task).unwrap();
    }
}
