#[cfg(all(feature = "json", feature = "query", feature = "form"))]
mod located;
mod optional;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use http::{HeaderMap, Uri, request::Parts};

use super::{Context, Extension, FromCapture, FromRequestParts, Needs, Parse, PeerAddress, Rejection};
use crate::{
    Body, BodyError, Bytes, Next, Path, Request, Router, State,
    exercise::{Answer, PEER, app, faults, get as fetch, logged, request, send},
    get, post,
};

#[test]
fn captures_are_decoded_parsed_and_refused() {
    struct Even(u32);
    impl FromCapture for Even {
        type Error = String;

        fn from_capture(text: &str) -> Result<Self, String> {
            let number: u32 = text.parse().map_err(|_| format!("{text} is no number"))?;
            if number % 2 == 0 { Ok(Self(number)) } else { Err("odd".into()) }
        }
    }
    let app = app(Router::new()
        .route("/text/{x}", get(async |Path(x): Path<String>| x))
        .route("/number/{x}", get(async |Path(x): Path<i16>| x.to_string()))
        .route("/even/{x}", get(async |Path(x): Path<Even>| x.0.to_string()))
        .route("/parse/{x}", get(async |Path(Parse(x)): Path<Parse<IpAddr>>| x.to_string()))
        .route("/pair/{a}/{b}", get(async |Path((a, b)): Path<(String, Ipv4Addr)>| format!("{a} {b}")))
        .route(
            "/map/{a}/{*b}",
            get(async |Path(all): Path<HashMap<String, String>>| format!("{}-{}", all["a"], all["b"])),
        )
        .route(
            "/result/{x}",
            get(async |x: Result<Path<u8>, Rejection>| match x {
                Ok(Path(x)) => x.to_string(),
                Err(rejection) => format!("refused with {}", rejection.status()),
            }),
        ));
    let rows = [
        ("/text/a%20b%C3%A9", 200, "a bé"),
        ("/text/a+b", 200, "a+b"),
        ("/text/%2f%25", 200, "/%"),
        ("/text/%", 400, "The path value `x` has a percent sign that begins no escape."),
        ("/text/a%2", 400, "The path value `x` has a percent sign that begins no escape."),
        ("/text/%zz", 400, "The path value `x` has a percent sign that begins no escape."),
        ("/text/%%20", 400, "The path value `x` has a percent sign that begins no escape."),
        ("/text/%ff", 400, "The path value `x` is not UTF-8."),
        ("/text/%C3", 400, "The path value `x` is not UTF-8."),
        ("/number/-5", 200, "-5"),
        ("/number/%2D5", 200, "-5"),
        (
            "/number/x",
            400,
            "The path value `x` is not valid: invalid digit found in string; a whole number is expected.",
        ),
        ("/number/99999", 400, "The path value `x` is not valid: number too large to fit in target type."),
        ("/even/4", 200, "4"),
        ("/even/5", 400, "The path value `x` is not valid: odd."),
        ("/even/%3Cb%3E%0A", 400, "The path value `x` is not valid: \\u{3c}b\\u{3e}\\u{a} is no number."),
        ("/parse/::1", 200, "::1"),
        ("/pair/a%2Fb/127.0.0.1", 200, "a/b 127.0.0.1"),
        ("/pair/a/127.0.0", 400, "The path value `b` is not valid: invalid IPv4 address syntax."),
        ("/map/x/y/z%2F", 200, "x-y/z/"),
        ("/map/x/%", 400, "The path value `b` has a percent sign that begins no escape."),
        ("/result/256", 200, "refused with 400 Bad Request"),
    ];
    for (target, status, text) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text), (status, text), "{target}");
    }
}

#[test]
fn eight_captures_are_the_most() {
    type Eight = (u8, u8, u8, u8, u8, u8, u8, u8);
    let app = app(Router::new().nest(
        "/{a}/{b}",
        Router::new()
            .route("/{c}/{d}/{e}/{f}/{g}/{h}", get(async |Path(all): Path<Eight>| format!("{all:?}"))),
    ));
    assert_eq!(fetch(&app, "/1/2/3/4/5/6/7/8").text, "(1, 2, 3, 4, 5, 6, 7, 8)");
}

