//! What bounds time and crowds: `Timeout`, `ConcurrencyLimit`, `RateLimit`.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use trijet::{
    Backend, Next, Request, Response, Router,
    extract::Disconnected,
    get,
    middleware::{ConcurrencyLimit, RateLimit, Timeout},
};

use super::{asking, values};
use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    eventually,
    gate::Gate,
    held::held,
    server::{Running, start},
    within,
};

on_every_backend!(
    what_takes_too_long_is_dropped_and_answered,
    a_plain_fn_that_takes_too_long_is_given_up,
    a_plain_fn_can_see_that_it_was_given_up,
    a_plain_fn_is_not_given_up_inside_of_a_layer_that_blocks,
    what_is_in_time_is_left_alone,
    over_the_limit_requests_queue_and_then_are_refused,
    waiting_in_the_queue_has_an_end,
    a_permit_is_held_until_the_body_is_done,
    a_panic_gives_its_permit_back,
    a_client_that_leaves_gives_its_permit_back,
    who_leaves_the_queue_takes_nothing_along,
    a_timeout_gives_the_permit_back,
    each_client_has_a_rate_of_its_own,
    a_rate_holds_for_a_connection_and_across_them,
);

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(600);

/// Tells that it was dropped.
struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

/// A handler that never ends, and word of its begin and its end.
fn endless() -> (
    impl Fn() -> futures_util::future::BoxFuture<'static, ()> + Clone + Send + Sync + 'static,
    Receiver<()>,
    Receiver<()>,
) {
    let (begun, begins) = channel();
    let (dropped, drops) = channel();
    let handler = move || -> futures_util::future::BoxFuture<'static, ()> {
        let (begun, guard) = (begun.clone(), Dropped(dropped.clone()));
        Box::pin(async move {
            let _held = guard;
            begun.send(()).unwrap();
            pending().await
        })
    };
    (handler, begins, drops)
}

fn through(request: Request, next: Next) -> Response {
    next.run_blocking(request)
}

fn what_takes_too_long_is_dropped_and_answered(on: Backend) {
    let (handler, _begins, drops) = endless();
    let app = Router::new()
        .route("/", get(handler.clone()).wrap(Timeout::new(SHORT)))
        .route("/gateway", get(handler.clone()).wrap(Timeout::new(SHORT).gateway()))
        .route("/through", get(handler).wrap(through).wrap(Timeout::new(SHORT)))
        .route("/hello", get(async || "hello"));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, status) in [("/", 503), ("/gateway", 504), ("/through", 503)] {
        assert_eq!(client.get(path).with_status(status).text(), "The answer took too long.");
        drops.recv_timeout(PATIENCE).expect("the future is dropped");
        // On the same connection.
        client.get("/hello").says("hello");
    }
}

fn a_plain_fn_that_takes_too_long_is_given_up(on: Backend) {
    let held = held();
    // The quick ones are outside: a busy machine may take longer for them.
    let app = Router::new().nest("/in", held.app.wrap(Timeout::new(SHORT))).route("/fn", get(|| "hello"));
    let server = start(on, app);
    let mut client = server.connect();
    for _ in 0..3 {
        client.get("/in/hold/fn").with_status(503);
        held.entries.recv_timeout(PATIENCE).expect("it runs");
        client.get("/fn").says("hello");
    }
    held.gate.open();
    client.get("/fn").says("hello");
}

fn a_plain_fn_can_see_that_it_was_given_up(on: Backend) {
    let (told, tells) = channel();
    let works = move |client: Disconnected| {
        let is_over = within(PATIENCE, || client.is_disconnected());
        told.send(is_over).unwrap();
    };
    let server = start(on, Router::new().route("/", get(works)).wrap(Timeout::new(SHORT)));
    server.connect().get("/").with_status(503);
    assert_eq!(tells.recv_timeout(2 * PATIENCE), Ok(true));
}

