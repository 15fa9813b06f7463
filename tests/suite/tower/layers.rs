//! A layer as a middleware.

use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
        mpsc::channel,
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use trijet::{
    Backend, Body, BoxError, Bytes, HeaderMap, Limits, Request, Response, Router, StatusCode, get,
    interop::{Inside, Layer, Service, layer, surroundings},
    post, rt,
};

use crate::common::{
    PATIENCE,
    client::{get as request, post as upload},
    gate::Gate,
    server::{start, start_with},
};

on_every_backend!(
    around_apps_nests_and_routes,
    it_is_built_once_and_its_state_is_shared,
    each_request_waits_until_its_clone_is_ready,
    it_may_answer_itself,
    it_may_try_again,
    an_error_is_a_500_or_what_is_made_of_it,
    a_request_of_its_own_making_is_refused,
    what_it_drops_is_dropped,
    it_may_change_the_body_both_ways,
    a_body_that_it_made_has_the_limit_of_the_route,
    a_panic_inside_is_a_500,
);

type Reply<E> = Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>;

/// A layer of a function that is given the request and what is inside.
#[derive(Clone)]
struct Around<F>(F);

/// Its service.
#[derive(Clone)]
struct AroundInside<F>(F, Inside);

impl<F: Clone> Layer<Inside> for Around<F> {
    type Service = AroundInside<F>;

    fn layer(&self, inside: Inside) -> AroundInside<F> {
        AroundInside(self.0.clone(), inside)
    }
}

impl<F: Fn(Request, Inside) -> Reply<E>, E> Service<Request> for AroundInside<F> {
    type Response = Response;
    type Error = E;
    type Future = Reply<E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let inside = Service::<Request>::poll_ready(&mut self.1, cx);
        inside.map(|ready| ready.map_err(|error| match error {}))
    }

    fn call(&mut self, request: Request) -> Reply<E> {
        (self.0)(request, self.1.clone())
    }
}

/// Leaves its mark on the way in and on the way out.
fn mark(name: &'static str) -> Around<impl Fn(Request, Inside) -> Reply<Infallible> + Clone> {
    Around(move |mut request: Request, mut inside: Inside| -> Reply<Infallible> {
        let route = surroundings(&request).and_then(|next| next.route()).unwrap_or("none");
        let out = format!("{name} at {route}");
        request.headers_mut().append("x-in", name.parse().unwrap());
        Box::pin(async move {
            let mut response = inside.call(request).await?;
            response.headers_mut().append("x-out", out.parse().unwrap());
            Ok(response)
        })
    })
}

fn way_in(headers: HeaderMap) -> String {
    headers.get_all("x-in").iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}

async fn way_in_async(request: Request) -> String {
    assert!(surroundings(&request).is_none(), "it is taken out at the end of the way");
    way_in(request.headers().clone())
}

fn around_apps_nests_and_routes(on: Backend) {
    let nest = Router::new()
        .route("/fn", get(way_in).wrap(layer(mark("route"))))
        .route("/async", get(way_in_async))
        .wrap(layer(mark("nest")));
    let app = Router::new()
        .route("/fn", get(way_in))
        .route("/async", get(way_in_async).wrap(layer(mark("one"))).wrap(layer(mark("two"))))
        .nest("/nest", nest)
        .wrap(layer(mark("app")));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, status, body, out) in [
        ("/fn", 200, "app", "app at /fn"),
        ("/async", 200, "app two one", "one at /async, two at /async, app at /async"),
        ("/nest/fn", 200, "app nest route", "route at /nest/fn, nest at /nest/fn, app at /nest/fn"),
        ("/nest/async", 200, "app nest", "nest at /nest/async, app at /nest/async"),
        ("/nest/missing", 404, "", "nest at none, app at none"),
        ("/missing", 404, "", "app at none"),
    ] {
        let answer = client.get(path).with_status(status);
        let marks: Vec<&str> =
            answer.headers.iter().filter(|(name, _)| name == "x-out").map(|(_, value)| &**value).collect();
        assert_eq!(marks.join(", "), out, "{path}");
        assert!(status == 404 || answer.text() == body, "{path}: {answer:?}");
    }
}

/// Lets so many in at a time: what all requests share, as tower's `ConcurrencyLimit`.
#[derive(Clone, Default)]
struct OneAtATime {
    builds: Arc<AtomicU32>,
    door: Arc<Mutex<Door>>,
}

#[derive(Default)]
struct Door {
    is_taken: bool,
    waiting: Vec<Waker>,
}

struct Limited {
    door: Arc<Mutex<Door>>,
    /// Of this clone.
    permit: Option<Permit>,
    inside: Inside,
}

struct Permit(Arc<Mutex<Door>>);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut door = self.0.lock().unwrap();
        door.is_taken = false;
        let waiting = std::mem::take(&mut door.waiting);
        drop(door);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Layer<Inside> for OneAtATime {
    type Service = Limited;

    fn layer(&self, inside: Inside) -> Limited {
        self.builds.fetch_add(1, Ordering::Relaxed);
        Limited { door: self.door.clone(), permit: None, inside }
    }
}

