//! Cookies over real sockets: read, set, removed, signed and private, in handlers of both kinds.

use trijet::{
    Backend, IntoResponse, Redirect, Router, State,
    cookies::{Cookie, CookieJar, Cookies, Keys},
    get,
};

use crate::common::{
    client::Client,
    response::Response,
    server::{Running, start},
};

on_every_backend!(
    what_is_well_formed_is_read,
    a_jar_sets_and_removes,
    only_what_was_signed_here_is_read,
    only_what_was_encrypted_here_is_read,
    old_keys_still_read,
    what_cannot_be_a_cookie_is_a_500,
    keys_that_nobody_has_given_are_found_at_start,
);

fn list(cookies: Cookies) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

async fn list_async(cookies: Cookies) -> String {
    list(cookies)
}

fn signed(cookies: Cookies, State(keys): State<Keys>) -> String {
    cookies.signed("user", &keys).unwrap_or_else(|| "nobody".into())
}

async fn private(cookies: Cookies, State(keys): State<Keys>) -> String {
    cookies.private("user", &keys).unwrap_or_else(|| "nobody".into())
}

const VALUE: &str = "Ada; Lovelace, \u{fc}";

fn set_signed(State(keys): State<Keys>) -> CookieJar {
    CookieJar::new().set_signed(Cookie::new("user", VALUE), &keys)
}

async fn set_private(State(keys): State<Keys>) -> CookieJar {
    CookieJar::new().set_private(Cookie::new("user", VALUE), &keys)
}

fn app(keys: Keys) -> Router {
    Router::new()
        .route("/list", get(list))
        .route("/list/async", get(list_async))
        .route("/signed", get(signed).post(set_signed))
        .route("/private", get(private).post(set_private))
        .state(keys)
}

/// Asks with these bytes as the `Cookie` field.
fn ask(client: &mut Client, method: &str, path: &str, cookie: &[u8]) -> Response {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: t\r\ncookie: ");
    client.send([head.as_bytes(), cookie, b"\r\n\r\n"].concat()).response()
}

fn set_cookies(response: &Response) -> Vec<&str> {
    let fields = response.headers.iter().filter(|(name, _)| name == "set-cookie");
    fields.map(|(_, value)| value.as_str()).collect()
}

/// What a browser sends after this response.
fn kept(response: &Response) -> String {
    let [field] = set_cookies(response)[..] else { panic!("one cookie: {response:?}") };
    field.split(';').next().unwrap().to_owned()
}

fn what_is_well_formed_is_read(on: Backend) {
    let server = start(on, app(Keys::generate()));
    let mut client = server.connect();
    let many: String = (0..1000).map(|number| format!("c{number}=1;")).collect();
    let rows: [(&[u8], &str); 8] = [
        (b"a=1; b=2", "a=1\nb=2\n"),
        (b"a=%C3%BC", "a=\u{fc}\n"),
        (b"a; =b; c d=1; e=\xff; f=%ff; g=1", "g=1\n"),
        (b"a=1; a=2", "a=1\na=2\n"),
        (b";;;===;;", ""),
        (b"", ""),
        (b"a=<script>", "a=<script>\n"),
        (b"a=\"1\"", "a=\"1\"\n"),
    ];
    for path in ["/list", "/list/async"] {
        for (cookie, expected) in rows {
            ask(&mut client, "GET", path, cookie).says(expected);
        }
        let read = ask(&mut client, "GET", path, many.as_bytes()).with_status(200);
        assert_eq!(read.text().lines().count(), trijet::cookies::COOKIES_MAX);
        let twice = format!("GET {path} HTTP/1.1\r\nhost: t\r\ncookie: a=1\r\ncookie: b=2\r\n\r\n");
        client.send(twice).response().says("a=1\nb=2\n");
        client.get(path).says("");
    }
}

fn a_jar_sets_and_removes(on: Backend) {
    fn log_in() -> impl IntoResponse {
        let jar = CookieJar::new()
            .set(
                Cookie::new("theme", "dark; Domain=evil")
                    .secure()
                    .max_age(std::time::Duration::from_secs(60)),
            )
            .remove("old");
        (jar, [("set-cookie", "beside=it")], Redirect::to("/"))
    }
    async fn log_in_async() -> impl IntoResponse {
        log_in()
    }
    let app = Router::new().route("/fn", get(log_in)).route("/async", get(log_in_async));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/fn", "/async"] {
        let answer = client.get(path).with_status(303);
        // Headers replace what was there, and so come first.
        assert_eq!(set_cookies(&answer), ["beside=it"], "{path}");
    }
    let both = || (CookieJar::new().set(Cookie::new("a", "1")).remove("old"), "hello");
    let server = start(on, Router::new().route("/", get(both)));
    let answer = server.connect().get("/").says("hello");
    let [set, removed] = set_cookies(&answer)[..] else { panic!("{answer:?}") };
    assert_eq!(set, "a=1; HttpOnly; SameSite=Lax; Path=/");
    assert!(removed.starts_with("old=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Expires="), "{removed}");
}

