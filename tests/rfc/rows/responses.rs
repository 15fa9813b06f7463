//! What the server sends: the status line, Date, framing, and responses that have no content.

use crate::row::{Row, given, must, must_not, should};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: t\r\nX-Row: responses\r\n\r\n")
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = framed();
    rows.extend(without_content());
    rows.extend(fields());
    rows
}

fn framed() -> Vec<Row> {
    vec![
        should(
            "RFC 9110 §8.6",
            "a length that is known",
            "“SHOULD send a Content-Length header field” where the size is known",
        )
        .send(get("/text"))
        .gets(200)
        .field("content-length", "4")
        .lacks("transfer-encoding")
        .kept(),
        should(
            "RFC 9110 §8.6",
            "content that is empty",
            "“SHOULD send a Content-Length header field when the content size is known”, zero too",
        )
        .send(get("/empty"))
        .gets(200)
        .field("content-length", "0")
        .body("")
        .kept(),
        must(
            "RFC 9112 §6.1",
            "a length that is not known",
            "“MUST either apply chunked as the final transfer coding or terminate the message”",
        )
        .send(get("/pieces"))
        .gets(200)
        .field("transfer-encoding", "chunked")
        .lacks("content-length")
        .body("one two")
        .kept(),
        must_not(
            "RFC 9112 §6.1",
            "no coding to 1.0",
            "“MUST NOT send a response containing Transfer-Encoding unless” asked in 1.1",
        )
        .send("GET /pieces HTTP/1.0\r\n\r\n")
        .gets(200)
        .lacks("transfer-encoding")
        .lacks("content-length")
        .body("one two")
        .closed(),
        must_not(
            "RFC 9112 §6.1",
            "no coding to 1.0 that lists it",
            "“MUST NOT send a response containing Transfer-Encoding unless” asked in 1.1",
        )
        .send("GET /pieces HTTP/1.0\r\nTE: chunked, trailers\r\n\r\n")
        .gets(200)
        .lacks("transfer-encoding")
        .body("one two")
        .closed(),
        given(
            "RFC 9110 §6.5.1",
            "no trailers to 1.0",
            "“only possible when supported by the version of HTTP in use”",
        )
        .send("GET /with-trailers HTTP/1.0\r\n\r\n")
        .gets(200)
        .body("summed")
        .closed(),
        given("RFC 9112 §7.1.2", "trailers of the handler", "“trailer-section = *( field-line CRLF )”")
            .send(get("/with-trailers"))
            .gets(200)
            .field("transfer-encoding", "chunked")
            .body("summed")
            .trailer("x-sum", "1")
            .kept(),
        must_not(
            "RFC 9110 §6.5.1",
            "trailers that frame or route",
            "“MUST NOT generate a trailer field unless the sender knows” that it may",
        )
        .send("GET /with-trailers HTTP/1.1\r\nHost: t\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        .gets(200)
        .trailer("x-sum", "1")
        .lacks_trailer("content-length")
        .lacks_trailer("transfer-encoding")
        .lacks_trailer("host")
        .lacks_trailer("set-cookie")
        .lacks_trailer("if-match")
        .lacks_trailer("location")
        .lacks_trailer("date")
        .kept(),
        should(
            "RFC 9110 §8.6",
            "a stream whose length is declared",
            "“SHOULD send a Content-Length header field” where the size is known",
        )
        .send(get("/declared"))
        .gets(200)
        .field("content-length", "7")
        .lacks("transfer-encoding")
        .body("one two")
        .kept(),
        given(
            "RFC 9112 §9.3",
            "a declared length in 1.0",
            "“all messages on a connection need to have a self-defined message length”",
        )
        .send("GET /declared HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .gets(200)
        .field("content-length", "7")
        .body("one two")
        .kept(),
        must_not(
            "RFC 9110 §8.6",
            "a length is of the content sent",
            "“a sender MUST NOT forward a message with a Content-Length … known to be incorrect”",
        )
        .send(get("/large"))
        .gets(200)
        .field("content-length", "100000")
        .body("l".repeat(100_000))
        .kept(),
    ]
}

fn without_content() -> Vec<Row> {
    vec![
        must_not(
            "RFC 9110 §8.6",
            "204 has no length",
            "“MUST NOT send a Content-Length header field in any response” 1xx or 204",
        )
        .send(get("/no-content"))
        .gets(204)
        .lacks("content-length")
        .lacks("transfer-encoding")
        .kept(),
        must_not(
            "RFC 9112 §6.1",
            "204 has no coding",
            "“MUST NOT send a Transfer-Encoding header field in any response with a status code” 204",
        )
        .send(get("/no-content-pieces"))
        .gets(204)
        .lacks("transfer-encoding")
        .lacks("content-length")
        .kept(),
        given(
            "RFC 9110 §15.3.5",
            "204 has no content",
            "“A 204 response is terminated by the end of the header section”",
        )
        .send(get("/no-content-text"))
        .gets(204)
        .lacks("content-length")
        .kept(),
        must_not(
            "RFC 9110 §15.3.6",
            "205 has no content",
            "“a server MUST NOT generate content in a 205 response”",
        )
        .send(get("/reset-content"))
        .gets(205)
        .field("content-length", "0")
        .body("")
        .kept(),
        given(
            "RFC 9110 §15.4.5",
            "304 has no content",
            "“A 304 response is terminated by the end of the header section”",
        )
        .send(get("/not-modified"))
        .gets(304)
        .field("etag", "\"x\"")
        .kept(),
        must_not(
            "RFC 9110 §8.6",
            "304 has no wrong length",
            "“MUST NOT send Content-Length in such a response unless” it is 200's",
        )
        .send("GET /not-modified HTTP/1.1\r\nHost: t\r\nIf-None-Match: \"x\"\r\n\r\n")
        .gets(304)
        .lacks("content-length")
        .lacks("transfer-encoding")
        .kept(),
        must(
            "RFC 9110 §15.4.5",
            "304 keeps its fields",
            "“MUST generate any of the following header fields”: ETag, Date and others",
        )
        .send("HEAD /not-modified HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(304)
        .field("etag", "\"x\"")
        .has("date")
        .kept(),
        given(
            "RFC 9110 §15",
            "no 1xx as a final answer",
            "“followed by exactly one \"final\" response”, which 1xx is not",
        )
        .send(get("/processing"))
        .gets(500)
        .closed(),
        given(
            "RFC 9110 §15",
            "no 1xx as a final answer to HEAD",
            "“followed by exactly one \"final\" response”, which 1xx is not, to HEAD",
        )
        .send("HEAD /processing HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(500)
        .closed(),
    ]
}

fn fields() -> Vec<Row> {
    const DATE: &str = "“MUST generate a Date header field in all 2xx (Successful), 3xx”";
    vec![
        must("RFC 9110 §6.6.1", "Date in 2xx", DATE).send(get("/")).gets(200).has("date").kept(),
        must(
            "RFC 9110 §5.6.7",
            "the form of Date",
            "“the sender MUST generate those timestamps in the IMF-fixdate format”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nX-Row: date\r\n\r\n")
        .gets(200)
        .fixed_date()
        .kept(),
        must_not(
            "RFC 9110 §5.6.7",
            "the form of Date to HEAD",
            "“MUST NOT generate additional whitespace in an HTTP-date”",
        )
        .send("HEAD / HTTP/1.1\r\nHost: t\r\nX-Row: date\r\n\r\n")
        .gets_head(200)
        .fixed_date()
        .kept(),
        must_not(
            "RFC 9110 §6.2",
            "the version of a response to 1.0",
            "“A server MUST NOT send a version to which it is not conformant”",
        )
        .send("GET /text HTTP/1.0\r\n\r\n")
        .gets(200)
        .status_line("HTTP/1.1 200 OK")
        .closed(),
        should(
            "RFC 9110 §6.2",
            "the version of a response to 1.9",
            "“SHOULD send a response version equal to the highest version” that it has",
        )
        .send("GET /text HTTP/1.9\r\nHost: t\r\n\r\n")
        .gets(200)
        .status_line("HTTP/1.1 200 OK")
        .kept(),
        should(
            "RFC 9110 §8.3",
            "octets have a type",
            "“SHOULD generate a Content-Type header field in that message unless” it is unknown",
        )
        .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n\0\x01\x02\x03")
        .gets(200)
        .field("content-type", "application/octet-stream")
        .kept(),
        should(
            "RFC 9112 §6.3",
            "a stream is not ended by a close",
            "“SHOULD generate encoding or length-delimited messages whenever possible”, also before a close",
        )
        .send("GET /pieces HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .gets(200)
        .field("transfer-encoding", "chunked")
        .body("one two")
        .closed(),
        must(
            "RFC 9110 §6.6.1",
            "Date in 3xx",
            "“MUST generate a Date header field in all … 3xx (Redirection)”",
        )
        .send(get("/redirect"))
        .gets(303)
        .has("date")
        .field("location", "/text")
        .kept(),
        must(
            "RFC 9110 §6.6.1",
            "Date in 4xx",
            "“MUST generate a Date header field in all … 4xx (Client Error) responses”",
        )
        .send(get("/missing"))
        .gets(404)
        .has("date")
        .kept(),
        must(
            "RFC 9110 §6.6.1",
            "Date in refusals",
            "“MUST generate a Date header field in all … 4xx”, refusals too",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\nX-Row: \0\r\n\r\n")
        .gets(400)
        .has("date")
        .closed(),
        given(
            "RFC 9110 §6.6.1",
            "Date in 5xx",
            "“MAY generate a Date header field in 1xx (Informational) and 5xx (Server Error)”",
        )
        .send(get("/panic"))
        .gets(500)
        .has("date")
        .closed(),
        must(
            "RFC 9110 §7.8",
            "Upgrade has its option",
            "“MUST also send an \"Upgrade\" connection option in the Connection header field”",
        )
        .send(get("/upgrade-required"))
        .gets(426)
        .field("upgrade", "x/1")
        .field("connection", "upgrade")
        .kept(),
        must(
            "RFC 9110 §7.8",
            "Upgrade has its option beside close",
            "“MUST also send an \"Upgrade\" connection option in the Connection header field”",
        )
        .send("GET /upgrade-required HTTP/1.0\r\n\r\n")
        .gets(426)
        .field("connection", "close, upgrade")
        .ended(),
        must(
            "RFC 9112 §4",
            "a status without a reason",
            "“MUST send the space” that separates status and reason, even if absent",
        )
        .send(get("/teapot"))
        .gets(299)
        .status_line("HTTP/1.1 299 ")
        .kept(),
        must_not(
            "RFC 9112 §6.2",
            "a handler cannot frame",
            "“MUST NOT send a Content-Length header field in any message” with Transfer-Encoding",
        )
        .send(get("/meddling"))
        .gets(200)
        .field("content-length", "8")
        .lacks("transfer-encoding")
        .lacks("connection")
        .body("meddling")
        .kept(),
        must_not(
            "RFC 9110 §8.6",
            "a handler cannot frame to HEAD",
            "“MUST NOT send Content-Length in such a response unless its field value equals” GET's",
        )
        .send("HEAD /meddling HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .field("content-length", "8")
        .lacks("transfer-encoding")
        .kept(),
        should(
            "RFC 9110 §8.3",
            "text has its type",
            "“SHOULD generate a Content-Type header field in that message unless” it is unknown",
        )
        .send("GET /text-fn HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .field("content-type", "text/plain; charset=utf-8")
        .kept(),
        given(
            "RFC 9112 §11.1",
            "a capture cannot split a response",
            "“prevent anything other than the server's core protocol libraries from sending a CR or LF”",
        )
        .send("GET /seen/a%0d%0aX:%20b HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .lacks("x")
        .body("a\r\nX: b")
        .kept(),
    ]
}
