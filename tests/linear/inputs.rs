//! The inputs: one for each parser that the network reaches, of any size. Limits are raised, so that the sizes
//! tell: a scan that begins anew at each byte would cost four times as much for twice the input.

use std::collections::HashMap;

use serde_json::Value;
use trijet::{Bytes, Form, Json, Limits, Path, Query, Router, get, post};
use trijet_core::App;

use crate::feed::{Arrival, feed};

pub(crate) struct Input {
    pub(crate) name: &'static str,
    /// Half of the greater of the sizes that are compared.
    pub(crate) size: usize,
    arrival: Arrival,
    bytes: fn(usize) -> String,
    /// Routes that the app has beside the usual ones.
    routes: fn(usize) -> Router,
}

impl Input {
    /// Serves the input of this size; the status of the first answer.
    pub(crate) fn serve(&self, size: usize) -> String {
        let app = app((self.routes)(size));
        feed(app, limits(), (self.bytes)(size).into_bytes(), self.arrival)
    }
}

fn limits() -> Limits {
    Limits {
        head_bytes_max: 64 << 20,
        headers_max: 20_000,
        target_bytes_max: 64 << 20,
        body_bytes_max: 64 << 20,
        chunk_line_bytes_max: 64 << 20,
        chunk_extension_bytes_max: 64 << 20,
        trailers_max: 20_000,
        trailer_bytes_max: 64 << 20,
        ..Limits::default()
    }
}

type Pairs = Vec<(String, String)>;

fn app(routes: Router) -> App {
    routes
        .route("/", get(async || "root"))
        .route("/bytes", post(async |body: Bytes| body.len().to_string()))
        .route("/unread", post(async || "unread"))
        .route("/json", post(async |Json(value): Json<Value>| value.is_null().to_string()))
        .route("/form", post(async |Form(pairs): Form<Pairs>| pairs.len().to_string()))
        .route("/form-map", post(async |Form(map): Form<HashMap<String, String>>| map.len().to_string()))
        .route("/query", get(async |Query(pairs): Query<Pairs>| pairs.len().to_string()))
        .route("/capture/{one}", get(async |Path(one): Path<String>| one.len().to_string()))
        .route("/rest/{*rest}", get(async |Path(rest): Path<String>| rest.len().to_string()))
        .build()
        .unwrap()
        .with_body_bytes_max(64 << 20)
}

/// An input of this kind, which comes whole.
pub(crate) fn input(name: &'static str, size: usize, bytes: fn(usize) -> String) -> Input {
    Input { name, size, arrival: Arrival::Whole, bytes, routes: |_| Router::new() }
}

impl Input {
    pub(crate) fn dripped(self) -> Self {
        Self { arrival: Arrival::ByteByByte, ..self }
    }

    pub(crate) fn with(self, routes: fn(usize) -> Router) -> Self {
        Self { routes, ..self }
    }
}

pub(crate) fn inputs() -> Vec<Input> {
    #[cfg(all(feature = "client-address", feature = "cookies", feature = "multipart"))]
    let web = crate::web::inputs();
    #[cfg(not(all(feature = "client-address", feature = "cookies", feature = "multipart")))]
    let web = Vec::new();
    [heads(), lists(), targets(), bodies(), chunks(), series(), layers(), web].into_iter().flatten().collect()
}