impl Clone for Limited {
    fn clone(&self) -> Self {
        Self { door: self.door.clone(), permit: None, inside: self.inside.clone() }
    }
}

impl Service<Request> for Limited {
    type Response = Response;
    type Error = Infallible;
    type Future = Reply<Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut door = self.door.lock().unwrap();
        if self.permit.is_none() {
            if door.is_taken {
                door.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            door.is_taken = true;
            self.permit = Some(Permit(self.door.clone()));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let permit = self.permit.take().expect("called without having said that it is ready");
        let answer = self.inside.call(request);
        Box::pin(async move {
            let _held = permit;
            answer.await
        })
    }
}

fn it_is_built_once_and_its_state_is_shared(on: Backend) {
    let limit = OneAtATime::default();
    let builds = limit.builds.clone();
    let app = Router::new().route("/fn", get(|| "hello")).route("/async", get(async || "hello"));
    let server = start(on, app.wrap(layer(limit)));
    assert_eq!(builds.load(Ordering::Relaxed), 0, "not before the server has a request");
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for round in 0..4 {
        let path = if round % 2 == 0 { "/fn" } else { "/async" };
        for client in &mut clients {
            client.send(request(path));
        }
        for client in &mut clients {
            client.response().says("hello");
        }
    }
    assert_eq!(builds.load(Ordering::Relaxed), 1);
}

fn each_request_waits_until_its_clone_is_ready(on: Backend) {
    let gate = Gate::default();
    let (entered, entries) = channel();
    let hold = {
        let gate = gate.clone();
        move || {
            let (entered, gate) = (entered.clone(), gate.clone());
            async move {
                entered.send(()).unwrap();
                gate.opened().await;
                "held"
            }
        }
    };
    let app = Router::new().route("/", get(hold)).wrap(layer(OneAtATime::default()));
    let server = start(on, Router::new().nest("/limited", app).route("/", get(async || "free")));
    let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    clients[0].send(request("/limited"));
    entries.recv_timeout(PATIENCE).expect("the first is let in");
    clients[1].send(request("/limited"));
    clients[2].send(request("/limited"));
    // Whoever waits holds nobody else, and one that leaves meanwhile keeps nothing.
    server.connect().get("/").says("free");
    assert!(entries.try_recv().is_err(), "nobody else is let in");
    clients.remove(2).reset();
    gate.open();
    clients[0].response().says("held");
    clients[1].response().says("held");
    clients[0].get("/limited").says("held");
}

fn it_may_answer_itself(on: Backend) {
    let closed = Around(|_: Request, _: Inside| -> Reply<Infallible> {
        Box::pin(ready(Ok(Response::new("closed".into()))))
    });
    let server = start(on, Router::new().route("/", get(|| "open").wrap(layer(closed))));
    server.connect().get("/").says("closed");
}

fn it_may_try_again(on: Backend) {
    let again = Around(|request: Request, mut inside: Inside| -> Reply<Infallible> {
        Box::pin(async move {
            let (parts, _) = request.into_parts();
            for _ in 0..2 {
                let response = inside.call(Request::from_parts(parts.clone(), Body::empty())).await?;
                if response.status() == StatusCode::OK {
                    return Ok(response);
                }
            }
            inside.call(Request::from_parts(parts, Body::empty())).await
        })
    });
    let calls = Arc::new(AtomicU32::new(0));
    let third = move || match calls.fetch_add(1, Ordering::Relaxed) {
        2 => Ok("the third"),
        _ => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    let server = start(on, Router::new().route("/", get(third).wrap(layer(again))));
    server.connect().get("/").says("the third");
}

fn an_error_is_a_500_or_what_is_made_of_it(on: Backend) {
    let fails = Around(|_: Request, _: Inside| -> Reply<BoxError> {
        Box::pin(ready(Err("the password is swordfish".into())))
    });
    let app = Router::new().route("/", get(|| "never").wrap(layer(fails.clone()))).route(
        "/made",
        get(|| "never").wrap(layer(fails).on_error(|_| (StatusCode::GATEWAY_TIMEOUT, "late"))),
    );
    let server = start(on, app);
    let mut client = server.connect();
    let answer = client.get("/").with_status(500);
    assert!(!answer.text().contains("swordfish"), "{answer:?}");
    assert_eq!(client.get("/made").with_status(504).text(), "late");
}

fn a_request_of_its_own_making_is_refused(on: Backend) {
    let own = Around(|_: Request, mut inside: Inside| -> Reply<Infallible> {
        inside.call(Request::new(Body::empty()))
    });
    let server = start(on, Router::new().route("/", get(|| "never").wrap(layer(own))));
    server.connect().get("/").with_status(500);
}

fn what_it_drops_is_dropped(on: Backend) {
    struct Dropped(std::sync::mpsc::Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            _ = self.0.send(());
        }
    }
    let in_time = Around(|request: Request, mut inside: Inside| -> Reply<BoxError> {
        Box::pin(async move {
            let answer = inside.call(request);
            rt::timeout(Duration::from_millis(1), answer).await.map_err(|_| "late")?.map_err(Into::into)
        })
    });
    let (dropped, drops) = channel();
    let never = move || {
        let held = Dropped(dropped.clone());
        async move {
            pending::<()>().await;
            drop(held);
        }
    };
    let late = layer(in_time).on_error(|_| StatusCode::GATEWAY_TIMEOUT);
    let server = start(on, Router::new().route("/", get(never).wrap(late)));
    server.connect().get("/").with_status(504);
    drops.recv_timeout(PATIENCE).expect("it is dropped");
}

fn it_may_change_the_body_both_ways(on: Backend) {
    let louder = Around(|request: Request, mut inside: Inside| -> Reply<BoxError> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.bytes().await?;
            let louder = String::from_utf8(body.to_vec())?.to_uppercase();
            let response = inside.call(http_request(parts, louder)).await?;
            Ok(response.map(|body| Body::from_stream(body.into_stream())))
        })
    });
    let echo = Router::new()
        .route("/fn", post(|text: String| text + "!"))
        .route("/async", post(async |text: String| text + "!"));
    let server = start(on, echo.wrap(layer(louder)));
    let mut client = server.connect();
    for path in ["/fn", "/async"] {
        client.send(upload(path, "loud")).response().says("LOUD!");
    }
}

