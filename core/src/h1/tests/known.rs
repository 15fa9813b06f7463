//! Requests behind others whose fields were the same, or nearly: what was judged before may never be seen in what comes of
//! them.

use super::*;

/// What a request comes to behind another, and by itself.
fn behind(first: &[u8], request: &[u8]) -> [String; 2] {
    let limits = Limits::default();
    let alone = outcome(request, Arrival::Whole, &limits);
    let both = outcome(&[first, request].concat(), Arrival::Whole, &limits);
    let former = outcome(first, Arrival::Whole, &limits);
    let former = former.strip_suffix("closed").expect("the first keeps the connection");
    [both.strip_prefix(former).expect("the first comes to what it does alone").to_owned(), alone]
}

const FIRSTS: [&str; 4] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nConnection: te\r\n\r\n",
    "POST / HTTP/1.1\r\nAccept: text/html\r\nHost: a.example:80\r\nContent-Length: 0\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
];

#[test]
fn one_byte_makes_another_request() {
    for first in FIRSTS {
        for place in 0..first.len() {
            for byte in [b'\r', b'\n', b' ', b':', b'0', b'5', b'A', b'c', 0, 0xe4] {
                let mut request = first.as_bytes().to_vec();
                request[place] = byte;
                let [behind, alone] = behind(first.as_bytes(), &request);
                assert_eq!(behind, alone, "{:?} behind {first:?}", request.escape_ascii().to_string());
            }
        }
    }
}

#[test]
fn what_is_longer_or_shorter_is_another() {
    for first in FIRSTS {
        for second in FIRSTS {
            let (first, second) = (first.as_bytes(), second.as_bytes());
            for length in 0..second.len() {
                let [behind, alone] = behind(first, &second[..length]);
                assert_eq!(behind, alone, "{:?}", second[..length].escape_ascii().to_string());
            }
            let lines = second.len() - 2;
            let more = [&second[..lines], b"Content-Length: 2\r\n\r\nab"].concat();
            let [behind, alone] = behind(first, &more);
            assert_eq!(behind, alone, "{:?}", more.escape_ascii().to_string());
        }
    }
}

/// The same fields mean something else with another version, and other targets ask for other hosts.
#[test]
fn the_same_fields_behind_another_request_line_are_judged_for_that() {
    let expects = "Host: a\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na";
    let empty_host = "Host:\r\n\r\n";
    let rows = [
        ("PUT / HTTP/1.0", "PUT / HTTP/1.1", expects, "PUT / expects 100, \"a\", close"),
        ("GET http://a/ HTTP/1.1", "GET / HTTP/1.1", empty_host, "400"),
        ("GET http://a/ HTTP/1.1", "GET http://b/ HTTP/1.1", empty_host, "GET http://b/, closed"),
        ("GET / HTTP/1.1", "GET http://b/ HTTP/1.1", "Host: a\r\n\r\n", "GET http://b/, closed"),
        ("GET / HTTP/1.1", "HEAD /b HTTP/1.7", "Host: a\r\n\r\n", "HEAD /b, closed"),
        ("GET / HTTP/1.1", "GET /%zz HTTP/1.1", "Host: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1", "CONNECT a HTTP/1.1", "Host: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1", "GET / HTTP/2.0", "Host: a\r\n\r\n", "505"),
        (
            "GET / HTTP/1.0",
            "GET / HTTP/1.1",
            "Host: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET /, closed",
        ),
    ];
    for (first, second, fields, expected) in rows {
        let first = format!("{first}\r\n{fields}");
        let second = format!("{second}\r\n{fields}");
        let alone = outcome(second.as_bytes(), Arrival::Whole, &Limits::default());
        assert_eq!(alone, expected, "{second:?}");
        if outcome(first.as_bytes(), Arrival::Whole, &Limits::default()).ends_with("closed") {
            assert_eq!(
                behind(first.as_bytes(), second.as_bytes())[0],
                expected,
                "{second:?} behind {first:?}"
            );
        }
    }
}

#[test]
fn fields_that_are_known_are_read_by_who_asks_for_them() {
    let mut connection = Connection::new(Limits::default().into());
    for target in ["/first", "/a/longer/one?with=query"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nX-Id: 1\r\nX-Id: 2\r\n\r\n");
        connection.input_space()[..request.len()].copy_from_slice(request.as_bytes());
        connection.receive(request.len());
        assert!(matches!(connection.next_event(), Event::Request));
        let head = connection.request().unwrap();
        assert_eq!(head.authority(), Some("a.example"));
        let parts = head.parts().unwrap();
        assert_eq!(parts.uri, target);
        assert_eq!(parts.headers.get_all("x-id").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(parts.headers.len(), 3);
        assert!(matches!(connection.next_event(), Event::EndOfMessage(None)));
        connection.settle();
        let (none, nothing) = (HeaderMap::new(), BodyLength::Known(0));
        connection.send_response(StatusCode::OK, &none, nothing, KeepAlive::Implied, wall_clock());
        connection.send_end(None).unwrap();
        connection.end_exchange();
    }
}
