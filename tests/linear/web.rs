//! The inputs for what `trijet-web` parses: cookies, the fields of proxies, forms with files.

use trijet::{
    HeaderMap, Router,
    client::BehindProxies,
    cookies::{Cookies, Keys},
    get,
    multipart::{Multipart, MultipartError, MultipartLimits},
    post,
};

use crate::inputs::{Input, input, with_fields};

pub(crate) fn inputs() -> Vec<Input> {
    let inputs = [cookies(), proxies(), forms()].into_iter().flatten();
    inputs.map(|input| input.with(|_| routes())).collect()
}

async fn count(mut form: Multipart) -> Result<String, MultipartError> {
    let mut bytes = 0;
    while let Some(mut part) = form.next().await? {
        while let Some(piece) = part.next().await? {
            bytes += piece.len();
        }
    }
    Ok(bytes.to_string())
}

async fn skip(mut form: Multipart) -> Result<(), MultipartError> {
    while form.next().await?.is_some() {}
    Ok(())
}

fn routes() -> Router {
    let keys = Keys::new(&[7; 64]).unwrap();
    let sealed = move |cookies: Cookies| {
        let found = cookies.signed("a", &keys).or_else(|| cookies.private("a", &keys));
        std::future::ready(found.is_some().to_string())
    };
    let client = |proxies: BehindProxies| {
        move |headers: HeaderMap| {
            let client = proxies.client(([10, 0, 0, 1], 1).into(), &headers);
            std::future::ready(client.ip().to_string())
        }
    };
    Router::new()
        .route("/cookies", get(async |cookies: Cookies| cookies.iter().count().to_string()))
        .route("/sealed", get(sealed))
        .route("/forwarded", get(client(BehindProxies::forwarded(["10.0.0.0/8"]).unwrap())))
        .route("/x-forwarded", get(client(BehindProxies::x_forwarded(["10.0.0.0/8"]).unwrap())))
        .route("/multipart", post(count))
        .route("/skip", post(skip))
        // The head's limit stays.
        .state(MultipartLimits { parts_max: usize::MAX, ..MultipartLimits::default() })
}

fn at(path: &str, fields: &str) -> String {
    with_fields(fields).replacen("GET /", &format!("GET {path}"), 1)
}

fn cookies() -> Vec<Input> {
    vec![
        input("cookies: many pairs", 2500, |n| at("/cookies", &format!("Cookie: {}\r\n", "a=b; ".repeat(n)))),
        input("cookies: many fields", 1000, |n| at("/cookies", &"Cookie: a=b\r\n".repeat(n))),
        input("cookies: separators alone", 12_500, |n| {
            at("/cookies", &format!("Cookie: {}\r\n", ";".repeat(n)))
        }),
        input("cookies: no pair", 12_500, |n| at("/cookies", &format!("Cookie: {}\r\n", "a".repeat(n)))),
        input("cookies: escapes", 600, |n| at("/cookies", &format!("Cookie: a={}\r\n", "%41".repeat(n)))),
        input("cookies: sealed", 1900, |n| at("/sealed", &format!("Cookie: a={}\r\n", "A".repeat(n)))),
    ]
}

fn proxies() -> Vec<Input> {
    vec![
        input("proxies: many that are trusted", 1000, |n| {
            at("/forwarded", &format!("Forwarded: {}\r\n", "for=10.0.0.1,".repeat(n)))
        }),
        input("proxies: commas alone", 12_500, |n| {
            at("/forwarded", &format!("Forwarded: {}\r\n", ",".repeat(n)))
        }),
        input("proxies: quotes alone", 12_500, |n| {
            at("/forwarded", &format!("Forwarded: {}\r\n", "\"".repeat(n)))
        }),
        input("proxies: quoted commas", 5000, |n| {
            at("/forwarded", &format!("Forwarded: for=\"{}\"\r\n", ",".repeat(n)))
        }),
        input("proxies: pairs of one element", 2500, |n| {
            at("/forwarded", &format!("Forwarded: {}\r\n", "a=b;".repeat(n)))
        }),
        input("proxies: many addresses", 1000, |n| {
            at("/x-forwarded", &format!("X-Forwarded-For: {}\r\n", "10.0.0.1, ".repeat(n)))
        }),
        input("proxies: many fields", 1000, |n| {
            at("/x-forwarded", &"X-Forwarded-For: 10.0.0.1\r\n".repeat(n))
        }),
    ]
}

const HEAD: &str = "Content-Disposition: form-data; name=\"a\"";

fn sent(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=----Form\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn form(path: &str, parts: &str) -> String {
    sent(path, &format!("{parts}------Form--\r\n"))
}

fn forms() -> Vec<Input> {
    let parts: fn(usize) -> String =
        |n| form("/multipart", &format!("------Form\r\n{HEAD}\r\n\r\nx\r\n").repeat(n));
    let large: fn(usize) -> String =
        |n| form("/multipart", &format!("------Form\r\n{HEAD}\r\n\r\n{}\r\n", "x".repeat(n)));
    let head: fn(usize) -> String =
        |n| form("/multipart", &format!("------Form\r\n{HEAD}\r\nX: {}\r\n\r\nx\r\n", "x".repeat(n)));
    let almost: fn(usize) -> String =
        |n| form("/multipart", &format!("------Form\r\n{HEAD}\r\n\r\n{}\r\n", "\r\n------For".repeat(n)));
    vec![
        input("multipart: many parts", 500, parts),
        input("multipart: many parts, dripped", 25, parts).dripped(),
        input("multipart: a large part", 200_000, large),
        input("multipart: a large part, dripped", 2000, large).dripped(),
        input("multipart: a large part, skipped", 200_000, |n| {
            form("/skip", &format!("------Form\r\n{HEAD}\r\n\r\n{}\r\n", "x".repeat(n)))
        }),
        input("multipart: a part of line ends", 50_000, |n| {
            form("/multipart", &format!("------Form\r\n{HEAD}\r\n\r\n{}\r\n", "\r\n".repeat(n)))
        }),
        input("multipart: almost boundaries", 10_000, almost),
        input("multipart: almost boundaries, dripped", 200, almost).dripped(),
        input("multipart: a long head", 3500, head),
        input("multipart: a long head, dripped", 1750, head).dripped(),
        input("multipart: a head without end", 100_000, |n| {
            sent("/multipart", &format!("------Form\r\nX: {}", "x".repeat(n)))
        }),
        input("multipart: a head without end, dripped", 10_000, |n| {
            sent("/multipart", &format!("------Form\r\nX: {}", "x".repeat(n)))
        })
        .dripped(),
        input("multipart: a preamble, dripped", 1750, |n| sent("/multipart", &"-".repeat(n))).dripped(),
        input("multipart: an epilogue", 100_000, |n| {
            sent("/multipart", &format!("------Form\r\n{HEAD}\r\n\r\nx\r\n------Form--{}", "x".repeat(n)))
        }),
        input("multipart: parameters", 250, |n| {
            let parameters = "; b=\"c;d\"".repeat(n);
            form("/multipart", &format!("------Form\r\n{HEAD}{parameters}\r\n\r\nx\r\n"))
        }),
        input("multipart: escapes in a name", 1500, |n| {
            let escapes = "\\\"".repeat(n);
            form("/multipart", &format!("------Form\r\n{HEAD}; filename=\"{escapes}\"\r\n\r\nx\r\n"))
        }),
    ]
}