/// With a body that is not ours.
fn http_request(parts: trijet::http::request::Parts, text: String) -> trijet::http::Request<Foreign> {
    trijet::http::Request::from_parts(parts, Foreign(Some(text)))
}

struct Foreign(Option<String>);

impl http_body::Body for Foreign {
    type Data = std::io::Cursor<String>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.take().map(|text| Ok(http_body::Frame::data(std::io::Cursor::new(text)))))
    }
}

/// Of each kind of body that grows without end.
struct Swelling {
    made: Arc<AtomicUsize>,
    left: usize,
}

impl http_body::Body for Swelling {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let size = self.left.min(1000);
        self.left -= size;
        self.made.fetch_add(size, Ordering::Relaxed);
        Poll::Ready((size > 0).then(|| Ok(http_body::Frame::data(vec![b' '; size].into()))))
    }
}

/// As of a layer that decodes: what came was small.
fn a_body_that_it_made_has_the_limit_of_the_route(on: Backend) {
    const SERVER: usize = 20_000;
    const ROUTE: usize = 50_000;
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let swelling = Around(move |request: Request, mut inside: Inside| -> Reply<Infallible> {
        let left = request.uri().query().and_then(|size| size.parse().ok()).unwrap_or_default();
        let made = counted.clone();
        Box::pin(inside.call(request.map(|_| Swelling { made, left })))
    });
    let app = Router::new()
        .route("/fn/text", post(|text: String| text.len().to_string()))
        .route("/async/text", post(async |text: String| text.len().to_string()))
        .route("/fn/bytes", post(|bytes: Bytes| bytes.len().to_string()))
        .route("/async/bytes", post(async |bytes: Bytes| bytes.len().to_string()))
        .route("/more", post(async |bytes: Bytes| bytes.len().to_string()).body_limit(ROUTE as u64));
    let limits = Limits { body_bytes_max: SERVER as u64, ..Limits::default() };
    let server = start_with(on, app.wrap(layer(swelling)), limits);
    let paths = ["/fn/text", "/async/text", "/fn/bytes", "/async/bytes"].map(|path| (path, SERVER));
    for (path, most) in paths.into_iter().chain([("/more", ROUTE)]) {
        for size in [0, 1, 1500, most] {
            server.connect().send(upload(&format!("{path}?{size}"), "a")).response().says(&size.to_string());
        }
        for size in [most + 1, 1 << 40] {
            made.store(0, Ordering::Relaxed);
            server.connect().send(upload(&format!("{path}?{size}"), "a")).response().with_status(413);
            let made = made.load(Ordering::Relaxed);
            assert!(made <= most + 1000, "{path}: {made} bytes were made of {size}");
        }
    }
}

fn a_panic_inside_is_a_500(on: Backend) {
    #[derive(Clone)]
    struct Explosive;
    impl Layer<Inside> for Explosive {
        type Service = Explosive;
        fn layer(&self, _: Inside) -> Self {
            panic!("planted by the suite")
        }
    }
    impl Service<Request> for Explosive {
        type Response = Response;
        type Error = Infallible;
        type Future = Ready<Result<Response, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request) -> Self::Future {
            ready(Ok(Response::default()))
        }
    }
    fn explode() -> &'static str {
        panic!("planted by the suite")
    }
    async fn explode_async() -> &'static str {
        explode()
    }
    let app = Router::new()
        .route("/built", get(|| "never").wrap(layer(Explosive)))
        .route("/fn", get(explode))
        .route("/async", get(explode_async))
        .wrap(layer(mark("outer")));
    let server = start(on, app);
    for path in ["/built", "/fn", "/async", "/built"] {
        let mut client = server.connect();
        let answer = client.get(path).with_status(500);
        assert!(answer.closes() && !answer.text().contains("planted"), "{path}: {answer:?}");
        client.is_ended();
    }
}
