//! The chunked coding: sizes, extensions, data, the last chunk, trailers, and where it goes wrong.

use crate::row::{Level, Row, by, given, must, must_not, should};

/// A chunked POST to the echo with this body.
fn echo(body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// The same to where trailers are shown.
fn trailers(body: &str) -> String {
    format!("POST /trailers HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

const DECODE: &str = "“A recipient MUST be able to parse and decode the chunked transfer coding”";
const IGNORE: &str = "“A recipient MUST ignore unrecognized chunk extensions”";
const GRAMMAR: &str = "“chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF”";
const SIZE: &str = "“chunk-size = 1*HEXDIG”";
const LARGE: &str = "“MUST anticipate potentially large hexadecimal numerals”";
const EXTENSION: &str = "“chunk-ext = *( BWS \";\" BWS chunk-ext-name [ BWS \"=\" BWS chunk-ext-val ] )”";
const TRAILER: &str = "“trailer-section = *( field-line CRLF )”";
const INCOMPLETE: &str =
    "“is incomplete if the zero-sized chunk that terminates the encoding has not been received”";

/// Bodies that decode, each for a reason of its own.
const VALID: &[(&str, &str, &str, &str, &str)] = &[
    ("RFC 9112 §7.1", "one chunk", DECODE, "3\r\nabc\r\n0\r\n\r\n", "abc"),
    ("RFC 9112 §7.1", "several chunks", DECODE, "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef"),
    ("RFC 9112 §7.1", "the last chunk alone", DECODE, "0\r\n\r\n", ""),
    ("RFC 9112 §7.1", "size in small letters", SIZE, "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
    ("RFC 9112 §7.1", "size in capitals", SIZE, "B\r\n0123456789a\r\n0\r\n\r\n", "0123456789a"),
    ("RFC 9112 §7.1", "size of two digits", SIZE, "10\r\n0123456789abcdef\r\n0\r\n\r\n", "0123456789abcdef"),
    (
        "RFC 9112 §7.1",
        "size of forty digits that is three",
        SIZE,
        "0000000000000000000000000000000000000003\r\nabc\r\n0\r\n\r\n",
        "abc",
    ),
    ("RFC 9112 §7.1", "size with leading zeros", SIZE, "0003\r\nabc\r\n0\r\n\r\n", "abc"),
    (
        "RFC 9112 §7.1",
        "last chunk of many zeros",
        "“last-chunk = 1*(\"0\") [ chunk-ext ] CRLF”",
        "1\r\na\r\n00000\r\n\r\n",
        "a",
    ),
    (
        "RFC 9112 §7.1",
        "line ends as data",
        "“chunk-data = 1*OCTET”, of which CR and LF are two",
        "4\r\n\r\n\r\n\r\n0\r\n\r\n",
        "\r\n\r\n",
    ),
    (
        "RFC 9112 §7.1",
        "last chunk as data",
        "“chunk-data = 1*OCTET”, also where they look like a last chunk",
        "5\r\n0\r\n\r\n\r\n0\r\n\r\n",
        "0\r\n\r\n",
    ),
    ("RFC 9112 §7.1.1", "extension without value", IGNORE, "3;x\r\nabc\r\n0\r\n\r\n", "abc"),
    ("RFC 9112 §7.1.1", "extension with a token", IGNORE, "3;x=y\r\nabc\r\n0\r\n\r\n", "abc"),
    ("RFC 9112 §7.1.1", "extension with a quoted string", IGNORE, "3;x=\"y z\"\r\nabc\r\n0\r\n\r\n", "abc"),
    (
        "RFC 9112 §7.1.1",
        "extension with a quoted semicolon",
        IGNORE,
        "3;x=\"a;b=\"\r\nabc\r\n0\r\n\r\n",
        "abc",
    ),
    ("RFC 9112 §7.1.1", "extension with a quoted pair", IGNORE, "3;x=\"a\\\"b\"\r\nabc\r\n0\r\n\r\n", "abc"),
    (
        "RFC 9112 §7.1.1",
        "extension with an empty quoted string",
        IGNORE,
        "3;x=\"\"\r\nabc\r\n0\r\n\r\n",
        "abc",
    ),
    ("RFC 9112 §7.1.1", "several extensions", IGNORE, "3;x;y=z;w=\"v\"\r\nabc\r\n0\r\n\r\n", "abc"),
    ("RFC 9112 §7.1.1", "extension of the last chunk", IGNORE, "3\r\nabc\r\n0;last=1\r\n\r\n", "abc"),
    (
        "RFC 9110 §5.6.3",
        "bad white space before an extension",
        "“MUST parse for such bad whitespace and remove it”",
        "3 ;x\r\nabc\r\n0\r\n\r\n",
        "abc",
    ),
    (
        "RFC 9110 §5.6.3",
        "bad white space behind a semicolon",
        "“MUST parse for such bad whitespace and remove it”",
        "3; x\r\nabc\r\n0\r\n\r\n",
        "abc",
    ),
    (
        "RFC 9110 §5.6.3",
        "bad white space around an equals sign",
        "“MUST parse for such bad whitespace and remove it”",
        "3;x = y\r\nabc\r\n0\r\n\r\n",
        "abc",
    ),
    (
        "RFC 9110 §5.6.3",
        "bad white space that is a tab",
        "“MUST parse for such bad whitespace and remove it”",
        "3\t;\tx\r\nabc\r\n0\r\n\r\n",
        "abc",
    ),
    (
        "RFC 9112 §7.1.2",
        "a trailer is read past",
        "“MAY selectively retain or discard the received trailer fields”",
        "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        "abc",
    ),
];

/// Bodies that do not decode.
const INVALID: &[(&str, &str, &str, &str)] = &[
    ("RFC 9112 §7.1", "size missing", SIZE, "\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size missing before an extension", SIZE, ";x\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size missing where the last chunk is", SIZE, "3\r\nabc\r\n\r\n\r\n"),
    ("RFC 9112 §7.1", "size that is no number", SIZE, "x\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size with a letter behind it", SIZE, "3g\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size with a prefix", SIZE, "0x3\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size with a plus", SIZE, "+3\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size that is negative", SIZE, "-3\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size with an underscore", SIZE, "0_3\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size in quotes", SIZE, "\"3\"\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "space before the size", SIZE, " 3\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "space behind the size", GRAMMAR, "3 \r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "space within the size", SIZE, "0 3\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "comma behind the size", GRAMMAR, "3,x\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size line that ends in LF", GRAMMAR, "3\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size line that ends in CR", GRAMMAR, "3\rabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "size line that ends in CR CR LF", GRAMMAR, "3\r\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "NUL in the size line", GRAMMAR, "3\0\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "data shorter than its size", GRAMMAR, "4\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "data longer than its size", GRAMMAR, "2\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "data without a line end", GRAMMAR, "3\r\nabc0\r\n\r\n"),
    ("RFC 9112 §7.1", "data that ends in LF", GRAMMAR, "3\r\nabc\n0\r\n\r\n"),
    ("RFC 9112 §7.1", "data that ends in CR", GRAMMAR, "3\r\nabc\r0\r\n\r\n"),
    ("RFC 9112 §7.1", "data that ends in LF CR", GRAMMAR, "3\r\nabc\n\r0\r\n\r\n"),
    ("RFC 9112 §7.1", "last chunk's line that ends in LF", GRAMMAR, "3\r\nabc\r\n0\n\r\n"),
    (
        "RFC 9112 §7.1",
        "end that is an LF",
        "“chunked-body = *chunk last-chunk trailer-section CRLF”",
        "3\r\nabc\r\n0\r\n\n",
    ),
    ("RFC 9112 §7.1.1", "extension without a name", EXTENSION, "3;\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension of a value alone", EXTENSION, "3;=y\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension with an empty value", EXTENSION, "3;x=\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension with a space behind", EXTENSION, "3;x \r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension with a control in quotes", EXTENSION, "3;x=\"\u{1}\"\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension whose name is no token", EXTENSION, "3;x@y=z\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension with two semicolons", EXTENSION, "3;;x\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension with a NUL in it", EXTENSION, "3;x=\0\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension with an open quoted string", EXTENSION, "3;x=\"y\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.1", "extension with text behind the quotes", EXTENSION, "3;x=\"y\"z\r\nabc\r\n0\r\n\r\n"),
    ("RFC 9112 §7.1.2", "trailer without a colon", TRAILER, "0\r\nX-Sum\r\n\r\n"),
    ("RFC 9112 §7.1.2", "trailer without a name", TRAILER, "0\r\n: a\r\n\r\n"),
    (
        "RFC 9112 §5.1",
        "trailer with a space before the colon",
        "“MUST reject, with a response status code of 400 (Bad Request), any”",
        "0\r\nX-Sum : 1\r\n\r\n",
    ),
    ("RFC 9112 §7.1.2", "trailer that ends in LF", TRAILER, "0\r\nX-Sum: 1\n\r\n"),
    ("RFC 9112 §7.1.2", "trailer with a bare CR", TRAILER, "0\r\nX-Sum: 1\r2\r\n\r\n"),
    ("RFC 9112 §7.1.2", "trailer with a NUL", TRAILER, "0\r\nX-Sum: \0\r\n\r\n"),
    (
        "RFC 9112 §5.2",
        "trailer that is folded",
        "“MUST either reject the message by sending a 400 (Bad Request)”",
        "0\r\nX-Sum: 1\r\n 2\r\n\r\n",
    ),
    (
        "RFC 9112 §5.2",
        "trailer that begins with a space",
        "“MUST either reject the message by sending a 400 (Bad Request)”",
        "0\r\n X-Sum: 1\r\n\r\n",
    ),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = VALID
        .iter()
        .map(|(section, name, rule, body, decoded)| {
            by(Level::Must, section, name, rule).send(echo(body)).gets(200).body(decoded).kept()
        })
        .collect();
    rows.extend(INVALID.iter().map(|(section, name, rule, body)| {
        by(Level::Given, section, name, rule).send(echo(body)).gets(400).closed()
    }));
    rows.extend(ends());
    rows
}

/// Sizes and bodies without an end, and what trailers may not do.
fn ends() -> Vec<Row> {
    vec![
        must("RFC 9112 §7.1", "size of 2^64", LARGE).send(echo("10000000000000000\r\nabc")).gets(400).closed(),
        must("RFC 9112 §7.1", "size of 2^64 - 1", LARGE).send(echo("ffffffffffffffff\r\nabc")).gets(400).closed(),
        must("RFC 9112 §7.1", "size of 2^64 - 2", "“precision loss due to integer representation”, of the size and a line end")
            .send(echo("fffffffffffffffe\r\nabc"))
            .gets(400)
            .closed(),
        must("RFC 9112 §7.1", "size of 2^64 - 3", LARGE).send(echo("fffffffffffffffd\r\nabc")).gets(413).closed(),
        must("RFC 9112 §7.1", "size of 2^63", LARGE).send(echo("8000000000000000\r\nabc")).gets(413).closed(),
        must("RFC 9112 §7.1", "size that wraps to three", "“prevent parsing errors due to integer conversion overflows”")
            .send(echo("10000000000000003\r\nabc\r\n0\r\n\r\n"))
            .gets(400)
            .closed(),
        must("RFC 9112 §7.1", "sizes whose sum wraps", LARGE)
            .send(echo("1\r\na\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n"))
            .gets(400)
            .closed(),
        must("RFC 9112 §7.1", "size of thirty-two bits", "“precision loss due to integer representation”")
            .send(echo("100000003\r\nabc\r\n0\r\n\r\n"))
            .gets(413)
            .closed(),
        given("RFC 9112 §7.1.1", "size line beyond its limit", "“ought to limit the total length of chunk extensions received”")
            .send(echo(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(300))))
            .gets_any(&[400, 413])
            .closed(),
        given("RFC 9112 §7.1.1", "extensions beyond their limit", "“ought to limit the total length of chunk extensions received”")
            .send(echo(&(format!("1;{}\r\na\r\n", "x".repeat(200)).repeat(30) + "0\r\n\r\n")))
            .gets_any(&[400, 413])
            .closed(),
        given("RFC 9110 §15.5.14", "chunks over the route's limit", "“content is larger than the server is willing or able to process”")
            .send("POST /small HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n9\r\n012345678\r\n0\r\n\r\n")
            .gets(413)
            .closed(),
        given("RFC 9112 §8", "end within a chunk's size", INCOMPLETE).send(echo("3\r\nabc\r\n5")).gets(400).ended(),
        given("RFC 9112 §8", "end within a chunk's data", INCOMPLETE).send(echo("3\r\nab")).gets(400).ended(),
        given("RFC 9112 §8", "end behind a whole chunk", INCOMPLETE).send(echo("3\r\nabc\r\n")).gets(400).ended(),
        given("RFC 9112 §8", "end before any chunk", INCOMPLETE).send(echo("")).gets(400).ended(),
        given("RFC 9112 §8", "end within the last chunk's line", INCOMPLETE).send(echo("3\r\nabc\r\n0\r")).gets(400).ended(),
        given("RFC 9112 §7.1", "end before the trailer's end", "“and finally terminated by an empty line”")
            .send(echo("3\r\nabc\r\n0\r\n"))
            .gets(400)
            .ended(),
        must("RFC 9112 §7.1.2", "trailers reach who asks", "“MUST either store/forward the trailer field separately from the received header fields” or merge")
            .send(trailers("3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"))
            .gets(200)
            .body("abc x-trailer=1 false")
            .kept(),
        must_not("RFC 9112 §7.1.2", "trailers stay out of the fields", "“MUST NOT merge a received trailer field into the header section”")
            .send(trailers("0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n"))
            .gets(200)
            .body(" x-trailer=1 x-other=2 false")
            .kept(),
        must_not("RFC 9110 §6.5.1", "a length in a trailer", "“MUST NOT merge a trailer field into a header section unless”")
            .send(trailers("1\r\na\r\n0\r\nContent-Length: 50\r\n\r\n"))
            .gets(200)
            .body("a false")
            .kept(),
        must_not("RFC 9112 §7.1.2", "a transfer coding in a trailer", "“MUST NOT merge a received trailer field into the header section unless”")
            .send(trailers("1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"))
            .gets(200)
            .body("a false")
            .kept(),
        must_not("RFC 9110 §6.5.1", "a Host in a trailer", "“MUST NOT merge a trailer field into a header section unless” it may, Host least")
            .send(trailers("1\r\na\r\n0\r\nHost: evil\r\n\r\n"))
            .gets(200)
            .body("a false")
            .kept(),
        must_not("RFC 9110 §6.5.1", "a connection option in a trailer", "“MUST NOT merge a trailer field into a header section unless” it may, Connection neither")
            .send(trailers("1\r\nb\r\n0\r\nConnection: close\r\n\r\n"))
            .gets(200)
            .body("b false")
            .kept(),
        must_not("RFC 9110 §6.5.1", "credentials in a trailer", "“MUST NOT merge a trailer field into a header section unless” it may, credentials neither")
            .send(trailers("1\r\nc\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n"))
            .gets(200)
            .body("c false")
            .kept(),
        must_not("RFC 9110 §6.5.1", "a condition in a trailer", "“MUST NOT merge a trailer field into a header section unless” it may, conditions neither")
            .send(trailers("1\r\nd\r\n0\r\nIf-None-Match: \"x\"\r\nRange: bytes=0-0\r\n\r\n"))
            .gets(200)
            .body("d false")
            .kept(),
        must_not("RFC 9110 §6.5.1", "a content type in a trailer", "“MUST NOT merge a trailer field into a header section unless” it may, types neither")
            .send(trailers("1\r\ne\r\n0\r\nContent-Type: a/b\r\nContent-Encoding: gzip\r\n\r\n"))
            .gets(200)
            .body("e false")
            .kept(),
        should("RFC 9110 §5.1", "an unknown trailer", "“SHOULD ignore unrecognized header and trailer fields”")
            .send(echo("1\r\na\r\n0\r\nX-Never-Heard-Of: 1\r\n\r\n"))
            .gets(200)
            .body("a")
            .kept(),
        must("RFC 9110 §5.4", "too many trailers", "“MUST respond with an appropriate 4xx (Client Error) status code”")
            .send(echo(&format!("1\r\na\r\n0\r\n{}\r\n", "X: 1\r\n".repeat(40))))
            .gets_any(&[400, 431])
            .closed(),
        must("RFC 9110 §5.4", "trailers too large", "“MUST respond with an appropriate 4xx (Client Error) status code”")
            .send(echo(&format!("1\r\na\r\n0\r\nX: {}\r\n\r\n", "x".repeat(5000))))
            .gets_any(&[400, 431])
            .closed(),
    ]
}
