//! Methods: those that there must be, those that a path does not offer, those that nobody knows.

use crate::row::{Row, given, must, must_not, should};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = known();
    rows.extend(not_offered());
    rows
}

fn known() -> Vec<Row> {
    vec![
        must(
            "RFC 9110 §9.1",
            "GET is supported",
            "“All general-purpose servers MUST support the methods GET and HEAD”",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("text")
        .kept(),
        must(
            "RFC 9110 §9.1",
            "HEAD is supported",
            "“All general-purpose servers MUST support the methods GET and HEAD”",
        )
        .send("HEAD /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .kept(),
        must_not(
            "RFC 9110 §9.3.2",
            "HEAD has no content",
            "“the server MUST NOT send content in the response”",
        )
        .send("HEAD /large HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .kept(),
        should(
            "RFC 9110 §9.3.2",
            "HEAD has the fields of GET",
            "“SHOULD send the same header fields in response to a HEAD request”",
        )
        .send("HEAD /empty HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .has("content-type")
        .field("content-length", "0")
        .kept(),
        must_not(
            "RFC 9110 §8.6",
            "HEAD has the length of GET",
            "“MUST NOT send Content-Length in such a response unless” it is GET's",
        )
        .send("HEAD /text-fn HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .field("content-length", "4")
        .kept(),
        must_not(
            "RFC 9110 §9.3.2",
            "HEAD of a stream",
            "“the server MUST NOT send content in the response”, chunks neither",
        )
        .send("HEAD /pieces HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .lacks("content-length")
        .kept(),
        given(
            "RFC 9112 §6.3",
            "HEAD of a stream with trailers",
            "“and thus cannot contain a message body or trailer section”",
        )
        .send("HEAD /with-trailers HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .kept(),
        should(
            "RFC 9110 §9.3.2",
            "HEAD of what is not there",
            "“SHOULD send the same header fields in response to a HEAD request”",
        )
        .send("HEAD /missing HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(404)
        .has("content-type")
        .has("content-length")
        .kept(),
        must_not(
            "RFC 9110 §9.3.2",
            "HEAD of a panic",
            "“the server MUST NOT send content in the response”, of errors neither",
        )
        .send("HEAD /panic HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(500)
        .closed(),
        must_not(
            "RFC 9110 §9.3.2",
            "HEAD of a refusal",
            "“the server MUST NOT send content in the response”, of refusals neither",
        )
        .send("HEAD /text HTTP/1.1\r\nHost: t\r\nX Y: a\r\n\r\n")
        .gets_head(400)
        .closed(),
        must_not(
            "RFC 9110 §9.3.2",
            "HEAD in 1.0",
            "“the server MUST NOT send content in the response”, in 1.0 neither",
        )
        .send("HEAD /text HTTP/1.0\r\n\r\n")
        .gets_head(200)
        .field("content-length", "4")
        .closed(),
        given(
            "RFC 9112 §6.3",
            "HEAD before another request",
            "“always terminated by the first empty line after the header fields”",
        )
        .send("HEAD /text HTTP/1.1\r\nHost: t\r\n\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(200)
        .gets(200)
        .body("text")
        .kept(),
        should(
            "RFC 9110 §9.3.3",
            "POST that creates",
            "“SHOULD send a 201 (Created) response containing a Location header field”",
        )
        .send("POST /created HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
        .gets(201)
        .field("location", "/text")
        .kept(),
        given(
            "RFC 9110 §9.3.4",
            "PUT with content",
            "“be created or replaced with the state defined by the representation enclosed”",
        )
        .send("PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nput")
        .gets(200)
        .body("put")
        .kept(),
        should(
            "RFC 9110 §9.3.5",
            "DELETE without content in the answer",
            "“a 204 (No Content) status code if the action has been enacted”",
        )
        .send("DELETE /patch HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(204)
        .lacks("content-length")
        .kept(),
        given(
            "RFC 9110 §9.1",
            "PATCH",
            "“Additional methods, outside the scope of this specification, have been specified”",
        )
        .send("PATCH /patch HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\npatch")
        .gets(200)
        .body("patch")
        .kept(),
        given("RFC 9110 §9.1", "an extension method", "“method = token”")
            .send("BREW /brew HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("brewed")
            .kept(),
        should(
            "RFC 9110 §9.3.7",
            "OPTIONS of a path",
            "“SHOULD send any header that might indicate optional features”, such as Allow",
        )
        .send("OPTIONS /patch HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_any(&[200, 204])
        .field("allow", "PATCH, DELETE, OPTIONS")
        .kept(),
        given(
            "RFC 9112 §6",
            "OPTIONS with content",
            "“Request message framing is independent of method semantics”, of OPTIONS too",
        )
        .send("OPTIONS /text HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}")
        .gets_any(&[200, 204])
        .field("allow", "GET, HEAD, POST, OPTIONS")
        .kept(),
        given(
            "RFC 9110 §9.3.7",
            "OPTIONS by a handler",
            "“the OPTIONS request applies to the options that are available”",
        )
        .send("OPTIONS / HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("options of root")
        .kept(),
        given(
            "RFC 9110 §9.3.7",
            "OPTIONS in 1.0",
            "“applies to the server in general rather than to a specific resource”",
        )
        .send("OPTIONS * HTTP/1.0\r\n\r\n")
        .gets_any(&[200, 204])
        .closed(),
    ]
}

fn not_offered() -> Vec<Row> {
    vec![
        must("RFC 9110 §15.5.6", "405 has Allow", "“MUST generate an Allow header field in a 405 response”")
            .send("POST /pieces HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
            .gets(405)
            .field("allow", "GET, HEAD, OPTIONS")
            .kept(),
        should(
            "RFC 9110 §9.1",
            "a known method not allowed",
            "“not allowed for the target resource, SHOULD respond with the 405”",
        )
        .send("PUT /text HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
        .gets(405)
        .field("allow", "GET, HEAD, POST, OPTIONS")
        .kept(),
        must(
            "RFC 9110 §10.2.1",
            "Allow lists extension methods",
            "“MUST generate an Allow header field in a 405”, of the methods supported",
        )
        .send("POST /brew HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
        .gets(405)
        .field("allow", "GET, HEAD, OPTIONS, BREW")
        .kept(),
        must(
            "RFC 9110 §15.5.6",
            "HEAD not allowed",
            "“MUST generate an Allow header field in a 405 response”, to HEAD too",
        )
        .send("HEAD /echo HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_head(405)
        .field("allow", "POST, PUT, OPTIONS")
        .kept(),
        must_not(
            "RFC 9110 §5.6.1.1",
            "GET not allowed",
            "“a sender MUST NOT generate empty list elements”, in Allow neither",
        )
        .send("GET /unread HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(405)
        .field("allow", "POST, OPTIONS")
        .kept(),
        must_not(
            "RFC 9110 §8.6",
            "no length in a 2xx to CONNECT",
            "“MUST NOT send a Content-Length header field in any 2xx (Successful) response to”",
        )
        .send("CONNECT tunnel:1 HTTP/1.1\r\nHost: tunnel:1\r\n\r\n")
        .gets(500)
        .closed(),
        must_not(
            "RFC 9112 §6.1",
            "no coding in a 2xx to CONNECT",
            "“MUST NOT send a Transfer-Encoding header field in any 2xx (Successful) response”",
        )
        .send("CONNECT tunnel:2 HTTP/1.1\r\nHost: tunnel:2\r\n\r\n")
        .gets(500)
        .closed(),
        should(
            "RFC 9110 §9.3.8",
            "TRACE reflects nothing",
            "“SHOULD exclude any request fields that are likely to contain sensitive data”",
        )
        .send("TRACE /text HTTP/1.1\r\nHost: t\r\nAuthorization: Basic c2VjcmV0\r\n\r\n")
        .gets(405)
        .body("This path does not offer the method.")
        .kept(),
        given("RFC 9110 §9.1", "TRACE is not offered", "“All other methods are OPTIONAL”, TRACE among them")
            .send("TRACE /text HTTP/1.1\r\nHost: t\r\nCookie: secret\r\n\r\n")
            .gets_any(&[405, 501])
            .kept(),
        should(
            "RFC 9110 §9.1",
            "an unknown method",
            "“unrecognized or not implemented SHOULD respond with the 501”",
        )
        .send("FROB /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(501)
        .kept(),
        should(
            "RFC 9110 §9.1",
            "an unknown method where nothing is",
            "“unrecognized or not implemented SHOULD respond with the 501”",
        )
        .send("FROB /missing HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets_any(&[404, 501])
        .kept(),
        should("RFC 9110 §9.1", "methods are case-sensitive", "“The method token is case-sensitive”")
            .send("get /text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(501)
            .kept(),
        should("RFC 9110 §9.1", "methods in mixed letters", "“The method token is case-sensitive”")
            .send("Post /text HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
            .gets(501)
            .kept(),
        should(
            "RFC 9110 §9.1",
            "an extension method in small letters",
            "“The method token is case-sensitive”, of extensions too",
        )
        .send("brew /brew HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(501)
        .kept(),
        given(
            "RFC 9110 §9.1",
            "a method's name as an override",
            "“The request method token is the primary source of request semantics”",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\nX-HTTP-Method-Override: POST\r\n\r\n")
        .gets(200)
        .body("text")
        .kept(),
    ]
}
