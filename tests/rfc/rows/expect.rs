//! Expect: when a 100 is sent, when it is not, and what is no expectation.

use crate::row::{Row, given, must, must_not, should};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// The head of a POST that waits for a 100.
fn waiting(path: &str, line: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n{line}\r\n\r\n")
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = continues();
    rows.extend(finals());
    rows.extend(values());
    rows
}

fn continues() -> Vec<Row> {
    vec![
        must_not(
            "RFC 9110 §10.1.1",
            "100 before the content",
            "“MUST NOT wait for the content before sending the 100 (Continue) response”",
        )
        .send(waiting("/echo", "Content-Length: 5"))
        .awaits(CONTINUE)
        .send("hello")
        .gets(100)
        .gets(200)
        .body("hello")
        .kept(),
        must_not(
            "RFC 9110 §10.1.1",
            "100 before chunks",
            "“MUST NOT wait for the content before sending the 100 (Continue) response”",
        )
        .send(waiting("/echo", "Transfer-Encoding: chunked"))
        .awaits(CONTINUE)
        .send("5\r\nhello\r\n0\r\n\r\n")
        .gets(100)
        .gets(200)
        .body("hello")
        .kept(),
        must(
            "RFC 9110 §10.1.1",
            "100 by a fn",
            "“MUST send either” a final status or 100, whatever handles the request",
        )
        .send(waiting("/echo-fn", "Content-Length: 2"))
        .awaits(CONTINUE)
        .send("fn")
        .gets(100)
        .gets(200)
        .body("fn")
        .kept(),
        must(
            "RFC 9110 §10.1.1",
            "100 by a fn that reads",
            "“MUST send either” a final status or 100, however content is read",
        )
        .send(waiting("/read", "Content-Length: 4"))
        .awaits(CONTINUE)
        .send("read")
        .gets(100)
        .gets(200)
        .body("read")
        .kept(),
        given(
            "RFC 9110 §15.2",
            "100 before a response that streams",
            "“prior to completing the requested action and sending a final response”",
        )
        .send(waiting("/relay", "Content-Length: 5"))
        .awaits(CONTINUE)
        .send("relay")
        .gets(100)
        .gets(200)
        .body("relay")
        .kept(),
        given(
            "RFC 9110 §15",
            "one 100 for content in parts",
            "“followed by exactly one \"final\" response”, behind one 100",
        )
        .send(waiting("/echo", "Content-Length: 6"))
        .awaits(CONTINUE)
        .send("one")
        .send("two")
        .gets(100)
        .gets(200)
        .body("onetwo")
        .kept(),
        given(
            "RFC 9110 §10.1.1",
            "100 though the content is there",
            "“MAY omit sending a 100 (Continue) response if it has already received”",
        )
        .send(waiting("/echo", "Content-Length: 5") + "there")
        .gets(100)
        .gets(200)
        .body("there")
        .kept(),
        must(
            "RFC 9110 §10.1.1",
            "a final status after 100",
            "“MUST ultimately send a final status code”, once content is received",
        )
        .send(waiting("/echo", "Transfer-Encoding: chunked"))
        .awaits(CONTINUE)
        .send("no size\r\n")
        .gets(100)
        .gets(400)
        .closed(),
        must(
            "RFC 9110 §10.1.1",
            "a final status though content ends early",
            "“MUST ultimately send a final status code”",
        )
        .send(waiting("/echo", "Content-Length: 10"))
        .awaits(CONTINUE)
        .send("early")
        .gets(100)
        .gets(400)
        .ended(),
        must(
            "RFC 9112 §9.3.2",
            "100 behind a pipelined request",
            "“MUST send the corresponding responses in the same order”, 100 among them",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\n\r\n".to_owned() + &waiting("/echo", "Content-Length: 3"))
        .awaits(CONTINUE)
        .send("abc")
        .gets(200)
        .body("root")
        .gets(100)
        .gets(200)
        .body("abc")
        .kept(),
    ]
}

/// Answers that need no content.
fn finals() -> Vec<Row> {
    const EITHER: &str = "“MUST send either” an immediate final status, or 100";
    const CLOSE: &str = "“SHOULD indicate whether it intends to close the connection”";
    vec![
        should("RFC 9110 §10.1.1", "a final status without content", CLOSE)
            .send(waiting("/unread", "Content-Length: 5"))
            .awaits("not read")
            .gets(200)
            .field("connection", "close")
            .closed(),
        must("RFC 9110 §10.1.1", "no route", EITHER)
            .send(waiting("/missing", "Content-Length: 6"))
            .gets(404)
            .closed(),
        must("RFC 9110 §10.1.1", "a method that is not offered", EITHER)
            .send(waiting("/pieces", "Content-Length: 7"))
            .gets(405)
            .has("allow")
            .closed(),
        must(
            "RFC 9110 §10.1.1",
            "content over the limit",
            "“MUST send either … an immediate response with a final status code”, or 100",
        )
        .send(waiting("/small", "Content-Length: 17"))
        .awaits("\r\n\r\n")
        .gets(413)
        .closed(),
        must("RFC 9110 §10.1.1", "an expectation on a bad request", EITHER)
            .send(waiting("/echo", "Content-Length: x"))
            .gets(400)
            .closed(),
        should("RFC 9110 §10.1.1", "an unread expectation with chunks", CLOSE)
            .send(waiting("/unread-fn", "Transfer-Encoding: chunked"))
            .awaits("not read")
            .gets(200)
            .closed(),
    ]
}

fn values() -> Vec<Row> {
    vec![
        must("RFC 9110 §10.1.1", "an expectation in 1.0", "“in an HTTP/1.0 request MUST ignore that expectation”")
            .send("POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
            .gets(200)
            .body("abc")
            .closed(),
        must_not("RFC 9110 §15.2", "no 1xx to 1.0", "“a server MUST NOT send a 1xx response to an HTTP/1.0 client”")
            .send("POST /read HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
            .gets(200)
            .body("abc")
            .kept(),
        given("RFC 9110 §10.1.1", "an expectation in capitals", "“The Expect field value is case-insensitive”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-CONTINUE\r\nContent-Length: 3\r\n\r\n")
            .awaits(CONTINUE)
            .send("abc")
            .gets(100)
            .gets(200)
            .kept(),
        given("RFC 9110 §10.1.1", "an unknown expectation", "“MAY respond with a 417 (Expectation Failed) status code”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: tea\r\nContent-Length: 3\r\n\r\nabc")
            .gets(417)
            .closed(),
        given("RFC 9110 §10.1.1", "an unknown expectation beside 100-continue", "“containing a member other than 100-continue MAY respond with a 417”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue, tea\r\nContent-Length: 3\r\n\r\nabc")
            .gets(417)
            .closed(),
        given("RFC 9110 §10.1.1", "an expectation with a parameter", "“\"100-continue\" (with no defined parameters)”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue;x=1\r\nContent-Length: 3\r\n\r\nabc")
            .gets(417)
            .closed(),
        must("RFC 9110 §5.6.1.2", "empty elements in Expect", "“MUST parse and ignore a reasonable number of empty list elements”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: ,100-continue, ,\r\nContent-Length: 3\r\n\r\n")
            .awaits(CONTINUE)
            .send("abc")
            .gets(100)
            .gets(200)
            .kept(),
        given("RFC 9110 §10.1.1", "an expectation of two words", "“expectation = token [ \"=\" ( token / quoted-string ) parameters ]”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: y 100-continue\r\nContent-Length: 3\r\n\r\nabc")
            .gets(417)
            .closed(),
        given("RFC 9110 §10.1.1", "an expectation in two fields", "“Expect = #expectation”, in any number of fields")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            .awaits(CONTINUE)
            .send("abc")
            .gets(100)
            .gets(200)
            .body("abc")
            .kept(),
        given("RFC 9110 §10.1.1", "an expectation without content", "“or if the framing indicates that there is no content”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        given("RFC 9110 §10.1.1", "an expectation with a length of zero", "“or if the framing indicates that there is no content”, by a zero")
            .send(waiting("/echo", "Content-Length: 0"))
            .gets(200)
            .body("")
            .kept(),
    ]
}
