//! Header fields as values of a type, over real sockets.

use trijet::{
    Backend, IntoResponse, Router, get,
    typed_headers::{
        TypedHeader,
        headers::{Authorization, ContentLength, ETag, IfNoneMatch, Range, authorization::Bearer},
    },
};

use crate::common::{client::Client, response::Response, server::start};

on_every_backend!(a_field_is_read_or_refused, a_field_may_be_missing, a_field_is_sent);

fn ask(client: &mut Client, path: &str, fields: &[u8]) -> Response {
    let head = format!("GET {path} HTTP/1.1\r\nhost: t\r\n");
    client.send([head.as_bytes(), fields, b"\r\n"].concat()).response()
}

fn token(TypedHeader(Authorization(bearer)): TypedHeader<Authorization<Bearer>>) -> String {
    bearer.token().to_owned()
}

async fn token_async(header: TypedHeader<Authorization<Bearer>>) -> String {
    header.token().to_owned()
}

async fn range(range: Option<TypedHeader<Range>>) -> String {
    range.map_or("all".into(), |range| format!("{:?}", range.satisfiable_ranges(10).collect::<Vec<_>>()))
}

fn app() -> Router {
    Router::new()
        .route("/token", get(token))
        .route("/token/async", get(token_async))
        .route("/range", get(range))
}

fn a_field_is_read_or_refused(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    for path in ["/token", "/token/async"] {
        ask(&mut client, path, b"Authorization: Bearer abc\r\n").says("abc");
        let missing = ask(&mut client, path, b"").with_status(400);
        assert_eq!(missing.text(), "The request was refused: the header field authorization is missing.");
        for malformed in
            [&b"authorization:\r\n"[..], b"authorization: Basic abc\r\n", b"authorization: \xff\r\n"]
        {
            let answer = ask(&mut client, path, malformed).with_status(400);
            assert_eq!(
                answer.text(),
                "The request was refused: the header field authorization is malformed."
            );
        }
    }
}

fn a_field_may_be_missing(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    ask(&mut client, "/range", b"").says("all");
    ask(&mut client, "/range", b"range: bytes=0-3\r\n").says("[(Included(0), Included(3))]");
    ask(&mut client, "/range", b"range: pages=1\r\n").with_status(400);
}

fn a_field_is_sent(on: Backend) {
    async fn tagged(seen: Option<TypedHeader<IfNoneMatch>>) -> impl IntoResponse {
        let tag: ETag = "\"v1\"".parse().unwrap();
        let is_new = seen.is_none_or(|seen| seen.precondition_passes(&tag));
        (TypedHeader(tag.clone()), [("etag", "\"none\"")], TypedHeader(tag), is_new.to_string())
    }
    let app = Router::new().route("/", get(tagged)).route("/alone", get(|| TypedHeader(ContentLength(0))));
    let server = start(on, app);
    let mut client = server.connect();
    let answer = ask(&mut client, "/", b"if-none-match: \"v1\"\r\n").says("false");
    let tags: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "etag").collect();
    assert_eq!(tags, [&("etag".to_owned(), "\"v1\"".to_owned())]);
    ask(&mut client, "/", b"if-none-match: \"v2\"\r\n").says("true");
    ask(&mut client, "/alone", b"").says("");
}
