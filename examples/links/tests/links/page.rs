//! The page: whose links are on it, and what it does not let others do.

use std::ops::Range;

use rusqlite::Connection;

use crate::{BACKENDS, FORM, clear, fresh, on_each_backend, process::Client, shorten, start_with};

#[test]
fn a_link_is_added_and_shown() {
    on_each_backend("page", |process, _| {
        let mut client = process.connect();
        let form = client.ask("POST", "/", FORM, b"url=http%3A%2F%2Fexample.com%2F%3Fa%3D'%26b&code=first");
        assert_eq!((form.status, form.header("location")), (303, Some("/?added=first")), "{form:?}");
        // The cookie has come back, so that the address says no more than it must.
        let told = client.get("/?added=first");
        assert_eq!((told.status, told.header("location")), (303, Some("/")), "{told:?}");
        let page = client.get("/");
        assert!(page.text().contains(r#"Your link is <a href="/first">/first</a>."#), "{page:?}");
        let shown = page.text().replace("&#x2f;", "/").replace("&#x27;", "&#39;");
        assert!(shown.contains("http://example.com/?a=&#39;&amp;b"), "{page:?}");
        assert!(!client.get("/").text().contains("Your link is"), "once");
        assert_eq!(codes(&mut process.connect()), [""; 0], "others'");
        assert_eq!(shorten(&mut client, "http://example.com/", "other").header("location"), Some("/"));
        assert_eq!(client.get("/static/style.css").status, 200);
    });
}

#[test]
fn a_head_request_leaves_the_news_to_who_reads_it() {
    on_each_backend("head", |process, _| {
        let mut client = process.connect();
        assert_eq!(shorten(&mut client, "http://example.com/", "first").status, 303);
        assert_eq!(client.ask("HEAD", "/", "", b"").status, 200);
        assert!(client.get("/").text().contains("Your link is"));
    });
}

#[test]
fn without_cookies_the_code_is_told_all_the_same() {
    on_each_backend("no-cookies", |process, _| {
        let body = b"url=http%3A%2F%2Fexample.com%2F%3Fa%26b&code=";
        let added = process.connect().ask("POST", "/", FORM, body);
        let location = added.header("location").expect("a place");
        let code = location.strip_prefix("/?added=").expect("the code");
        for _ in 0..2 {
            let page = process.connect().get(location);
            assert_eq!((page.status, page.header("set-cookie")), (200, None));
            let shown = page.text().replace("&#x2f;", "/");
            let told = format!(r#"<a href="/{code}">/{code}</a> leads to http://example.com/?a&amp;b."#);
            assert!(shown.contains(&told), "{shown}");
        }
        for location in ["/?added=none", "/?added=", "/?added=%3Cb%3E"] {
            let page = process.connect().get(location);
            assert!(page.status == 200 && !page.text().contains("role=\"status\""), "{page:?}");
        }
    });
}

#[test]
fn each_of_many_links_is_on_some_page() {
    for backend in BACKENDS {
        let file = fresh(&format!("pages-{backend}"));
        let process = start_with(backend, &file, &[("LINKS_PER_MINUTE", "1000")]);
        let (mut one, mut other) = (process.connect(), process.connect());
        let add = |client: &mut Client, numbers: Range<u32>| {
            for number in numbers {
                assert_eq!(shorten(client, "http://example.com/", &format!("link-{number}")).status, 303);
            }
        };
        // The number of the newest link there, how many there are, and whether there are newer and older ones.
        let page = |client: &mut Client, target: &str| {
            let page = client.get(target);
            assert_eq!(page.status, 200, "{target}");
            let codes = listed(page.text());
            let newest = codes.first().map(|code| code.trim_start_matches("link-").to_owned());
            let others = ["Newer", "Older"].map(|name| page.text().contains(&format!(">{name}</a>")));
            (newest.unwrap_or_default().parse::<u32>().ok(), codes.len(), others)
        };
        add(&mut one, 0..50);
        add(&mut other, 50..100);
        assert_eq!(page(&mut one, "/"), (Some(49), 50, [false, false]));
        add(&mut one, 100..151);
        assert_eq!(page(&mut one, "/"), (Some(150), 50, [false, true]));
        assert_eq!(page(&mut one, "/?page=2"), (Some(100), 50, [true, true]));
        assert_eq!(page(&mut one, "/?page=3"), (Some(0), 1, [true, false]));
        assert_eq!(page(&mut one, "/?page=4"), (None, 0, [true, false]));
        assert_eq!(page(&mut one, "/?page=4294967295"), (None, 0, [true, false]));
        assert_eq!(page(&mut one, "/?page=0"), page(&mut one, "/"));
        assert_eq!(page(&mut other, "/?page=2"), (None, 0, [true, false]));
        assert_eq!(one.ask("POST", "/link-0/remove", FORM, b"").status, 303);
        assert_eq!(page(&mut one, "/?page=2"), (Some(100), 50, [true, false]));
        process.interrupt();
        clear(&file);
    }
}

#[test]
fn a_form_that_stores_nothing_begins_no_session() {
    on_each_backend("invalid", |process, file| {
        let mut client = process.connect();
        for (url, status) in [("javascript:alert(1)", 422), ("http://example.com:99999/", 422), ("", 422)] {
            let page = shorten(&mut client, url, "");
            assert_eq!((page.status, page.header("set-cookie")), (status, None), "{page:?}");
            assert!(page.text().contains("id=\"error\""), "{page:?}");
        }
        let sessions = "SELECT count(*) FROM session";
        let database = Connection::open(file).expect("the database");
        assert_eq!(database.query_one(sessions, (), |row| row.get::<_, u32>(0)).expect("a count"), 0);
    });
}

#[test]
fn news_of_another_version_is_not_told() {
    on_each_backend("version", |process, file| {
        let mut client = process.connect();
        assert_eq!(shorten(&mut client, "http://example.com/", "first").status, 303);
        let renamed =
            "UPDATE session SET data = CAST(replace(CAST(data AS TEXT), 'Added', 'Enlarged') AS BLOB)
            WHERE instr(CAST(data AS TEXT), 'Added')";
        let database = Connection::open(file).expect("the database");
        assert_eq!(database.execute(renamed, ()).expect("it is changed"), 1);
        assert_eq!(codes(&mut client), ["first"]);
        assert_eq!(client.ask("POST", "/first/remove", FORM, b"").status, 303);
        assert!(client.get("/").text().contains("The link /first is gone."));
    });
}

#[test]
fn a_browser_removes_its_own_links_and_no_others() {
    on_each_backend("owners", |process, _| {
        let (mut one, mut other, mut nobody) = (process.connect(), process.connect(), process.connect());
        assert_eq!(shorten(&mut one, "http://example.com/one", "first").status, 303);
        // With a link of its own: it is somebody, and not refused for being nobody.
        assert_eq!(shorten(&mut other, "http://example.com/other", "other").status, 303);
        for thief in [&mut other, &mut nobody] {
            assert_eq!(thief.ask("POST", "/first/remove", FORM, b"").status, 404);
            let followed = thief.get("/first");
            assert_eq!((followed.status, followed.header("location")), (307, Some("http://example.com/one")));
        }
        assert_eq!(codes(&mut one), ["first"]);
        assert_eq!(codes(&mut other), ["other"]);

        let removed = one.ask("POST", "/first/remove", FORM, b"");
        assert_eq!((removed.status, removed.header("location")), (303, Some("/")));
        let page = one.get("/");
        assert!(page.text().contains("The link /first is gone."), "{page:?}");
        assert_eq!(one.get("/first").status, 404);
        assert_eq!(one.ask("POST", "/first/remove", FORM, b"").status, 404, "twice");
        assert_eq!(codes(&mut other), ["other"]);
    });
}

#[test]
fn a_restart_leaves_a_browser_its_links() {
    for backend in BACKENDS {
        let file = fresh(&format!("restart-{backend}"));
        let process = start_with(backend, &file, &[]);
        let added = shorten(&mut process.connect(), "http://example.com/", "first");
        let cookie =
            added.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
        process.interrupt();

        let process = start_with(backend, &file, &[]);
        let mut client = process.connect();
        let page = client.ask_with("GET", "/", &[("Cookie", cookie)], b"");
        assert!(page.text().contains("action=\"/first/remove\""), "{page:?}");
        let fields = [("Cookie", cookie), ("Content-Type", FORM)];
        assert_eq!(client.ask_with("POST", "/first/remove", &fields, b"").status, 303);
        assert_eq!(client.get("/first").status, 404);
        process.interrupt();
        clear(&file);
    }
}

#[test]
fn a_browser_keeps_its_links_for_as_long_as_the_page_says() {
    const DAY: u32 = 24 * 3600;
    for backend in BACKENDS {
        let file = fresh(&format!("kept-{backend}"));
        let process = start_with(backend, &file, &[]);
        let mut client = process.connect();
        let added = shorten(&mut client, "http://example.com/", "first");
        let cookie = added.header("set-cookie").expect("a cookie").to_owned();
        assert!(cookie.contains(&format!("Max-Age={}", 90 * DAY)), "{cookie}");
        assert!(client.get("/").text().contains("until 90 days after your last visit"));
        process.interrupt();

        let cookie = cookie.split(';').next().expect("a name and a value");
        let database = Connection::open(&file).expect("the database");
        let ends =
            || database.query_one("SELECT ends - unixepoch() FROM session", (), |row| row.get::<_, u32>(0));
        // By a process that has not seen it within the minute.
        let visit = || {
            let process = start_with(backend, &file, &[]);
            let page = process.connect().ask_with("GET", "/", &[("Cookie", cookie)], b"");
            process.interrupt();
            listed(page.text())
        };
        // Two years, in which somebody comes by every 89 days.
        for _ in 0..8 {
            pass(&database, 89);
            assert_eq!(visit(), ["first"]);
            assert!(ends().expect("a session") >= 90 * DAY - 60);
        }
        pass(&database, 90);
        assert_eq!(visit(), [""; 0]);
        let process = start_with(backend, &file, &[]);
        assert_eq!(process.connect().get("/first").status, 307, "it leads on");
        process.interrupt();
        drop(database);
        clear(&file);
    }
}

/// Days go by, for the sessions.
fn pass(database: &Connection, days: u32) {
    // Their data is JSON that begins with the times at which they began and were written last.
    let earlier = |place| format!("'$[{place}]', json_extract(CAST(data AS TEXT), '$[{place}]') - ?1");
    let passed = format!(
        "UPDATE session SET ends = ends - ?1,
            data = CAST(json_set(CAST(data AS TEXT), {}, {}) AS BLOB)",
        earlier(0),
        earlier(1)
    );
    assert_eq!(database.execute(&passed, [days * 24 * 3600]).expect("it is changed"), 1);
}

#[test]
fn a_view_of_the_page_waits_for_no_disk() {
    on_each_backend("views", |process, file| {
        let database = Connection::open(file).expect("the database");
        // Another number whenever another connection has written.
        let version =
            || database.query_one("PRAGMA data_version", (), |row| row.get::<_, i64>(0)).expect("a number");
        let mut client = process.connect();
        assert_eq!(shorten(&mut client, "http://example.com/", "first").status, 303);
        assert!(client.get("/").text().contains("role=\"status\""), "news is told, and then removed");
        let before = version();
        for _ in 0..3 {
            assert_eq!(codes(&mut client), ["first"]);
            assert_eq!(process.connect().get("/").status, 200);
        }
        assert_eq!(version(), before);
    });
}

/// The codes on the page, from the newest on.
fn codes(client: &mut Client) -> Vec<String> {
    let page = client.get("/");
    assert_eq!(page.status, 200, "{page:?}");
    listed(page.text())
}

fn listed(page: &str) -> Vec<String> {
    let codes = page.split("<a class=\"code\" href=\"/").skip(1);
    codes.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
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