#[test]
fn parts_of_the_head_are_taken_as_they_are() {
    async fn head(headers: HeaderMap, uri: Uri, peer: Option<PeerAddress>, request: Request) -> String {
        let peer = peer.map(|PeerAddress(address)| address);
        format!("{:?} {uri} {peer:?} {}", headers["x-a"], request.headers().len())
    }
    let app = app(Router::new().route("/{*all}", get(head)));
    let answer = send(&app, request("GET", "/a?b").header("x-a", "1").body(Body::empty()).unwrap());
    assert_eq!(answer.text, format!("\"1\" /a?b Some({PEER}) 1"));
}

fn upload(content_type: &str, body: impl Into<Body>) -> Request {
    request("POST", "/").header("content-type", content_type).body(body.into()).unwrap()
}

fn failing(error: BodyError) -> Body {
    struct Failing(Option<BodyError>);
    impl http_body::Body for Failing {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
            std::task::Poll::Ready(self.0.take().map(Err))
        }
    }
    Body::new(Failing(Some(error)))
}

fn check(app: &crate::App, rows: Vec<(&str, Request, u16, &str)>) {
    for (name, request, status, text) in rows {
        let Answer { status: actual, text: sent, .. } = send(app, request);
        assert_eq!((actual, &*sent), (status, text), "{name}");
    }
}

#[test]
fn raw_bodies() {
    let bytes = app(Router::new().route("/", post(|body: Bytes| body)));
    check(
        &bytes,
        vec![
            ("bytes", upload("x/y", "data"), 200, "data"),
            ("none", request("POST", "/").body(Body::empty()).unwrap(), 200, ""),
            (
                "too large",
                upload("x/y", failing(BodyError::TooLarge)),
                413,
                "The request was refused: the body is larger than this route allows.",
            ),
            (
                "too slow",
                upload("x/y", failing(BodyError::Timeout)),
                408,
                "The request was refused: the body came too slowly.",
            ),
            (
                "malformed",
                upload("x/y", failing(BodyError::Malformed("a rule"))),
                400,
                "The request was refused: malformed body: a rule.",
            ),
            (
                "a fault of ours",
                upload("x/y", failing(BodyError::Finished)),
                500,
                "The server could not answer this request.",
            ),
        ],
    );
    let text = app(Router::new().route("/", post(async |body: String| body)));
    check(
        &text,
        vec![
            ("text", upload("x/y", "dé"), 200, "dé"),
            ("not UTF-8", upload("x/y", &b"ab\xff"[..]), 400, "The body is not UTF-8 from byte 2 on."),
        ],
    );
    let stream = app(Router::new().route("/", post(async |body: Body| body)));
    check(&stream, vec![("echo", upload("x/y", "data"), 200, "data")]);
    let read = app(Router::new().route(
        "/",
        post(|body: Body| std::io::read_to_string(body.reader()).map_err(|error| error.to_string())),
    ));
    check(
        &read,
        vec![
            ("read", upload("x/y", "data"), 200, "data"),
            (
                "read to a failure",
                upload("x/y", failing(BodyError::TooLarge)),
                200,
                "the body is larger than this route allows",
            ),
        ],
    );
}

