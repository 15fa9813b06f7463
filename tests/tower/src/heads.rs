//! Layers that look at heads: they set, check, copy and count.

use std::{
    future::{Future, poll_fn, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::channel,
    },
    task::Poll,
    time::Duration,
};

use tower::ServiceBuilder;
use tower_http::{
    add_extension::AddExtensionLayer,
    auth::AsyncRequireAuthorizationLayer,
    catch_panic::CatchPanicLayer,
    cors::CorsLayer,
    csrf::CsrfLayer,
    metrics::InFlightRequestsLayer,
    normalize_path::NormalizePathLayer,
    on_early_drop::OnEarlyDropLayer,
    propagate_header::PropagateHeaderLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::{
        SetSensitiveHeadersLayer, SetSensitiveRequestHeadersLayer, SetSensitiveResponseHeadersLayer,
    },
    services::Redirect,
    set_header::{
        SetRequestHeaderLayer, SetResponseHeaderLayer, request::SetMultipleRequestHeadersLayer,
        response::SetMultipleResponseHeadersLayer,
    },
    set_status::SetStatusLayer,
    trace::TraceLayer,
    validate_request::{RequiredHeaderValue, ValidateRequestHeaderLayer},
};
use trijet::{
    Body, HeaderMap, IntoResponse, Next, Request, Response, Router, StatusCode, any, get,
    http::{HeaderName, HeaderValue, header},
    interop::{layer, service, surroundings},
};

use crate::{
    Row, Stage, Tried, app,
    common::{PATIENCE, client::get as request, client::post as upload},
    row, same, says, serve, spans, with,
};

pub(crate) const ROWS: &[Row] = &[
    row("tower-http", "AddExtensionLayer", add_extension, ""),
    row("tower-http", "ValidateRequestHeaderLayer", validate, ""),
    row("tower-http", "AsyncRequireAuthorizationLayer", authorize, ""),
    row(
        "tower-http",
        "CatchPanicLayer",
        catch_panic,
        "the panics of an `async fn`; that of a plain `fn` is a 500 before it comes there",
    ),
    row("tower-http", "CorsLayer", cors, ""),
    row("tower-http", "CsrfLayer", csrf, ""),
    row("tower-http", "InFlightRequestsLayer", in_flight, ""),
    row("tower-http", "InFlightRequestsCounter, its `run_emitter`", emitter, "in an `async fn`"),
    row(
        "tower-http",
        "NormalizePathLayer",
        normalize_path,
        "changes what the handler sees; which route it is has been found before",
    ),
    row("tower-http", "OnEarlyDropLayer", early_drop, ""),
    row("tower-http", "PropagateHeaderLayer", propagate, ""),
    row("tower-http", "SetRequestIdLayer", set_request_id, ""),
    row("tower-http", "PropagateRequestIdLayer", propagate_request_id, ""),
    row("tower-http", "SetSensitiveHeadersLayer", sensitive, ""),
    row("tower-http", "SetSensitiveRequestHeadersLayer", sensitive_request, ""),
    row("tower-http", "SetSensitiveResponseHeadersLayer", sensitive_response, ""),
    row("tower-http", "SetRequestHeaderLayer", set_request_header, ""),
    row("tower-http", "SetResponseHeaderLayer", set_response_header, ""),
    row("tower-http", "SetMultipleRequestHeadersLayer", set_request_headers, ""),
    row("tower-http", "SetMultipleResponseHeadersLayer", set_response_headers, ""),
    row("tower-http", "SetStatusLayer", set_status, ""),
    row("tower-http", "TraceLayer", trace, "its span is not entered on the thread of a plain `fn`"),
    row("tower-http", "Redirect, a service", redirect, ""),
];

const HANDLERS: [&str; 2] = ["/fn", "/async"];

fn add_extension(on: &Stage) -> Tried {
    #[derive(Clone)]
    struct Word(&'static str);
    fn tell(request: Request) -> &'static str {
        request.extensions().get::<Word>().map_or("none", |word| word.0)
    }
    let app =
        Router::new().route("/fn", get(tell)).route("/async", get(async |request: Request| tell(request)));
    let server = serve(on, app.wrap(layer(AddExtensionLayer::new(Word("added")))));
    for path in HANDLERS {
        same(path, server.connect().get(path).text(), "added")?;
    }
    Ok(())
}

