//! The page: whose links are on it, and what it does not let others do.

use crate::{FORM, on_each_backend, shorten};

#[test]
fn a_link_is_added_and_shown() {
    on_each_backend("page", |process, _| {
        let mut client = process.connect();
        let form = client.ask("POST", "/", FORM, b"url=http%3A%2F%2Fexample.com%2F%3Fa%3D'%26b&code=");
        assert_eq!((form.status, form.header("location")), (303, Some("/")), "{form:?}");
        let page = client.get("/");
        let shown = page.text().replace("&#x2f;", "/").replace("&#x27;", "&#39;");
        assert!(shown.contains("http://example.com/?a=&#39;&amp;b"), "{page:?}");
        assert_eq!(process.connect().get("/").text().matches("class=\"code\"").count(), 0, "others'");
        assert_eq!(client.get("/static/style.css").status, 200);
    });
}

/// What Chromium sends with a form on the page of another site, and of another port of this host.
const FORGED: [[(&str, &str); 4]; 2] = [
    [
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Content-Type", FORM),
    ],
    [
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Origin", "http://localhost:1"),
        ("Sec-Fetch-Site", "same-site"),
        ("Content-Type", FORM),
    ],
];

#[test]
fn a_forged_form_changes_nothing_and_is_answered_with_a_page() {
    on_each_backend("forged", |process, _| {
        let mut client = process.connect();
        assert_eq!(shorten(&mut client, "http://example.com/", "first").status, 303);
        for fields in FORGED {
            for (target, body) in [("/", &b"url=https://evil.example/&code=evil"[..]), ("/first/remove", b"")]
            {
                let refused = client.ask_with("POST", target, &fields, body);
                let page = (403, Some("text/html; charset=utf-8"));
                assert_eq!((refused.status, refused.header("content-type")), page, "{target}: {refused:?}");
                assert!(refused.text().contains("<h2>403 Forbidden</h2>"), "{refused:?}");
                let sentence = "The request was refused: it comes from a page of another origin.";
                assert!(refused.text().contains(sentence), "{refused:?}");
                assert!(refused.header("content-security-policy").is_some(), "{refused:?}");
            }
        }
        assert_eq!(client.get("/evil").status, 404);
        assert_eq!(client.get("/first").status, 307);
    });
}
