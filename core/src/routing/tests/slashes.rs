//! Slashes at the end: strict, by a redirect, or of no account.

use super::layers;
use crate::{
    Next, Path, Request, Router,
    exercise::{app, get as fetch, request, send},
    extract::MatchedPath,
    get, inline, post,
    routing::TrailingSlash,
};

fn routes() -> Router {
    Router::new()
        .route("/", get(|| "root"))
        .route("/a", get(|| "a").post(|| "posted"))
        .route("/dir/", get(|| "dir"))
        .route("/users/{id}", get(async |Path(id): Path<String>, path: MatchedPath| format!("{path} {id}")))
        .route("/both", get(|| "without"))
        .route("/both/", get(|| "with"))
        .route("/rest/{*rest}", get(async |Path(rest): Path<String>| rest))
        .route("/{x}.png", get(async |Path(x): Path<String>| x))
        .route("//twice", get(|| "twice"))
        .nest(
            "/nest",
            Router::new().route("/", get(|| "nest")).route("/x", get(|| "x")).fallback(inline(|| "no")),
        )
        .nest("/strict", Router::new().route("/x", get(|| "x")).trailing_slash(TrailingSlash::Strict))
}

/// What GET of a path gives under each policy: a text, `404`, or where it leads.
const ROWS: [(&str, &str, &str, &str); 24] = [
    ("/", "root", "root", "root"),
    ("/a", "a", "a", "a"),
    ("/a/", "404", "> /a", "a"),
    ("/a/?b=c/&d", "404", "> /a?b=c/&d", "a"),
    ("/a//", "404", "404", "404"),
    ("/dir/", "dir", "dir", "dir"),
    ("/dir", "404", "> /dir/", "dir"),
    ("/dir?", "404", "> /dir/?", "dir"),
    ("/users/7", "/users/{id} 7", "/users/{id} 7", "/users/{id} 7"),
    ("/users/7/", "404", "> /users/7", "/users/{id} 7"),
    ("/users/a%2F/", "404", "> /users/a%2F", "/users/{id} a/"),
    ("/users/", "404", "404", "404"),
    ("/users//", "404", "404", "404"),
    ("/both", "without", "without", "without"),
    ("/both/", "with", "with", "with"),
    ("/rest/a/", "a/", "a/", "a/"),
    ("/cat.png/", "404", "> /cat.png", "cat"),
    ("//twice/", "404", "404", "404"),
    ("//evil.org/", "404", "404", "404"),
    ("/nest", "nest", "nest", "nest"),
    ("/nest/", "no", "> /nest", "nest"),
    ("/nest/x/", "no", "> /nest/x", "x"),
    ("/nest/none/", "no", "no", "no"),
    ("/strict/x/", "404", "404", "404"),
];

#[test]
fn each_policy_does_what_it_says() {
    let strict = app(routes());
    let redirect = app(routes().trailing_slash(TrailingSlash::Redirect));
    let ignore = app(routes().trailing_slash(TrailingSlash::Ignore));
    for (target, by_default, redirected, ignored) in ROWS {
        for (app, expected) in [(&strict, by_default), (&redirect, redirected), (&ignore, ignored)] {
            let answer = fetch(app, target);
            let seen = match answer.status {
                200 => answer.text.clone(),
                308 => format!("> {}", answer.header("location")),
                status => status.to_string(),
            };
            assert_eq!(seen, expected, "{target}");
        }
    }
}

#[test]
fn every_method_is_redirected_and_methods_in_parts_are_one_path() {
    let router = |policy| {
        Router::new()
            .route("/a", get(|| "got"))
            .merge(Router::new().route("/a", post(|| "posted")))
            .wrap(mark!("app"))
            .trailing_slash(policy)
    };
    let redirect = app(router(TrailingSlash::Redirect));
    for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW"] {
        let answer = send(&redirect, request(method, "/a/").body(Default::default()).unwrap());
        assert_eq!((answer.status, answer.header("location")), (308, "/a"), "{method}");
        assert_eq!(layers(&answer), "app");
    }
    let ignore = app(router(TrailingSlash::Ignore));
    let rows =
        [("GET", 200, "got"), ("POST", 200, "posted"), ("PUT", 405, "This path does not offer the method.")];
    for (method, status, text) in rows {
        let answer = send(&ignore, request(method, "/a/").body(Default::default()).unwrap());
        assert_eq!((answer.status, &*answer.text), (status, text), "{method}");
    }
}

/// A capture of one nest does not reach into another by its slash.
#[test]
fn a_nest_keeps_what_lies_below_it() {
    let app = app(Router::new()
        .route("/{x}", get(|| "captured"))
        .nest("/n", Router::new().fallback(inline(|| "n's")))
        .trailing_slash(TrailingSlash::Ignore));
    for (target, text) in [("/m/", "captured"), ("/n/", "n's"), ("/n", "n's"), ("/n/x/", "n's")] {
        assert_eq!(fetch(&app, target).text, text, "{target}");
    }
}
