//! Requests that two parsers read differently. Each row carries a request that must not be seen: were it
//! answered, there would be an answer too many.

use crate::row::{Row, must, must_not};

const BOTH: &str = "“MUST close the connection after responding to such a request”";
const NOT_FINAL: &str = "“the server MUST respond with the 400 (Bad Request) status code”";
const FRAMING: &str = "framing that is in doubt is refused, and nothing behind it is read";
const NO_TOKEN: &str = "a transfer coding is a token, exactly";

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
    ("RFC 9112 §6.1", "CL.TE in other letters", BOTH, "content-length: 6\r\nTRANSFER-ENCODING: Chunked"),
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
        "RFC 9112 §6.3",
        "TE.TE the other way round",
        FRAMING,
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    ),
    ("RFC 9112 §6.1", "TE.TE the same", FRAMING, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    (
        "RFC 9112 §6.3",
        "TE.TE with an unknown coding behind",
        NOT_FINAL,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    ),
    (
        "RFC 9112 §6.3",
        "TE.TE with nothing behind",
        FRAMING,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding:",
    ),
    ("RFC 9112 §6.3", "TE that is empty", NOT_FINAL, "Transfer-Encoding:"),
    ("RFC 9112 §6.3", "TE of commas", NOT_FINAL, "Transfer-Encoding: ,,"),
    (
        "RFC 9112 §5.1",
        "TE with a space before the colon",
        FRAMING,
        "Content-Length: 6\r\nTransfer-Encoding : chunked",
    ),
    (
        "RFC 9112 §5.2",
        "TE behind a fold",
        FRAMING,
        "Content-Length: 6\r\nX: a\r\n Transfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §5.2",
        "TE in two folded lines",
        FRAMING,
        "Content-Length: 6\r\nTransfer-Encoding:\r\n\tchunked",
    ),
    ("RFC 9110 §5.5", "TE with a NUL", FRAMING, "Transfer-Encoding: chunked\0"),
    ("RFC 9110 §5.5", "TE with a control before", FRAMING, "Transfer-Encoding: \u{b}chunked"),
    ("RFC 9110 §5.5", "TE with a control behind", FRAMING, "Transfer-Encoding: chunked\u{c}"),
    ("RFC 9110 §5.1", "TE's name with a NUL", FRAMING, "Content-Length: 6\r\nTransfer\0-Encoding: chunked"),
    (
        "RFC 9110 §5.1",
        "TE's name with a control",
        FRAMING,
        "Content-Length: 6\r\n\u{1}Transfer-Encoding: chunked",
    ),
    ("RFC 9112 §2.2", "TE behind a bare LF", FRAMING, "Content-Length: 6\nTransfer-Encoding: chunked"),
    (
        "RFC 9112 §2.2",
        "TE behind a bare CR",
        FRAMING,
        "Content-Length: 6\r\nX: a\rTransfer-Encoding: chunked",
    ),
    (
        "RFC 9112 §2.2",
        "TE that ends in a bare LF",
        FRAMING,
        "Content-Length: 6\r\nTransfer-Encoding: chunked\nX: a",
    ),
    ("RFC 9112 §6.3", "CL.CL the other way round", FRAMING, "Content-Length: 40\r\nContent-Length: 0"),
    ("RFC 9112 §6.3", "CL with nothing behind a comma", FRAMING, "Content-Length: 5,"),
    ("RFC 9112 §6.3", "CL with nothing before a comma", FRAMING, "Content-Length: ,5"),
    ("RFC 9112 §5.1", "CL with a space before the colon", FRAMING, "Content-Length : 40"),
    ("RFC 9112 §5.1", "CL with a tab before the colon", FRAMING, "Content-Length\t: 40"),
    ("RFC 9112 §5.2", "CL behind a fold", FRAMING, "X: a\r\n Content-Length: 40"),
    ("RFC 9112 §5.2", "CL continued by a fold", FRAMING, "Content-Length: 4\r\n 0"),
    ("RFC 9110 §5.5", "CL with a NUL", FRAMING, "Content-Length: 0\0"),
    ("RFC 9110 §5.5", "CL with a vertical tab", FRAMING, "Content-Length: \u{b}40"),
    ("RFC 9110 §5.1", "CL's name behind a space", FRAMING, "X: a\r\nY Content-Length: 40"),
    ("RFC 9112 §2.2", "CL behind a bare CR", FRAMING, "X: a\rContent-Length: 40"),
];

/// Codings that are almost chunked: 400 or 501, and the end.
const ALMOST: &[(&str, &str)] = &[
    ("TE that begins with x", "xchunked"),
    ("TE that ends in x", "chunkedx"),
    ("TE in quotes", "\"chunked\""),
    ("TE in single quotes", "'chunked'"),
    ("TE with a parameter", "chunked;x=1"),
    ("TE with an empty parameter", "chunked;"),
    ("TE with a space inside", "chun ked"),
    ("TE with a hyphen", "chunked-"),
    ("TE with two words", "identity chunked"),
    ("TE with a colon", ": chunked"),
    ("TE with the chunked of Turkish", "chun\u{212a}ed"),
    ("TE with a no-break space", "chunked\u{a0}"),
    ("TE with identity before", "identity, chunked"),
    ("TE with cow behind", "chunked, cow"),
    ("TE with chunked in the middle", "gzip, chunked, gzip"),
];

