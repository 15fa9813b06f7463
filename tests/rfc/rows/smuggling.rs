//! Requests that two parsers read differently. Each row carries a request that must not be seen: were it
//! answered, there would be an answer too many.

use crate::row::{Level, Row, by, given, must, should};

const BOTH: &str = "“MUST close the connection after responding to such a request”";
const NOT_FINAL: &str = "“the server MUST respond with the 400 (Bad Request) status code”";

/// What is to be hidden.
const HIDDEN: &str = "GET /seen HTTP/1.1\r\nHost: evil\r\n\r\n";

fn post(lines: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: t\r\n{lines}\r\n\r\n{body}")
}

/// Fields that two parsers frame by in two ways: 400, and the end.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("RFC 9112 §6.1", "CL.TE", BOTH, "Content-Length: 6\r\nTransfer-Encoding: chunked"),
    ("RFC 9112 §6.1", "TE.CL", BOTH, "Transfer-Encoding: chunked\r\nContent-Length: 3"),
    ("RFC 9112 §6.1", "CL.TE with a length of zero", BOTH, "Content-Length: 0\r\nTransfer-Encoding: chunked"),
    (
        "RFC 9112 §6.3",
        "CL.TE in other letters",
        "“ought to be handled as an error”",
        "content-length: 6\r\nTRANSFER-ENCODING: Chunked",
    ),
    (
        "RFC 9112 §6.1",
        "CL.TE with a malformed length",
        BOTH,
        "Content-Length: x\r\nTransfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §6.1",
        "CL.TE that Connection names",
        BOTH,
        "Connection: Transfer-Encoding\r\nContent-Length: 6\r\nTransfer-Encoding: chunked",
    ),
    ("RFC 9112 §6.1", "CL.TE with another coding", BOTH, "Content-Length: 6\r\nTransfer-Encoding: identity"),
    ("RFC 9112 §6.1", "CL.TE with an empty coding", BOTH, "Content-Length: 6\r\nTransfer-Encoding:"),
    (
        "RFC 9112 §6.3",
        "TE.TE that differ",
        NOT_FINAL,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ),
    (
        "RFC 9112 §11.2",
        "TE.TE the other way round",
        "“exploits differences in protocol parsing among various recipients”",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §6.1",
        "TE.TE the same",
        "“MUST NOT apply the chunked transfer coding more than once”",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §6.3",
        "TE.TE with an unknown coding behind",
        NOT_FINAL,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    ),
    (
        "RFC 9112 §11.2",
        "TE.TE with nothing behind",
        "“exploits differences in protocol parsing among various recipients”",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding:",
    ),
    ("RFC 9112 §6.3", "TE that is empty", NOT_FINAL, "Transfer-Encoding:"),
    ("RFC 9112 §6.3", "TE of commas", NOT_FINAL, "Transfer-Encoding: ,,"),
    (
        "RFC 9112 §5.1",
        "TE with a space before the colon",
        "“MUST reject, with a response status code of 400 (Bad Request), any”",
        "Content-Length: 6\r\nTransfer-Encoding : chunked",
    ),
    (
        "RFC 9112 §5.2",
        "TE behind a fold",
        "“MUST either reject the message by sending a 400 (Bad Request)”",
        "Content-Length: 6\r\nX: a\r\n Transfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §5.2",
        "TE in two folded lines",
        "“MUST either reject the message by sending a 400 (Bad Request)”",
        "Content-Length: 6\r\nTransfer-Encoding:\r\n\tchunked",
    ),
    (
        "RFC 9110 §5.5",
        "TE with a NUL",
        "“MUST either reject the message or replace each of those characters with SP”",
        "Transfer-Encoding: chunked\0",
    ),
    (
        "RFC 9110 §5.5",
        "TE with a control before",
        "“Field values containing other CTL characters are also invalid”",
        "Transfer-Encoding: \u{b}chunked",
    ),
    (
        "RFC 9110 §5.5",
        "TE with a control behind",
        "“Field values containing other CTL characters are also invalid”",
        "Transfer-Encoding: chunked\u{c}",
    ),
    (
        "RFC 9110 §5.1",
        "TE's name with a NUL",
        "“field-name = token”",
        "Content-Length: 6\r\nTransfer\0-Encoding: chunked",
    ),
    (
        "RFC 9110 §5.1",
        "TE's name with a control",
        "“field-name = token”",
        "Content-Length: 6\r\n\u{1}Transfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §2.2",
        "TE behind a bare LF",
        "“a recipient MAY recognize a single LF as a line terminator”",
        "Content-Length: 6\nTransfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §2.2",
        "TE behind a bare CR",
        "“MUST consider that element to be invalid or replace each bare CR”",
        "Content-Length: 6\r\nX: a\rTransfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §2.2",
        "TE that ends in a bare LF",
        "“a recipient MAY recognize a single LF as a line terminator”",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\nX: a",
    ),
    (
        "RFC 9112 §6.3",
        "CL.CL the other way round",
        "“MUST treat it as an unrecoverable error”",
        "Content-Length: 40\r\nContent-Length: 0",
    ),
    (
        "RFC 9110 §8.6",
        "CL with nothing behind a comma",
        "“MAY either reject the message as invalid”",
        "Content-Length: 5,",
    ),
    (
        "RFC 9110 §8.6",
        "CL with nothing before a comma",
        "“MAY either reject the message as invalid”",
        "Content-Length: ,5",
    ),
    (
        "RFC 9112 §5.1",
        "CL with a space before the colon",
        "“MUST reject, with a response status code of 400 (Bad Request), any”",
        "Content-Length : 40",
    ),
    (
        "RFC 9112 §5.1",
        "CL with a tab before the colon",
        "“MUST reject, with a response status code of 400 (Bad Request), any”",
        "Content-Length\t: 40",
    ),
    (
        "RFC 9112 §5.2",
        "CL behind a fold",
        "“MUST either reject the message by sending a 400 (Bad Request)”",
        "X: a\r\n Content-Length: 40",
    ),
    (
        "RFC 9112 §5.2",
        "CL continued by a fold",
        "“MUST either reject the message by sending a 400 (Bad Request)”",
        "Content-Length: 4\r\n 0",
    ),
    (
        "RFC 9110 §5.5",
        "CL with a NUL",
        "“MUST either reject the message or replace each of those characters with SP”",
        "Content-Length: 0\0",
    ),
    (
        "RFC 9110 §5.5",
        "CL with a vertical tab",
        "“Field values containing other CTL characters are also invalid”",
        "Content-Length: \u{b}40",
    ),
    ("RFC 9110 §5.1", "CL's name behind a space", "“field-name = token”", "X: a\r\nY Content-Length: 40"),
    (
        "RFC 9112 §2.2",
        "CL behind a bare CR",
        "“MUST consider that element to be invalid or replace each bare CR”",
        "X: a\rContent-Length: 40",
    ),
];

