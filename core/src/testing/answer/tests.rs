//! Answers as tables, each cut at every place.

use super::*;

/// What `bytes` are, cut at every place: the end of the response, or what is wrong.
fn judged(bytes: &str) -> Result<Option<usize>, String> {
    let whole = whole_len(bytes.as_bytes(), Asked::Other, true);
    for cut in 0..bytes.len() {
        let mut answer = Answer::new(Asked::Other);
        let mut seen = Ok(None);
        for part in [&bytes[..cut], &bytes[cut..]] {
            answer.receive().extend_from_slice(part.as_bytes());
            if part.len() == bytes.len() - cut {
                answer.receive_end();
            }
            seen = loop {
                match answer.next_event() {
                    Err(fault) => break Err(fault),
                    Ok(Event::NeedData) => break Ok(None),
                    Ok(Event::Done) => break Ok(Some(answer.at)),
                    Ok(Event::Head | Event::Piece(_)) => {}
                }
            };
            if seen.is_err() {
                break;
            }
        }
        // One that ends with the connection may end at the cut.
        if bytes.contains("\r\nuntil") {
            continue;
        }
        assert_eq!(seen, whole, "cut at {cut}: {bytes:?}");
    }
    whole
}

#[test]
fn what_is_a_response_is_read_to_its_end_and_no_further() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\na: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 205 Reset Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(judged(bytes), Ok(Some(bytes.len())), "{bytes:?}");
        assert_eq!(judged(&format!("{bytes}HTTP/1.1 200")), Ok(Some(bytes.len())), "{bytes:?}");
    }
    let until = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
    assert_eq!(judged(until), Ok(Some(until.len())));
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    assert_eq!(whole_len(head.as_bytes(), Asked::Head, false), Ok(Some(head.len())));
    assert_eq!(judged(head), Ok(None));
}

#[test]
fn what_is_none_is_told_apart() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let table = [
        ("SSH-2.0-OpenSSH", "what the server sent is no response"),
        ("HTTP/2 200\r\n", "what the server sent is no response"),
        ("HTTP/1.1 20 OK\r\n\r\n", "the response head is malformed: invalid response status"),
        ("HTTP/1.1 200 OK\r\na\r\n\r\n", "the response head is malformed: invalid header name"),
        ("HTTP/1.1 200 OK\n\nx\r\n\r\n", "the response head is malformed: a line ends with LF alone"),
        ("HTTP/1.1 200 OK\r\na: b\n", "the response head is malformed: a line ends with LF alone"),
        (
            "HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n",
            "the response head is malformed: a line ends with LF alone",
        ),
        (
            &format!("{chunked}0\r\na: b\nc: d\r\n\r\n"),
            "the trailers are malformed: a line ends with LF alone",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: a\r\n\r\n",
            "the server switches to another protocol, of which this client knows none",
        ),
        (
            "HTTP/1.1 205 Reset Content\r\ncontent-length: 1\r\n\r\nx",
            "a response with status 205 has content",
        ),
        (
            "HTTP/1.1 205 Reset Content\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
            "a response with status 205 has content",
        ),
        ("HTTP/1.1 205 Reset Content\r\n\r\nx", "a response with status 205 has content"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
            "the response has 2 fields content-length",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "the response has 2 fields transfer-encoding",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "the response has a Content-Length and a Transfer-Encoding",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
            "the response has a malformed Content-Length: `+1`",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nx",
            "the response has a malformed Content-Length: `99999999999999999999`",
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", "the response has the coding `gzip`"),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "the response is of HTTP/1.0 and has a Transfer-Encoding",
        ),
        (
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            "a response with status 204 says how long its body is, and has none",
        ),
        (
            "HTTP/1.1 100 Continue\r\ncontent-length: 0\r\n\r\n",
            "a response with status 100 says how long its body is, and has none",
        ),
        (&format!("{chunked}x\r\n"), "`x` is no chunk size"),
        (&format!("{chunked}+1\r\nx\r\n0\r\n\r\n"), "`+1` is no chunk size"),
        (&format!("{chunked}\r\n"), "`` is no chunk size"),
        (&format!("{chunked}1;a=b\r\nx\r\n"), "`1;a=b` is no chunk size"),
        (&format!("{chunked}ffffffffffffffffff\r\n"), "`ffffffffffffffffff` is no chunk size"),
        (&format!("{chunked}1\r\nxy\r\n"), "a chunk of 1 bytes has no line end"),
        (&format!("{chunked}0\r\n:\r\n\r\n"), "the trailers are malformed: invalid header name"),
    ];
    for (bytes, fault) in table {
        assert_eq!(judged(bytes), Err(fault.to_owned()), "{bytes:?}");
    }
}
