//! Request extensions carry what belongs to a request, wherever its code runs: thread-locals do not.

use futures_util::stream;
use trijet::{Backend, Body, IntoResponse, Next, Request, Response, Router, extract::Extension, get};

use crate::common::{client::get as request, server::start};

on_every_backend!(through_middleware_job_and_stream, each_request_has_its_own);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trail(Vec<&'static str>);

fn left(name: &'static str, request: &mut Request) {
    let mut trail = request.extensions_mut().remove::<Trail>().unwrap_or(Trail(Vec::new()));
    trail.0.push(name);
    request.extensions_mut().insert(trail);
}

/// Leaves a mark on the way in, and on the way out tells which marks the response carries.
async fn outer(mut request: Request, next: Next) -> Response {
    left("outer", &mut request);
    told(next.run(request).await)
}

fn inner(mut request: Request, next: Next) -> Response {
    left("inner", &mut request);
    next.run_blocking(request)
}

fn told(mut response: Response) -> Response {
    if let Some(Trail(names)) = response.extensions_mut().remove::<Trail>() {
        response.headers_mut().insert("x-trail", names.join(" ").parse().unwrap());
    }
    response
}

fn with_trail(mut trail: Trail, name: &'static str) -> Response {
    let mut response = trail.0.join(" ").into_response();
    trail.0.push(name);
    response.extensions_mut().insert(trail);
    response
}

async fn streams(request: Request) -> Body {
    let Trail(names) = request.extensions().get::<Trail>().cloned().unwrap();
    Body::from_stream(stream::iter(names.into_iter().map(Ok::<_, std::io::Error>)))
}

fn iterates(request: Request) -> Body {
    let Trail(names) = request.extensions().get::<Trail>().cloned().unwrap();
    Body::from_iter(names.into_iter().map(Ok::<_, std::io::Error>))
}

fn app() -> Router {
    Router::new()
        .route("/async", get(async |Extension(trail): Extension<Trail>| with_trail(trail, "async")))
        .route("/fn", get(|Extension(trail): Extension<Trail>| with_trail(trail, "fn")))
        .route("/stream", get(streams))
        .route("/iter", get(iterates))
        .wrap(inner)
        .wrap(outer)
}

fn through_middleware_job_and_stream(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for _ in 0..20 {
        for kind in ["async", "fn"] {
            let answer = client.get(&format!("/{kind}")).says("outer inner");
            assert_eq!(answer.header("x-trail"), Some(&*format!("outer inner {kind}")));
        }
        for path in ["/stream", "/iter"] {
            client.get(path).says("outerinner");
        }
    }
}

/// What one request left is not there for the next, on the same connection and on the same thread.
fn each_request_has_its_own(on: Backend) {
    let only_if_asked = async |mut request: Request, next: Next| -> Response {
        if request.uri().query().is_some() {
            left("asked", &mut request);
        }
        next.run(request).await
    };
    let has = |request: Request| request.extensions().get::<Trail>().is_some().to_string();
    let app = Router::new()
        .route("/fn", get(has))
        .route("/async", get(move |request: Request| std::future::ready(has(request))))
        .wrap(only_if_asked);
    let server = start(on, app);
    let mut clients = [server.connect(), server.connect()];
    for _ in 0..20 {
        for client in &mut clients {
            for path in ["/fn", "/async"] {
                client.send(request(&format!("{path}?ask")) + &request(path));
                client.response().says("true");
                client.response().says("false");
            }
        }
    }
}