/// Codings of which the last is almost chunked, or another: 400, and the end.
const ALMOST: &[(&str, &str)] = &[
    ("TE that begins with x", "xchunked"),
    ("TE that ends in x", "chunkedx"),
    ("TE in quotes", "\"chunked\""),
    ("TE in single quotes", "'chunked'"),
    ("TE with a space inside", "chun ked"),
    ("TE with a hyphen", "chunked-"),
    ("TE with two words", "identity chunked"),
    ("TE with a colon", ": chunked"),
    ("TE with the chunked of Turkish", "chun\u{212a}ed"),
    ("TE with a no-break space", "chunked\u{a0}"),
    ("TE with cow behind", "chunked, cow"),
    ("TE with chunked in the middle", "gzip, chunked, gzip"),
];

pub(crate) fn rows() -> Vec<Row> {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let mut rows: Vec<Row> = REFUSED
        .iter()
        .map(|(section, name, rule, lines)| {
            by(Level::Should, section, name, rule).send(post(lines, &body)).gets(400).closed()
        })
        .collect();
    rows.extend(ALMOST.iter().map(|(name, coding)| {
        must("RFC 9112 §6.3", name, NOT_FINAL)
            .send(post(&format!("Transfer-Encoding: {coding}"), &body))
            .gets(400)
            .closed()
    }));
    rows.extend([("TE with a parameter", "chunked;x=1"), ("TE with an empty parameter", "chunked;")].map(
        |(name, coding)| {
            should("RFC 9112 §7.1", name, "“Their presence SHOULD be treated as an error”")
                .send(post(&format!("Transfer-Encoding: {coding}"), &body))
                .gets(400)
                .closed()
        },
    ));
    rows.push(
        should("RFC 9112 §6.1", "TE with identity before", "“SHOULD respond with 501 (Not Implemented)”")
            .send(post("Transfer-Encoding: identity, chunked", &body))
            .gets(501)
            .closed(),
    );
    rows.extend(spills());
    rows.extend(unread());
    rows
}

