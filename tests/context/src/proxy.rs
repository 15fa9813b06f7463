//! `reqwest`, to a server of ours on the same backend: a proxy.

use std::net::SocketAddr;

use futures_util::{StreamExt, stream};
use reqwest::Client;
use trijet::{Backend, Body, Bytes, HeaderMap, Path, Response, Router, State, StatusCode, get, post};

use crate::{
    Failure,
    common::{
        client::post as upload,
        server::{Running, start},
    },
};

on_every_backend!(what_is_fetched, what_is_sent_on, many_at_once, the_client_made_before_the_server);

#[derive(Clone)]
struct Upstream {
    client: Client,
    address: SocketAddr,
}

/// Passes a request on, and its answer as it comes.
async fn pass(
    State(to): State<Upstream>,
    Path(path): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let url = format!("http://{}/{path}", to.address);
    let request = if body.is_empty() { to.client.get(url) } else { to.client.post(url).body(body) };
    let answer = request.send().await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status().as_u16())?;
    let own = answer.headers().get("x-own").cloned();
    response.headers_mut().extend(own.map(|value| (trijet::http::HeaderName::from_static("x-own"), value)));
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    Ok(response)
}

fn upstream(on: Backend) -> Running {
    async fn counted(Path(pieces): Path<usize>) -> Body {
        let piece = |number| async move { Ok::<_, std::io::Error>(format!("piece {number};")) };
        Body::from_stream(stream::iter(0..pieces).then(piece).boxed())
    }
    async fn own() -> (HeaderMap, &'static str) {
        let mut fields = HeaderMap::new();
        fields.insert("x-own", "kept".parse().expect("a value"));
        (fields, "hello")
    }
    let app = Router::new()
        .route("/hello", get(own))
        .route("/fn", get(|| "from a thread"))
        .route("/counted/{pieces}", get(counted))
        .route("/upper", post(async |text: String| text.to_uppercase()));
    start(on, app)
}

fn proxy(on: Backend, upstream: &Running) -> Running {
    let to = Upstream { client: Client::new(), address: upstream.address() };
    start(on, Router::new().route("/{*path}", get(pass).post(pass)).state(to))
}

fn what_is_fetched(on: Backend) {
    let upstream = upstream(on);
    let proxy = proxy(on, &upstream);
    let mut client = proxy.connect();
    let answer = client.get("/hello").says("hello");
    assert_eq!(answer.header("x-own"), Some("kept"));
    client.get("/fn").says("from a thread");
    client.get("/counted/3").says("piece 0;piece 1;piece 2;");
    client.get("/missing").with_status(404);
}

fn what_is_sent_on(on: Backend) {
    let upstream = upstream(on);
    let proxy = proxy(on, &upstream);
    let mut client = proxy.connect();
    client.send(upload("/upper", "loud")).response().says("LOUD");
    let long = "lowercase ".repeat(100_000);
    client.send(upload("/upper", &long)).response().says(&long.to_uppercase());
}

fn many_at_once(on: Backend) {
    let upstream = upstream(on);
    let proxy = proxy(on, &upstream);
    let expected: String = (0..200).map(|number| format!("piece {number};")).collect();
    let mut clients: Vec<_> = (0..32).map(|_| proxy.connect()).collect();
    for _ in 0..2 {
        for client in &mut clients {
            client.send(crate::common::client::get("/counted/200"));
        }
        for client in &mut clients {
            client.response().says(&expected);
        }
    }
}

/// Its connections were made in another runtime, which goes on.
fn the_client_made_before_the_server(on: Backend) {
    let upstream = upstream(on);
    let runtime =
        ::tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = Client::new();
    let url = format!("http://{}/hello", upstream.address());
    let first = runtime.block_on(async { client.get(url).send().await?.text().await });
    assert_eq!(first.expect("it is fetched"), "hello");
    let to = Upstream { client, address: upstream.address() };
    let proxy = start(on, Router::new().route("/{*path}", get(pass)).state(to));
    proxy.connect().get("/hello").says("hello");
    drop(proxy);
}
