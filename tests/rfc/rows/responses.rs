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
        given("RFC 9112 §6.3", "content that is empty", "a length of zero tells that there is no content")
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
        must_not(
            "RFC 9112 §6.1",
            "no trailers to 1.0",
            "trailers need the chunked coding, which 1.0 has not",
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
            "“all messages need to have a self-defined message length”",
        )
        .send("GET /declared HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .gets(200)
        .field("content-length", "7")
        .body("one two")
        .kept(),
        must(
            "RFC 9110 §8.6",
            "a length is of the content sent",
            "Content-Length is the size of what is sent",
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
        must_not(
            "RFC 9110 §15.2",
            "no 1xx as a final answer",
            "1xx is interim; a request gets one final response",
        )
        .send(get("/processing"))
        .gets(500)
        .closed(),
        must_not(
            "RFC 9110 §15.2",
            "no 1xx as a final answer to HEAD",
            "1xx is interim; a request gets one final response",
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
        must("RFC 9110 §6.6.1", "Date in 3xx", "a Date in all 3xx (Redirection) responses")
            .send(get("/redirect"))
            .gets(303)
            .has("date")
            .field("location", "/text")
            .kept(),
        must("RFC 9110 §6.6.1", "Date in 4xx", "a Date in all 4xx (Client Error) responses")
            .send(get("/missing"))
            .gets(404)
            .has("date")
            .kept(),
        must(
            "RFC 9110 §6.6.1",
            "Date in refusals",
            "a Date in all 4xx (Client Error) responses, those to malformed requests too",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\nX-Row: \0\r\n\r\n")
        .gets(400)
        .has("date")
        .closed(),
        given(
            "RFC 9110 §6.6.1",
            "Date in 5xx",
            "“MAY generate a Date header field in 1xx” and 5xx responses",
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
        .kept(),
        should(
            "RFC 9110 §15.5",
            "404 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(404)
        .has("content-type")
        .body("There is nothing at this path.")
        .kept(),
        should(
            "RFC 9110 §15.5",
            "413 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: 18\r\n\r\n")
        .gets(413)
        .has("content-type")
        .body("the request body is larger than this route allows\n")
        .closed(),
        should(
            "RFC 9110 §15.6",
            "500 says as much as it may",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("GET /panic HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(500)
        .has("content-type")
        .has("content-length")
        .closed(),
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
            "RFC 9112 §6.1",
            "a handler cannot frame to HEAD",
            "what HEAD says of the length is what GET says",
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
        must_not(
            "RFC 9112 §11.1",
            "a capture cannot split a response",
            "CR and LF of a request reach no field of a response",
        )
        .send("GET /seen/a%0d%0aX:%20b HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .lacks("x")
        .body("a\r\nX: b")
        .kept(),
    ]
}
