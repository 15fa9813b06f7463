//! The request line and the line ends of a head: methods' names, versions, white space, empty lines.

use crate::row::{Level, Row, by, given, must_not, should};

const GRAMMAR: &str = "“SHOULD respond with a 400 (Bad Request) response and close the connection”";
const LINE: &str = "“request-line = method SP request-target SP HTTP-version”";
const VERSION: &str = "“HTTP-version = HTTP-name \"/\" DIGIT \".\" DIGIT”";
const BARE_CR: &str = "“MUST consider that element to be invalid or replace each bare CR”";

/// Heads that are none, whatever follows: 400.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("RFC 9112 §3", "tab behind the method", LINE, "GET\t/ HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "tab behind the target", LINE, "GET /\tHTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "two spaces behind the target", LINE, "GET /  HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "space behind the version", LINE, "GET / HTTP/1.1 \r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "word behind the version", LINE, "GET / HTTP/1.1 x\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "space before the method", LINE, " GET / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "vertical tab as white space", LINE, "GET\u{b}/ HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "form feed as white space", LINE, "GET /\u{c}HTTP/1.1\r\nHost: t\r\n\r\n"),
    (
        "RFC 9112 §3",
        "version missing",
        "“request-line = method SP request-target SP HTTP-version”, which HTTP/0.9 has not",
        "GET /\r\nHost: t\r\n\r\n",
    ),
    ("RFC 9112 §3", "version missing behind a space", LINE, "GET / \r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "method missing", LINE, "/ HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3", "a line of one word", LINE, "GET\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3.1", "method with a colon", "“method = token”", "GE:T / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3.1", "method with parentheses", "“method = token”", "G(T) / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3.1", "method with a quote", "“method = token”", "\"GET\" / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3.1", "method with a slash", "“method = token”", "GET/ / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3.1", "method with a NUL", "“method = token”", "GET\0 / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §3.1", "method of raw UTF-8", "“method = token”", "G\u{c9}T / HTTP/1.1\r\nHost: t\r\n\r\n"),
    (
        "RFC 9112 §2.3",
        "version in small letters",
        "“HTTP-version is case-sensitive”",
        "GET / http/1.1\r\nHost: t\r\n\r\n",
    ),
    (
        "RFC 9112 §2.3",
        "version in mixed letters",
        "“HTTP-version is case-sensitive”",
        "GET / Http/1.1\r\nHost: t\r\n\r\n",
    ),
    ("RFC 9112 §2.3", "version without a minor", VERSION, "GET / HTTP/1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version with an empty minor", VERSION, "GET / HTTP/1.\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version with an empty major", VERSION, "GET / HTTP/.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version of two minor digits", VERSION, "GET / HTTP/1.10\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version of two major digits", VERSION, "GET / HTTP/11.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version with a leading zero", VERSION, "GET / HTTP/01.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version of three parts", VERSION, "GET / HTTP/1.1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version with a comma", VERSION, "GET / HTTP/1,1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version with a space", VERSION, "GET / HTTP/ 1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version with a sign", VERSION, "GET / HTTP/+1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "version of letters", VERSION, "GET / HTTP/a.b\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "another protocol's name", VERSION, "GET / HTPC/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.3", "ICY for HTTP", VERSION, "GET / ICY/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.2", "bare CR in the request line", BARE_CR, "GET / HTTP/1.1\rHost: t\r\n\r\n"),
    ("RFC 9112 §2.2", "bare CR behind the method", BARE_CR, "GET\r / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.2", "bare CR before a line end", BARE_CR, "GET / HTTP/1.1\r\r\nHost: t\r\n\r\n"),
    ("RFC 9112 §2.2", "bare CR in a field value", BARE_CR, "GET / HTTP/1.1\r\nHost: t\r\nX: a\rb\r\n\r\n"),
    ("RFC 9112 §2.2", "bare CR before a field", BARE_CR, "GET / HTTP/1.1\r\nHost: t\r\n\rX: a\r\n\r\n"),
    ("RFC 9112 §2.2", "bare CR in a field name", BARE_CR, "GET / HTTP/1.1\r\nHost: t\r\nX\rY: a\r\n\r\n"),
    ("RFC 9112 §2.2", "bare CR at a field's end", BARE_CR, "GET / HTTP/1.1\r\nHost: t\r\nX: a\r\r\n\r\n"),
    (
        "RFC 9112 §2.2",
        "bare LF behind the request line",
        "“a recipient MAY recognize a single LF as a line terminator”",
        "GET / HTTP/1.1\nHost: t\r\n\r\n",
    ),
    (
        "RFC 9112 §2.2",
        "bare LF behind a field",
        "“a recipient MAY recognize a single LF as a line terminator”",
        "GET / HTTP/1.1\r\nHost: t\nX: a\r\n\r\n",
    ),
    (
        "RFC 9112 §2.2",
        "bare LF as the empty line",
        "“a recipient MAY recognize a single LF as a line terminator”",
        "GET / HTTP/1.1\r\nHost: t\r\n\n",
    ),
    (
        "RFC 9112 §2.2",
        "bare LF before the request line",
        "“SHOULD ignore at least one empty line (CRLF)”, which an LF is not",
        "\nGET / HTTP/1.1\r\nHost: t\r\n\r\n",
    ),
    ("RFC 9112 §2.2", "bare CR before the request line", BARE_CR, "\rGET / HTTP/1.1\r\nHost: t\r\n\r\n"),
    (
        "RFC 9112 §2.2",
        "LF CR as a line end",
        "“the line terminator for the start-line and fields is the sequence CRLF”",
        "GET / HTTP/1.1\n\rHost: t\n\r\n\r",
    ),
    (
        "RFC 9112 §2.2",
        "space before the first field",
        "“MUST either reject the message as invalid or consume each whitespace-preceded line”",
        "GET / HTTP/1.1\r\n Host: t\r\n\r\n",
    ),
    (
        "RFC 9112 §2.2",
        "tab before the first field",
        "“MUST either reject the message as invalid or consume each whitespace-preceded line”",
        "GET / HTTP/1.1\r\n\tX: a\r\nHost: t\r\n\r\n",
    ),
    (
        "RFC 9112 §2.2",
        "line of spaces before the fields",
        "“MUST either reject the message as invalid or consume each whitespace-preceded line”",
        "GET / HTTP/1.1\r\n  \r\nHost: t\r\n\r\n",
    ),
    (
        "RFC 9112 §2.2",
        "byte order mark",
        "“MUST parse an HTTP message as a sequence of octets”",
        "\u{feff}GET / HTTP/1.1\r\nHost: t\r\n\r\n",
    ),
    (
        "RFC 9112 §2.2",
        "a response sent as a request",
        GRAMMAR,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    ("RFC 9112 §2.2", "TLS on a plain port", GRAMMAR, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{7c}\u{3}\u{3}"),
    ("RFC 9112 §2.2", "a field in place of the request line", GRAMMAR, "Host: t\r\n\r\n"),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = REFUSED
        .iter()
        .map(|(section, name, rule, bytes)| {
            by(Level::Should, section, name, rule).send(bytes).gets(400).closed()
        })
        .collect();
    rows.extend(lines());
    rows.extend(versions());
    rows
}

fn lines() -> Vec<Row> {
    vec![
        should(
            "RFC 9112 §2.2",
            "one empty line before",
            "“SHOULD ignore at least one empty line (CRLF) received prior”",
        )
        .send("\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("text")
        .kept(),
        should(
            "RFC 9112 §2.2",
            "empty line between requests",
            "“SHOULD ignore at least one empty line (CRLF) received prior”",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\n\r\n\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("text")
        .gets(200)
        .body("text")
        .kept(),
        should(
            "RFC 9112 §2.2",
            "empty line behind a body",
            "“SHOULD ignore at least one empty line (CRLF) received prior”, as behind content",
        )
        .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi\r\n")
        .gets(200)
        .body("hi")
        .kept(),
        should(
            "RFC 9112 §2.2",
            "two empty lines before",
            "“SHOULD ignore at least one empty line (CRLF) received prior”, or two",
        )
        .send("\r\n\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("text")
        .kept(),
        given(
            "RFC 9112 §2.2",
            "bare LFs throughout",
            "“a recipient MAY recognize a single LF as a line terminator”, and none does",
        )
        .send("GET / HTTP/1.1\nHost: t\n\n")
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §6.3",
            "content without a length",
            "“none of the above are true, then the message body length is zero”",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\n\r\nabc\r\n\r\n")
        .gets(200)
        .body("text")
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §2.2",
            "many empty lines before",
            "“at least one empty line (CRLF) received prior to the request-line”, not many",
        )
        .send("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §2.2",
            "empty lines alone",
            "“one empty line (CRLF) received prior to the request-line”, and no request",
        )
        .send("\r\n")
        .ended(),
        should(
            "RFC 9112 §9.5",
            "nothing sent",
            "“SHOULD constantly monitor open connections for a received closure signal”",
        )
        .send("")
        .ended(),
        given(
            "RFC 9112 §8",
            "head that ends early",
            "“MAY send an error response prior to closing the connection”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\n")
        .gets(400)
        .ended(),
        given(
            "RFC 9112 §8",
            "request line that ends early",
            "“MAY send an error response prior to closing the connection”",
        )
        .send("GET / HT")
        .gets(400)
        .ended(),
        must_not(
            "RFC 9110 §5.3",
            "no request before its whole head",
            "“MUST NOT apply a request to the target resource until it receives”",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\nX: a")
        .gets(400)
        .ended(),
        should(
            "RFC 9112 §3",
            "method longer than any",
            "“receives a method longer than any that it implements SHOULD”",
        )
        .send(format!("{} / HTTP/1.1\r\nHost: t\r\n\r\n", "M".repeat(200)))
        .gets(501)
        .closed(),
        should(
            "RFC 9112 §3",
            "method without an end",
            "“receives a method longer than any that it implements SHOULD”",
        )
        .send("N".repeat(20_000))
        .gets(501)
        .ended(),
        given("RFC 9112 §3.1", "method of every tchar", "“method = token”")
            .send("!#$%&'*+-.^_`|~09azAZ /seen HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("!#$%&'*+-.^_`|~09azAZ /seen HTTP/1.1 host t x []")
            .kept(),
        given(
            "RFC 9110 §15.6.6",
            "HTTP/2's preface",
            "“does not support, or refuses to support, the major version of HTTP”",
        )
        .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .gets_any(&[400, 505])
        .closed(),
    ]
}

fn versions() -> Vec<Row> {
    vec![
        should(
            "RFC 9110 §6.2",
            "answered in its own version",
            "“SHOULD send a response version equal to the highest version”",
        )
        .send("GET /seen HTTP/1.0\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("GET /seen HTTP/1.0 host t x []")
        .closed(),
        should(
            "RFC 9110 §6.2",
            "a higher minor version",
            "“SHOULD process the message as if it were in the highest minor version”",
        )
        .send("GET /seen HTTP/1.2\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("GET /seen HTTP/1.1 host t x []")
        .kept(),
        given(
            "RFC 9110 §15.6.6",
            "major version 2",
            "“does not support, or refuses to support, the major version of HTTP”",
        )
        .send("GET / HTTP/2.0\r\nHost: t\r\n\r\n")
        .gets(505)
        .closed(),
        given(
            "RFC 9110 §15.6.6",
            "major version 0",
            "“does not support, or refuses to support, the major version of HTTP”",
        )
        .send("GET / HTTP/0.9\r\nHost: t\r\n\r\n")
        .gets_any(&[400, 505])
        .closed(),
    ]
}