fn validate(on: &Stage) -> Tried {
    let word = ValidateRequestHeaderLayer::<RequiredHeaderValue<Body>>::has_header_value("x-word", "sesame");
    let both =
        ServiceBuilder::new().layer(word.unwrap()).layer(ValidateRequestHeaderLayer::accept("text/plain"));
    let server = serve(on, app().wrap(layer(both)));
    let mut client = server.connect();
    for path in HANDLERS {
        same(path, client.get(path).status, 403)?;
        let sesame = "x-word: sesame\r\n";
        same(path, client.send(with(path, sesame)).response().text(), "hello")?;
        let other = client.send(with(path, &format!("{sesame}accept: image/png\r\n"))).response();
        same(path, other.status, 406)?;
    }
    Ok(())
}

fn authorize(on: &Stage) -> Tried {
    async fn check(request: Request) -> Result<Request, Response> {
        match request.headers().get(header::AUTHORIZATION) {
            Some(value) if value == "sesame" => Ok(request),
            _ => Err(StatusCode::UNAUTHORIZED.into_response()),
        }
    }
    let server = serve(on, app().wrap(layer(AsyncRequireAuthorizationLayer::new(check))));
    let mut client = server.connect();
    for path in HANDLERS {
        same(path, client.get(path).status, 401)?;
        same(path, client.send(with(path, "authorization: sesame\r\n")).response().text(), "hello")?;
    }
    Ok(())
}

fn catch_panic(on: &Stage) -> Tried {
    fn explode() -> &'static str {
        panic!("planted")
    }
    async fn explode_async() -> &'static str {
        explode()
    }
    let app = app().route("/panic/async", get(explode_async)).route("/panic/fn", get(explode));
    let custom = CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
        trijet::http::Response::builder().status(503).body(Body::from("caught")).unwrap()
    });
    let server = serve(on, app.wrap(layer(custom)));
    let caught = server.connect().get("/panic/async");
    same("async fn", (caught.status, caught.text()), (503, "caught"))?;
    same("fn", server.connect().get("/panic/fn").status, 500)?;
    same("others", server.connect().get("/fn").text(), "hello")
}

fn cors(on: &Stage) -> Tried {
    let server = serve(on, app().wrap(layer(CorsLayer::permissive())));
    let mut client = server.connect();
    for path in HANDLERS {
        let asked = with(path, "origin: http://a.example\r\naccess-control-request-method: GET\r\n");
        let preflight = client.send(asked.replacen("GET", "OPTIONS", 1)).response();
        same(path, preflight.header("access-control-allow-methods"), Some("*"))?;
        let answer = client.send(with(path, "origin: http://a.example\r\n")).response();
        same(path, answer.text(), "hello")?;
        same(path, answer.header("access-control-allow-origin"), Some("*"))?;
    }
    Ok(())
}

fn csrf(on: &Stage) -> Tried {
    let server = serve(on, app().wrap(layer(CsrfLayer::new())));
    let mut client = server.connect();
    for path in ["/upper/fn", "/upper/async"] {
        let other = upload(path, "a").replacen("host: t", "host: t\r\nsec-fetch-site: cross-site", 1);
        same(path, server.connect().send(other).response().status, 403)?;
        let own = upload(path, "a").replacen("host: t", "host: t\r\nsec-fetch-site: same-origin", 1);
        same(path, client.send(own).response().text(), "A")?;
    }
    Ok(())
}

fn in_flight(on: &Stage) -> Tried {
    let (counted, counter) = InFlightRequestsLayer::pair();
    let (now, later) = (counter.clone(), counter.clone());
    let app = Router::new()
        .route("/fn", get(move || now.get().to_string()))
        .route("/async", get(move || std::future::ready(later.get().to_string())));
    let server = serve(on, app.wrap(layer(counted)));
    for path in HANDLERS {
        same(path, server.connect().get(path).text(), "1")?;
    }
    crate::common::eventually("the count goes down", || counter.get() == 0);
    Ok(())
}

