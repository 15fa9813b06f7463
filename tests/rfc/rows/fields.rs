//! Header fields: names, white space, values, folding, lists, and how much of them.

use crate::row::{Row, given, must, should};

const NAME: &str = "“field-name = token”";
const SPACE: &str = "“MUST reject, with a response status code of 400 (Bad Request), any”";
const FOLD: &str = "“MUST either reject the message by sending a 400 (Bad Request)” or unfold";
const FORBIDDEN: &str = "“Field values containing CR, LF, or NUL characters are invalid and dangerous”";
const CONTROL: &str = "“field-vchar = VCHAR / obs-text”, which no control is";

/// Field lines that are none.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("RFC 9112 §5.1", "space before the colon", SPACE, "X : a"),
    ("RFC 9112 §5.1", "tab before the colon", SPACE, "X\t: a"),
    ("RFC 9112 §5.1", "vertical tab before the colon", SPACE, "X\u{b}: a"),
    ("RFC 9112 §5.1", "no-break space before the colon", SPACE, "X\u{a0}: a"),
    ("RFC 9112 §5", "line without a colon", "“field-line = field-name \":\" OWS field-value OWS”", "X"),
    ("RFC 9112 §5", "line without a name", NAME, ": a"),
    ("RFC 9110 §5.1", "name with a space", NAME, "X Y: a"),
    ("RFC 9110 §5.1", "name with a tab", NAME, "X\tY: a"),
    ("RFC 9110 §5.1", "name with parentheses", NAME, "X(Y): a"),
    ("RFC 9110 §5.1", "name with a slash", NAME, "X/Y: a"),
    ("RFC 9110 §5.1", "name with a quote", NAME, "\"X\": a"),
    ("RFC 9110 §5.1", "name with an at sign", NAME, "X@Y: a"),
    ("RFC 9110 §5.1", "name with brackets", NAME, "X[1]: a"),
    ("RFC 9110 §5.1", "name with an equals sign", NAME, "X=Y: a"),
    ("RFC 9110 §5.1", "name with a semicolon", NAME, "X;Y: a"),
    ("RFC 9110 §5.1", "name with a comma", NAME, "X,Y: a"),
    ("RFC 9110 §5.1", "name with a backslash", NAME, "X\\Y: a"),
    ("RFC 9110 §5.1", "name with braces", NAME, "{X}: a"),
    ("RFC 9110 §5.1", "name with a NUL", NAME, "X\0Y: a"),
    ("RFC 9110 §5.1", "name with a delete", NAME, "X\u{7f}: a"),
    ("RFC 9110 §5.1", "name of raw UTF-8", NAME, "X\u{e4}: a"),
    ("RFC 9110 §5.5", "NUL in a value", FORBIDDEN, "X: a\0b"),
    ("RFC 9110 §5.5", "NUL as a value", FORBIDDEN, "X: \0"),
    ("RFC 9110 §5.5", "a control in a value", CONTROL, "X: a\u{1}b"),
    ("RFC 9110 §5.5", "an escape in a value", CONTROL, "X: \u{1b}[31m"),
    ("RFC 9110 §5.5", "a backspace in a value", CONTROL, "X: a\u{8}"),
    ("RFC 9110 §5.5", "a vertical tab in a value", CONTROL, "X: a\u{b}b"),
    ("RFC 9110 §5.5", "a delete in a value", CONTROL, "X: a\u{7f}b"),
    ("RFC 9112 §5.2", "fold with a space", FOLD, "X: a\r\n b"),
    ("RFC 9112 §5.2", "fold with a tab", FOLD, "X: a\r\n\tb"),
    ("RFC 9112 §5.2", "fold behind an empty value", FOLD, "X:\r\n b"),
    ("RFC 9112 §5.2", "fold without text", FOLD, "X: a\r\n  \r\nY: b"),
    ("RFC 9112 §5.2", "fold with a bare LF", FOLD, "X: a\n b"),
];

