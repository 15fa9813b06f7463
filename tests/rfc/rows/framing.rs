//! How long a request's body is: Content-Length, Transfer-Encoding, neither, both.

use crate::row::{Row, given, must, must_not, should};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        given("RFC 9112 §6.3", "no length no body", "“then the message body length is zero (no message body is present)”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("")
            .kept(),
        given("RFC 9112 §6.3", "content-length is the body's length", "“its decimal value defines the expected message body length in octets”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello")
            .gets(200)
            .body("hello")
            .kept(),
        given("RFC 9112 §6.3", "content-length counts octets", "the length is of octets, also of those that look like a request")
            .send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 24\r\n\r\nGET /no HTTP/1.1\r\n\r\n\0\xff\r\n")
            .gets(200)
            .body(b"GET /no HTTP/1.1\r\n\r\n\0\xff\r\n")
            .kept(),
        given("RFC 9110 §8.6", "content-length of zero", "“Content-Length = 1*DIGIT”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
            .gets(200)
            .body("")
            .kept(),
        given("RFC 9110 §8.6", "content-length with leading zeros", "“Content-Length = 1*DIGIT”, which leading zeros are too")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 0005\r\n\r\nhello")
            .gets(200)
            .body("hello")
            .kept(),
        must("RFC 9112 §6.3", "content-length with a plus", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: +5\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length that is negative", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length in hexadecimal", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 0x5\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length that is a fraction", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5.0\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length with an exponent", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5e0\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length with a space inside", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1 0\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length with an underscore", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1_0\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length in other digits", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: ٥\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length that is empty", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length:\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length in quotes", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: \"5\"\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length with a parameter", "“MUST respond with a 400 (Bad Request) status code and then close”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5;x=1\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length list that differs", "“MUST treat it as an unrecoverable error”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 6\r\n\r\nhello")
            .gets(400)
            .closed(),
        given("RFC 9110 §8.6", "content-length list that agrees", "the recipient either rejects a list of one value, or takes it")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 5\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length twice that differs", "“MUST treat it as an unrecoverable error”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
            .gets(400)
            .closed(),
        given("RFC 9110 §8.6", "content-length twice that agrees", "the recipient either rejects repeated equal values, or takes one")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9110 §8.6", "content-length of 2^64", "“MUST anticipate potentially large decimal numerals”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551616\r\n\r\nhello")
            .gets_any(&[400, 413])
            .closed(),
        must("RFC 9110 §8.6", "content-length that wraps to five", "“prevent parsing errors due to integer conversion overflows”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551621\r\n\r\nhello")
            .gets_any(&[400, 413])
            .closed(),
        must("RFC 9110 §8.6", "content-length of forty digits", "“prevent parsing errors due to integer conversion overflows”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000000000000000000000000000000000000\r\n\r\nhello")
            .gets_any(&[400, 413])
            .closed(),
        must("RFC 9110 §8.6", "content-length of 2^63", "“MUST anticipate potentially large decimal numerals”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9223372036854775808\r\n\r\nhello")
            .gets(413)
            .closed(),
        given("RFC 9110 §15.5.14", "content over the route's limit", "“refusing to process a request because the request content is larger”")
            .send("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: 17\r\n\r\nseventeen letters")
            .gets(413)
            .closed(),
        given("RFC 9110 §15.5.14", "content at the route's limit", "content that is as large as the server is willing to process")
            .send("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: 16\r\n\r\nsixteen letters.")
            .gets(200)
            .body("sixteen letters.")
            .kept(),
        must("RFC 9112 §6.3", "body shorter than its length", "“MUST consider the message to be incomplete and close the connection”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhello")
            .gets(400)
            .ended(),
        must("RFC 9112 §6.3", "body that never begins", "“MUST consider the message to be incomplete and close the connection”")
            .send("POST /read HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n")
            .gets(400)
            .ended(),
        must("RFC 9112 §6.1", "chunked can be read", "“A recipient MUST be able to parse the chunked transfer coding”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .gets(200)
            .body("hello")
            .kept(),
        given("RFC 9112 §7", "transfer codings are case-insensitive", "“All transfer-coding names are case-insensitive”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: cHuNKeD\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .gets(200)
            .body("abc")
            .kept(),
        should("RFC 9112 §6.1", "unknown coding before chunked", "“SHOULD respond with 501 (Not Implemented)”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
            .gets(501)
            .closed(),
        should("RFC 9112 §6.1", "invented coding before chunked", "“a request message with a transfer coding it does not understand SHOULD”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: x-invented, chunked\r\n\r\n0\r\n\r\n")
            .gets(501)
            .closed(),
        must("RFC 9112 §6.3", "chunked is not the last coding", "the server MUST respond with 400 where chunked is not final")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "no chunked at all", "400 where chunked is not final, 501 for codings not understood")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n")
            .gets_any(&[400, 501])
            .closed(),
        must("RFC 9112 §6.3", "identity was taken out", "400 where chunked is not final, and identity is no coding")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")
            .gets_any(&[400, 501])
            .closed(),
        must_not("RFC 9112 §6.1", "chunked twice", "“MUST NOT apply the chunked transfer coding more than once”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.1", "transfer-encoding in 1.0", "“MUST treat the message as if the framing is faulty”")
            .send("POST /echo HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.1", "transfer-encoding in 1.0 with a length", "“even if a Content-Length is present, and close the connection”")
            .send("POST /echo HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            .gets(400)
            .closed(),
        given("RFC 9112 §6.3", "a body in 1.0", "a length frames the body of a 1.0 request too")
            .send("POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
            .gets(200)
            .body("hello")
            .closed(),
        given("RFC 9110 §9.3.5", "a body with DELETE", "“might lead some implementations to reject the request” but is framed")
            .send("DELETE /patch HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello")
            .gets(204)
            .kept(),
        given("RFC 9112 §6.3", "a body with an unknown method", "a request's framing does not depend on its method")
            .send("FROB /text HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello")
            .gets(501)
            .kept(),
    ]
}