#[cfg(feature = "json")]
#[test]
fn json_bodies() {
    use crate::Json;
    let sum = async |Json(numbers): Json<Vec<i32>>| Json(numbers.iter().sum::<i32>());
    let app = app(Router::new().route("/", post(sum)));
    let wrong_type = "The body must be of the type application/json, and its Content-Type must say so.";
    check(
        &app,
        vec![
            ("json", upload("application/json", "[1, 2]"), 200, "3"),
            ("parameters", upload("Application/JSON; charset=utf-8", "[1]"), 200, "1"),
            ("a kind of json", upload("application/problem+json", "[1]"), 200, "1"),
            ("text", upload("text/json", "[1]"), 415, wrong_type),
            ("no type", request("POST", "/").body(Body::from("[1]")).unwrap(), 415, wrong_type),
            (
                "syntax",
                upload("application/json", "[1,\n }"),
                400,
                "The body is not JSON: expected value at line 2 column 2.",
            ),
            (
                "cut",
                upload("application/json", "[1"),
                400,
                "The body is not JSON: EOF while parsing a list at line 1 column 2.",
            ),
            (
                "shape",
                upload("application/json", "[1, \"<b>\\n\"]"),
                422,
                "The body is JSON of another shape: `[1]`: invalid type: string \"\\u{3c}b\\u{3e}\\n\", expected i32 at \
                 line 1 column 11.",
            ),
            (
                "too large",
                upload("application/json", failing(BodyError::TooLarge)),
                413,
                "The request was refused: the body is larger than this route allows.",
            ),
        ],
    );
}

#[cfg(feature = "form")]
#[test]
fn form_bodies() {
    use crate::Form;
    let show = |Form(fields): Form<HashMap<String, u8>>| fields["a"].to_string();
    let app = app(Router::new().route("/", post(show)));
    check(
        &app,
        vec![
            ("form", upload("application/x-www-form-urlencoded", "a=1"), 200, "1"),
            (
                "another type",
                upload("multipart/form-data", "a=1"),
                415,
                "The body must be of the type application/x-www-form-urlencoded, and its Content-Type must say so.",
            ),
            (
                "another shape",
                upload("application/x-www-form-urlencoded", "a=x"),
                422,
                "The form has another shape: `a`: invalid digit found in string; a whole number is expected.",
            ),
        ],
    );
}

#[cfg(feature = "query")]
#[test]
fn queries() {
    use crate::Query;
    let show = async |Query(pairs): Query<Vec<(String, u8)>>| format!("{pairs:?}");
    let app = app(Router::new().route("/", get(show)));
    let rows = [
        ("/?a=1&b%20=2", 200, "[(\"a\", 1), (\"b \", 2)]"),
        ("/", 200, "[]"),
        ("/?", 200, "[]"),
        (
            "/?a=%3C",
            400,
            "The query has another shape: `[0][1]`: invalid digit found in string; a whole number is expected.",
        ),
    ];
    for (target, status, text) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text), (status, text), "{target}");
    }
}

#[test]
fn an_extension_is_what_a_middleware_put_in() {
    logged();
    let routes =
        || Router::new().route("/", get(async |Extension(number): Extension<u8>| number.to_string()));
    let put = async |mut request: Request, next: Next| {
        request.extensions_mut().insert(7_u8);
        next.run(request).await
    };
    assert_eq!(fetch(&app(routes().wrap(put)), "/").text, "7");
    assert_eq!(fetch(&app(routes()), "/").status, 500);
    let [line] = &logged()[..] else { panic!("one line") };
    assert!(line.contains("Extension<u8> on `/`: no middleware has put one in"), "{line}");
}

/// An extractor that looks a state up, and may or may not say so before.
struct Looks<const DECLARED: bool>(u16);

impl<const DECLARED: bool> FromRequestParts for Looks<DECLARED> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        let State(value) = State::from_request_parts(parts, context).await?;
        Ok(Self(value))
    }

    fn declare(needs: &mut Needs) {
        if DECLARED {
            State::<u16>::declare(needs);
        }
    }
}

#[test]
fn an_undeclared_state_that_is_missing_is_a_500_and_a_log_line() {
    logged();
    let show = async |value: Looks<false>| value.0.to_string();
    assert_eq!(fetch(&app(Router::new().route("/", get(show)).state(5_u16)), "/").text, "5");
    let answer = fetch(&app(Router::new().route("/", get(show))), "/");
    assert_eq!((answer.status, &*answer.text), (500, "The server could not answer this request."));
    let [line] = &logged()[..] else { panic!("one line") };
    assert!(line.contains("State<u16> is missing and was not declared"), "{line}");

    let declared = faults(Router::new().route("/", get(async |value: Looks<true>| value.0.to_string())));
    assert_eq!(declared, ["GET / takes State<u16>: give it to the router with `.state(…)`"]);
}