/// Lines that are, and the values of `X` that the handler sees.
const ACCEPTED: &[(&str, &str, &str, &str, &str)] = &[
    ("RFC 9110 §5.1", "name in small letters", "“Field names are case-insensitive”", "x: a", "a"),
    (
        "RFC 9112 §5.1",
        "value without white space before",
        "“field-line = field-name \":\" OWS field-value OWS”",
        "X:a",
        "a",
    ),
    (
        "RFC 9112 §5.1",
        "value with white space around",
        "white space around a value is no part of it",
        "X: \t a \t ",
        "a",
    ),
    (
        "RFC 9110 §5.5",
        "value with white space inside",
        "white space within a value is part of it",
        "X: a \t b",
        "a \\t b",
    ),
    ("RFC 9110 §5.5", "value that is empty", "“field-value = *field-content”", "X:", ""),
    ("RFC 9110 §5.5", "value of white space alone", "“field-value = *field-content”", "X:   ", ""),
    ("RFC 9110 §5.5", "value with colons", "a colon within a value is part of it", "X: a:b: c", "a:b: c"),
    (
        "RFC 9110 §5.5",
        "value of raw bytes",
        "“SHOULD treat other allowed octets in field content (i.e., obs-text) as opaque”",
        "X: \u{e4}",
        "\\xc3\\xa4",
    ),
    (
        "RFC 9110 §5.5",
        "value of every visible sign",
        CONTROL,
        "X: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        "!\\\"#$%&\\'()*+,-./:;<=>?@[\\\\]^_`{|}~",
    ),
    (
        "RFC 9110 §5.3",
        "field twice in order",
        "the order of field lines with the same name has a meaning",
        "X: a\r\nY: c\r\nX: b",
        "a|b",
    ),
    ("RFC 9110 §5.1", "name of every tchar", NAME, "!#$%&'*+-.^_`|~09azAZ: a\r\nX: d", "d"),
];

pub(crate) fn rows() -> Vec<Row> {
    let head = |lines: &str| format!("GET /seen HTTP/1.1\r\nHost: t\r\n{lines}\r\n\r\n");
    let mut rows: Vec<Row> = REFUSED
        .iter()
        .map(|(section, name, rule, lines)| must(section, name, rule).send(head(lines)).gets(400).closed())
        .collect();
    rows.extend(ACCEPTED.iter().map(|(section, name, rule, lines, seen)| {
        must(section, name, rule)
            .send(head(lines))
            .gets(200)
            .body(format!("GET /seen HTTP/1.1 host t x [{seen}]"))
            .kept()
    }));
    rows.extend(amounts());
    rows
}

