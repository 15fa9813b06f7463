//! What is asked: the bytes of each case's requests, and how many go out in one write. Data only: it must never open a
//! connection.

/// A case: one kind of request, again and again on one connection.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    /// The bytes of one request.
    pub request: Vec<u8>,
    /// Those of another, which takes turns with it.
    pub other: Option<Vec<u8>>,
    /// Requests in one write.
    pub depth: usize,
    /// Routes that the app has beside those of the cases.
    pub routes: usize,
}

const CURT: &str = "Host: 127.0.0.1:8080\r\n";

/// What a browser sends along.
const BROWSER: &str = "Host: 127.0.0.1:8080\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=4f0c2ad1b7e34f0e9d5c; theme=dark\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Cache-Control: max-age=0\r\n";

/// What a peer has a route for, too.
pub const OF_PEERS: [&str; 7] = ["plaintext", "pipelined", "browser", "varied", "json", "capture", "echo"];

/// All cases.
pub fn all() -> Vec<Case> {
    let get = |name, path: &str, fields: &str| Case {
        name,
        request: format!("GET {path} HTTP/1.1\r\n{fields}\r\n").into_bytes(),
        other: None,
        depth: 1,
        routes: 0,
    };
    let body = "x".repeat(1024);
    let post = format!(
        "POST /echo HTTP/1.1\r\n{CURT}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let other = get("varied", "/plaintext", &BROWSER.replace("navigate", "cors")).request;
    vec![
        get("plaintext", "/plaintext", CURT),
        Case { depth: 16, ..get("pipelined", "/plaintext", CURT) },
        get("browser", "/plaintext", BROWSER),
        Case { other: Some(other), ..get("varied", "/plaintext", BROWSER) },
        get("json", "/json", CURT),
        get("capture", "/users/42", CURT),
        Case { name: "echo", request: post.into_bytes(), other: None, depth: 1, routes: 0 },
        get("fn", "/fn", CURT),
        get("inline", "/inline", CURT),
        Case { routes: 10, ..get("routes-10", "/api/v1/things7/42", CURT) },
        Case { routes: 1000, ..get("routes-1000", "/api/v1/things7/42", CURT) },
    ]
}
