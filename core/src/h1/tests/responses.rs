//! Responses: how they are framed, and what happens to those of the wrong length.

use super::*;

/// A connection that has received one whole request.
fn asked(request: &str) -> Connection {
    let mut connection = Connection::new(Limits::default().into());
    connection.input_space()[..request.len()].copy_from_slice(request.as_bytes());
    connection.receive(request.len());
    assert!(matches!(connection.next_event(), Event::Request), "{request}");
    connection
}

/// Everything that is queued.
fn written(connection: &mut Connection) -> String {
    let mut bytes = Vec::new();
    while connection.output_len() > 0 {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = {
            let slices = connection.output_slices(&mut slices);
            slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
            slices.iter().map(|slice| slice.len()).sum()
        };
        connection.output_written(count);
    }
    String::from_utf8(bytes).unwrap()
}

fn fields(text: &str) -> HeaderMap {
    text.split(", ")
        .filter_map(|field| field.split_once(": "))
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

const V11: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const V10: &str = "GET / HTTP/1.0\r\n\r\n";
const KEPT10: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const KNOWN: BodyLength = BodyLength::Known(3);
const NONE: BodyLength = BodyLength::Known(0);
const UNKNOWN: BodyLength = BodyLength::Unknown;

#[test]
fn framing() {
    /// Name, request, status, fields, length; then the framing fields that are sent, and the body.
    type Row<'a> = (&'a str, &'a str, u16, &'a str, BodyLength, &'a str, &'a str);
    let rows: &[Row<'_>] = &[
        ("a known length", V11, 200, "", KNOWN, "content-length: 3", "abc"),
        ("an empty body", V11, 200, "", NONE, "content-length: 0", ""),
        ("an unknown length", V11, 200, "", UNKNOWN, "transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("an error is no exception", V11, 500, "", KNOWN, "content-length: 3", "abc"),
        ("a declared length", V11, 200, "content-length: 3", UNKNOWN, "content-length: 3", "abc"),
        ("a wrong declared length", V11, 200, "content-length: 9", KNOWN, "content-length: 3", "abc"),
        (
            "a malformed declared length",
            V11,
            200,
            "content-length: +3",
            UNKNOWN,
            "transfer-encoding: chunked",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        ("a coding of the handler's", V11, 200, "transfer-encoding: gzip", KNOWN, "content-length: 3", "abc"),
        (
            "a close of the handler's",
            V11,
            200,
            "connection: close",
            KNOWN,
            "content-length: 3, connection: close",
            "abc",
        ),
        ("a keep-alive of the handler's", V11, 200, "keep-alive: max=5", KNOWN, "content-length: 3", "abc"),
        ("a date of the handler's", V11, 200, "date: never", KNOWN, "content-length: 3", "abc"),
        ("1.0", V10, 200, "", KNOWN, "content-length: 3, connection: close", "abc"),
        ("1.0, kept", KEPT10, 200, "", KNOWN, "content-length: 3, connection: keep-alive", "abc"),
        ("1.0, of unknown length", KEPT10, 200, "", UNKNOWN, "connection: close", "abc"),
        ("HEAD", HEAD, 200, "", KNOWN, "content-length: 3", ""),
        ("HEAD of a stream", HEAD, 200, "", UNKNOWN, "", ""),
        ("HEAD with a declared length", HEAD, 200, "content-length: 7", NONE, "content-length: 7", ""),
        ("204", V11, 204, "content-length: 3", KNOWN, "", ""),
        ("204 of a stream", V11, 204, "", UNKNOWN, "", ""),
        ("304", V11, 304, "", KNOWN, "", ""),
        ("304 with a declared length", V11, 304, "content-length: 7", NONE, "content-length: 7", ""),
    ];
    for (name, request, status, extra, length, framing, body) in rows {
        let mut connection = asked(request);
        connection.settle();
        let status = StatusCode::from_u16(*status).unwrap();
        let send =
            connection.send_response(status, &fields(extra), *length, KeepAlive::Implied, wall_clock());
        assert_eq!(
            send == SendBody::No,
            body.is_empty() && *length != NONE || *request == HEAD || status == 304,
            "{name}"
        );
        if send == SendBody::Yes {
            if *length != NONE {
                connection.send_data("abc".into()).unwrap();
            }
            connection.send_end(None).unwrap();
        }
        let framing: String = framing
            .split(", ")
            .filter(|field| !field.is_empty())
            .map(|field| format!("{field}\r\n"))
            .collect();
        let expected =
            format!("HTTP/1.1 {status}\r\n{framing}date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{body}");
        assert_eq!(written(&mut connection), expected, "{name}");
    }
}

#[test]
fn chunks_and_trailers() {
    let mut connection = asked(V11);
    connection.send_response(StatusCode::OK, &HeaderMap::new(), UNKNOWN, KeepAlive::Implied, wall_clock());
    written(&mut connection);
    for data in ["a", "", "0123456789abcdef"] {
        connection.send_data(data.into()).unwrap();
    }
    let large = "x".repeat(20_000);
    connection.send_data(large.clone().into()).unwrap();
    connection.send_end(Some(&fields("a: b"))).unwrap();
    assert_eq!(
        written(&mut connection),
        format!("1\r\na\r\n10\r\n0123456789abcdef\r\n4e20\r\n{large}\r\n0\r\na: b\r\n\r\n")
    );
    assert_eq!(connection.after_exchange(), AfterExchange::Next);
}

#[test]
fn trailers_that_would_change_the_message_are_left_out() {
    let mut connection = asked(V11);
    connection.send_response(StatusCode::OK, &HeaderMap::new(), UNKNOWN, KeepAlive::Implied, wall_clock());
    written(&mut connection);
    let trailers =
        fields("content-length: 5, a: b, transfer-encoding: chunked, set-cookie: c, connection: close");
    connection.send_end(Some(&trailers)).unwrap();
    assert_eq!(written(&mut connection), "0\r\na: b\r\n\r\n");
}

#[test]
fn wrong_lengths() {
    let begin = || {
        let mut connection = asked(V11);
        connection.send_response(StatusCode::OK, &HeaderMap::new(), KNOWN, KeepAlive::Implied, wall_clock());
        written(&mut connection);
        connection
    };
    let mut short = begin();
    short.send_data("ab".into()).unwrap();
    assert_eq!(short.send_end(None), Err(WrongLength));

    let mut long = begin();
    assert_eq!(long.send_data("abcd".into()), Err(WrongLength));
    assert_eq!(written(&mut long), "abc", "what was declared is sent, and no more");

    let mut longer = begin();
    longer.send_data("abc".into()).unwrap();
    assert_eq!(longer.send_data("d".into()), Err(WrongLength));
    assert_eq!(longer.send_data("".into()), Ok(()));
}

#[test]
fn what_becomes_of_the_connection() {
    /// Name, framing fields of the request, what of its body is there and read; whether a 100 was asked for.
    type Row<'a> = (&'a str, &'a str, &'a str, bool, AfterExchange);
    let rows: &[Row<'_>] = &[
        ("no body", "", "", false, AfterExchange::Next),
        ("a body that is not read", "Content-Length: 3", "abc", false, AfterExchange::Drain),
        ("a body that is read", "Content-Length: 3", "abc", true, AfterExchange::Next),
        ("a body that has not come", "Content-Length: 3", "", false, AfterExchange::Drain),
        ("the largest that is drained", "Content-Length: 262144", "abc", false, AfterExchange::Drain),
        ("one larger", "Content-Length: 262145", "abc", false, AfterExchange::Close),
        ("chunks", "Transfer-Encoding: chunked", "0\r\n\r\n", false, AfterExchange::Close),
        ("chunks that are read", "Transfer-Encoding: chunked", "0\r\n\r\n", true, AfterExchange::Next),
        ("Expect, not read", "Content-Length: 3\r\nExpect: 100-continue", "abc", false, AfterExchange::Close),
        ("Expect, read", "Content-Length: 3\r\nExpect: 100-continue", "abc", true, AfterExchange::Next),
        ("a close", "Connection: close", "", false, AfterExchange::Close),
        ("malformed chunks", "Transfer-Encoding: chunked", "x\r\n", true, AfterExchange::Close),
    ];
    for (name, fields, body, is_read, after) in rows {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        let mut connection = asked(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}"));
        if *is_read {
            connection.ask_body();
            while matches!(connection.next_event(), Event::Data(_)) {}
        }
        connection.settle();
        connection.send_response(StatusCode::OK, &HeaderMap::new(), NONE, KeepAlive::Implied, wall_clock());
        connection.send_end(None).unwrap();
        assert_eq!(connection.after_exchange(), *after, "{name}");
        let text = written(&mut connection);
        assert_eq!(text.contains("connection: close"), *after == AfterExchange::Close, "{name}: {text}");
        assert_eq!(text.contains("100 Continue"), *is_read && fields.contains("Expect"), "{name}: {text}");
    }
}

#[test]
fn a_100_is_never_sent_after_a_final_status() {
    let mut connection =
        asked("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    connection.send_response(StatusCode::OK, &HeaderMap::new(), NONE, KeepAlive::Implied, wall_clock());
    connection.ask_body();
    assert!(!written(&mut connection).contains("100 Continue"));
}

#[test]
fn refusals_are_whole_responses() {
    let mut connection = asked(V11);
    connection.send_refusal(&Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy"), wall_clock());
    let text = written(&mut connection);
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
    assert!(text.contains("\r\nretry-after: 1\r\n") && text.contains("\r\nconnection: close\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nbusy\n"), "{text}");
    assert!(matches!(connection.next_event(), Event::Closed), "sticky");

    let mut head = asked(HEAD);
    head.send_refusal(&Refusal::bad_request("no"), wall_clock());
    assert!(written(&mut head).ends_with("\r\n\r\n"));

    let mut late = asked(V11);
    late.send_response(StatusCode::OK, &HeaderMap::new(), KNOWN, KeepAlive::Implied, wall_clock());
    written(&mut late);
    late.send_refusal(&Refusal::bad_request("no"), wall_clock());
    assert_eq!(written(&mut late), "", "there is no room for a second response");
}

#[test]
fn no_refusal_of_head_has_a_body() {
    let receive = |text: &str| {
        let mut connection = Connection::new(Limits::default().into());
        connection.input_space()[..text.len()].copy_from_slice(text.as_bytes());
        connection.receive(text.len());
        connection
    };
    let mut late = receive("HEAD / HTTP/1.1\r\n");
    assert!(matches!(late.next_event(), Event::NeedData));
    let mut cut = receive("HEAD / HTTP/1.1\r\n");
    cut.receive_end();
    assert!(matches!(cut.next_event(), Event::Truncated));
    let mut bad = receive("HEAD / HTTP/1.1\n");
    assert!(matches!(bad.next_event(), Event::Refused(_)));
    let mut ready = asked(HEAD);
    for (name, connection) in
        [("late", &mut late), ("cut", &mut cut), ("bad", &mut bad), ("ready", &mut ready)]
    {
        connection.send_refusal(&Refusal::new(StatusCode::REQUEST_TIMEOUT, "late"), wall_clock());
        let text = written(connection);
        assert!(text.contains("content-length: 5\r\n") && text.ends_with("\r\n\r\n"), "{name}: {text}");
    }
}

#[test]
fn a_date_that_cannot_be_told_is_left_out() {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let second = Duration::from_secs(1);
    let rows = [
        ("the first", SystemTime::UNIX_EPOCH, Some("date: Thu, 01 Jan 1970 00:00:00 GMT")),
        ("before it", SystemTime::UNIX_EPOCH - second, None),
        ("the last", last, Some("date: Fri, 31 Dec 9999 23:59:59 GMT")),
        ("after it", last + second, None),
    ];
    for (name, wall_clock, date) in rows {
        let mut connection = asked(V11);
        connection.send_response(StatusCode::OK, &HeaderMap::new(), NONE, KeepAlive::Implied, wall_clock);
        let text = written(&mut connection);
        assert_eq!(text.lines().find(|line| line.starts_with("date")), date, "{name}");
    }
}
