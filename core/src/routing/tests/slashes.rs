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
fn what_is_offered_is_redirected_and_methods_in_parts_are_one_path() {
    let router = |policy| {
        Router::new()
            .route("/a", get(|| "got"))
            .merge(Router::new().route("/a", post(|| "posted")))
            .wrap(mark!("app"))
            .trailing_slash(policy)
    };
    let redirect = app(router(TrailingSlash::Redirect));
    let rows = [
        ("GET", 308, "/a", ""),
        ("HEAD", 308, "/a", ""),
        ("POST", 308, "/a", ""),
        ("PUT", 405, "", "GET, HEAD, POST, OPTIONS"),
        ("OPTIONS", 204, "", "GET, HEAD, POST, OPTIONS"),
        ("BREW", 501, "", ""),
    ];
    for (method, status, location, allow) in rows {
        let answer = send(&redirect, request(method, "/a/").body(Default::default()).unwrap());
        assert_eq!((answer.status, answer.header("location")), (status, location), "{method}");
        assert_eq!((&*layers(&answer), answer.header("allow")), ("app", allow), "{method}");
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

/// The tree does not go back from a capture of a part of a segment: what a policy put there would be all that it finds.
#[test]
fn a_policy_takes_no_path_of_a_route_away() {
    let routes = |policy| {
        let tell = || get(async |path: MatchedPath| path.to_string());
        app(Router::new()
            .route("/{file}.txt", tell())
            .merge(Router::new().route("/{user}/{repo}", tell()).wrap(mark!("guard")))
            .route("/docs/", tell())
            .nest("/p", Router::new().route("/{x}/", tell()).route("/{x}.p/b", tell()))
            .route("/{name}", tell())
            .route("/-{*rest}", tell())
            .trailing_slash(policy))
    };
    let strict = routes(TrailingSlash::Strict);
    let (redirect, ignore) = (routes(TrailingSlash::Redirect), routes(TrailingSlash::Ignore));
    let rows = [
        ("/notes.txt/x", "/{user}/{repo}"),
        ("/notes.txt", "/{file}.txt"),
        ("/docs", "/{name}"),
        ("/docs/", "/docs/"),
        ("/p/a/", "/p/{x}/"),
        ("/p/a.p/b", "/p/{x}.p/b"),
        ("/-a/", "/-{*rest}"),
    ];
    for (target, pattern) in rows {
        for app in [&strict, &redirect, &ignore] {
            let answer = fetch(app, target);
            assert_eq!((answer.status, &*answer.text), (200, pattern), "{target}");
            let guard = if pattern == "/{user}/{repo}" { "guard" } else { "" };
            assert_eq!(layers(&answer), guard, "{target}");
        }
    }
    // What is sent on arrives, or it is not sent.
    for target in ["/notes.txt/", "/notes.txt/x/", "/p/a", "/p/a.p", "/p/a.p/b/", "/p/", "/-"] {
        let answer = fetch(&redirect, target);
        match answer.status {
            308 => {
                let there = fetch(&redirect, answer.header("location"));
                assert_eq!(there.status, 200, "{target}");
                assert_eq!(there.text, fetch(&ignore, target).text, "{target}");
            }
            200 => assert_eq!(answer.text, fetch(&strict, target).text, "{target}"),
            status => assert_eq!((status, fetch(&ignore, target).status), (404, 404), "{target}"),
        }
    }
}

#[test]
fn a_redirect_takes_a_body_that_its_route_would_take() {
    let app = app(Router::new()
        .route("/a", post(|| "posted").body_limit(1 << 40))
        .trailing_slash(TrailingSlash::Redirect))
    .with_body_bytes_max(5);
    let limit = |target: &str| {
        let head = request("POST", target).body(crate::Body::empty()).unwrap().into_parts().0;
        app.dispatch(&head.into(), None).body_bytes_max()
    };
    assert_eq!((limit("/a"), limit("/a/"), limit("/b")), (1 << 40, u64::MAX, 5));
}

#[test]
fn the_parts_of_a_path_have_one_policy_and_each_its_own_layers() {
    let app = app(Router::new()
        .merge(Router::new().route("/a", post(|| "posted")).wrap(mark!("guard")))
        .route("/a", get(|| "got"))
        .merge(Router::new().route("/a", crate::MethodRouter::default().fallback(|| "")).wrap(mark!("other")))
        .trailing_slash(TrailingSlash::Redirect));
    for (method, wrapped) in [("GET", ""), ("HEAD", ""), ("POST", "guard"), ("PUT", "other")] {
        let answer = send(&app, request(method, "/a/").body(Default::default()).unwrap());
        assert_eq!((answer.status, &*layers(&answer)), (308, wrapped), "{method}");
    }
    // One part's policy is nobody else's.
    let app = self::app(
        Router::new()
            .merge(Router::new().route("/a", get(|| "a")).trailing_slash(TrailingSlash::Ignore))
            .route("/z", get(|| "z")),
    );
    assert_eq!(["/a/", "/z", "/z/"].map(|target| fetch(&app, target).status), [200, 200, 404]);
    // Where there is no other path, there is nothing to say of it.
    let parts =
        Router::new().merge(Router::new().route("/", post(|| "")).trailing_slash(TrailingSlash::Ignore));
    assert!(parts.route("/", get(|| "")).build().is_ok());
    let line = line!();
    let parts = Router::new()
        .merge(Router::new().route("/a", post(|| "")).trailing_slash(TrailingSlash::Ignore))
        .route("/a", get(|| ""));
    let fault = parts.build().unwrap_err();
    let here = |down, column| format!("core/src/routing/tests/slashes.rs:{}:{column}", line + down);
    let places = format!("({}, {})", here(3, 10), here(2, 30));
    let expected = format!("`/a` is given two policies of trailing slashes {places}");
    assert_eq!(fault.faults().collect::<Vec<_>>(), [expected]);
    // Whichever comes first.
    let parts = Router::new()
        .merge(Router::new().route("/a", get(|| "")).trailing_slash(TrailingSlash::Redirect))
        .merge(Router::new().route("/a", post(|| "")));
    let fault = parts.build().unwrap_err().to_string();
    assert!(fault.contains("`/a` is given two policies of trailing slashes"), "{fault}");
}

/// Wherever in a segment the rest begins.
#[test]
fn a_catch_all_does_not_reach_into_a_nest() {
    let app = app(Router::new()
        .route("/files-{*rest}", get(|| "public"))
        .route("/{{a}}-{*rest}", get(|| "public"))
        .nest("/files-private/x", Router::new().route("/y", get(|| "y")).wrap(mark!("guard"))));
    let rows = [
        ("/files-private/x/nope", 404, "guard"),
        ("/files-private/x", 404, "guard"),
        ("/files-private/x/y", 200, "guard"),
        ("/files-private/z", 200, ""),
        ("/files-a", 200, ""),
        ("/{a}-b/c", 200, ""),
    ];
    for (target, status, wrapped) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*layers(&answer)), (status, wrapped), "{target}");
    }
}