/// Asks with what the server has set, and with every bit of it changed. What is no field then is answered with 400.
fn only_what_comes_from_here(server: &Running, path: &str) {
    let mut client = server.connect();
    client.get(path).says("nobody");
    let pair = kept(&ask(&mut client, "POST", path, b"").with_status(200));
    ask(&mut client, "GET", path, pair.as_bytes()).says(VALUE);
    ask(&mut client, "GET", path, pair.replacen("user", "admin", 1).as_bytes()).says("nobody");
    for index in "user=".len()..pair.len() {
        for bit in 0..8 {
            let mut changed = pair.clone().into_bytes();
            changed[index] ^= 1 << bit;
            let answer = ask(&mut client, "GET", path, &changed);
            match answer.status {
                200 => assert_eq!(answer.text(), "nobody", "bit {bit} of byte {index} of {pair}"),
                _ => client = server.connect(),
            }
        }
    }
}

fn only_what_was_signed_here_is_read(on: Backend) {
    let server = start(on, app(Keys::generate()));
    only_what_comes_from_here(&server, "/signed");
    // Nobody else's signature is right either.
    let other = start(on, app(Keys::generate()));
    let foreign = kept(&ask(&mut other.connect(), "POST", "/signed", b""));
    ask(&mut server.connect(), "GET", "/signed", foreign.as_bytes()).says("nobody");
}

fn only_what_was_encrypted_here_is_read(on: Backend) {
    let server = start(on, app(Keys::generate()));
    only_what_comes_from_here(&server, "/private");
    let other = start(on, app(Keys::generate()));
    let foreign = kept(&ask(&mut other.connect(), "POST", "/private", b""));
    assert!(!foreign.contains("Ada"), "{foreign}");
    ask(&mut server.connect(), "GET", "/private", foreign.as_bytes()).says("nobody");
}

fn old_keys_still_read(on: Backend) {
    let [old, new] = [[1; 64], [2; 64]];
    let before = start(on, app(Keys::new(&old).unwrap()));
    let after = start(on, app(Keys::new(&new).unwrap().with_old(&old).unwrap()));
    for path in ["/signed", "/private"] {
        let pair = kept(&ask(&mut before.connect(), "POST", path, b""));
        ask(&mut after.connect(), "GET", path, pair.as_bytes()).says(VALUE);
        let pair = kept(&ask(&mut after.connect(), "POST", path, b""));
        ask(&mut before.connect(), "GET", path, pair.as_bytes()).says("nobody");
        ask(&mut after.connect(), "GET", path, pair.as_bytes()).says(VALUE);
    }
}

fn what_cannot_be_a_cookie_is_a_500(on: Backend) {
    type Row = (&'static str, fn() -> Cookie);
    let rows: [Row; 4] = [
        ("/name", || Cookie::new("a\r\nset-cookie: b", "1")),
        ("/path", || Cookie::new("a", "1").path("/; Domain=evil")),
        ("/domain", || Cookie::new("a", "1").domain("a\r\nb")),
        ("/size", || Cookie::new("a", "x".repeat(5000))),
    ];
    let app = rows.into_iter().fold(Router::new(), |app, (path, cookie)| {
        app.route(path, get(move || (CookieJar::new().set(Cookie::new("b", "1")).set(cookie()), "hello")))
    });
    let server = start(on, app);
    for (path, _) in rows {
        let answer = server.connect().get(path).with_status(500);
        assert_eq!(set_cookies(&answer), [""; 0], "{path}");
        assert!(!answer.text().contains("cookie"), "{answer:?}");
    }
}

fn keys_that_nobody_has_given_are_found_at_start(_: Backend) {
    let error = Router::new().route("/", get(signed)).build().expect_err("there are no keys");
    assert!(error.to_string().contains("cookies::keys::Keys"), "{error}");
}
