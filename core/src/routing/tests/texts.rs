//! Routes that capture nothing, beside those that do.

use crate::{
    Path, Router,
    exercise::{app, get as fetch},
    get, inline,
};

#[test]
fn a_text_goes_before_captures_however_many_are_of_its_length() {
    let mut router = Router::new()
        .route("/{one}", get(async |Path(one): Path<String>| format!("one {one}")))
        .route(
            "/{one}/{two}",
            get(async |Path((one, two)): Path<(String, String)>| format!("two {one} {two}")),
        )
        .route("/{{a}}", get(async || "braces"));
    // Not in their order, and some of one length.
    let texts = ["/b", "/a", "/c", "/bb", "/a/b", "/a/c", "/%41", "/"];
    for text in texts {
        router = router.route(text, get(inline(move || text)));
    }
    let app = app(router);
    for text in texts {
        assert_eq!(fetch(&app, text).text, text);
    }
    let rows = [
        ("/d", "one d"),
        ("/A", "one A"),
        ("/aa", "one aa"),
        ("/{a}", "braces"),
        ("/{b}", "one {b}"),
        ("/{{a}}", "one {{a}}"),
        ("/a/d", "two a d"),
        ("/b/b", "two b b"),
    ];
    for (path, told) in rows {
        assert_eq!(fetch(&app, path).text, told, "{path}");
    }
    for nothing in ["/a/", "/a/b/", "/a/b/c", "//"] {
        assert_eq!(fetch(&app, nothing).status, 404, "{nothing}");
    }
}

/// Whether a tree can hold a capture of a part of a segment hangs on the texts beside it.
#[test]
fn captures_of_parts_of_segments_stand_beside_texts() {
    let at = |name: &'static str| get(inline(move || name));
    let pages = Router::new()
        .route("/app", at("app"))
        .route("/app/v{version}", at("version"))
        .route("/{page}.html", at("page"));
    let users = Router::new()
        .route("/api", at("api"))
        .route("/api/v{version}", at("version"))
        .route("/{user}/settings", at("settings"));
    for (router, rows) in [
        (pages, [("/app", "app"), ("/app/v1", "version"), ("/hello.html", "page")]),
        (users, [("/api", "api"), ("/api/v1", "version"), ("/joe/settings", "settings")]),
    ] {
        let app = app(router);
        for (path, told) in rows {
            assert_eq!(fetch(&app, path).text, told, "{path}");
        }
    }
}