pub(crate) fn rows() -> Vec<Row> {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let mut rows: Vec<Row> = REFUSED
        .iter()
        .map(|(section, name, rule, lines)| {
            must(section, name, rule).send(post(lines, &body)).gets(400).closed()
        })
        .collect();
    rows.extend(ALMOST.iter().map(|(name, coding)| {
        must("RFC 9112 §6.3", name, NO_TOKEN)
            .send(post(&format!("Transfer-Encoding: {coding}"), &body))
            .gets_any(&[400, 501])
            .closed()
    }));
    rows.extend(spills());
    rows.extend(unread());
    rows
}

/// Where chunks end, and what is behind them.
fn spills() -> Vec<Row> {
    let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
    vec![
        must(
            "RFC 9112 §7.1",
            "two bytes for a chunk's CRLF",
            "chunk data is followed by CRLF, not by any two bytes",
        )
        .send(chunked(&format!("1\r\naXX24\r\n0\r\n\r\n{HIDDEN}\r\n0\r\n\r\n")))
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §7.1.1",
            "extension with LF hides a chunk",
            "a bare LF ends no chunk-size line, and is no part of it",
        )
        .send(chunked(&format!("1;x\nb\r\n0\r\n\r\n{HIDDEN}")))
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §7.1.1",
            "extension with CR hides a chunk",
            "a bare CR ends no chunk-size line, and is no part of it",
        )
        .send(chunked(&format!("1;\rx\r\na\r\n0\r\n\r\n{HIDDEN}")))
        .gets(400)
        .closed(),
        must("RFC 9112 §7.1.1", "quoted extension over two lines", "a quoted string has no line end in it")
            .send(chunked(&format!("1;x=\"\r\na\r\n0\r\n\r\n{HIDDEN}\"\r\n")))
            .gets(400)
            .closed(),
        must(
            "RFC 9112 §7.1.2",
            "a request within the trailers",
            "“trailer-section = *( field-line CRLF )”, which no request line is",
        )
        .send(chunked(&format!("0\r\n{HIDDEN}")))
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §7.1.2",
            "a trailer that ends the section by LF",
            "“chunked-body = *chunk last-chunk trailer-section CRLF”",
        )
        .send(chunked(&format!("0\r\nX: a\r\n\n{HIDDEN}")))
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §6.3",
            "a request behind the last chunk is seen once",
            "what follows the body is the next request",
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
        must("RFC 9112 §6.3", "CL.0 with GET", "a length frames content, whether or not anybody reads it")
            .send(with_body("GET /text"))
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9112 §6.3", "CL.0 with HEAD", "a length frames content, whether or not anybody reads it")
            .send(with_body("HEAD /text"))
            .gets_head(200)
            .kept(),
        must("RFC 9112 §6.3", "CL.0 with OPTIONS", "a length frames content, whether or not anybody reads it")
            .send(with_body("OPTIONS *"))
            .gets_any(&[200, 204])
            .kept(),
        must("RFC 9112 §6.3", "CL.0 where nothing is", "a length frames content, whether or not anybody reads it")
            .send(with_body("POST /nowhere"))
            .gets(404)
            .kept(),
        must("RFC 9112 §6.3", "CL.0 with a redirect", "a length frames content, whether or not anybody reads it")
            .send(with_body("GET /redirect"))
            .gets(303)
            .kept(),
        must("RFC 9112 §6.3", "CL.0 with a method not offered", "a length frames content, whether or not anybody reads it")
            .send(with_body("DELETE /text"))
            .gets(405)
            .kept(),
        must("RFC 9112 §6.3", "CL.0 with CONNECT", "a length frames content, of a refused CONNECT too")
            .send(with_body("CONNECT t:80"))
            .gets_any(&[404, 405, 501])
            .kept(),
        must("RFC 9112 §6.3", "CL.0 with a panic", "after an error in doubt the connection is not used again")
            .send(with_body("GET /panic"))
            .gets(500)
            .closed(),
        must("RFC 9112 §6.3", "CL.0 with an answer that has no content", "a request's framing does not depend on its response")
            .send(with_body("GET /no-content"))
            .gets(204)
            .kept(),
        must("RFC 9112 §6.3", "0.CL", "without a length there is no content: what follows is a request")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .gets(200)
            .body(seen)
            .kept(),
        must("RFC 9112 §6.3", "0.CL with a length of zero", "a length of zero is no content: what follows is a request")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .gets(200)
            .body(seen)
            .kept(),
        must("RFC 9112 §6.3", "CL.0 in halves", "content belongs to its request, whenever it comes")
            .send(format!("POST /unread-fn HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"))
            .awaits("not read")
            .send(HIDDEN)
            .gets(200)
            .body("not read")
            .kept(),
        must_not("RFC 9110 §10.1.1", "content without its 100", "a client may send content without 100: it is no request")
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(200)
            .body("not read")
            .closed(),
        must_not("RFC 9110 §10.1.1", "content behind a 417", "a client may send content whatever is answered: it is no request")
            .send(format!("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: x\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(417)
            .closed(),
        must_not("RFC 9110 §15.5.14", "content behind a 413", "content that is refused is no request")
            .send(format!("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"))
            .gets(413)
            .closed(),
        must_not("RFC 9110 §7.8", "a request behind Upgrade that is refused", "before a 101 nothing is a tunnel")
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
