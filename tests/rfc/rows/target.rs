//! The request target: its four forms, what it may hold, and how long it may be.

use crate::row::{Level, Row, by, given, must, must_not, should, should_not};

const INVALID: &str = "“Recipients of an invalid request-line SHOULD respond with either a 400”";

/// Targets of GET that are none: 400.
const REFUSED: &[(&str, &str)] = &[
    ("target of a bare word", "foo"),
    ("target with a fragment", "/a#b"),
    ("target of a fragment alone", "#"),
    ("target with a backslash", "/a\\b"),
    ("target with an angle bracket", "/a<b"),
    ("target with a quote", "/a\"b"),
    ("target of raw UTF-8", "/\u{e4}"),
    ("target with a control", "/a\u{1}"),
    ("target with a delete", "/a\u{7f}"),
    ("target with a NUL", "/a\0b"),
    ("target with a tab", "/a\tb"),
    ("target with a bare CR", "/a\rb"),
    ("target with an escape cut off", "/a%4"),
    ("target with an escape that is none", "/a%zz"),
    ("target with a query and no path", "?a"),
    ("target of dots", "../seen"),
    ("target in asterisk form for GET", "*"),
    ("target in authority form for GET", "t:80"),
    ("target with an asterisk and more", "*/"),
    ("absolute target without a host", "http:///seen"),
    ("absolute target without slashes", "http:/seen"),
    ("absolute target without an authority", "http:seen"),
    ("absolute target with a bad port", "http://t:x/seen"),
    ("absolute target with an empty host and a port", "http://:80/seen"),
    ("absolute target with a bad IPv6 address", "http://[::g]/seen"),
    ("absolute target with a fragment", "http://t/seen#a"),
    ("absolute target of another scheme", "ftp://t/seen"),
    ("absolute target of a file", "file:///etc/passwd"),
    ("absolute target of a script", "javascript:alert(1)"),
    ("absolute target with a path of raw bytes", "http://t/\u{e4}"),
];

/// Targets of GET that are, and how the handler sees the request.
const ACCEPTED: &[(&str, &str, &str, &str, &str)] = &[
    (
        "RFC 9112 §3.2.1",
        "origin form with a query",
        "“origin-form = absolute-path [ \"?\" query ]”",
        "/seen?a=b&c",
        "/seen?a=b&c host t",
    ),
    (
        "RFC 9112 §3.2.1",
        "origin form with an empty query",
        "“origin-form = absolute-path [ \"?\" query ]”",
        "/seen?",
        "/seen? host t",
    ),
    (
        "RFC 9110 §4.1",
        "origin form with question marks in the query",
        "“query = <query, see [URI], Section 3.4>”, with \"?\" and \"/\" in it",
        "/seen?a?b/c",
        "/seen?a?b/c host t",
    ),
    (
        "RFC 9110 §4.1",
        "origin form with an absolute URI in the query",
        "“query = <query, see [URI], Section 3.4>”, a URI's characters among them",
        "/seen?u=http://u@v/",
        "/seen?u=http://u@v/ host t",
    ),
    (
        "RFC 9112 §3.2.2",
        "absolute form",
        "“A server MUST accept the absolute-form in requests”",
        "http://t/seen",
        "http://t/seen host t",
    ),
    (
        "RFC 9112 §3.2.2",
        "absolute form replaces Host",
        "“MUST ignore the received Host header field (if any)”",
        "http://other:81/seen",
        "http://other:81/seen host other:81",
    ),
    (
        "RFC 9110 §4.2.3",
        "absolute form with a scheme in capitals",
        "“The scheme and host are case-insensitive”",
        "HTTP://t/seen?a",
        "http://t/seen?a host t",
    ),
    (
        "RFC 9110 §4.1",
        "absolute form of an IPv6 host",
        "“uri-host = <host, see [URI], Section 3.2.2>”, an IP literal too",
        "http://[::1]:80/seen",
        "http://[::1]:80/seen host [::1]:80",
    ),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = REFUSED
        .iter()
        .map(|(name, target)| {
            should("RFC 9112 §3.2", name, INVALID)
                .send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n"))
                .gets(400)
                .closed()
        })
        .collect();
    rows.extend(ACCEPTED.iter().map(|(section, name, rule, target, seen)| {
        by(Level::Must, section, name, rule)
            .send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n"))
            .gets(200)
            .body(format!("GET {}", seen.replacen(" host", " HTTP/1.1 host", 1) + " x []"))
            .kept()
    }));
    rows.extend(forms());
    rows
}