/// Where chunks end, and what is behind them.
fn spills() -> Vec<Row> {
    let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
    vec![
        given(
            "RFC 9112 §7.1",
            "two bytes for a chunk's CRLF",
            "“chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF”, not any two bytes",
        )
        .send(chunked(&format!("1\r\naXX24\r\n0\r\n\r\n{HIDDEN}\r\n0\r\n\r\n")))
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §7.1.1",
            "extension with LF hides a chunk",
            "“chunk-ext-val = token / quoted-string”, and LF is in neither",
        )
        .send(chunked(&format!("1;x\nb\r\n0\r\n\r\n{HIDDEN}")))
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §2.2",
            "extension with CR hides a chunk",
            "“MUST consider that element to be invalid or replace each bare CR”",
        )
        .send(chunked(&format!("1;\rx\r\na\r\n0\r\n\r\n{HIDDEN}")))
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §7.1.1",
            "quoted extension over two lines",
            "“chunk-ext-val = token / quoted-string”, neither with a line end",
        )
        .send(chunked(&format!("1;x=\"\r\na\r\n0\r\n\r\n{HIDDEN}\"\r\n")))
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §7.1.2",
            "a request within the trailers",
            "“trailer-section = *( field-line CRLF )”, which no request line is",
        )
        .send(chunked(&format!("0\r\n{HIDDEN}")))
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §7.1",
            "a trailer that ends the section by LF",
            "“chunked-body = *chunk last-chunk trailer-section CRLF”",
        )
        .send(chunked(&format!("0\r\nX: a\r\n\n{HIDDEN}")))
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §7.1",
            "a request behind the last chunk is seen once",
            "“is complete when a chunk with a chunk-size of zero is received”",
        )
        .send(chunked(&format!("1\r\na\r\n0\r\n\r\n{HIDDEN}")))
        .gets(200)
        .body("a")
        .gets(200)
        .body("GET /seen HTTP/1.1 host evil x []")
        .kept(),
    ]
}