/// A GET with these field lines.
pub(crate) fn with_fields(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// A GET of this target.
fn of(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn posted(path: &str, kind: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chunked(path: &str, chunks: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

fn fields(count: usize) -> String {
    (0..count).map(|index| format!("Field-{index:05}: value\r\n")).collect()
}

fn heads() -> Vec<Input> {
    let many: fn(usize) -> String = |n| with_fields(&fields(n));
    let long: fn(usize) -> String = |n| with_fields(&format!("A: {}\r\n", "x".repeat(n)));
    let endless: fn(usize) -> String = |n| format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(n));
    vec![
        input("head: many fields", 1000, many),
        input("head: many fields, dripped", 100, many).dripped(),
        input("head: one long field", 50_000, long),
        input("head: one long field, dripped", 2000, long).dripped(),
        input("head: one long name", 5000, |n| with_fields(&format!("{}: x\r\n", "a".repeat(n)))),
        input("head: fields of one name", 1000, |n| with_fields(&"Same: value\r\n".repeat(n))),
        input("head: without end, dripped", 2000, endless).dripped(),
        input("head: line feeds alone, dripped", 2000, |n| format!("GET / HTTP/1.1{}", "\n".repeat(n)))
            .dripped(),
        input("head: returns alone, dripped", 2000, |n| format!("GET / HTTP/1.1{}", "\r".repeat(n)))
            .dripped(),
        input("head: white space around a value", 25_000, |n| {
            with_fields(&format!("A:{0}x{0}\r\n", " ".repeat(n / 2)))
        }),
        input("head: many Host fields", 1000, |n| with_fields(&"Host: a\r\n".repeat(n))),
        input("head: a long Host", 12_500, |n| format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(n))),
        input("head: a Host of escapes", 5000, |n| {
            format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "%41".repeat(n))
        }),
        input("head: a long method", 12_500, |n| format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(n))),
        input("head: many cookies", 1000, |n| with_fields(&"Cookie: a=b; c=d\r\n".repeat(n))),
    ]
}

fn lists() -> Vec<Input> {
    vec![
        input("list: Content-Length", 5000, |n| {
            with_fields(&format!("Content-Length: {}0\r\n", "0, ".repeat(n)))
        }),
        input("list: Content-Length fields", 1000, |n| with_fields(&"Content-Length: 0\r\n".repeat(n))),
        input("list: Content-Length of zeros", 12_500, |n| {
            with_fields(&format!("Content-Length: {}\r\n", "0".repeat(n)))
        }),
        input("list: Transfer-Encoding", 5000, |n| {
            with_fields(&format!("Transfer-Encoding: {}chunked\r\n", "gzip, ".repeat(n)))
        }),
        input("list: Transfer-Encoding fields", 1000, |n| {
            with_fields(&"Transfer-Encoding: chunked\r\n".repeat(n))
        }),
        input("list: Connection", 5000, |n| {
            with_fields(&format!("Connection: {}close\r\n", "option, ".repeat(n)))
        }),
        input("list: Connection fields", 1000, |n| with_fields(&"Connection: keep-alive\r\n".repeat(n))),
        input("list: Connection of commas", 12_500, |n| {
            with_fields(&format!("Connection: {}\r\n", ",".repeat(n)))
        }),
        input("list: Expect", 5000, |n| {
            with_fields(&format!("Expect: {}100-continue\r\n", "100-continue, ".repeat(n)))
        }),
        input("list: Expect fields", 1000, |n| with_fields(&"Expect: 100-continue\r\n".repeat(n))),
        input("list: Upgrade", 5000, |n| {
            with_fields(&format!("Connection: upgrade\r\nUpgrade: {}x\r\n", "websocket, ".repeat(n)))
        }),
    ]
}

fn targets() -> Vec<Input> {
    // What `http::Uri` takes ends before 64 KiB.
    vec![
        input("target: long", 7500, |n| of(&format!("/{}", "x".repeat(n)))),
        input("target: long, dripped", 2000, |n| of(&format!("/{}", "x".repeat(n)))).dripped(),
        input("target: absolute, a long host", 7500, |n| of(&format!("http://{}/", "x".repeat(n)))),
        input("target: beyond what a URI holds", 25_000, |n| of(&format!("/{}", "x".repeat(n)))),
        input("target: escapes in a capture", 2500, |n| of(&format!("/capture/{}", "%41".repeat(n)))),
        input("target: escapes that are no text", 2500, |n| of(&format!("/capture/{}", "%ff".repeat(n)))),
        input("target: many segments", 3750, |n| of(&"/x".repeat(n))),
        input("target: many segments in a capture", 3750, |n| of(&format!("/rest{}", "/x".repeat(n)))),
        input("target: slashes alone", 7500, |n| of(&"/".repeat(n))),
        input("target: dots", 3750, |n| of(&"/..".repeat(n))),
        input("router: many routes", 500, |_| of("/route-1")).with(|n| {
            (0..n).fold(Router::new(), |router, index| {
                router.route(&format!("/route-{index}"), get(async || "x"))
            })
        }),
        input("router: deep, and wrong at its end", 100, |n| of(&format!("{}/no", "/a".repeat(n)))).with(
            |n| {
                let deep = format!("{}/yes", "/a".repeat(n));
                Router::new().route(&deep, get(async || "x")).route("/{*all}", get(async || "all"))
            },
        ),
        input("query: many pairs", 2500, |n| of(&format!("/query?{}", "a=b&".repeat(n)))),
        input("query: many names", 1250, |n| of(&format!("/query?{}", pairs(n)))),
        input("query: a long value", 7500, |n| of(&format!("/query?a={}", "x".repeat(n)))),
        input("query: escapes", 2500, |n| of(&format!("/query?a={}", "%41".repeat(n)))),
        input("query: separators alone", 7500, |n| of(&format!("/query?{}", "&".repeat(n)))),
    ]
}