/// Such a layer runs what is inside on its own thread, where nothing can be done beside a `fn`. Waits are still cut.
fn a_plain_fn_is_not_given_up_inside_of_a_layer_that_blocks(on: Backend) {
    let (handler, _begins, drops) = endless();
    let works = || {
        std::thread::sleep(4 * SHORT);
        "late"
    };
    let app = Router::new()
        .route("/waits", get(handler))
        .route("/works", get(works))
        .wrap(Timeout::new(SHORT))
        .wrap(through);
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/works").says("late");
    client.get("/waits").with_status(503);
    drops.recv_timeout(PATIENCE).expect("the future is dropped");
}

fn what_is_in_time_is_left_alone(on: Backend) {
    let held = held();
    held.gate.open();
    let server = start(on, held.app.wrap(Timeout::new(LONG)));
    let mut client = server.connect();
    for path in ["/hold", "/hold/fn", "/hold/body"] {
        client.get(path).says("held");
    }
}

fn send(client: &mut Client, path: &str) {
    client.send(request(path));
}

/// Sends two requests to a queue with one place: gives who waits, and who was refused. It does not matter which.
fn one_waits(server: &Running, path: &str) -> (Client, Client) {
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        send(client, path);
    }
    let mut refused = None;
    eventually("one is refused", || {
        refused = clients.iter_mut().position(|client| !client.is_silent());
        refused.is_some()
    });
    let [one, other] = clients;
    if refused == Some(0) { (other, one) } else { (one, other) }
}

fn over_the_limit_requests_queue_and_then_are_refused(on: Backend) {
    let held = held();
    let limit = ConcurrencyLimit::new(2).queue(1, LONG);
    let app = Router::new().nest("/in", held.app.wrap(limit)).route("/out", get(async || "out"));
    let server = start(on, app);
    let mut at_work = [server.connect(), server.connect()];
    for (client, path) in at_work.iter_mut().zip(["/in/hold", "/in/hold/fn"]) {
        send(client, path);
        held.entries.recv_timeout(PATIENCE).expect("it is let in");
    }
    let (mut waiting, mut refused) = one_waits(&server, "/in");
    let answer = refused.response().with_status(503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(waiting.is_silent());
    // What is outside does not count.
    server.connect().get("/out").says("out");
    held.gate.open();
    for client in &mut at_work {
        client.response().says("held");
    }
    waiting.response().says("hello");
    refused.get("/in").says("hello");
}

fn waiting_in_the_queue_has_an_end(on: Backend) {
    let held = held();
    let server = start(on, held.app.wrap(ConcurrencyLimit::new(1).queue(10, SHORT)));
    let mut at_work = server.connect();
    send(&mut at_work, "/hold");
    held.entries.recv_timeout(PATIENCE).unwrap();
    let mut client = server.connect();
    for path in ["/", "/fn"] {
        client.get(path).with_status(503);
    }
    held.gate.open();
    at_work.response().says("held");
    for path in ["/", "/fn"] {
        client.get(path).says("hello");
    }
}

fn a_permit_is_held_until_the_body_is_done(on: Backend) {
    let held = held();
    let server = start(on, held.app.wrap(ConcurrencyLimit::new(1).queue(0, LONG)));
    let mut streaming = server.connect();
    send(&mut streaming, "/hold/body");
    let head = streaming.head();
    server.connect().get("/").with_status(503);
    held.gate.open();
    assert_eq!(streaming.rest_of(head).text(), "held");
    eventually("the permit is back", || server.connect().get("/").status == 200);
}

fn a_panic_gives_its_permit_back(on: Backend) {
    fn explode() -> &'static str {
        panic!("planted by the suite")
    }
    async fn explode_async() -> &'static str {
        explode()
    }
    let app = Router::new()
        .route("/fn", get(explode))
        .route("/async", get(explode_async))
        .route("/", get(async || "hello"))
        .wrap(ConcurrencyLimit::new(1).queue(0, LONG));
    let server = start(on, app);
    for _ in 0..5 {
        for path in ["/fn", "/async"] {
            server.connect().get(path).with_status(500);
            eventually("the permit is back", || server.connect().get("/").status == 200);
        }
    }
}

