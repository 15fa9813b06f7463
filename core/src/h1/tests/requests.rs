//! Requests: what is served, what is refused, and with which status.

use super::*;

#[test]
fn heads_that_are_served() {
    check_all(&[
        ("the least of 1.1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /, closed"),
        (
            "an empty Host beside an authority",
            "GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n",
            "GET http://a/, closed",
        ),
        ("two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /, closed"),
        ("an empty line behind", "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n", "GET /, closed"),
        ("absolute form", "GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://b/c, closed"),
        ("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *, closed"),
        ("authority form", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "CONNECT a:1, closed"),
        ("an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "BREW /, closed"),
        ("a higher minor version", "GET / HTTP/1.7\r\nHost: a\r\n\r\n", "GET /, closed"),
        ("space around a value", "GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", "GET /, closed"),
        ("bytes over 127 in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: \u{e4}\r\n\r\n", "GET /, closed"),
        ("a query", "GET /?a=b%20c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?a=b%20c, closed"),
    ]);
}

#[test]
fn keep_alive() {
    check_all(&[
        ("1.1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /, closed"),
        ("1.1 and close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /, close"),
        ("close in a list", "GET / HTTP/1.1\r\nHost: a\r\nConnection: te, Close\r\n\r\n", "GET /, close"),
        (
            "close in a second field",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
            "GET /, close",
        ),
        ("1.0", "GET / HTTP/1.0\r\n\r\n", "GET /, close"),
        ("1.0 and keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /, closed"),
        ("1.0 and both", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET /, close"),
    ]);
}

#[test]
fn bodies() {
    check_all(&[
        ("none", "POST / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /, closed"),
        ("a length of 0", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /, closed"),
        ("a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "POST /, \"abc\", closed"),
        (
            "a length with leading zeros",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0003\r\n\r\nabc",
            "POST /, \"abc\", closed",
        ),
        (
            "a length with GET",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            "GET /, \"abc\", closed",
        ),
        (
            "a length that is cut",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
            "POST /, Truncated after \"ab\"",
        ),
        (
            "Expect",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\na",
            "POST / expects 100, \"a\", close",
        ),
        (
            "Expect without a body",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
            "POST /, closed",
        ),
        (
            "Expect in 1.0",
            "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
            "POST /, \"a\", close",
        ),
    ]);
}

/// A chunked request with this body.
fn chunked(body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

#[test]
fn chunks() {
    let rows: &[(&str, &str, &str)] = &[
        ("no data", "0\r\n\r\n", "POST /, closed"),
        ("two chunks", "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", "POST /, \"abcd\", closed"),
        (
            "hexadecimal in either case",
            "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "POST /, \"01234567890123456789\", closed",
        ),
        ("leading zeros", "003\r\nabc\r\n00\r\n\r\n", "POST /, \"abc\", closed"),
        ("an extension", "3;a\r\nabc\r\n0;a=b\r\n\r\n", "POST /, \"abc\", closed"),
        (
            "extensions of all kinds",
            "3 ; a = \"b\\\"; c\" ;d=e\r\nabc\r\n0\r\n\r\n",
            "POST /, \"abc\", closed",
        ),
        ("trailers", "0\r\nA: b\r\nC:d\r\n\r\n", "POST /, a=b, c=d, closed"),
        (
            "trailers that are not allowed",
            "0\r\nHost: b\r\nContent-Length: 1\r\nA: b\r\n\r\n",
            "POST /, a=b, closed",
        ),
        ("line ends in data", "2\r\n\r\n\r\n0\r\n\r\n", "POST /, \"\\r\\n\", closed"),
        ("cut in a size", "3", "POST /, Truncated after \"\""),
        ("cut in data", "3\r\nab", "POST /, Truncated after \"ab\""),
        ("cut before the last chunk", "3\r\nabc\r\n", "POST /, Truncated after \"abc\""),
        ("cut before the last line end", "3\r\nabc\r\n0\r\n", "POST /, Truncated after \"abc\""),
        ("cut in a trailer", "0\r\nA: b\r\n", "POST /, Truncated after \"\""),
    ];
    for (name, body, expected) in rows {
        check(name, &chunked(body), expected, &Limits::default());
    }
    let coded = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,Chunked ,\r\n\r\n0\r\n\r\n";
    check("the coding as a list", coded.as_bytes(), "POST /, closed", &Limits::default());
}

#[test]
fn malformed_chunks() {
    let rows: &[(&str, &str)] = &[
        ("an empty size", "\r\n\r\n"),
        ("an empty size after a chunk", "3\r\nabc\r\n\r\n\r\n"),
        ("a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a space before", " 3\r\nabc\r\n0\r\n\r\n"),
        ("a space after", "3 \r\nabc\r\n0\r\n\r\n"),
        ("an underscore", "1_0\r\nabc\r\n0\r\n\r\n"),
        ("no hexadecimal", "g\r\nabc\r\n0\r\n\r\n"),
        ("a bare LF after the size", "3\nabc\r\n0\r\n\r\n"),
        ("a bare LF after the last size", "0\n\r\n"),
        ("a bare CR in the line", "3\rabc\r\n0\r\n\r\n"),
        ("a bare LF in an extension", "3;a\nabc\r\n0\r\n\r\n"),
        ("NUL in an extension", "3;a=\0\r\nabc\r\n0\r\n\r\n"),
        ("an empty extension", "3;\r\nabc\r\n0\r\n\r\n"),
        ("an extension without a value", "3;a=\r\nabc\r\n0\r\n\r\n"),
        ("an open quote", "3;a=\"b\r\nabc\r\n0\r\n\r\n"),
        ("longer than its size", "3\r\nabcd\r\n0\r\n\r\n"),
        ("shorter than its size", "4\r\nabc\r\n0\r\n\r\n"),
        ("a bare LF after data", "3\r\nabc\n0\r\n\r\n"),
        ("a bare LF after a trailer", "0\r\nA: b\n\r\n"),
        ("a bare LF at the end", "0\r\n\n"),
        ("a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"),
        ("a trailer without a name", "0\r\n: b\r\n\r\n"),
        ("a space before the colon", "0\r\nA : b\r\n\r\n"),
        ("no trailer", "0\r\nA\r\n\r\n"),
        ("NUL in a trailer", "0\r\nA: \0\r\n\r\n"),
    ];
    for (name, body) in rows {
        let expected = outcome(&chunked(body), Arrival::Whole, &Limits::default());
        assert!(expected.starts_with("POST /, Malformed("), "{name}: {expected}");
        check(name, &chunked(body), &expected, &Limits::default());
    }
    let uncountable = "Malformed(\"a chunk size is not a number of 64 bits\")";
    for (size, fault) in [
        ("fffffffffffffffd", "TooLarge"),
        ("fffffffffffffffe", uncountable),
        ("ffffffffffffffff", uncountable),
        ("10000000000000000", uncountable),
        ("fffffffffffffffffffff", uncountable),
    ] {
        let body = format!("1\r\na\r\n{size}\r\n");
        check(size, &chunked(&body), &format!("POST /, {fault} after \"a\""), &Limits::default());
    }
}

#[test]
fn refusals() {
    let longest = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "B".repeat(33));
    check_all(&[
        ("three empty lines before", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"),
        ("a bare LF before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400"),
        ("a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", "400"),
        ("a bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400"),
        ("a bare CR in a field", "GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", "400"),
        ("no version", "GET /\r\nHost: a\r\n\r\n", "400"),
        ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400"),
        ("a tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("a space before", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("no token as method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("a word that is no method", &longest, "501"),
        ("an authority", "GET foo HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("a backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("raw UTF-8", "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("an asterisk", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", "400"),
        ("another protocol", "GET / HTCPCP/1.0\r\nHost: a\r\n\r\n", "400"),
        ("a version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400"),
        ("version 0.9", "GET / HTTP/0.9\r\n\r\n", "505"),
        ("version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("no Host", "GET / HTTP/1.1\r\n\r\n", "400"),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("a malformed Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        ("a Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"),
        ("a Host with a port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400"),
        ("a space before a colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
        ("a folded field", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", "400"),
        ("a folded first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"),
        ("a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "400"),
        ("a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nb\r\n\r\n", "400"),
        ("a name that is no token", "GET / HTTP/1.1\r\nHost: a\r\nA(: b\r\n\r\n", "400"),
        ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", "400"),
        ("DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: \x7f\r\n\r\n", "400"),
        ("an unknown Expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect: it\r\n\r\n", "417"),
    ]);
}

/// One that is named again is known: another one is judged, whatever came before it.
#[test]
fn each_host_is_judged_whatever_came_before_it() {
    let get = |host: &str| format!("GET / HTTP/1.1\r\nHost:{host}\r\n\r\n");
    let long = format!(" {}", "a".repeat(100));
    let rows = [
        (" a", true),
        ("a", true),
        ("  a ", true),
        (" a:80", true),
        (&long, true),
        ("", false),
        (" ", false),
        (" a b", false),
        (" a:", true),
        (" a:b", false),
        (" a:99999", false),
        (" u@a", false),
        (&format!("{long} "), true),
        (&format!("{long}@a"), false),
    ];
    for before in [" a", "a", " a:80", &long] {
        for (host, is_valid) in rows {
            let requests = [get(before), get(before), get(host), get(before)].concat();
            let expected = if is_valid { "GET /, GET /, GET /, GET /, closed" } else { "GET /, GET /, 400" };
            for arrival in [Arrival::Whole, Arrival::ByteByByte] {
                let outcome = outcome(requests.as_bytes(), arrival, &Limits::default());
                assert_eq!(outcome, expected, "{host:?} behind {before:?}, {arrival:?}");
            }
        }
    }
}

#[test]
fn refused_framing() {
    let rows: &[(&str, &str, &str)] = &[
        ("a length and a coding", "Content-Length: 1\r\nTransfer-Encoding: chunked", "400"),
        ("two lengths", "Content-Length: 1\r\nContent-Length: 1", "400"),
        ("a list of lengths", "Content-Length: 1, 1", "400"),
        ("a sign", "Content-Length: +5", "400"),
        ("a negative length", "Content-Length: -5", "400"),
        ("no number", "Content-Length: five", "400"),
        ("an empty length", "Content-Length:", "400"),
        ("a length beyond 64 bits", "Content-Length: 18446744073709551616", "400"),
        ("the largest length", "Content-Length: 18446744073709551615", "POST /, too large by its length"),
        ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "400"),
        ("chunked twice", "Transfer-Encoding: chunked, chunked", "400"),
        ("chunked not last", "Transfer-Encoding: chunked, gzip", "400"),
        ("an unknown coding alone", "Transfer-Encoding: gzip", "400"),
        ("an unknown coding before", "Transfer-Encoding: gzip, chunked", "501"),
        ("chunked with a vertical tab", "Transfer-Encoding: \x0bchunked", "400"),
        ("identity", "Transfer-Encoding: identity", "400"),
        ("an empty coding", "Transfer-Encoding:", "400"),
    ];
    for (name, fields, expected) in rows {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        check(name, request.as_bytes(), expected, &Limits::default());
    }
    check_all(&[(
        "a coding in 1.0",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    )]);
}

#[test]
fn ends_before_a_request() {
    for lines in ["", "\r\n", "\r\n\r\n"] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{lines}");
        check(&format!("{lines:?} before the end"), text.as_bytes(), "GET /, closed", &Limits::default());
    }
}

#[test]
fn ends_within_a_request() {
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let head = request.len() - 3;
    for end in 0..request.len() {
        let expected = match end {
            0 => "closed",
            _ if end < head => "truncated",
            _ => "Truncated after",
        };
        let outcome = outcome(&request[..end], Arrival::Whole, &Limits::default());
        assert!(outcome.contains(expected), "{end} bytes: {outcome}");
    }
}