fn pairs(count: usize) -> String {
    (0..count).map(|index| format!("k{index:05}=v&")).collect()
}

fn bodies() -> Vec<Input> {
    vec![
        input("body: by its length", 100_000, |n| posted("/bytes", "text/plain", &"x".repeat(n))),
        input("body: by its length, dripped", 2000, |n| posted("/bytes", "text/plain", &"x".repeat(n)))
            .dripped(),
        input("body: unread", 25_000, |n| posted("/unread", "text/plain", &"x".repeat(n))),
        input("body: unread, dripped", 2000, |n| posted("/unread", "text/plain", &"x".repeat(n))).dripped(),
        input("form: many pairs", 2500, |n| posted("/form", FORM, &"a=b&".repeat(n))),
        input("form: many names in a map", 1250, |n| posted("/form-map", FORM, &pairs(n))),
        input("form: escapes", 5000, |n| posted("/form", FORM, &format!("a={}", "%41+".repeat(n)))),
        input("json: an array", 2500, |n| posted("/json", JSON, &format!("[{}1]", "1,".repeat(n)))),
        input("json: a long text with escapes", 5000, |n| {
            posted("/json", JSON, &format!("\"{}\"", "\\u0041".repeat(n)))
        }),
        input("json: an object of many names", 1000, |n| {
            let names: String = (0..n).map(|index| format!("\"k{index:05}\":1,")).collect();
            posted("/json", JSON, &format!("{{{names}\"z\":1}}"))
        }),
        input("json: nested beyond what is taken", 5000, |n| posted("/json", JSON, &"[".repeat(n))),
        input("json: a long number", 5000, |n| posted("/json", JSON, &"1".repeat(n))),
        input("json: white space", 12_500, |n| posted("/json", JSON, &format!("{}1", " ".repeat(n)))),
    ]
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn chunks() -> Vec<Input> {
    let small: fn(usize) -> String = |n| chunked("/bytes", &format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(n)));
    let extended: fn(usize) -> String =
        |n| chunked("/bytes", &format!("{}0\r\n\r\n", "1;name=value\r\nx\r\n".repeat(n)));
    let line: fn(usize) -> String = |n| chunked("/bytes", &format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(n)));
    let trailers: fn(usize) -> String = |n| chunked("/bytes", &format!("0\r\n{}\r\n", fields(n)));
    vec![
        input("chunks: many of a byte", 2000, small),
        input("chunks: many of a byte, dripped", 375, small).dripped(),
        input("chunks: large ones", 40, |n| {
            let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
            chunked("/bytes", &format!("{}0\r\n\r\n", chunk.repeat(n)))
        }),
        input("chunks: extensions", 1000, extended),
        input("chunks: extensions, dripped", 125, extended).dripped(),
        input("chunks: one long extension", 25_000, line),
        input("chunks: one long extension, dripped", 2000, line).dripped(),
        input("chunks: a size of zeros, dripped", 2000, |n| {
            chunked("/bytes", &format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(n)))
        })
        .dripped(),
        input("chunks: quoted extension, dripped", 1000, |n| {
            chunked("/bytes", &format!("1;a=\"{}\"\r\nx\r\n0\r\n\r\n", "\\x".repeat(n)))
        })
        .dripped(),
        input("chunks: unread", 2000, |n| {
            chunked("/unread", &format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(n)))
        }),
        input("trailers: many", 1000, trailers),
        input("trailers: many, dripped", 100, trailers).dripped(),
        input("trailers: one long, dripped", 2000, |n| {
            chunked("/bytes", &format!("0\r\nA: {}\r\n\r\n", "x".repeat(n)))
        })
        .dripped(),
        input("trailers: of one name", 1000, |n| {
            chunked("/bytes", &format!("0\r\n{}\r\n", "Same: x\r\n".repeat(n)))
        }),
    ]
}

