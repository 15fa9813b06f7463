//! Layers that look at heads: they set, check, copy and count.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::channel,
    },
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
    sensitive_headers::SetSensitiveHeadersLayer,
    services::Redirect,
    set_header::{SetRequestHeaderLayer, SetResponseHeaderLayer},
    set_status::SetStatusLayer,
    trace::TraceLayer,
    validate_request::{RequiredHeaderValue, ValidateRequestHeaderLayer},
};
use trijet::{
    Backend, Body, HeaderMap, IntoResponse, Request, Response, Router, StatusCode, any, get,
    http::{HeaderName, HeaderValue, header},
    interop::{layer, service, surroundings},
};

use crate::{
    Row, app,
    common::{PATIENCE, client::get as request, client::post as upload},
    row, same, serve, with,
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
    row("tower-http", "InFlightRequestsLayer", in_flight, "its `run_emitter` needs Tokio's timers"),
    row(
        "tower-http",
        "NormalizePathLayer",
        normalize_path,
        "changes what the handler sees; which route it is has been found before",
    ),
    row("tower-http", "OnEarlyDropLayer", early_drop, ""),
    row("tower-http", "PropagateHeaderLayer", propagate, ""),
    row("tower-http", "SetRequestIdLayer, PropagateRequestIdLayer", request_id, ""),
    row("tower-http", "SetSensitiveHeadersLayer", sensitive, ""),
    row("tower-http", "SetRequestHeaderLayer, SetResponseHeaderLayer", set_header, ""),
    row("tower-http", "SetStatusLayer", set_status, ""),
    row("tower-http", "TraceLayer", trace, "its span is not entered on the thread of a plain `fn`"),
    row("tower-http", "Redirect, a service", redirect, ""),
];

const HANDLERS: [&str; 2] = ["/fn", "/async"];

fn add_extension(on: Backend) -> Result<(), String> {
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

fn validate(on: Backend) -> Result<(), String> {
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

fn authorize(on: Backend) -> Result<(), String> {
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

fn catch_panic(on: Backend) -> Result<(), String> {
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

fn cors(on: Backend) -> Result<(), String> {
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

fn csrf(on: Backend) -> Result<(), String> {
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

fn in_flight(on: Backend) -> Result<(), String> {
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

fn normalize_path(on: Backend) -> Result<(), String> {
    let server = serve(on, app().wrap(layer(NormalizePathLayer::trim_trailing_slash())));
    same("path", server.connect().get("/uri/a/b/?c").text(), "/uri/a/b?c")
}

fn early_drop(on: Backend) -> Result<(), String> {
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

fn propagate(on: Backend) -> Result<(), String> {
    let server = serve(on, app().wrap(layer(PropagateHeaderLayer::new(NAME))));
    for path in HANDLERS {
        let answer = server.connect().send(with(path, "x-name: value\r\n")).response();
        same(path, answer.header("x-name"), Some("value"))?;
    }
    Ok(())
}

fn request_id(on: Backend) -> Result<(), String> {
    let id = HeaderName::from_static("x-request-id");
    let tell = move |headers: HeaderMap| headers[&id].to_str().unwrap_or_default().to_owned();
    let app = Router::new().route("/fn", get(tell));
    // As a tuple, the first is the outermost.
    let both = (SetRequestIdLayer::x_request_id(MakeRequestUuid), PropagateRequestIdLayer::x_request_id());
    let server = serve(on, app.wrap(layer(both)));
    let mut client = server.connect();
    let first = client.get("/fn");
    same("the id", (first.text().len(), first.header("x-request-id")), (36, Some(first.text())))?;
    same("another", client.get("/fn").text() != first.text(), true)?;
    same("its own", client.send(with("/fn", "x-request-id: own\r\n")).response().text(), "own")
}

fn sensitive(on: Backend) -> Result<(), String> {
    async fn tell(headers: HeaderMap) -> String {
        headers.get(header::AUTHORIZATION).is_some_and(HeaderValue::is_sensitive).to_string()
    }
    let app = Router::new().route("/", get(tell));
    let server = serve(on, app.wrap(layer(SetSensitiveHeadersLayer::new([header::AUTHORIZATION]))));
    same("marked", server.connect().send(with("/", "authorization: a\r\n")).response().text(), "true")
}

fn set_header(on: Backend) -> Result<(), String> {
    fn tell(headers: HeaderMap) -> String {
        headers[&NAME].to_str().unwrap_or_default().to_owned()
    }
    let app =
        Router::new().route("/fn", get(tell)).route("/async", get(async |headers: HeaderMap| tell(headers)));
    let value = HeaderValue::from_static("set");
    let both = (
        SetRequestHeaderLayer::overriding(NAME, value.clone()),
        SetResponseHeaderLayer::if_not_present(NAME, value),
    );
    let server = serve(on, app.wrap(layer(both)));
    for path in HANDLERS {
        let answer = server.connect().send(with(path, "x-name: sent\r\n")).response();
        same(path, (answer.text(), answer.header("x-name")), ("set", Some("set")))?;
    }
    Ok(())
}

fn set_status(on: Backend) -> Result<(), String> {
    let server = serve(on, app().wrap(layer(SetStatusLayer::new(StatusCode::IM_A_TEAPOT))));
    for path in HANDLERS {
        same(path, server.connect().get(path).status, 418)?;
    }
    Ok(())
}

fn trace(on: Backend) -> Result<(), String> {
    let (seen, answered) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (see, answer) = (seen.clone(), answered.clone());
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
    same("seen", (seen.load(Ordering::Relaxed), answered.load(Ordering::Relaxed)), (2, 2))
}

fn redirect(on: Backend) -> Result<(), String> {
    let moved = Redirect::<Body>::permanent("/there".parse().unwrap());
    let server = serve(on, Router::new().route("/here", any(service(moved))));
    let answer = server.connect().get("/here");
    same("moved", (answer.status, answer.header("location")), (308, Some("/there")))
}
