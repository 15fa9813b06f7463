//! The API: what it takes and gives, and to whom.

use std::{path::Path, process::Command};

use crate::{
    AUTHORIZED, BACKENDS, FORM, JSON, api, clear, fresh, on_each_backend, process::Process, shorten,
    start_with,
};

const PROBLEM: Option<&str> = Some("application/problem+json");

#[test]
fn links_are_added_found_and_removed() {
    on_each_backend("api", |process, _| {
        let mut client = process.connect();
        let added = api(&mut client, "POST", "/api/links", r#"{"url":"https://example.com/a?b=c&d"}"#);
        assert_eq!(added.status, 201, "{added:?}");
        let link: serde_json::Value = serde_json::from_slice(&added.body).expect("JSON");
        let code = link["code"].as_str().expect("a code").to_owned();
        assert_eq!(added.header("location"), Some(&*format!("/{code}")));
        let followed = client.get(&format!("/{code}"));
        assert_eq!(
            (followed.status, followed.header("location")),
            (307, Some("https://example.com/a?b=c&d"))
        );

        let named = r#"{"url":"http://example.com/","code":"mine"}"#;
        assert_eq!(api(&mut client, "POST", "/api/links", named).status, 201);
        let taken = api(&mut client, "POST", "/api/links", named);
        let problem = r#"{"title":"Conflict","status":409,"detail":"This code is taken."}"#;
        assert_eq!((taken.status, taken.text()), (409, problem));
        assert_eq!(taken.header("content-type"), PROBLEM);
        for (body, status) in [
            (r#"{"url":"javascript:alert(1)"}"#, 422),
            (r#"{"url":"http://u:p@example.com/"}"#, 422),
            (r#"{"url":"http://example.com/","code":"a/b"}"#, 422),
            (r#"{"url":"http://example.com/","code":"static"}"#, 409),
            (r#"{"link":"http://example.com/"}"#, 422),
            ("{", 400),
        ] {
            let refused = api(&mut client, "POST", "/api/links", body);
            assert_eq!(refused.status, status, "{refused:?}");
            assert!(refused.text().starts_with(r#"{"title":""#), "{refused:?}");
        }
        assert_eq!(
            api(&mut client, "GET", "/api/links?limit=1", "").text(),
            r#"[{"code":"mine","url":"http://example.com/"}]"#
        );
        let metrics = client.get("/metrics");
        assert!(metrics.text().contains(r#"route="/api/links",method="POST",status="201""#), "{metrics:?}");

        assert_eq!(api(&mut client, "DELETE", "/api/links/mine", "").status, 204);
        assert_eq!(api(&mut client, "DELETE", "/api/links/mine", "").status, 404);
        assert_eq!(client.get("/mine").status, 404);
        let nowhere = r#"{"title":"Not Found","status":404,"detail":"There is nothing at this path."}"#;
        assert_eq!(api(&mut client, "GET", "/api/other", "").text(), nowhere);

        let evil = [AUTHORIZED, ("Origin", "https://evil.example"), ("Content-Type", JSON)];
        let forged = client.ask_with("POST", "/api/links", &evil, named.as_bytes());
        assert_eq!((forged.status, forged.header("content-type")), (403, PROBLEM), "{forged:?}");
    });
}

#[test]
fn without_the_token_nothing_is_told_or_changed() {
    on_each_backend("token", |process, _| {
        assert_eq!(shorten(&mut process.connect(), "http://example.com/", "mine").status, 303);
        let mut client = process.connect();
        for (method, target, body) in [
            ("GET", "/api/links", ""),
            ("GET", "/api/links/mine", ""),
            ("GET", "/api/other", ""),
            ("DELETE", "/api/links/mine", ""),
            ("POST", "/api/links", r#"{"url":"http://example.com/","code":"other"}"#),
        ] {
            for fields in [
                &[("Content-Type", JSON)][..],
                &[("Content-Type", JSON), ("Authorization", "Bearer c2VjcmV1")],
            ] {
                let refused = client.ask_with(method, target, fields, body.as_bytes());
                assert_eq!(
                    (refused.status, refused.header("content-type")),
                    (401, PROBLEM),
                    "{method} {target}"
                );
                let challenge = refused.header("www-authenticate").expect("a challenge");
                assert!(challenge.starts_with(r#"Bearer realm="links""#), "{challenge}");
                assert!(!refused.text().contains("example.com"), "{refused:?}");
            }
        }
        assert_eq!(client.get("/mine").status, 307, "it is still there");
        assert_eq!(client.get("/other").status, 404);
        // Who runs the app may remove what a browser has added.
        assert_eq!(api(&mut client, "DELETE", "/api/links/mine", "").status, 204);
    });
}

#[test]
fn where_no_token_is_set_there_is_no_api() {
    let file = fresh("no-api");
    let process = Process::start(Path::new(env!("CARGO_BIN_EXE_links")), BACKENDS[0], &[("LINKS_DB", &file)]);
    let mut client = process.connect();
    assert_eq!(shorten(&mut client, "http://example.com/", "mine").status, 303);
    for (method, target) in [("GET", "/api/links"), ("DELETE", "/api/links/mine"), ("GET", "/api/links/mine")]
    {
        let missing = client.ask_with(method, target, &[AUTHORIZED], b"");
        let problem = (404, PROBLEM);
        assert_eq!((missing.status, missing.header("content-type")), problem, "{method} {target}");
    }
    assert_eq!(client.get("/mine").status, 307);
    process.interrupt();
    clear(&file);
}

#[test]
fn a_setting_that_makes_no_sense_ends_the_start() {
    let file = fresh("settings");
    for (name, value) in
        [("LINKS_TOKEN", ""), ("LINKS_TOKEN", "two words"), ("LINKS_PER_MINUTE", "0"), ("PORT", "http")]
    {
        let mut program = Command::new(env!("CARGO_BIN_EXE_links"));
        let ended = program.env("PORT", "0").env("LINKS_DB", &file).env(name, value).output();
        let ended = ended.expect("it starts and ends");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && told.contains(name), "{name}={value}: {told}");
    }
    clear(&file);
}

#[test]
fn one_client_adds_so_many_in_a_minute_by_page_and_api_together() {
    for backend in BACKENDS {
        let file = fresh(&format!("rate-{backend}"));
        let process = start_with(backend, &file, &[("LINKS_PER_MINUTE", "2")]);
        let mut client = process.connect();
        let body = |code: &str| format!(r#"{{"url":"http://example.com/","code":"{code}"}}"#);
        assert_eq!(shorten(&mut client, "http://example.com/", "first").status, 303);
        assert_eq!(api(&mut client, "POST", "/api/links", &body("second")).status, 201);

        let refused = api(&mut process.connect(), "POST", "/api/links", &body("third"));
        assert_eq!((refused.status, refused.header("content-type")), (429, PROBLEM), "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        let fields = [("Content-Type", FORM), ("Accept", "text/html")];
        let page = client.ask_with("POST", "/", &fields, b"url=http://example.com/&code=third");
        assert_eq!(page.status, 429, "{page:?}");
        assert!(page.text().contains("<h2>429 Too Many Requests</h2>"), "{page:?}");

        // What adds nothing is not counted.
        for target in ["/", "/first", "/second"] {
            assert!(client.get(target).status < 400, "{target}");
        }
        assert_eq!(client.get("/third").status, 404);
        assert_eq!(api(&mut client, "GET", "/api/links", "").status, 200);
        assert_eq!(api(&mut client, "DELETE", "/api/links/second", "").status, 204);
        process.interrupt();
        clear(&file);
    }
}
