//! What the server says where it is the one to refuse: each status with a reason for the reader.

use crate::row::{Row, should};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        should(
            "RFC 9110 §15.5",
            "400 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\nContent-Length: why\r\n\r\n")
        .gets(400)
        .explains()
        .closed(),
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
            "405 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("DELETE /pieces HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(405)
        .has("content-type")
        .body("This path does not offer the method.")
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
            "RFC 9110 §15.5",
            "414 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send(format!("GET /{} HTTP/1.1\r\nHost: t\r\n\r\n", "w".repeat(9000)))
        .gets(414)
        .explains()
        .closed(),
        should(
            "RFC 9110 §15.5",
            "417 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("GET /text HTTP/1.1\r\nHost: t\r\nExpect: why\r\n\r\n")
        .gets(417)
        .explains()
        .closed(),
        should(
            "RFC 9110 §15.5",
            "421 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("GET https://why/ HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(421)
        .explains()
        .closed(),
        should(
            "RFC 9110 §15.5",
            "431 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send(format!("GET /text HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "w".repeat(17_000)))
        .gets(431)
        .explains()
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
        should(
            "RFC 9110 §15.6",
            "501 says why",
            "“the server SHOULD send a representation containing an explanation”",
        )
        .send("FROB / HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(501)
        .has("content-type")
        .body("This server does not know the method.")
        .kept(),
        should("RFC 9110 §15.6.6", "505 says why", "“SHOULD generate a representation for the 505 response”")
            .send("GET /text HTTP/9.9\r\nHost: t\r\n\r\n")
            .gets(505)
            .has("content-type")
            .body("only HTTP/1.0 and HTTP/1.1 are spoken here\n")
            .closed(),
    ]
}
