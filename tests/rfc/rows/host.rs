//! The Host field: exactly one, and by its grammar.

use crate::row::{Row, given, must};

const RULE: &str = "“or a Host header field with an invalid field value”";

/// A request with this line for Host.
fn with(line: &str) -> String {
    format!("GET /seen HTTP/1.1\r\n{line}\r\n\r\n")
}

/// Values that the grammar does not have.
const INVALID: &[(&str, &str)] = &[
    ("host with a path", "Host: t/a"),
    ("host with userinfo", "Host: user@t"),
    ("host with userinfo and password", "Host: user:word@t"),
    ("host with a scheme", "Host: http://t"),
    ("host with a space", "Host: a b"),
    ("host with a tab", "Host: a\tb"),
    ("host with a comma and a space", "Host: a, b"),
    ("host with a query", "Host: t?a"),
    ("host with a fragment", "Host: t#a"),
    ("host with a backslash", "Host: t\\a"),
    ("host with a port of letters", "Host: t:http"),
    ("host with two ports", "Host: t:80:80"),
    ("host with a port too large", "Host: t:65536"),
    ("host with a negative port", "Host: t:-1"),
    ("host with a port and a space", "Host: t: 80"),
    ("host of a port alone", "Host: :80"),
    ("host with an unfinished escape", "Host: t%4"),
    ("host with a percent alone", "Host: t%"),
    ("host of raw UTF-8", "Host: t\u{e4}"),
    ("host with quotes", "Host: \"t\""),
    ("host in angle brackets", "Host: <t>"),
    ("host with an unfinished IPv6", "Host: [::1"),
    ("host with IPv6 of no brackets", "Host: ::1"),
    ("host with something behind IPv6", "Host: [::1]a"),
    ("host with letters as IPv6", "Host: [xyz]"),
    ("host with an empty IP literal", "Host: []"),
    ("host with an IPv6 zone", "Host: [fe80::1%25eth0]"),
    ("host with an IPv6 of nine groups", "Host: [1:2:3:4:5:6:7:8:9]"),
    ("host with a caret", "Host: t^a"),
    ("host with a bar", "Host: t|a"),
    ("host with braces", "Host: {t}"),
];

/// Values that it has: what the handler is to see.
const VALID: &[(&str, &str, &str)] = &[
    ("host with a port", "Host: t:8080", "t:8080"),
    ("host with an empty port", "Host: t:", "t:"),
    ("host with the largest port", "Host: t:65535", "t:65535"),
    ("host of an IPv4 address", "Host: 127.0.0.1:80", "127.0.0.1:80"),
    ("host of an IPv6 address", "Host: [::1]", "[::1]"),
    ("host of an IPv6 address and a port", "Host: [2001:db8::1]:443", "[2001:db8::1]:443"),
    ("host of an address of the future", "Host: [v1.t:a]", "[v1.t:a]"),
    ("host with an escape", "Host: a%41", "a%41"),
    ("host with sub-delims", "Host: a!$&'()*+,;=b", "a!$&'()*+,;=b"),
    ("host with an underscore", "Host: a_b.example", "a_b.example"),
    ("host in capitals", "HOST: EXAMPLE.COM", "EXAMPLE.COM"),
    ("host with white space around", "Host: \t t \t", "t"),
    ("host with a dot at the end", "Host: example.com.", "example.com."),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        must(
            "RFC 9112 §3.2",
            "host missing",
            "“any HTTP/1.1 request message that lacks a Host header field”",
        )
        .send("GET / HTTP/1.1\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §3.2",
            "host missing among others",
            "“any HTTP/1.1 request message that lacks a Host header field”",
        )
        .send("GET / HTTP/1.1\r\nX-Host: t\r\nHosts: t\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §3.2",
            "host twice",
            "“any request message that contains more than one Host header field line”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §3.2",
            "host twice the same",
            "“any request message that contains more than one Host header field line”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nX: y\r\nhost: t\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9112 §3.2",
            "host twice in 1.0",
            "“any request message that contains more than one Host header field line”",
        )
        .send("GET / HTTP/1.0\r\nHost: t\r\nHost: u\r\n\r\n")
        .gets(400)
        .closed(),
        must("RFC 9112 §3.2", "host invalid in 1.0", RULE)
            .send("GET / HTTP/1.0\r\nHost: a b\r\n\r\n")
            .gets(400)
            .closed(),
        must(
            "RFC 9112 §3.2",
            "host missing with an absolute target",
            "“any HTTP/1.1 request message that lacks a Host header field”, whatever its target",
        )
        .send("GET http://t/ HTTP/1.1\r\n\r\n")
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §3.2",
            "host missing in 1.0",
            "“any HTTP/1.1 request message that lacks a Host”, which 1.0 is not",
        )
        .send("GET /seen HTTP/1.0\r\n\r\n")
        .gets(200)
        .body("GET /seen HTTP/1.0 host none x []")
        .closed(),
        must(
            "RFC 9112 §3.2",
            "host missing in HEAD",
            "“MUST respond with a 400 (Bad Request) status code”, without content",
        )
        .send("HEAD / HTTP/1.1\r\n\r\n")
        .gets_head(400)
        .closed(),
        given(
            "RFC 9110 §5.3",
            "host not first",
            "“field lines with differing field names are received in a section is not significant”",
        )
        .send("GET /seen HTTP/1.1\r\nX: a\r\nAccept: */*\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("GET /seen HTTP/1.1 host t x [a]")
        .kept(),
    ];
    rows.extend([
        must(
            "RFC 9110 §4.2.1",
            "host that is empty",
            "“A recipient that processes such a URI reference MUST reject it as invalid”",
        )
        .send("GET /seen HTTP/1.1\r\nHost:\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9110 §4.2.1",
            "host of white space alone",
            "“A recipient that processes such a URI reference MUST reject it as invalid”",
        )
        .send("GET /seen HTTP/1.1\r\nHost: \t \r\n\r\n")
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §3.3",
            "host that is empty, of the server",
            "“the server can reject the request” whose authority is empty",
        )
        .send("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n")
        .gets(400)
        .closed(),
        given(
            "RFC 9112 §3.3",
            "host that is empty in 1.0",
            "“the server can reject the request” whose authority is empty, in 1.0 too",
        )
        .send("GET /seen HTTP/1.0\r\nHost:\r\n\r\n")
        .gets(400)
        .closed(),
    ]);
    rows.extend(
        INVALID
            .iter()
            .map(|(name, line)| must("RFC 9112 §3.2", name, RULE).send(with(line)).gets(400).closed()),
    );
    rows.extend(VALID.iter().map(|(name, line, seen)| {
        given("RFC 9110 §7.2", name, "“Host = uri-host [ \":\" port ]”")
            .send(with(line))
            .gets(200)
            .body(format!("GET /seen HTTP/1.1 host {seen} x []"))
            .kept()
    }));
    rows
}