fn emitter(on: &Stage) -> Tried {
    let (counted, counter) = InFlightRequestsLayer::pair();
    let emits = move || {
        let counter = counter.clone();
        async move {
            let (emit, emitted) = channel();
            let mut emitter = Box::pin(counter.run_emitter(Duration::from_secs(600), move |count| {
                _ = emit.send(count);
                ready(())
            }));
            let first = poll_fn(move |cx| {
                assert!(emitter.as_mut().poll(cx).is_pending(), "it goes on");
                emitted.try_recv().map_or(Poll::Pending, Poll::Ready)
            });
            first.await.to_string()
        }
    };
    let server = serve(on, Router::new().route("/", get(emits)).wrap(layer(counted)));
    says("the first", &server.connect().get("/"), "1")
}

fn normalize_path(on: &Stage) -> Tried {
    let server = serve(on, app().wrap(layer(NormalizePathLayer::trim_trailing_slash())));
    same("path", server.connect().get("/uri/a/b/?c").text(), "/uri/a/b?c")
}

fn early_drop(on: &Stage) -> Tried {
    let (begun, begins) = channel();
    let (dropped, drops) = channel();
    let never = move || {
        let begun = begun.clone();
        async move {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    };
    let watched = OnEarlyDropLayer::builder().on_future_drop(move |request: &Request| {
        let (dropped, path) = (dropped.clone(), request.uri().path().to_owned());
        move || dropped.send(path).unwrap()
    });
    let app = Router::new().route("/never", get(never).cancel_on_disconnect());
    let server = serve(on, app.wrap(layer(watched)));
    let mut client = server.connect();
    client.send(request("/never"));
    begins.recv_timeout(PATIENCE).map_err(|_| "it was not called")?;
    client.reset();
    same("dropped", drops.recv_timeout(PATIENCE).as_deref(), Ok("/never"))
}

const NAME: HeaderName = HeaderName::from_static("x-name");

fn propagate(on: &Stage) -> Tried {
    let server = serve(on, app().wrap(layer(PropagateHeaderLayer::new(NAME))));
    for path in HANDLERS {
        let answer = server.connect().send(with(path, "x-name: value\r\n")).response();
        same(path, answer.header("x-name"), Some("value"))?;
    }
    Ok(())
}

const ID: HeaderName = HeaderName::from_static("x-request-id");

fn set_request_id(on: &Stage) -> Tried {
    fn tell(headers: HeaderMap) -> String {
        headers[&ID].to_str().unwrap_or_default().to_owned()
    }
    let app =
        Router::new().route("/fn", get(tell)).route("/async", get(async |headers: HeaderMap| tell(headers)));
    let server = serve(on, app.wrap(layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))));
    let mut client = server.connect();
    for path in HANDLERS {
        let first = client.get(path);
        same("the id", first.text().len(), 36)?;
        same("another", client.get(path).text() != first.text(), true)?;
        same("its own", client.send(with(path, "x-request-id: own\r\n")).response().text(), "own")?;
    }
    Ok(())
}

fn propagate_request_id(on: &Stage) -> Tried {
    let server = serve(on, app().wrap(layer(PropagateRequestIdLayer::x_request_id())));
    for path in HANDLERS {
        let answer = server.connect().send(with(path, "x-request-id: own\r\n")).response();
        same(path, (answer.text(), answer.header("x-request-id")), ("hello", Some("own")))?;
    }
    Ok(())
}

/// Tells whether the handler sees a field that is marked.
fn is_marked(headers: &HeaderMap) -> String {
    headers.get(header::AUTHORIZATION).is_some_and(HeaderValue::is_sensitive).to_string()
}

/// Answers with a field that says whether that of the answer was marked on its way.
async fn marked_out(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let is_marked = response.headers().get(header::AUTHORIZATION).is_some_and(HeaderValue::is_sensitive);
    response.headers_mut().insert(NAME, if is_marked { "marked" } else { "plain" }.parse().unwrap());
    response
}

/// Handlers of both kinds that say what came in marked, and what goes out so.
fn marked() -> Router {
    fn tell(headers: HeaderMap) -> impl IntoResponse {
        ([(header::AUTHORIZATION, "out")], is_marked(&headers))
    }
    Router::new().route("/fn", get(tell)).route("/async", get(async |headers: HeaderMap| tell(headers)))
}

fn marks(app: Router, on: &Stage, expected: (&str, Option<&str>)) -> Tried {
    let server = serve(on, app.wrap(marked_out));
    for path in HANDLERS {
        let answer = server.connect().send(with(path, "authorization: a\r\n")).response();
        same(path, (answer.text(), answer.header("x-name")), expected)?;
    }
    Ok(())
}

