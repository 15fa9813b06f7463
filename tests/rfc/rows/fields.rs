//! Header fields: names, white space, values, folding, lists, and how much of them.

use crate::row::{Level, Row, by, given, must, must_not, should};

const NAME: &str = "“field-name = token”";
const SPACE: &str = "“MUST reject, with a response status code of 400 (Bad Request), any”";
const FOLD: &str = "“MUST either reject the message by sending a 400 (Bad Request)” or unfold";
const FORBIDDEN: &str = "“MUST either reject the message or replace each of those characters with SP”";
const CONTROL: &str = "“field-vchar = VCHAR / obs-text”, which no control is";

/// Field lines that are none.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("RFC 9112 §5.1", "space before the colon", SPACE, "X : a"),
    ("RFC 9112 §5.1", "tab before the colon", SPACE, "X\t: a"),
    ("RFC 9112 §5.1", "vertical tab before the colon", SPACE, "X\u{b}: a"),
    ("RFC 9112 §5.1", "no-break space before the colon", SPACE, "X\u{a0}: a"),
    ("RFC 9112 §5", "line without a colon", "“field-line = field-name \":\" OWS field-value OWS”", "X"),
    ("RFC 9110 §5.1", "line without a name", NAME, ": a"),
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
        "RFC 9112 §5",
        "value without white space before",
        "“field-line = field-name \":\" OWS field-value OWS”",
        "X:a",
        "a",
    ),
    (
        "RFC 9110 §5.5",
        "value with white space around",
        "“MUST exclude such whitespace prior to evaluating the field value”",
        "X: \t a \t ",
        "a",
    ),
    (
        "RFC 9110 §5.5",
        "value with white space inside",
        "“field-content = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]”",
        "X: a \t b",
        "a \\t b",
    ),
    ("RFC 9110 §5.5", "value that is empty", "“field-value = *field-content”", "X:", ""),
    ("RFC 9110 §5.5", "value of white space alone", "“field-value = *field-content”", "X:   ", ""),
    (
        "RFC 9110 §5.5",
        "value with colons",
        "“field-vchar = VCHAR / obs-text”, a colon too",
        "X: a:b: c",
        "a:b: c",
    ),
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
        "“order in which field lines with the same name are received is therefore significant”",
        "X: a\r\nY: c\r\nX: b",
        "a|b",
    ),
    ("RFC 9110 §5.1", "name of every tchar", NAME, "!#$%&'*+-.^_`|~09azAZ: a\r\nX: d", "d"),
];

