//! `peer-hyper THREADS`: the routes of the race on hyper, without a router, on so many of Tokio's workers.

use std::{convert::Infallible, io, iter, ops::Range};

use futures_util::stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use peer_common::{PIECE, PIECES, TEXT, TEXT_TYPE, WAIT, tell, threads, user};

type Pieces = iter::Map<Range<usize>, fn(usize) -> Result<Frame<Bytes>, Infallible>>;
type Answer = Either<Full<Bytes>, StreamBody<stream::Iter<Pieces>>>;

#[derive(serde::Serialize)]
struct Message {
    message: &'static str,
}

fn answer(kind: &'static str, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn piece(_: usize) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(Bytes::from_static(&PIECE)))
}

async fn serve(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/plaintext") => answer(TEXT_TYPE, TEXT),
        (&Method::GET, "/json") => {
            answer("application/json", serde_json::to_vec(&Message { message: TEXT }).unwrap_or_default())
        }
        (&Method::POST, "/echo") => {
            answer("application/octet-stream", request.into_body().collect().await?.to_bytes())
        }
        (&Method::POST, "/upload") => {
            let (mut body, mut count) = (request.into_body(), 0);
            while let Some(frame) = body.frame().await {
                count += frame?.data_ref().map_or(0, Bytes::len);
            }
            answer(TEXT_TYPE, count.to_string())
        }
        (&Method::GET, "/download") => {
            let pieces: Pieces = (0..PIECES).map(piece);
            Response::new(Either::Right(StreamBody::new(stream::iter(pieces))))
        }
        (&Method::GET, "/wait") => {
            tokio::time::sleep(WAIT).await;
            answer(TEXT_TYPE, TEXT)
        }
        (_, path) => match user(path) {
            Some(name) => answer(TEXT_TYPE, name.to_owned()),
            None => {
                let mut response = answer(TEXT_TYPE, "");
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        },
    })
}

async fn accept() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    tell(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // Answers to requests that came together leave together: hyper leaves that to who uses it.
            let mut http = http1::Builder::new();
            let connection =
                http.pipeline_flush(true).serve_connection(TokioIo::new(stream), service_fn(serve));
            // A client that leaves is no matter.
            _ = connection.await;
        });
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build()?;
    // On a worker: whoever calls `block_on` is none.
    Ok(runtime.block_on(runtime.spawn(accept()))??)
}