fn amounts() -> Vec<Row> {
    const LARGE: &str = "“MUST respond with an appropriate 4xx (Client Error) status code”";
    let lines = |count: usize| -> String { (0..count).map(|index| format!("X{index}: a\r\n")).collect() };
    vec![
        must("RFC 9110 §5.4", "a field too large", LARGE)
            .send(format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "a".repeat(17_000)))
            .gets(431)
            .closed(),
        must("RFC 9110 §5.4", "a field's name too large", LARGE)
            .send(format!("GET / HTTP/1.1\r\nHost: t\r\n{}: a\r\n\r\n", "X".repeat(17_000)))
            .gets(431)
            .closed(),
        must("RFC 9110 §5.4", "a field that never ends", LARGE)
            .send(format!("GET / HTTP/1.1\r\nHost: t\r\nY: {}", "a".repeat(17_000)))
            .gets(431)
            .ended(),
        must("RFC 9110 §5.4", "too many fields", LARGE)
            .send(format!("GET / HTTP/1.1\r\nHost: t\r\n{}\r\n", lines(100)))
            .gets(431)
            .closed(),
        must("RFC 9110 §5.4", "too much of fields together", LARGE)
            .send(format!("GET / HTTP/1.1\r\nHost: t\r\n{}\r\n", format!("X: {}\r\n", "a".repeat(1000)).repeat(17)))
            .gets(431)
            .closed(),
        given("RFC 9110 §5.4", "as many fields as allowed", "fields that the server is willing to process")
            .send(format!("GET /text HTTP/1.1\r\nHost: t\r\n{}\r\n", lines(99)))
            .gets(200)
            .kept(),
        should("RFC 9110 §5.1", "an unknown field", "“Other recipients SHOULD ignore unrecognized header and trailer fields”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nX-Never-Heard-Of: \"a\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        given("RFC 9112 §7.1.2", "Trailer without trailers", "“Trailer” is a hint, and binds nobody")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nTrailer: X-Sum\r\n\r\n")
            .gets(200)
            .kept(),
        given("RFC 9110 §10.1.4", "TE that is malformed", "TE says what the response may use, and chunked it always may")
            .send("GET /pieces HTTP/1.1\r\nHost: t\r\nTE: ;;q=x\r\nConnection: TE\r\n\r\n")
            .gets(200)
            .field("transfer-encoding", "chunked")
            .body("one two")
            .kept(),
        given("RFC 9112 §7.4", "TE without chunked", "“chunked is always acceptable for HTTP/1.1 recipients”")
            .send("GET /pieces HTTP/1.1\r\nHost: t\r\nTE: gzip\r\nConnection: TE\r\n\r\n")
            .gets(200)
            .field("transfer-encoding", "chunked")
            .kept(),
        must("RFC 9110 §14.2", "Range with a method other than GET", "“MUST ignore a Range header field received with a request method” without ranges")
            .send("POST /text HTTP/1.1\r\nHost: t\r\nRange: bytes=0-0\r\nContent-Length: 0\r\n\r\n")
            .gets(200)
            .lacks("content-range")
            .body("posted")
            .kept(),
        must("RFC 9110 §14.2", "Range of an unknown unit", "“MUST ignore a Range header field that contains a range unit” not understood")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nRange: words=0-0\r\n\r\n")
            .gets(200)
            .lacks("content-range")
            .body("text")
            .kept(),
        given("RFC 9110 §14.2", "Range of bytes", "“A server MAY ignore the Range header field”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nRange: bytes=0-1\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §14.2", "Range that is malformed", "an invalid ranges-specifier may be ignored")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nRange: bytes=5-1\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.3", "If-Modified-Since that is no date", "“MUST ignore the If-Modified-Since header field if the received field value”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Modified-Since: never\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.3", "If-Modified-Since with POST", "it is ignored with methods other than GET and HEAD")
            .send("POST /text HTTP/1.1\r\nHost: t\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n")
            .gets(200)
            .body("posted")
            .kept(),
        must("RFC 9110 §13.1.4", "If-Unmodified-Since that is no date", "“MUST ignore the If-Unmodified-Since header field if the received field value”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Unmodified-Since: 0\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.2.1", "preconditions where nothing is", "“MUST ignore all received preconditions if its response” without them fails")
            .send("GET /missing HTTP/1.1\r\nHost: t\r\nIf-Match: \"x\"\r\nIf-None-Match: *\r\n\r\n")
            .gets(404)
            .kept(),
        must("RFC 9110 §13.2.1", "preconditions of a method not allowed", "“MUST ignore all received preconditions if its response” without them fails")
            .send("DELETE /text HTTP/1.1\r\nHost: t\r\nIf-Match: \"x\"\r\n\r\n")
            .gets(405)
            .has("allow")
            .kept(),
        must("RFC 9110 §13.1.5", "If-Range without Range", "“A server MUST ignore an If-Range header field received in a request” without Range")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Range: \"x\"\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        given("RFC 9110 §12.5.2", "Accept-Charset that nothing meets", "a field of negotiation may be disregarded")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nAccept-Charset: x-none\r\nAccept: x/y\r\n\r\n")
            .gets(200)
            .kept(),
        given("RFC 9110 §12.5.3", "Accept-Encoding that forbids all", "a server may disregard it, and send the content unencoded")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nAccept-Encoding: *;q=0\r\n\r\n")
            .gets(200)
            .lacks("content-encoding")
            .kept(),
        given("RFC 9110 §7.6.2", "Max-Forwards with GET", "“MAY ignore a Max-Forwards header field received with any other request methods”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nMax-Forwards: 0\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
    ]
}