pub(crate) fn rows() -> Vec<Row> {
    let head = |lines: &str| format!("GET /seen HTTP/1.1\r\nHost: t\r\n{lines}\r\n\r\n");
    let mut rows: Vec<Row> = REFUSED
        .iter()
        .map(|(section, name, rule, lines)| {
            by(Level::Should, section, name, rule).send(head(lines)).gets(400).closed()
        })
        .collect();
    rows.extend(ACCEPTED.iter().map(|(section, name, rule, lines, seen)| {
        by(Level::Must, section, name, rule)
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
        given("RFC 9110 §5.4", "as many fields as allowed", "“larger than it wishes to process”, which these are not")
            .send(format!("GET /text HTTP/1.1\r\nHost: t\r\n{}\r\n", lines(99)))
            .gets(200)
            .kept(),
        should("RFC 9110 §5.1", "an unknown field", "“Other recipients SHOULD ignore unrecognized header and trailer fields”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nX-Never-Heard-Of: \"a\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        given("RFC 9110 §6.6.2", "Trailer without trailers", "“no guarantee that a sender of Trailer will always follow through”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nTrailer: X-Sum\r\n\r\n")
            .gets(200)
            .kept(),
        given("RFC 9112 §7.4", "TE that is malformed", "“A message with no transfer coding is always acceptable”, and chunked is")
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
        given("RFC 9110 §14.2", "Range that is malformed", "“MAY ignore or reject a Range header field that contains an invalid ranges-specifier”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nRange: bytes=5-1\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.3", "If-Modified-Since that is no date", "“MUST ignore the If-Modified-Since header field if the received field value”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Modified-Since: never\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.3", "If-Modified-Since with POST", "“MUST ignore the If-Modified-Since header field if … method is neither GET nor HEAD”")
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
        must("RFC 9110 §13.1.3", "If-Modified-Since where there is no date", "“MUST ignore the If-Modified-Since header field if the resource does not have” a date")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.3", "If-Modified-Since of two dates", "“MUST ignore the If-Modified-Since header field if … has more than one member”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.4", "If-Unmodified-Since where there is no date", "“MUST ignore the If-Unmodified-Since header field if the resource does not have” a date")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.4", "If-Unmodified-Since of two dates", "“MUST ignore the If-Unmodified-Since header field if … a list of dates”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT, Mon, 07 Nov 1994 08:49:37 GMT\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §13.1.5", "If-Range where there are no ranges", "“MUST ignore an If-Range header field received in a request for a target resource”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nRange: bytes=1-2\r\nIf-Range: \"x\"\r\n\r\n")
            .gets(200)
            .lacks("content-range")
            .body("text")
            .kept(),
        must("RFC 9110 §13.2.1", "preconditions of OPTIONS", "“MUST ignore the conditional request header fields … such as CONNECT, OPTIONS, or TRACE”")
            .send("OPTIONS /text HTTP/1.1\r\nHost: t\r\nIf-Match: \"x\"\r\nIf-None-Match: *\r\n\r\n")
            .gets_any(&[200, 204])
            .has("allow")
            .kept(),
        must("RFC 9110 §14.1.2", "Range of numerals that overflow", "“MUST anticipate potentially large decimal numerals and prevent parsing errors”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nRange: bytes=18446744073709551616-99999999999999999999999\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §14.4", "Content-Range with POST", "“MUST ignore a Content-Range header field received in a request with a method”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Range: bytes 0-1/4\r\nContent-Length: 2\r\n\r\nhi")
            .gets(200)
            .lacks("content-range")
            .body("hi")
            .kept(),
        must_not("RFC 9110 §8.7", "Content-Location with PUT", "“MUST NOT use such context information to alter the request semantics”")
            .send("PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Location: /text\r\nContent-Length: 2\r\n\r\nat")
            .gets(200)
            .body("at")
            .kept(),
        should("RFC 9110 §12.5.3", "Accept-Encoding that nothing meets", "“SHOULD send a response without any content coding unless the identity coding is”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nAccept-Encoding: x-none\r\n\r\n")
            .gets(200)
            .lacks("content-encoding")
            .body("text")
            .kept(),
        given("RFC 9110 §7.6.1", "TE without its option", "“a connection-specific field received without … ought to be ignored by the recipient”")
            .send("GET /pieces HTTP/1.1\r\nHost: t\r\nTE: chunked;q=0, trailers\r\n\r\n")
            .gets(200)
            .field("transfer-encoding", "chunked")
            .body("one two")
            .kept(),
        given("RFC 9110 §9.3.7", "Max-Forwards with OPTIONS", "“A client MAY send a Max-Forwards header field in an OPTIONS request”")
            .send("OPTIONS /text HTTP/1.1\r\nHost: t\r\nMax-Forwards: 0\r\n\r\n")
            .gets_any(&[200, 204])
            .field("allow", "GET, HEAD, POST, OPTIONS")
            .kept(),
        given("RFC 9110 §12.4.1", "Accept-Charset that nothing meets", "“or disregard the header field by treating the response as if”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nAccept-Charset: x-none\r\nAccept: x/y\r\n\r\n")
            .gets(200)
            .kept(),
        given("RFC 9110 §12.4.1", "Accept-Encoding that forbids all", "“disregard the header field”, also where every coding is forbidden")
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
