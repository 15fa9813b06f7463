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
        given("RFC 9112 §6.3", "content-length counts octets", "“defines the expected message body length in octets”, whatever they look like")
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
        given("RFC 9110 §8.6", "content-length list that agrees", "“MAY either reject the message as invalid or replace that invalid field value”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 5\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "content-length twice that differs", "“MUST treat it as an unrecoverable error”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
            .gets(400)
            .closed(),
        given("RFC 9110 §8.6", "content-length twice that agrees", "“MAY either reject the message as invalid”, of two equal fields too")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9110 §8.6", "content-length of 2^64", "“MUST anticipate potentially large decimal numerals”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551616\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9110 §8.6", "content-length that wraps to five", "“prevent parsing errors due to integer conversion overflows”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551621\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9110 §8.6", "content-length of forty digits", "“prevent parsing errors due to integer conversion overflows”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000000000000000000000000000000000000\r\n\r\nhello")
            .gets(400)
            .closed(),
        must("RFC 9110 §8.6", "content-length of 2^63", "“MUST anticipate potentially large decimal numerals”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9223372036854775808\r\n\r\nhello")
            .gets(413)
            .closed(),
        given("RFC 9110 §15.5.14", "content over the route's limit", "“refusing to process a request because the request content is larger”")
            .send("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: 17\r\n\r\nseventeen letters")
            .gets(413)
            .closed(),
        given("RFC 9110 §15.5.14", "content at the route's limit", "“larger than the server is willing or able to process”, which this is not")
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
        should("RFC 9112 §6.1", "invented coding alone", "“SHOULD respond with 501 (Not Implemented)”, also where it is alone")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: x-invented\r\n\r\n0\r\n\r\n")
            .gets(501)
            .closed(),
        must("RFC 9112 §6.3", "chunked is not the last coding", "“the server MUST respond with the 400 (Bad Request) status code”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "no chunked at all", "“and the chunked transfer coding is not the final encoding”, which gets 400")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n")
            .gets(400)
            .closed(),
        must("RFC 9112 §6.3", "identity was taken out", "“MUST respond with the 400 (Bad Request) status code”, of identity too")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")
            .gets(400)
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
        given("RFC 9112 §6.3", "a body in 1.0", "“its decimal value defines the expected message body length”, in 1.0 too")
            .send("POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
            .gets(200)
            .body("hello")
            .closed(),
        must("RFC 9110 §5.5", "content-length with white space around", "“MUST exclude such whitespace prior to evaluating the field value”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length:\t 5 \t\r\n\r\nhello")
            .gets(200)
            .body("hello")
            .kept(),
        must("RFC 9110 §5.5", "transfer-encoding with white space around", "“MUST exclude such whitespace prior to evaluating the field value”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \t chunked\t \r\n\r\n1\r\na\r\n0\r\n\r\n")
            .gets(200)
            .body("a")
            .kept(),
        must("RFC 9110 §5.6.1.2", "empty elements in Transfer-Encoding", "“MUST parse and ignore a reasonable number of empty list elements”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: , chunked,,\r\n\r\n1\r\nb\r\n0\r\n\r\n")
            .gets(200)
            .body("b")
            .kept(),
        should("RFC 9112 §7.2", "a coding of compression with a parameter", "“presence of parameters with any of these compression codings SHOULD be treated as an error”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip;level=9, chunked\r\n\r\n0\r\n\r\n")
            .gets_any(&[400, 501])
            .closed(),
        given("RFC 9110 §8.6", "content-length of sixty digits that is five", "“there is no predefined limit to the length of content”, nor to leading zeros")
            .send(format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {}5\r\n\r\nhello", "0".repeat(59)))
            .gets(200)
            .body("hello")
            .kept(),
        must("RFC 9110 §8.6", "content-length of 2^64 - 1", "“MUST anticipate potentially large decimal numerals”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551615\r\n\r\nhello")
            .gets(413)
            .closed(),
        given("RFC 9112 §6", "chunks with GET", "“presence of a message body in a request is signaled by”, not its method")
            .send("GET /echo-any HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nget\r\n0\r\n\r\n")
            .gets(200)
            .body("get")
            .kept(),
        given("RFC 9112 §6", "a length with TRACE", "“Request message framing is independent of method semantics”, of TRACE too")
            .send("TRACE /text HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\ntrace")
            .gets_any(&[405, 501])
            .kept(),
        given("RFC 9110 §7.6.1", "a length that Connection names", "“header field allows the sender to list desired control options”, not framing")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nnamed")
            .gets(200)
            .body("named")
            .kept(),
        given("RFC 9110 §7.6.1", "a coding that Connection names", "“header field allows the sender to list desired control options”, not framing")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nnamed\r\n0\r\n\r\n")
            .gets(200)
            .body("named")
            .kept(),
        given("RFC 9110 §9.3.5", "a body with DELETE", "“might lead some implementations to reject the request” but is framed")
            .send("DELETE /patch HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello")
            .gets(204)
            .kept(),
        given("RFC 9112 §6", "a body with an unknown method", "“Request message framing is independent of method semantics”")
            .send("FROB /text HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello")
            .gets(501)
            .kept(),
    ]
}
