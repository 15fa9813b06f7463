//! Whether a connection is kept, how it ends, pipelining, and Upgrade.

use crate::row::{Row, given, must, must_not, should};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = persistence();
    rows.extend(sequence());
    rows.extend(bodies());
    rows.extend(upgrades());
    rows
}

fn persistence() -> Vec<Row> {
    vec![
        should(
            "RFC 9112 §9.3",
            "1.1 is kept",
            "“HTTP implementations SHOULD support persistent connections”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .lacks("connection")
        .kept(),
        must(
            "RFC 9112 §9.6",
            "close is obeyed",
            "“MUST initiate closure of the connection” after its final response",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .gets(200)
        .field("connection", "close")
        .closed(),
        should(
            "RFC 9112 §9.6",
            "close is announced",
            "“SHOULD send a \"close\" connection option in its final response”",
        )
        .send("POST /text HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
        .gets(200)
        .field("connection", "close")
        .closed(),
        must_not(
            "RFC 9112 §9.6",
            "nothing is processed behind close",
            "“MUST NOT process any further requests received on that connection”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("root")
        .closed(),
        given("RFC 9110 §7.6.1", "close in capitals", "“Connection options are case-insensitive”")
            .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: CLOSE\r\n\r\n")
            .gets(200)
            .closed(),
        given("RFC 9110 §7.6.1", "close among other options", "“Connection = #connection-option”")
            .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: x-first ,close,\tx-last\r\n\r\n")
            .gets(200)
            .closed(),
        given(
            "RFC 9110 §5.2",
            "close in a second field",
            "“its combined field value consists of the list of corresponding field line values”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n")
        .gets(200)
        .closed(),
        given(
            "RFC 9112 §9.3",
            "close beside keep-alive",
            "“If the \"close\" connection option is present (Section 9.6), the connection will not persist”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: close, keep-alive\r\n\r\n")
        .gets(200)
        .closed(),
        must(
            "RFC 9110 §5.6.1.2",
            "empty elements in Connection",
            "“MUST parse and ignore a reasonable number of empty list elements”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: , ,close,,\r\n\r\n")
        .gets(200)
        .closed(),
        given(
            "RFC 9110 §7.6.1",
            "a word that begins with close",
            "“connection-option = token”, and a whole one",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: closed, disclose\r\n\r\n")
        .gets(200)
        .kept(),
        given(
            "RFC 9112 §9.3",
            "keep-alive in 1.1",
            "“If the received protocol is HTTP/1.1 (or later), the connection will persist”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: keep-alive\r\n\r\n")
        .gets(200)
        .kept(),
        given(
            "RFC 9110 §7.6.1",
            "an unknown option",
            "“allowing future connection-specific extensions to be deployed”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nConnection: x-none\r\nX-None: 1\r\n\r\n")
        .gets(200)
        .kept(),
        must_not(
            "RFC 9110 §7.6.1",
            "an option that names Host",
            "“MUST NOT send a connection option corresponding to a field that is intended for all”",
        )
        .send("GET /seen HTTP/1.1\r\nHost: t\r\nConnection: host, content-length\r\n\r\n")
        .gets(200)
        .body("GET /seen HTTP/1.1 host t x []")
        .kept(),
        given(
            "RFC 9110 §7.6.1",
            "Keep-Alive with parameters",
            "“received without a corresponding connection option … ought to be ignored by the recipient”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nKeep-Alive: timeout=0, max=0\r\n\r\n")
        .gets(200)
        .kept(),
        given(
            "RFC 9112 §C.2.2",
            "Proxy-Connection",
            "“clients are encouraged not to send the Proxy-Connection header field in any requests”",
        )
        .send("GET / HTTP/1.1\r\nHost: t\r\nProxy-Connection: close\r\n\r\n")
        .gets(200)
        .kept(),
        must(
            "RFC 9110 §7.6.1",
            "Keep-Alive of the handler",
            "“the sender MUST list the corresponding field name within the Connection header field”",
        )
        .send("GET /meddling HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .gets(200)
        .lacks("keep-alive")
        .field("connection", "keep-alive")
        .kept(),
        given("RFC 9112 §9.3", "1.0 is not kept", "“The connection will close after the current response”")
            .send("GET / HTTP/1.0\r\n\r\n")
            .gets(200)
            .closed(),
        given(
            "RFC 9112 §9.3",
            "1.0 is kept if asked",
            "“wishes to honor the HTTP/1.0 \"keep-alive\" mechanism, the connection will persist”",
        )
        .send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .gets(200)
        .field("connection", "keep-alive")
        .kept(),
        given(
            "RFC 9110 §7.6.1",
            "keep-alive in capitals in 1.0",
            "“Connection options are case-insensitive”",
        )
        .send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        .gets(200)
        .field("connection", "keep-alive")
        .kept(),
        given(
            "RFC 9112 §9.3",
            "close beside keep-alive in 1.0",
            "“the connection will not persist after the current response”, in 1.0 neither",
        )
        .send("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")
        .gets(200)
        .closed(),
        given(
            "RFC 9112 §9.3",
            "a stream ends 1.0's keep-alive",
            "“all messages on a connection need to have a self-defined message length”",
        )
        .send("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .gets(200)
        .field("connection", "close")
        .body("one two")
        .closed(),
        given("RFC 9112 §9.3", "a higher minor version is kept", "“HTTP/1.1 (or later)” persists")
            .send("GET / HTTP/1.5\r\nHost: t\r\n\r\n")
            .gets(200)
            .kept(),
        must(
            "RFC 9112 §9.6",
            "the handler closes",
            "“after it sends the response containing the \"close\" connection option”",
        )
        .send("GET /closing HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .field("connection", "close")
        .body("closing")
        .closed(),
        should(
            "RFC 9112 §9.5",
            "an error of the app keeps the connection",
            "“A server SHOULD sustain persistent connections, when possible”",
        )
        .send("GET /missing HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(404)
        .lacks("connection")
        .kept(),
        given(
            "RFC 9112 §9.6",
            "half-close gets its answer",
            "“nor does it imply that the client is no longer interested in a response”",
        )
        .send("GET /text-fn HTTP/1.1\r\nHost: t\r\n\r\n")
        .gets(200)
        .body("text")
        .ended(),
    ]
}

fn sequence() -> Vec<Row> {
    let three = "GET /text-fn HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\nHEAD /pieces HTTP/1.1\r\nHost: t\r\n\r\n";
    let hundred = "GET /text HTTP/1.1\r\nHost: t\r\n\r\n".repeat(100);
    let row = must(
        "RFC 9112 §9.3.2",
        "a hundred pipelined",
        "“MUST send the corresponding responses in the same order”",
    )
    .send(hundred);
    vec![
        must("RFC 9112 §9.3.2", "pipelined in order", "“MUST send the corresponding responses in the same order”")
            .send(three)
            .gets(200)
            .body("text")
            .gets(200)
            .body("root")
            .gets_head(200)
            .kept(),
        (0..100).fold(row, |row, _| row.gets(200).body("text")).kept(),
        must("RFC 9112 §9.3.2", "pipelined bodies in order", "“MUST send the corresponding responses in the same order”, with content")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\naPOST /echo-fn HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\nPOST /read HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nc")
            .gets(200)
            .body("a")
            .gets(200)
            .body("b")
            .gets(200)
            .body("c")
            .kept(),
        must("RFC 9112 §9.3.2", "a bad request in a pipeline", "“MUST send the corresponding responses in the same order”, a refusal too")
            .send("GET /text HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\n\r\n")
            .gets(200)
            .body("text")
            .gets(400)
            .closed(),
        must("RFC 9112 §9.3.2", "a close in a pipeline", "“MUST send the corresponding responses in the same order”, up to the close")
            .send("GET /text HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("text")
            .gets(200)
            .body("root")
            .closed(),
        given("RFC 9112 §9.3", "each request decides anew", "“in the most recently received message”")
            .send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .awaits("\r\n\r\nroot")
            .send("GET /text HTTP/1.0\r\n\r\n")
            .gets(200)
            .field("connection", "keep-alive")
            .gets(200)
            .field("connection", "close")
            .closed(),
        given("RFC 9112 §9.3", "versions may alternate", "“in the most recently received message”")
            .send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            .awaits("\r\n\r\nroot")
            .send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .awaits("\r\n\r\nroot")
            .gets(200)
            .lacks("connection")
            .gets(200)
            .field("connection", "keep-alive")
            .kept(),
        must_not("RFC 9110 §5.3", "a request in two parts", "“MUST NOT apply a request to the target resource until it receives” its head")
            .send("GET / HTTP/1.1\r\nHost: t\r\n\r\nGET /te")
            .awaits("\r\n\r\nroot")
            .send("xt HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .gets(200)
            .body("text")
            .kept(),
    ]
}

/// Bodies that nobody reads.
fn bodies() -> Vec<Row> {
    const READ: &str = "“MUST read the entire request message body or close the connection”";
    vec![
        must("RFC 9112 §9.3", "an unread body", READ)
            .send("POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 31\r\n\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("not read")
            .kept(),
        must("RFC 9112 §9.3", "an unread body of a fn", READ)
            .send("POST /unread-fn HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello")
            .gets(200)
            .body("not read")
            .kept(),
        must("RFC 9112 §9.3", "an unread body in chunks", READ)
            .send("POST /unread HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .gets(200)
            .closed(),
        must("RFC 9112 §9.3", "an unread body that is malformed", READ)
            .send("POST /unread-fn HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
            .gets(200)
            .closed(),
        must("RFC 9112 §9.3", "an unread body that is large", READ)
            .send(format!("POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 300000\r\n\r\n{}", "a".repeat(300_000)))
            .gets(200)
            .closed(),
        should("RFC 9112 §9.6", "an unread body that is refused", "“SHOULD send a Connection header field … when it intends to close a connection”")
            .send("PUT /text HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .gets(405)
            .closed(),
        must("RFC 9112 §9.3", "an unread body that comes late", READ)
            .send("POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhello")
            .awaits("\r\n\r\nnot read")
            .send("world")
            .gets(200)
            .kept(),
        must("RFC 9112 §9.3", "an unread body of no route", READ)
            .send("POST /missing HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
            .gets(404)
            .closed(),
    ]
}

fn upgrades() -> Vec<Row> {
    const IGNORE: &str = "“A server MAY ignore a received Upgrade header field”";
    vec![
        given("RFC 9110 §7.8", "Upgrade is ignored", IGNORE)
            .send("GET /text HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            .gets(200)
            .lacks("upgrade")
            .body("text")
            .kept(),
        given("RFC 9110 §7.8", "Upgrade to h2c is ignored", IGNORE)
            .send("GET /text HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        must("RFC 9110 §7.8", "Upgrade in 1.0", "“receives an Upgrade header field in an HTTP/1.0 request MUST ignore that Upgrade field”")
            .send("GET /text HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .gets(200)
            .body("text")
            .closed(),
        given("RFC 9110 §7.6.1", "Upgrade without its option", "“received without a corresponding connection option … ought to be ignored by the recipient”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\n\r\n")
            .gets(200)
            .body("text")
            .kept(),
        given("RFC 9110 §7.8", "a request behind Upgrade before a 101", "“Upgrade cannot be used to insist on a protocol change”")
            .send("GET /text HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: tls/1.2\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(200)
            .body("text")
            .gets(200)
            .body("root")
            .kept(),
        given("RFC 9110 §7.8", "frames behind Upgrade before a 101", "“Upgrade cannot be used to insist on a protocol change”, by frames neither")
            .send(b"GET /text HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85\x01\x02\x03\x04abcde")
            .gets(200)
            .gets(400)
            .closed(),
        given("RFC 9110 §7.8", "Upgrade with a body", "“can't change the protocol it is sending in the middle of a message”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello")
            .gets(200)
            .body("hello")
            .kept(),
        must("RFC 9110 §7.8", "Upgrade with an expectation", "“MUST send a 100 (Continue) response before sending a 101”")
            .send("POST /echo HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            .awaits("HTTP/1.1 100 Continue\r\n\r\n")
            .send("hello")
            .gets(100)
            .gets(200)
            .body("hello")
            .kept(),
        must_not("RFC 9110 §7.8", "no switch that was not asked for", "“MUST NOT switch to a protocol that was not indicated by the client”")
            .send("GET /switching HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets(500)
            .closed(),
        given("RFC 9110 §9.3.6", "bytes behind a refused CONNECT", "“other than a successful response indicates that the tunnel has not yet been formed”")
            .send("CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n\r\nGET /text HTTP/1.1\r\nHost: t\r\n\r\n")
            .gets_any(&[404, 405, 501])
            .gets(200)
            .body("text")
            .kept(),
    ]
}
