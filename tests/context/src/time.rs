//! Tokio's timers.

use std::time::Duration;

use ::tokio::{
    runtime::Handle,
    time::{Instant, interval, sleep, sleep_until, timeout},
};
use futures_util::{StreamExt, future::join_all, stream};
use trijet::{Backend, Body, Next, Request, Response, Router, get};

use crate::common::server::start;

on_every_backend!(sleeping, timeouts, in_a_plain_fn, around_a_handler, in_a_body, in_a_task);

const MOMENT: Duration = Duration::from_millis(2);
/// Longer than a test: whoever waits for this fails.
const AGES: Duration = Duration::from_secs(600);

fn sleeping(on: Backend) {
    async fn sleeps() -> &'static str {
        sleep(MOMENT).await;
        sleep_until(Instant::now() + MOMENT).await;
        let mut ticks = interval(MOMENT);
        for _ in 0..3 {
            ticks.tick().await;
        }
        join_all((0..100).map(|_| sleep(MOMENT))).await;
        "slept"
    }
    let server = start(on, Router::new().route("/", get(sleeps)));
    let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(crate::common::client::get("/"));
    }
    for client in &mut clients {
        client.response().says("slept");
        client.get("/").says("slept");
    }
}

fn timeouts(on: Backend) {
    let over = async || timeout(MOMENT, sleep(AGES)).await.map_or("over", |()| "in time");
    let in_time = async || timeout(AGES, sleep(MOMENT)).await.map_or("over", |()| "in time");
    let server = start(on, Router::new().route("/over", get(over)).route("/in-time", get(in_time)));
    server.connect().get("/over").says("over");
    server.connect().get("/in-time").says("in time");
}

fn in_a_plain_fn(on: Backend) {
    let blocks =
        || Handle::current().block_on(async { timeout(MOMENT, sleep(AGES)).await.is_err().to_string() });
    start(on, Router::new().route("/", get(blocks))).connect().get("/").says("true");
}

fn around_a_handler(on: Backend) {
    async fn hurry(request: Request, next: Next) -> Response {
        match timeout(MOMENT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => trijet::IntoResponse::into_response("too late"),
        }
    }
    let app = Router::new().route("/", get(async || sleep(AGES).await).wrap(hurry));
    start(on, app).connect().get("/").says("too late");
}

fn in_a_body(on: Backend) {
    async fn drips() -> Body {
        let drip = |left: u32| async move {
            sleep(MOMENT).await;
            left.checked_sub(1).map(|left| (Ok::<_, std::io::Error>("drip"), left))
        };
        Body::from_stream(stream::unfold(20, drip).boxed())
    }
    start(on, Router::new().route("/", get(drips))).connect().get("/").says(&"drip".repeat(20));
}

fn in_a_task(on: Backend) {
    let spawns = async || {
        let task = ::tokio::spawn(async {
            sleep(MOMENT).await;
            "from a task"
        });
        task.await.unwrap_or("it failed")
    };
    start(on, Router::new().route("/", get(spawns))).connect().get("/").says("from a task");
}
