//! What a failed assertion says: compared with the whole text, since it is for reading.

use trijet_core::{
    Body, Router, get, post,
    sim::{TestClient, TestResponse},
};

use crate::client::panic_of;

/// Fails unless `call` panics with this text, of which the lines begin after a `|`.
fn says(call: impl FnOnce(), expected: &str) {
    let lines = expected.lines().filter_map(|line| line.trim_start().strip_prefix('|'));
    let expected: String = lines.map(|line| format!("{line}\n")).collect();
    assert_eq!(panic_of(call), expected);
}

fn client() -> TestClient {
    TestClient::new(
        Router::new()
            .route(
                "/",
                get(async || ([("x-two", "1"), ("x-one", "a")], "Hello, Ada!\nBye.\n"))
                    .post(|body: String| body),
            )
            .route("/empty", get(async || ()))
            .route("/long", get(async || "0123456789".repeat(1000)))
            .route("/binary", get(async || b"\x89PNG\r\n\x1a\n\0\xff".to_vec()))
            .route(
                "/json",
                get(async || {
                    ([("content-type", "application/json")], r#"{"items":[{"price":3},{"price":"4"}]}"#)
                }),
            )
            .route("/broken", get(async || ([("content-type", "application/problem+json")], r#"{"a":"#)))
            .route(
                "/moved",
                get(async || {
                    (
                        trijet_core::StatusCode::FOUND,
                        [("location", "/there"), ("set-cookie", "a=b; Path=/")],
                        (),
                    )
                }),
            )
            .route("/echo", post(async |body: Body| Body::from_stream(body.into_stream()))),
    )
}

fn get_one(target: &str) -> TestResponse {
    client().get(target).send()
}

#[test]
fn a_status() {
    says(
        || {
            let client = client();
            let request = client.post("/nowhere").header("X-Case", "Kept").body("to\nand\x1b fro\n");
            request.send().assert_status(200);
        },
        "|POST /nowhere: the status is 404 Not Found, and not 200 OK
         |
         |> POST /nowhere HTTP/1.1
         |> host: localhost
         |> x-case: Kept
         |> content-length: 12
         |>
         |> to
         |> and\\u{1b} fro
         |
         |< HTTP/1.1 404 Not Found
         |< content-type: text/plain; charset=utf-8
         |< content-length: 30
         |< date: Sun, 06 Nov 1994 08:49:37 GMT
         |<
         |< There is nothing at this path.",
    );
}

#[test]
fn a_field() {
    let head = |first: &str| {
        format!(
            "|GET /moved: {first}
             |
             |> GET /moved HTTP/1.1
             |> host: localhost
             |
             |< HTTP/1.1 302 Found
             |< location: /there
             |< set-cookie: a=b; Path=/
             |< content-length: 0
             |< date: Sun, 06 Nov 1994 08:49:37 GMT"
        )
    };
    let response = get_one("/moved");
    says(|| _ = response.assert_header("x-one", "b"), &head("there is no field x-one, wanted was `b`"));
    says(
        || _ = response.assert_header("location", "/"),
        &head("the field location is `/there`, and not `/`"),
    );
    says(|| _ = response.assert_no_header("location"), &head("there is a field location: `/there`"));
    says(|| _ = response.assert_redirect("/"), &head("the field location is `/there`, and not `/`"));
    says(|| _ = response.assert_cookie("a", "c"), &head("the cookie a is set to \"b\", and not to \"c\""));
    says(|| _ = response.assert_cookie("b", "c"), &head("no cookie b is set"));
    let first = panic_of(|| _ = get_one("/").assert_redirect("/"));
    assert!(
        first.starts_with("GET /: the status is 200 OK, and not that of a redirection to /\n"),
        "{first}"
    );
    let named: [fn(&TestResponse); 3] = [
        |response| _ = response.header("location:"),
        |response| _ = response.assert_header("location:", "/there"),
        |response| _ = response.assert_no_header("location:"),
    ];
    for call in named {
        assert_eq!(panic_of(|| call(&response)), "`location:` is no name of a field");
    }
    response.assert_status(302).assert_redirect("/there").assert_cookie("a", "b").assert_no_header("x");
    response.assert_header("location", "/there").assert_text("");
}

#[test]
fn a_text() {
    says(
        || _ = get_one("/").assert_text("Hello, Bob!\n"),
        "|GET /: the body is another text
         |  wanted: \"Hello, Bob!\\n\"
         |  found:  \"Hello, Ada!\\nBye.\\n\"
         |
         |> GET / HTTP/1.1
         |> host: localhost
         |
         |< HTTP/1.1 200 OK
         |< content-type: text/plain; charset=utf-8
         |< x-two: 1
         |< x-one: a
         |< content-length: 17
         |< date: Sun, 06 Nov 1994 08:49:37 GMT
         |<
         |< Hello, Ada!
         |< Bye.",
    );
    let text = panic_of(|| _ = get_one("/").assert_text_contains("Bob"));
    assert!(text.starts_with("GET /: \"Bob\" is not in the body\n\n> GET / HTTP/1.1\n"), "{text}");
    get_one("/").assert_text("Hello, Ada!\nBye.\n").assert_text_contains("Ada");
}

#[test]
fn a_binary_body() {
    says(
        || _ = get_one("/binary").text(),
        "|GET /binary: the body is not text: invalid utf-8 sequence of 1 bytes from index 0
         |
         |> GET /binary HTTP/1.1
         |> host: localhost
         |
         |< HTTP/1.1 200 OK
         |< content-type: application/octet-stream
         |< content-length: 10
         |< date: Sun, 06 Nov 1994 08:49:37 GMT
         |<
         |< \\x89PNG\\r
         |< \\u{1a}
         |< \\0\\xff",
    );
}

#[test]
fn a_long_body_is_cut() {
    let text = panic_of(|| _ = get_one("/long").assert_text("0123456789".repeat(10) + "x"));
    let (first, rest) = text.split_once("\n\n").unwrap();
    let digits = |count: usize| "0123456789".repeat(1000)[..count].to_owned();
    assert_eq!(
        first,
        format!(
            "GET /long: the body is another text\n  wanted: \"{}x\"\n  found:  \"{}\" [9600 bytes more]\n  \
             they part after 100 bytes: \"x\" and \"{}\" [9500 bytes more]",
            digits(100),
            digits(400),
            digits(400)
        )
    );
    assert!(rest.ends_with(&format!("<\n< {}\n< [7952 bytes more]\n", digits(2048))), "{rest}");
    let text = client().post("/nowhere").body(digits(2049)).send().to_string();
    assert!(text.contains(&format!(">\n> {}\n> [1 byte more]\n\n<", digits(2048))), "{text}");
}

#[cfg(feature = "json")]
#[test]
fn a_json() {
    use serde_json::json;

    let one = get_one("/json");
    one.assert_json(&json!({ "items": [{ "price": 3 }, { "price": "4" }] }));
    let first = |value: serde_json::Value| {
        let text = panic_of(|| _ = one.assert_json(&value));
        text.split_once("\n\n").unwrap().0.to_owned()
    };
    for (wanted, expected) in [
        (
            json!({ "items": [{ "price": 3 }, { "price": 4 }] }),
            "GET /json: the JSON is another one at `items[1].price`\n  wanted: 4\n  found:  \"4\"",
        ),
        (
            json!({ "items": [{ "price": 3 }] }),
            "GET /json: the JSON is another one at `items[1]`\n  wanted: nothing\n  found:  {\"price\":\"4\"}",
        ),
        (
            json!({ "items": [{ "price": 3 }, { "price": "4" }], "more": null }),
            "GET /json: the JSON is another one at `more`\n  wanted: null\n  found:  nothing",
        ),
        (
            json!([]),
            "GET /json: the JSON is another one\n  wanted: []\n  found:  {\"items\":[{\"price\":3},{\"price\":\"4\"}]}",
        ),
    ] {
        assert_eq!(first(wanted), expected);
    }
    let text = panic_of(|| _ = get_one("/").assert_json(&1));
    assert!(
        text.starts_with("GET /: the type of the body is text/plain; charset=utf-8, and not JSON\n\n> "),
        "{text}"
    );
    let text = panic_of(|| _ = get_one("/broken").assert_json(&1));
    let expected =
        "GET /broken: the body is not the JSON wanted: EOF while parsing a value at line 1 column 5\n\n> ";
    assert!(text.starts_with(expected), "{text}");
    let text = panic_of(|| _ = one.json::<u32>());
    assert!(
        text.starts_with("GET /json: the body is not the JSON wanted: invalid type: map, expected u32"),
        "{text}"
    );
}

#[test]
fn an_exchange_that_is_open() {
    let mut exchange = client().post("/echo").open();
    exchange.write("one").write("two");
    exchange.read();
    exchange.end_body();
    says(
        || _ = exchange.write("three"),
        "|POST /echo: the body has ended, and nothing can be written; its length is declared by a field, or it is sent in chunks \
         with POST, PUT and PATCH
         |
         |> POST /echo HTTP/1.1
         |> host: localhost
         |> transfer-encoding: chunked
         |>
         |> onetwo
         |
         |< HTTP/1.1 200 OK
         |< transfer-encoding: chunked
         |< connection: close
         |< date: Sun, 06 Nov 1994 08:49:37 GMT
         |<
         |< 3
         |< one
         |< 3
         |< two",
    );
    let mut exchange = client().post("/echo").header("content-length", "4").open();
    let text = panic_of(|| _ = exchange.write("three"));
    assert!(
        text.starts_with("POST /echo: 5 B are written, and 4 B are left of the declared length\n\n"),
        "{text}"
    );
    assert!(text.ends_with("\n\n< (nothing)\n"), "{text}");
}