fn series() -> Vec<Input> {
    vec![
        input("pipelined: small requests", 150, |n| of("/").repeat(n)),
        input("pipelined: small requests, dripped", 100, |n| of("/").repeat(n)).dripped(),
        input("pipelined: with empty lines before", 150, |n| format!("\r\n\r\n{}", of("/")).repeat(n)),
        input("pipelined: with bodies", 100, |n| posted("/bytes", "text/plain", "body").repeat(n)),
        input("pipelined: chunked", 100, |n| chunked("/bytes", "4\r\nbody\r\n0\r\n\r\n").repeat(n)),
        input("empty lines alone, dripped", 1000, |n| "\r\n".repeat(n)).dripped(),
        input("noise", 25_000, |n| "\u{1}\u{2}x\n".repeat(n / 4)),
    ]
}

/// What the middleware of trijet-web reads.
fn layers() -> Vec<Input> {
    #[cfg(not(feature = "compression"))]
    return Vec::new();
    #[cfg(feature = "compression")]
    {
        use trijet::middleware::{
            Basic, BasicAuth, Compression, Cors, CrossOriginProtection, Decompression, ETags,
        };

        let layered: fn(usize) -> Router = |_| {
            let page = async || ([("vary", "a, b, c"), ("cache-control", "public")], "page");
            let cors = Cors::origins(["https://app.example"]).headers(["x-one".parse().unwrap()]);
            let inside = Router::new()
                .route("/page", get(page).post(async |body: Bytes| body))
                .route("/secret", get(page).wrap(BasicAuth::new("a", |_: Basic| Some(()))))
                .wrap(ETags::new())
                .wrap(Compression::new())
                .wrap(Decompression::new())
                .wrap(CrossOriginProtection::new())
                .wrap(cors);
            Router::new().nest("/in", inside)
        };
        let asks = |name, size, bytes: fn(usize) -> String| input(name, size, bytes).with(layered);
        fn asking(path: &str, fields: &str) -> String {
            format!("GET /in{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
        }
        vec![
            asks("layers: Accept-Encoding", 5000, |n| {
                asking("/page", &format!("Accept-Encoding: {}*", "gzip;q=0.5, ".repeat(n)))
            }),
            asks("layers: Accept-Encoding of commas", 12_500, |n| {
                asking("/page", &format!("Accept-Encoding: {}", ",".repeat(n)))
            }),
            asks("layers: If-None-Match", 5000, |n| {
                asking("/page", &format!("If-None-Match: {}\"b\"", "\"a\", ".repeat(n)))
            }),
            asks("layers: If-None-Match without an end", 12_500, |n| {
                asking("/page", &format!("If-None-Match: \"{}", "a".repeat(n)))
            }),
            asks("layers: a preflight's fields", 5000, |n| {
                let fields = "Origin: https://app.example\r\nAccess-Control-Request-Method: GET";
                let asked = "x-one, ".repeat(n);
                let head =
                    asking("/page", &format!("{fields}\r\nAccess-Control-Request-Headers: {asked}x-one"));
                head.replacen("GET", "OPTIONS", 1)
            }),
            asks("layers: a long Origin", 12_500, |n| {
                let head = asking("/page", &format!("Origin: {}", "a".repeat(n)));
                head.replacen("GET", "POST", 1)
            }),
            asks("layers: Content-Encoding", 5000, |n| {
                asking("/page", &format!("Content-Encoding: {}gzip", "identity, ".repeat(n)))
            }),
            asks("layers: a long password", 12_500, |n| {
                asking("/secret", &format!("Authorization: Basic YTph{}", "YWFh".repeat(n)))
            }),
        ]
    }
}