fn forms() -> Vec<Row> {
    vec![
        given("RFC 9110 §4.2.3", "absolute form without a path", "“an empty path component is equivalent to an absolute path of \"/\"”",
        )
        .send("GET http://t HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("root")
        .kept(),
        must("RFC 9112 §3.2.2", "absolute form in 1.0", "“A server MUST accept the absolute-form in requests”, in 1.0 too",
        )
        .send("GET http://t/text HTTP/1.0\r\n\r\n")
        .gets(200)
        .body("text")
        .closed(),
        must("RFC 9112 §3.2.2", "absolute form with a body", "“A server MUST accept the absolute-form in requests”, for every method",
        )
        .send("POST http://t/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi")
        .gets(200)
        .body("hi")
        .kept(),
        must("RFC 9112 §3.2", "absolute form with a Host that is invalid", "“or a Host header field with an invalid field value”",
        )
        .send("GET http://t/seen HTTP/1.1\r\nHost: a b\r\n\r\n")
        .gets(400)
        .closed(),
        should("RFC 9110 §4.2.4", "absolute target with userinfo", "“SHOULD parse for userinfo and treat its presence as an error”")
            .send("GET http://u@t/seen HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(400)
            .closed(),
        should("RFC 9110 §4.2.4", "absolute target with a password", "“SHOULD parse for userinfo and treat its presence as an error”, with a password too")
            .send("GET http://u:p@t/seen HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9110 §4.2.1", "absolute target whose host is empty", "“A recipient that processes such a URI reference MUST reject it as invalid”")
            .send("GET http:///text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9110 §7.4", "https without TLS", "“a request for an \"https\" resource MUST be rejected unless” it was secured")
            .send("GET https://t/text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(421)
            .closed(),
        must("RFC 9110 §7.4", "https in capitals", "“MUST reject a request if any scheme-specific requirements for the target URI” fail")
            .send("GET HTTPS://t/text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(421)
            .closed(),
        must("RFC 9110 §7.4", "https in 1.0", "“a request for an \"https\" resource MUST be rejected unless” secured, in 1.0 too")
            .send("GET https://t/text HTTP/1.0\r\n\r\n")
            .gets(421)
            .closed(),
        must("RFC 9110 §7.4", "https with content", "“a request for an \"https\" resource MUST be rejected unless” secured, with content too")
            .send("POST https://t/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi")
            .gets(421)
            .closed(),
        must("RFC 9110 §4.2.2", "https without a host", "“A recipient that processes such a URI reference MUST reject it as invalid”")
            .send("GET https:///text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(400)
            .closed(),
        given("RFC 9110 §4.2.1", "absolute form with a query and no path", "“http-URI = \"http\" \"://\" authority path-abempty [ \"?\" query ]”")
            .send("GET http://t?a=b HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("root")
            .kept(),
        given("RFC 9110 §4.2.1", "absolute form with an empty port", "“If the port subcomponent is empty or not given, TCP port 80”")
            .send("GET http://t:/text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9112 §3.2.2", "absolute form with an empty Host", "“MUST ignore the received Host header field (if any)”, an empty one too")
            .send("GET http://t/seen HTTP/1.1\r\nHost:\r\n\r\n")
            .gets(200)
            .body("GET http://t/seen HTTP/1.1 host t x []")
            .kept(),
        should("RFC 9110 §4.1", "a URI of 8000 octets", "“RECOMMENDED that all senders and recipients support, at a minimum, URIs with lengths”")
            .send(format!("GET http://t/seen/{} HTTP/1.1\r\nHost: t\r\n\r\n", "e".repeat(7985)))
            .gets(200)
            .body("e".repeat(7985))
            .kept(),
        given("RFC 9112 §3.2.4", "asterisk form", "“only used for a server-wide OPTIONS request”")
            .send("OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets_any(&[200, 204])
            .has("allow")
            .kept(),
        must_not("RFC 9110 §7.1", "asterisk form for POST", "“These forms MUST NOT be used with other methods”")
            .send("POST * HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
            .gets(400)
            .closed(),
        must_not("RFC 9110 §7.1", "authority form for OPTIONS", "“These forms MUST NOT be used with other methods”",
        )
        .send("OPTIONS t:80 HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        given("RFC 9112 §3.2.3", "CONNECT to a path", "“only the uri-host and port number of the tunnel destination”")
            .send("CONNECT /text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(400)
            .closed(),
        given("RFC 9112 §3.2.3", "CONNECT to an absolute URI", "“authority-form = uri-host \":\" port”, and no scheme")
            .send("CONNECT http://t/text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(400)
            .closed(),
        must(
            "RFC 9110 §9.3.6",
            "CONNECT without a port",
            "“MUST reject a CONNECT request that targets an empty or invalid port”",
        )
        .send("CONNECT t HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9110 §9.3.6",
            "CONNECT to an empty port",
            "“MUST reject a CONNECT request that targets an empty or invalid port”",
        )
        .send("CONNECT t: HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9110 §9.3.6",
            "CONNECT to a port of letters",
            "“MUST reject a CONNECT request that targets an empty or invalid port”",
        )
        .send("CONNECT t:https HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9110 §9.3.6",
            "CONNECT to a port too large",
            "“MUST reject a CONNECT request that targets an empty or invalid port”",
        )
        .send("CONNECT t:70000 HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9110 §9.3.6",
            "CONNECT to port zero",
            "“MUST reject a CONNECT request that targets an empty or invalid port”",
        )
        .send("CONNECT t:0 HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        must(
            "RFC 9110 §9.3.6",
            "CONNECT to IPv6 without a port",
            "“MUST reject a CONNECT request that targets an empty or invalid port”",
        )
        .send("CONNECT [::1] HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        given("RFC 9110 §9.3.6", "CONNECT to a host", "“most origin servers do not implement CONNECT”")
            .send("CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n\r\n")
            .gets_any(&[400, 404, 405, 501])
            .kept(),
        must("RFC 9112 §3", "target over its limit", "“MUST respond with a 414 (URI Too Long) status code”")
            .send(format!("GET /{} HTTP/1.1\r\nHost: t\r\n\r\n", "a".repeat(9000)))
            .gets(414)
            .closed(),
        must("RFC 9112 §3", "target that never ends", "“MUST respond with a 414 (URI Too Long) status code”")
            .send(format!("GET /{}", "b".repeat(9000)))
            .gets(414)
            .ended(),
        must(
            "RFC 9112 §3",
            "absolute target over its limit",
            "“MUST respond with a 414 (URI Too Long) status code”, in every form",
        )
        .send(format!("GET http://t/{} HTTP/1.1\r\nHost: t\r\n\r\n", "c".repeat(9000)))
        .gets(414)
        .closed(),
        should("RFC 9112 §3", "request line of 8000 octets", "“RECOMMENDED that all HTTP senders and recipients support, at a minimum, request-line lengths”",
        )
        .send(format!("GET /seen/{} HTTP/1.1\r\nHost: t\r\n\r\n", "d".repeat(7981)))
        .gets(200)
        .body("d".repeat(7981))
        .kept(),
        should_not(
            "RFC 9112 §3.2",
            "white space in a target",
            "“SHOULD NOT attempt to autocorrect and then process the request”",
        )
        .send("GET /a b HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        should_not(
            "RFC 9112 §3.2",
            "white space around a target",
            "“SHOULD NOT attempt to autocorrect and then process the request”",
        )
        .send("GET  /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        should("RFC 9112 §3", "target missing", "“request-line = method SP request-target SP HTTP-version”",
        )
        .send("GET HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(400)
        .closed(),
        given("RFC 9110 §4.2.3", "an escaped slash is no slash", "“Characters other than those in the \"reserved\" set are equivalent to their percent-encoded octets”",
        )
        .send("GET /seen%2fa HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(404)
        .kept(),
        given("RFC 9110 §4.2.3", "an escape is decoded for the handler", "“are equivalent to their percent-encoded octets”",
        )
        .send("GET /seen/%C3%A4%20b HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("\u{e4} b")
        .kept(),
        given("RFC 9110 §4.2.3", "paths differ by case", "“all other components are compared in a case-sensitive manner”",
        )
        .send("GET /TEXT HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(404)
        .kept(),
        given("RFC 9110 §4.1", "two slashes are no authority", "“absolute-path = 1*( \"/\" segment )”, of which the first may be empty",
        )
        .send("GET //other/seen HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(404)
        .kept(),
        given("RFC 9110 §4.1", "a path with a colon", "“segment = <segment, see [URI], Section 3.3>”, a colon among its characters")
            .send("GET /seen/a:b@c HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("a:b@c")
            .kept(),
        given("RFC 9110 §4.2.3", "dots in a path do not leave it", "“any HTTP component MAY perform normalization”, and this one does not",
        )
        .send("GET /seen/../text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(404)
        .kept(),
    ]
}
