//! The app that the rows are played on: what it answers shows what it was given.

use std::{
    convert::Infallible,
    future::poll_fn,
    io::Read,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::stream;
use http_body::{Body as _, Frame};
use trijet::{
    Body, BodyError, Bytes, HeaderMap, IntoResponse, Limits, Method, Next, Path, Redirect, Request, Response,
    Router, StatusCode, any, get, post,
};

/// The defaults, but nothing that a row has to wait for.
pub(crate) fn limits() -> Limits {
    Limits {
        linger_timeout: Duration::from_secs(1),
        head_timeout: Duration::from_secs(30),
        ..Limits::default()
    }
}

/// The request line, the Host and the values of `X`, as the handler sees them.
async fn seen(request: Request) -> String {
    let host = request.headers().get("host").map_or("none", |host| host.to_str().unwrap());
    let values: Vec<_> = request
        .headers()
        .get_all("x")
        .iter()
        .map(|value| value.as_bytes().escape_ascii().to_string())
        .collect();
    let (method, target, version) = (request.method(), request.uri(), request.version());
    format!("{method} {target} {version:?} host {host} x [{}]", values.join("|"))
}

fn read(body: Body) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    body.reader().read_to_end(&mut all).map_err(|_| BodyError::Disconnected)?;
    Ok(all)
}

/// One item a chunk, of unknown length.
async fn pieces() -> Body {
    Body::from_stream(stream::iter(["one ", "", "two"].map(Ok::<_, Infallible>)))
}

/// The body, and the trailer fields as the handler sees them.
async fn trailers(request: Request) -> Result<String, BodyError> {
    let is_among_fields = request.headers().contains_key("x-trailer");
    let mut body = request.into_body();
    let mut seen = String::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(data) => seen.push_str(&String::from_utf8_lossy(&data)),
            Err(frame) => {
                let held = frame.trailers_ref().into_iter().flatten();
                held.for_each(|(name, value)| {
                    seen.push_str(&format!(" {name}={}", value.as_bytes().escape_ascii()))
                });
            }
        }
    }
    Ok(format!("{seen} {is_among_fields}"))
}

/// The body back, as it comes: the response begins before the request has ended.
async fn relay(body: Body) -> Body {
    Body::from_stream(body.into_stream())
}

/// A body with trailer fields.
async fn with_trailers() -> Body {
    let mut fields = HeaderMap::new();
    fields.insert("x-sum", "1".parse().unwrap());
    // These frame and route: they are not to be sent.
    for name in ["content-length", "transfer-encoding", "host", "set-cookie", "if-match", "location", "date"]
    {
        fields.insert(name, "1".parse().unwrap());
    }
    let frames = [Frame::data(Bytes::from("summed")), Frame::trailers(fields)];
    Body::new(Frames(frames.into_iter()))
}

struct Frames(std::array::IntoIter<Frame<Bytes>, 2>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// A stream whose length the handler knows, and says.
async fn declared() -> ([(&'static str, &'static str); 1], Body) {
    ([("content-length", "7")], pieces().await)
}

/// Fields that are the server's to set, set by the handler to what must not be sent.
async fn meddling() -> Response {
    Response::builder()
        .header("transfer-encoding", "gzip, chunked")
        .header("content-length", "99")
        .header("date", "yesterday")
        .header("connection", "keep-alive, x")
        .header("keep-alive", "timeout=5")
        .body(Body::from("meddling"))
        .unwrap()
}

async fn upgrade_required() -> (StatusCode, [(&'static str, &'static str); 2], &'static str) {
    (StatusCode::UPGRADE_REQUIRED, [("upgrade", "x/1"), ("connection", "upgrade")], "upgrade")
}

/// Answers CONNECT as if there were a tunnel.
async fn tunnels(request: Request, next: Next) -> Response {
    match request.uri().authority().map(|authority| authority.as_str()) {
        Some("tunnel:1") => StatusCode::OK.into_response(),
        Some("tunnel:2") => pieces().await.into_response(),
        _ => next.run(request).await,
    }
}

pub(crate) fn app() -> Router {
    Router::new()
        .route("/", get(async || "root").options(async || "options of root"))
        .route("/probe", get(async || "probe"))
        .route("/text", get(async || "text").post(async || "posted"))
        .route("/text-fn", get(|| "text").post(|| "posted"))
        .route("/seen", any(seen))
        .route("/seen/{name}", get(async |Path(name): Path<String>| name))
        .route("/echo", post(async |body: Bytes| body).put(async |body: Bytes| body))
        .route("/echo-fn", post(|body: Bytes| body))
        .route("/echo-any", any(async |body: Bytes| body))
        .route("/read", post(read))
        .route("/trailers", post(trailers))
        .route("/unread", post(async || "not read"))
        .route("/unread-fn", post(|| "not read"))
        .route("/small", post(async |body: Bytes| body).body_limit(16))
        .route("/pieces", get(pieces))
        .route("/relay", post(relay))
        .route("/with-trailers", get(with_trailers))
        .route("/declared", get(declared))
        .route("/large", get(async || "l".repeat(100_000)))
        .route("/no-content", get(async || StatusCode::NO_CONTENT))
        .route("/no-content-pieces", get(async || (StatusCode::NO_CONTENT, pieces().await)))
        .route("/no-content-text", get(async || (StatusCode::NO_CONTENT, "text")))
        .route("/reset-content", get(async || (StatusCode::RESET_CONTENT, "text")))
        .route("/not-modified", get(async || (StatusCode::NOT_MODIFIED, [("etag", "\"x\"")], "text")))
        .route("/empty", get(async || ""))
        .route("/created", post(async || (StatusCode::CREATED, [("location", "/text")], "")))
        .route("/redirect", get(async || Redirect::to("/text")))
        .route("/processing", get(async || StatusCode::PROCESSING))
        .route("/switching", get(async || (StatusCode::SWITCHING_PROTOCOLS, [("upgrade", "x")], "")))
        .route("/teapot", get(async || StatusCode::from_u16(299).unwrap()))
        .route("/upgrade-required", get(upgrade_required))
        .route("/panic", get(panics))
        .route("/closing", get(async || ([("connection", "close")], "closing")))
        .route("/meddling", get(meddling))
        .route("/patch", trijet::patch(async |body: Bytes| body).delete(async || StatusCode::NO_CONTENT))
        .route("/brew", get(async || "pot").on(Method::from_bytes(b"BREW").unwrap(), async || "brewed"))
        .wrap(tunnels)
}

async fn panics() -> &'static str {
    panic!("as it is meant to")
}