fn a_client_that_leaves_gives_its_permit_back(on: Backend) {
    let (handler, begins, drops) = endless();
    let held = held();
    let app = Router::new()
        .route("/cancelled", get(handler).cancel_on_disconnect())
        .merge(held.app)
        .wrap(ConcurrencyLimit::new(1).queue(0, LONG));
    let server = start(on, app);
    let leave: [fn(Client); 2] = [drop, Client::reset];
    for leave in leave {
        let mut client = server.connect();
        send(&mut client, "/cancelled");
        begins.recv_timeout(PATIENCE).expect("it is let in");
        server.connect().get("/").with_status(503);
        leave(client);
        drops.recv_timeout(PATIENCE).expect("the handler is dropped");
        eventually("the permit is back", || server.connect().get("/").status == 200);
    }
    // In the middle of a body, which goes on once the gate is open and finds nobody.
    let mut client = server.connect();
    send(&mut client, "/hold/body");
    client.head();
    server.connect().get("/").with_status(503);
    client.reset();
    held.gate.open();
    eventually("the permit is back", || server.connect().get("/").status == 200);
}

fn who_leaves_the_queue_takes_nothing_along(on: Backend) {
    let gate = Gate::default();
    let (entered, entries) = channel();
    let opened = gate.clone();
    let hold = move || {
        entered.send(()).unwrap();
        opened.clone().opened()
    };
    let app = Router::new()
        .route("/", get(hold).cancel_on_disconnect())
        .wrap(ConcurrencyLimit::new(1).queue(1, LONG));
    let server = start(on, app);
    let mut at_work = server.connect();
    send(&mut at_work, "/");
    entries.recv_timeout(PATIENCE).unwrap();
    let (leaves, mut refused) = one_waits(&server, "/");
    refused.response().with_status(503);
    drop(leaves);
    gate.open();
    at_work.response().with_status(200);
    eventually("all are back", || server.connect().get("/").status == 200);
}

fn a_timeout_gives_the_permit_back(on: Backend) {
    let (handler, _begins, _drops) = endless();
    let app = Router::new()
        .route("/endless", get(handler).wrap(Timeout::new(SHORT)))
        .route("/", get(async || "hello"))
        .wrap(ConcurrencyLimit::new(1).queue(0, LONG));
    let server = start(on, app);
    let mut client = server.connect();
    for _ in 0..3 {
        client.get("/endless").with_status(503);
        client.get("/").says("hello");
    }
}

fn each_client_has_a_rate_of_its_own(on: Backend) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let handler = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { "hello" }
    };
    let by_key = RateLimit::new(2, LONG).by(|request: &Request, _| request.headers().get("x-key").cloned());
    let server = start(on, Router::new().route("/", get(handler)).wrap(by_key));
    let mut client = server.connect();
    for fields in [&[("x-key", "one")][..], &[("x-key", "other")], &[]] {
        for left in ["1", "0"] {
            let answer = client.send(asking("GET", "/", fields)).response().says("hello");
            let told = answer.header("ratelimit").unwrap();
            assert!(told.starts_with(&format!("\"default\";r={left};t=")), "{told}");
            assert_eq!(answer.header("ratelimit-policy"), Some("\"default\";q=2;w=600"));
        }
        let refused = client.send(asking("GET", "/", fields)).response().with_status(429);
        let retry: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((295..=300).contains(&retry), "{retry}");
        assert!(refused.header("ratelimit").unwrap().starts_with("\"default\";r=0;t="));
        assert_eq!(values(&refused, "ratelimit-policy").len(), 1);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 6);
}

fn a_rate_holds_for_a_connection_and_across_them(on: Backend) {
    let server = start(on, Router::new().route("/", get(async || "hello")).wrap(RateLimit::new(3, LONG)));
    server.connect().get("/").says("hello");
    let mut client = server.connect();
    client.send(request("/").repeat(4));
    let statuses = [0; 4].map(|_| client.response().status);
    assert_eq!(statuses, [200, 200, 429, 429]);
    server.connect().get("/").with_status(429);
}
