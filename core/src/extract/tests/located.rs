//! What a client is told of a value that does not fit: which field it is, and what was expected; and that whatever
//! it sends comes back harmless.

use std::collections::HashMap;

use serde::Deserialize;

use super::upload;
use crate::{
    Form, Json, Query, Router,
    exercise::{app, get as fetch, send},
    get, post,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    items: Vec<Item>,
    #[serde(default)]
    notes: HashMap<String, u8>,
    #[serde(default)]
    payment: Option<Payment>,
}

#[derive(Deserialize)]
struct Item {
    price: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Payment {
    Card { number: u64 },
}

fn order() -> crate::App {
    let count = async |Json(order): Json<Order>| {
        let prices: u32 = order.items.iter().map(|item| item.price).sum();
        let numbers: u64 = order.payment.iter().map(|Payment::Card { number }| number).sum();
        format!("{prices} {} {numbers}", order.notes.len())
    };
    app(Router::new().route("/", post(count)))
}

#[test]
fn a_field_of_json_is_named() {
    let app = order();
    let rows = [
        (r#"{"items":[{"price":1},{"price":2}],"notes":{"a":1}}"#, "3 1 0"),
        (
            "{\"items\": [\n{\"price\": 1},\n{\"price\": 2},\n{\"price\": \"much\"}]}",
            "`items[2].price`: invalid type: string \"much\", expected u32 at line 4 column 16.",
        ),
        (r#"{"items":[{}]}"#, "`items[0]`: missing field `price` at line 1 column 12."),
        (r#"{"items":{}}"#, "`items`: invalid type: map, expected a sequence at line 1 column 9."),
        (r#"{}"#, "missing field `items` at line 1 column 2."),
        (r#"[]"#, "invalid length 0, expected struct Order with 3 elements at line 1 column 2."),
        (r#"7"#, "invalid type: integer `7`, expected struct Order at line 1 column 1."),
        (
            r#"{"items":[],"notes":{"a.b":256}}"#,
            "`notes.a.b`: invalid value: integer `256`, expected u8 at line 1 column 30.",
        ),
        (
            r#"{"items":[],"payment":{"card":{"number":-1}}}"#,
            "`payment.card.number`: invalid value: integer `-1`, expected u64 at line 1 column 42.",
        ),
        (
            r#"{"items":[],"extra":1}"#,
            "`extra`: unknown field `extra`, expected one of `items`, `notes`, `payment` at line 1 column 19.",
        ),
    ];
    for (body, expected) in rows {
        let answer = send(&app, upload("application/json", body));
        if answer.status == 200 {
            assert_eq!(answer.text, expected, "{body}");
            continue;
        }
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(answer.text, format!("The body is JSON of another shape: {expected}"), "{body}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[test]
fn whatever_is_quoted_is_escaped_and_short() {
    let app = order();
    let hostile = [
        "<script>alert(1)</script>",
        "\\u0000\\u001b[2J\\r\\nSet-Cookie: a=b",
        "&lt;",
        // Turns text around; ends a line in JavaScript.
        "\u{202e}gnp.exe\u{2028}\u{feff}",
    ];
    let long = "é<".repeat(500_000);
    for text in hostile.into_iter().chain([&*long]) {
        for body in [
            format!("{{\"items\":[{{\"price\":\"{text}\"}}]}}"),
            format!("{{\"items\":[],\"notes\":{{\"{text}\":\"\"}}}}"),
            format!("{{\"{text}\":1}}"),
            format!("{{\"items\":[],\"payment\":{{\"{text}\":1}}}}"),
            format!("{{\"items\":[],\"payment\":\"{text}\"}}"),
        ] {
            let answer = send(&app, upload("application/json", body));
            assert_eq!(answer.status, 422);
            let is_safe = |c: char| {
                !c.is_control() && !matches!(c, '<' | '>' | '&' | '\u{202e}' | '\u{2028}' | '\u{feff}')
            };
            assert!(answer.text.chars().all(is_safe), "{:?}", answer.text);
            assert!(answer.text.len() < 4000, "{} bytes", answer.text.len());
            assert!(answer.text.ends_with('.'), "{:?}", answer.text);
        }
    }
    // Of what is long the end is shown too: it says what was expected.
    let body = format!("{{\"items\":[{{\"price\":\"{long}\"}}]}}");
    let answer = send(&app, upload("application/json", body));
    assert!(answer.text.contains("…") && answer.text.contains("expected u32 at line 1"), "{}", answer.text);
}

/// As deep as JSON is let in, of a type that nests as deep, and wrong at the bottom.
#[test]
fn a_fault_in_the_deep_is_named() {
    #[derive(Deserialize)]
    struct Deep {
        #[serde(default)]
        d: Option<Box<Deep>>,
        #[serde(default)]
        n: u8,
    }
    fn depth(deep: &Deep) -> u32 {
        u32::from(deep.n) + deep.d.as_deref().map_or(0, |deep| 1 + depth(deep))
    }
    let app = app(Router::new().route("/", post(async |Json(deep): Json<Deep>| depth(&deep).to_string())));
    let body = |bottom: &str| format!("{}{bottom}{}", "{\"d\":".repeat(126), "}".repeat(126));
    assert_eq!(send(&app, upload("application/json", body("{\"n\":1}"))).text, "127");
    let answer = send(&app, upload("application/json", body("{\"n\":\"x\"}")));
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("`d.d.d.") && answer.text.contains(".n`: invalid type"), "{}", answer.text);
}

#[derive(Debug, Deserialize)]
struct Search {
    words: String,
    #[serde(default)]
    tag: Vec<String>,
    #[serde(default)]
    size: Vec<u16>,
    page: Option<u32>,
    #[serde(default)]
    exact: bool,
}

const SEARCHES: [(&str, u16, &str); 15] = [
    ("words=a", 200, "a [] [] None false"),
    ("words=a&tag=x", 200, r#"a ["x"] [] None false"#),
    ("tag=x&words=a&tag=y&tag=x", 200, r#"a ["x", "y", "x"] [] None false"#),
    ("words=a&size=1&size=2&page=3", 200, "a [] [1, 2] Some(3) false"),
    ("words=a&page=", 200, "a [] [] None false"),
    ("words=a&exact=on", 200, "a [] [] None true"),
    ("words=a+b%26&tag=", 200, r#"a b& [""] [] None false"#),
    ("words=a&unknown=1", 200, "a [] [] None false"),
    ("", 0, "missing field `words`."),
    ("words=a&words=b", 0, "`words`: unsupported value; one value is expected, and there are several."),
    ("words=a&page=x", 0, "`page`: invalid digit found in string; a whole number is expected."),
    ("words=a&page=-1", 0, "`page`: invalid digit found in string; a whole number is expected."),
    ("words=a&size=1&size=99999", 0, "`size[1]`: number too large to fit in target type."),
    (
        "words=a&exact=%3Cb%3E",
        0,
        "`exact`: invalid value: string \"\\u{3c}b\\u{3e}\", expected \"true\", \"on\" or \"false\".",
    ),
    ("words=a&page=1&page=2", 0, "`page`: unsupported value; one value is expected, and there are several."),
];

fn found(search: Search) -> String {
    format!("{} {:?} {:?} {:?} {}", search.words, search.tag, search.size, search.page, search.exact)
}

#[test]
fn repeated_names_fill_lists_in_queries_and_forms() {
    let app = app(Router::new()
        .route("/", get(async |Query(search): Query<Search>| found(search)))
        .route("/form", post(async |Form(search): Form<Search>| found(search))));
    for (pairs, status, text) in SEARCHES {
        let (query, form) = match status {
            200 => ((200, text.to_owned()), (200, text.to_owned())),
            _ => (
                (400, format!("The query has another shape: {text}")),
                (422, format!("The form has another shape: {text}")),
            ),
        };
        let answer = fetch(&app, &format!("/?{pairs}"));
        assert_eq!((answer.status, answer.text), query, "{pairs}");
        let mut request = upload("application/x-www-form-urlencoded", pairs);
        *request.uri_mut() = "/form".parse().unwrap();
        let answer = send(&app, request);
        assert_eq!((answer.status, answer.text), form, "{pairs}");
    }
}