/// CL.0, 0.CL and the like: a body that one side does not see.
fn unread() -> Vec<Row> {
    let length = HIDDEN.len();
    let with_body =
        |head: &str| format!("{head} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{HIDDEN}");
    let seen = "GET /seen HTTP/1.1 host evil x []";
    vec![
        must("RFC 9112 §9.3", "CL.0 with GET", "“MUST read the entire request message body or close the connection”")
            .send(with_body("GET /text"))
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9112 §9.3", "CL.0 with HEAD", "“MUST read the entire request message body or close the connection”, of HEAD too")
            .send(with_body("HEAD /text"))
            .gets_head(200)
            .kept(),
        must("RFC 9112 §9.3", "CL.0 with OPTIONS", "“MUST read the entire request message body or close the connection”, of OPTIONS too")
            .send(with_body("OPTIONS *"))
            .gets_any(&[200, 204])
            .kept(),
        must("RFC 9112 §9.3", "CL.0 where nothing is", "“MUST read the entire request message body or close the connection”, behind 404")
            .send(with_body("POST /nowhere"))
            .gets(404)
            .kept(),
        must("RFC 9112 §9.3", "CL.0 with a redirect", "“MUST read the entire request message body or close the connection”, behind 303")
            .send(with_body("GET /redirect"))
            .gets(303)
            .kept(),
        must("RFC 9112 §9.3", "CL.0 with a method not offered", "“MUST read the entire request message body or close the connection”, behind 405")
            .send(with_body("DELETE /text"))
            .gets(405)
            .kept(),
        given("RFC 9112 §6", "CL.0 with CONNECT", "“Request message framing is independent of method semantics”, of CONNECT too")
            .send(with_body("CONNECT t:80"))
            .gets_any(&[404, 405, 501])
            .kept(),
        must("RFC 9112 §9.3", "CL.0 with a panic", "“MUST read the entire request message body or close the connection”, behind 500")
            .send(with_body("GET /panic"))
            .gets(500)
            .closed(),
        must("RFC 9112 §9.3", "CL.0 with an answer that has no content", "“MUST read the entire request message body or close the connection”, behind 204")
            .send(with_body("GET /no-content"))
            .gets(204)
            .kept(),
        given("RFC 9112 §6.3", "0.CL", "“then the message body length is zero (no message body is present)”")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .gets(200)
            .body(seen)
            .kept(),
        given("RFC 9112 §6.3", "0.CL with a length of zero", "“its decimal value defines the expected message body length in octets”")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .gets(200)
            .body(seen)
            .kept(),
        given("RFC 9110 §5.1", "CL with an underscore", "“field-name = token”, and this one is another's")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nContent_Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .gets(200)
            .body(seen)
            .kept(),
        given("RFC 9110 §5.1", "TE with an underscore", "“field-name = token”, and this one is another's")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nTransfer_Encoding: chunked\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .gets(200)
            .body(seen)
            .kept(),
        given("RFC 9110 §5.5", "CL within a value", "“field-vchar = VCHAR / obs-text”, also where it looks like a field")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nX: Content-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .gets(200)
            .body(seen)
            .kept(),
        must("RFC 9112 §9.3", "TE.0 with HEAD", "“MUST read the entire request message body or close the connection”, chunks of HEAD too")
            .send(format!("HEAD /text HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"))
            .gets_head(200)
            .closed(),
        must("RFC 9112 §9.3", "TE.0 with OPTIONS", "“MUST read the entire request message body or close the connection”, chunks of OPTIONS too")
            .send(format!("OPTIONS * HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"))
            .gets_any(&[200, 204])
            .closed(),
        must("RFC 9112 §9.3", "CL.0 in halves", "“MUST read the entire request message body or close the connection”, in halves")
            .send(format!("POST /unread-fn HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"))
            .awaits("not read")
            .send(HIDDEN)
            .gets(200)
            .body("not read")
            .kept(),
        given("RFC 9110 §10.1.1", "content without its 100", "“MAY proceed to send the content even if it has not yet received”")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .closed(),
        must("RFC 9112 §9.3", "content behind a 417", "“MUST read the entire request message body or close the connection”, behind 417")
            .send(format!("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: x\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(417)
            .closed(),
        given("RFC 9110 §15.5.14", "content behind a 413", "“the server MAY close the connection”")
            .send(format!("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(413)
            .closed(),
        must("RFC 9112 §9.3", "a request behind Upgrade that is refused", "“MUST read the entire request message body or close the connection”, with Upgrade")
            .send(format!("GET /text HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9112 §3.2", "a second Host in a fold", "“MUST respond with a 400 (Bad Request) status code”")
            .send("GET /seen HTTP/1.1\r\nHost: t\r\n\tHost: evil\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9112 §3.2", "a second Host with a space before its colon", "“MUST respond with a 400 (Bad Request) status code”")
            .send("GET /seen HTTP/1.1\r\nHost: t\r\nHost : evil\r\n\r\n")
            .gets(400)
            .closed(),
    ]
}