fn sensitive(on: &Stage) -> Tried {
    let both = layer(SetSensitiveHeadersLayer::new([header::AUTHORIZATION]));
    marks(marked().wrap(both), on, ("true", Some("marked")))
}

fn sensitive_request(on: &Stage) -> Tried {
    let one = layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]));
    marks(marked().wrap(one), on, ("true", Some("plain")))
}

fn sensitive_response(on: &Stage) -> Tried {
    let one = layer(SetSensitiveResponseHeadersLayer::new([header::AUTHORIZATION]));
    marks(marked().wrap(one), on, ("false", Some("marked")))
}

/// Handlers of both kinds that say what came in as a field, wrapped by `wrap`; and what is to come in and go out of them.
fn sets(on: &Stage, wrap: impl FnOnce(Router) -> Router, expected: (&str, Option<&str>)) -> Tried {
    fn tell(headers: HeaderMap) -> String {
        headers[&NAME].to_str().unwrap_or_default().to_owned()
    }
    let app =
        Router::new().route("/fn", get(tell)).route("/async", get(async |headers: HeaderMap| tell(headers)));
    let server = serve(on, wrap(app));
    for path in HANDLERS {
        let answer = server.connect().send(with(path, "x-name: sent\r\n")).response();
        same(path, (answer.text(), answer.header("x-name")), expected)?;
    }
    Ok(())
}

const SET: HeaderValue = HeaderValue::from_static("set");

fn set_request_header(on: &Stage) -> Tried {
    sets(on, |app| app.wrap(layer(SetRequestHeaderLayer::overriding(NAME, SET))), ("set", None))
}

fn set_response_header(on: &Stage) -> Tried {
    sets(on, |app| app.wrap(layer(SetResponseHeaderLayer::if_not_present(NAME, SET))), ("sent", Some("set")))
}

fn set_request_headers(on: &Stage) -> Tried {
    let all = vec![(ID, SET).into(), (NAME, SET).into()];
    sets(on, |app| app.wrap(layer(SetMultipleRequestHeadersLayer::overriding(all))), ("set", None))
}

fn set_response_headers(on: &Stage) -> Tried {
    let all = vec![(ID, SET).into(), (NAME, SET).into()];
    sets(on, |app| app.wrap(layer(SetMultipleResponseHeadersLayer::overriding(all))), ("sent", Some("set")))
}

fn set_status(on: &Stage) -> Tried {
    let server = serve(on, app().wrap(layer(SetStatusLayer::new(StatusCode::IM_A_TEAPOT))));
    for path in HANDLERS {
        same(path, server.connect().get(path).status, 418)?;
    }
    Ok(())
}

fn trace(on: &Stage) -> Tried {
    let (seen, answered) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (see, answer) = (seen.clone(), answered.clone());
    spans::are_counted();
    let traced = TraceLayer::new_for_http()
        .on_request(move |request: &Request, _: &tracing::Span| {
            // A span can have the route for its name.
            let route = surroundings(request).and_then(|next| next.route());
            see.fetch_add(u32::from(route == Some(request.uri().path())), Ordering::Relaxed);
        })
        .on_response(move |response: &Response, _: Duration, _: &tracing::Span| {
            answer.fetch_add(u32::from(response.status() == 200), Ordering::Relaxed);
        });
    let server = serve(on, app().wrap(layer(traced)));
    for path in HANDLERS {
        same(path, server.connect().get(path).text(), "hello")?;
    }
    same("seen", (seen.load(Ordering::Relaxed), answered.load(Ordering::Relaxed)), (2, 2))?;
    // Whether a handler runs within the span.
    let app = Router::new()
        .route("/fn", get(|| spans::is_within().to_string()))
        .route("/async", get(async || spans::is_within().to_string()));
    let server = serve(on, app.wrap(layer(TraceLayer::new_for_http())));
    same("within the span", server.connect().get("/async").text(), "true")?;
    same("on the thread of a plain fn", server.connect().get("/fn").text(), "false")
}

fn redirect(on: &Stage) -> Tried {
    let moved = Redirect::<Body>::permanent("/there".parse().unwrap());
    let server = serve(on, Router::new().route("/here", any(service(moved))));
    let answer = server.connect().get("/here");
    same("moved", (answer.status, answer.header("location")), (308, Some("/there")))
}
