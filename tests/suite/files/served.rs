//! What is asked for as everybody does: files, folders, their indexes and listings; how they are mounted.

use std::{fs, os::unix::fs::symlink, time::Duration};

use http::HeaderValue;
use trijet::{
    Backend, HeaderMap, Method, Path, Response, Router, State, any,
    files::{Cache, Files},
    get,
};

use super::{CANARY, Site, pattern, settled, with};
use crate::common::{client::get as request, eventually, server::start};

on_every_backend!(
    a_nest_answers_for_all_below_its_prefix,
    a_route_s_capture_is_the_path,
    a_fallback_looks_the_whole_path_up,
    one_file,
    head_has_the_head_of_get,
    other_methods,
    small_files_are_one_write_and_large_ones_have_a_length,
    a_folder_is_redirected_to_its_slash,
    no_redirect_leads_where_no_route_is,
    a_file_has_one_spelling,
    listings_are_small_and_follow_few_links,
    listings_are_text_and_name_what_is_served,
    single_pages,
    what_caches_are_told,
    a_file_that_was_just_written_is_asked_for_each_time,
    downloads,
    what_an_app_finds_itself,
    a_missing_root_is_told_at_start,
    what_cannot_be_served_so_is_told_at_start,
    a_root_that_is_swapped_is_found,
);

fn site() -> Site {
    let site = Site::new();
    site.write("index.html", "<p>root")
        .write("style.css", "p {}")
        .write("sub/index.html", "<p>sub")
        .write("sub/ä b.txt", "umlaut")
        .write("empty", "")
        .write("bare/file.txt", "bare");
    site
}

fn a_nest_answers_for_all_below_its_prefix(on: Backend) {
    let site = site();
    let app = Router::new().nest("/a/{who}", Files::dir(site.root()).into_router());
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/a/x/").says("<p>root");
    let style = client.get("/a/x/style.css").says("p {}");
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(style.header("accept-ranges"), Some("bytes"));
    client.get("/a/x/sub/").says("<p>sub");
    client.get("/a/x/sub/%C3%A4%20b.txt").says("umlaut");
    let empty = client.get("/a/x/empty").says("");
    assert_eq!(empty.header("content-length"), Some("0"));
    assert_eq!(empty.header("content-type"), Some("application/octet-stream"));
    let moved = client.get("/a/x").with_status(307);
    assert_eq!(moved.header("location"), Some("/a/x/"));
    for path in ["/a/x/nothing", "/a/x/sub/nothing", "/a/x/style.css/", "/a/x/style.css/x", "/a/", "/a"] {
        client.get(path).with_status(404);
    }
}

fn a_route_s_capture_is_the_path(on: Backend) {
    let site = site();
    let app = Router::new()
        .route("/files/{*path}", get(Files::dir(site.root())))
        .route("/sub/{name}", get(Files::dir(site.root().join("sub"))))
        // Without a capture, it is the folder itself.
        .route("/home/", get(Files::dir(site.root())));
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/files/style.css").says("p {}");
    client.get("/files/sub/").says("<p>sub");
    client.get("/sub/index.html").says("<p>sub");
    client.get("/home/").says("<p>root");
    client.get("/sub/..%2fstyle.css").with_status(400);
    client.get("/files/").with_status(404);
}

fn a_fallback_looks_the_whole_path_up(on: Backend) {
    let site = site();
    let app = Router::new().route("/api", get(|| "api")).fallback(Files::dir(site.root()));
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/api").says("api");
    client.get("/").says("<p>root");
    client.get("/sub/").says("<p>sub");
    client.get("/style.css?v=1").says("p {}");
    client.get("/nothing").with_status(404);
    client.send("POST /style.css HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n");
    let refused = client.response().with_status(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    // The absolute form of a target is the same path.
    client.send("GET http://t/style.css HTTP/1.1\r\nhost: t\r\n\r\n").response().says("p {}");
}

fn one_file(on: Backend) {
    let site = site();
    let file = Files::file(site.root().join("sub/index.html"));
    let app = Router::new().route("/page", get(file.clone())).route("/any/{x}", get(file));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/page", "/any/other", "/any/..%2f"] {
        let answer = client.get(path).says("<p>sub");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    fs::remove_file(site.root().join("sub/index.html")).unwrap();
    client.get("/page").with_status(404);
}

fn head_has_the_head_of_get(on: Backend) {
    let site = site();
    site.write("large", pattern(300_000));
    let files = Files::dir(site.root()).listing().precompressed().attachment();
    let server = start(on, Router::new().fallback(files));
    let mut client = server.connect();
    for path in ["/style.css", "/large", "/empty", "/", "/sub", "/bare/", "/nothing", "/%2f"] {
        client.send(request(path).replacen("GET", "HEAD", 1));
        let mut head = client.response_to_head();
        let mut answer = client.get(path);
        head.headers.retain(|(name, _)| name != "date");
        answer.headers.retain(|(name, _)| name != "date");
        assert_eq!((head.status, head.headers), (answer.status, answer.headers), "{path}");
    }
    // RFC 9110 §14.2: ranges are for GET alone.
    client.send(with("/large", "range: bytes=0-0\r\n").replacen("GET", "HEAD", 1));
    let head = client.response_to_head().with_status(200);
    assert_eq!(head.header("content-length"), Some("300000"));
}

fn other_methods(on: Backend) {
    let site = site();
    let app = Router::new()
        .route("/get/{*path}", get(Files::dir(site.root())))
        .route("/any/{*path}", any(Files::dir(site.root())))
        .nest("/nest", Files::dir(site.root()).into_router());
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/get/style.css", "/any/style.css", "/nest/style.css", "/nest/", "/nest"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            client.send(format!("{method} {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n"));
            let refused = client.response().with_status(405);
            assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
        // RFC 9110 §9.1.
        client.send(request(path).replacen("GET", "BREW", 1)).response().with_status(501);
        client.send(request(path).replacen("GET", "OPTIONS", 1));
        let options = client.response().with_status(204);
        assert_eq!(options.header("allow"), Some("GET, HEAD, OPTIONS"), "{path}");
    }
}

fn small_files_are_one_write_and_large_ones_have_a_length(on: Backend) {
    let site = site();
    let server = start(on, Router::new().fallback(Files::dir(site.root())));
    let mut client = server.connect();
    for length in [1, 8_191, 8_192, 65_535, 65_536, 65_537, 131_072, 1_000_003] {
        let content = pattern(length);
        site.write("file", &content);
        let answer = client.get("/file").with_status(200);
        assert_eq!(answer.header("content-length"), Some(&*length.to_string()));
        assert!(answer.body == content, "{length} bytes");
    }
    site.write("file", "small");
    // What leaves in one write comes in one read.
    let read = String::from_utf8(client.send(request("/file")).first_read().to_vec()).unwrap();
    assert!(read.starts_with("HTTP/1.1 200 ") && read.ends_with("\r\n\r\nsmall"), "{read}");
}

fn a_folder_is_redirected_to_its_slash(on: Backend) {
    let site = site();
    site.write("evil.example/index.html", "evil");
    let server = start(on, Router::new().fallback(Files::dir(site.root())));
    let mut client = server.connect();
    for (path, location) in [("/sub", "/sub/"), ("/sub?a=1&b=/", "/sub/?a=1&b=/"), ("/sub?", "/sub/?")] {
        let moved = client.get(path).with_status(307);
        assert_eq!(moved.header("location"), Some(location));
    }
    // Not to other servers.
    for path in
        ["//evil.example", "//evil.example/", "/%2fevil.example", "/.//evil.example", "///evil.example"]
    {
        let refused = client.get(path);
        assert!(matches!(refused.status, 400 | 404), "{path}: {refused:?}");
        assert_eq!(refused.header("location"), None);
    }
    // Nor where nothing would be there.
    client.get("/bare").with_status(404);
    client.get("/bare/").with_status(404);
}

fn no_redirect_leads_where_no_route_is(on: Backend) {
    let site = site();
    let files = Files::dir(site.root());
    let app = Router::new()
        .route("/docs", get(files.clone()))
        .route("/list", get(files.clone().without_index().listing()))
        .route("/one/{name}", get(files.clone().listing()))
        .route("/all/{*path}", get(files));
    let server = start(on, app);
    let mut client = server.connect();
    // What has no path of its own with a slash is answered in place; a list, which is links alone, is not.
    client.get("/docs").says("<p>root");
    client.get("/one/sub").says("<p>sub");
    client.get("/list").with_status(404);
    client.get("/one/bare").with_status(404);
    assert_eq!(client.get("/all/sub").with_status(307).header("location"), Some("/all/sub/"));
    client.get("/all/sub/").says("<p>sub");
}

/// Routes match what was sent: each file has one spelling, and others lead to it, not to the file.
fn a_file_has_one_spelling(on: Backend) {
    let site = site();
    site.write("a@b,(c) [1].txt", "odd");
    let app = Router::new()
        .nest("/n/{who}", Files::dir(site.root()).into_router())
        .route("/r/{*path}", get(Files::dir(site.root())))
        .route("/s/{name}", get(Files::dir(site.root())))
        .fallback(Files::dir(site.root()));
    let server = start(on, app);
    let mut client = server.connect();
    for prefix in ["/n/%61", "/r", "/s", ""] {
        for (path, location) in [
            ("/%73tyle.css", "/style.css"),
            ("/style%2Ecss?a=%62", "/style.css?a=%62"),
            ("/a%40b%2C(c)%20[1].txt", "/a@b,(c)%20%5B1%5D.txt"),
            ("/nothin%67", "/nothing"),
        ] {
            let moved = client.get(&format!("{prefix}{path}")).with_status(307);
            assert_eq!(moved.header("location"), Some(&*format!("{prefix}{location}")), "{prefix}{path}");
        }
        client.get(&format!("{prefix}/a@b,(c)%20%5B1%5D.txt")).says("odd");
        client.get(&format!("{prefix}/nothing")).with_status(404);
    }
    client.get("/%73ub/").with_status(307);
    for (path, status) in
        [("/%2e%2e", 400), ("/%2E", 400), ("/%2eenv", 404), ("//%73ub", 404), ("/%2f/x", 400)]
    {
        client.get(path).with_status(status);
    }
}

fn listings_are_small_and_follow_few_links(on: Backend) {
    let site = Site::new();
    site.write("many/file", "x");
    for n in 0..1_500 {
        fs::hard_link(site.root().join("many/file"), site.root().join(format!("many/{n:04}"))).unwrap();
    }
    fs::create_dir(site.root().join("links")).unwrap();
    for n in 0..10_001 {
        symlink("nowhere", site.root().join(format!("links/{n}"))).unwrap();
    }
    let server = start(on, Router::new().fallback(Files::dir(site.root()).listing()));
    let mut client = server.connect();
    let rows = |page: &str| page.lines().filter(|line| line.starts_with("<li>")).count();
    let page = client.get("/many/").with_status(200);
    assert_eq!((rows(page.text()), page.text().contains("There are more.")), (1_001, true));
    assert!(page.body.len() < 132 << 10, "{}", page.body.len());
    // None of them is shown, and not all were looked at.
    let page = client.get("/links/").with_status(200);
    assert_eq!((rows(page.text()), page.text().contains("There are more.")), (1, true));
}

fn listings_are_text_and_name_what_is_served(on: Backend) {
    let site = site();
    site.write("bare/<script>alert(1)<&script>", "x")
        .write("bare/ab:c?d#e%41.txt", "odd")
        .write("bare/.hidden", CANARY)
        .write("bare/nul.txt", CANARY)
        .write("bare/under/file", "x");
    let bare = site.root().join("bare");
    symlink("../../canary.txt", bare.join("out")).unwrap();
    symlink("../../outside", bare.join("out-folder")).unwrap();
    symlink("nowhere", bare.join("broken")).unwrap();
    let app = Router::new().nest("/l", Files::dir(site.root()).listing().into_router());
    let server = start(on, app);
    let mut client = server.connect();
    let page = client.get("/l/bare/").with_status(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let rows: Vec<&str> = page.text().lines().filter(|line| line.starts_with("<li>")).collect();
    assert_eq!(
        rows,
        [
            "<li><a href=\"../\">../</a></li>",
            "<li><a href=\"./under/\">under/</a></li>",
            "<li><a href=\"./%3Cscript%3Ealert(1)%3C&amp;script%3E\">&lt;script&gt;alert(1)&lt;&amp;script&gt;</a></li>",
            "<li><a href=\"./ab:c%3Fd%23e%2541.txt\">ab:c?d#e%41.txt</a></li>",
            "<li><a href=\"./file.txt\">file.txt</a></li>",
        ]
    );
    // Each link leads to its file.
    client.get("/l/bare/ab:c%3Fd%23e%2541.txt").says("odd");
    client.get("/l/bare/%3Cscript%3Ealert(1)%3C&script%3E").says("x");
    assert_eq!(client.get("/l/bare").with_status(307).header("location"), Some("/l/bare/"));
    // It is asked for each time, and in a folder that is not for everybody, not kept for everybody.
    let by = Cache::by(|path| (path == "bare/").then(|| HeaderValue::from_static("no-store")));
    for (cache, expected) in [
        (Cache::default(), "no-cache"),
        (Cache::immutable(), "no-cache"),
        (Cache::immutable().private(), "private, no-cache"),
        (by, "no-store"),
    ] {
        let files = Files::dir(site.root()).listing().cache(cache);
        let server = start(on, Router::new().fallback(files));
        let page = server.connect().get("/bare/").with_status(200);
        assert_eq!(page.header("cache-control"), Some(expected));
    }
    // An index comes first.
    client.get("/l/").says("<p>root");
    let without = Router::new().fallback(Files::dir(site.root()).without_index().listing());
    let server = start(on, without);
    let page = server.connect().get("/").with_status(200);
    assert!(page.text().contains("<a href=\"./index.html\">"));
    assert!(!page.text().contains("href=\"../\""));
}

fn single_pages(on: Backend) {
    let site = site();
    site.write("app.js", "run()").write(".env", CANARY);
    let app = Router::new().route("/api", get(|| "api")).fallback(Files::dir(site.root()).single_page());
    let server = start(on, app);
    let mut client = server.connect();
    let browser = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
    let navigate = format!("{browser}sec-fetch-mode: navigate\r\n");
    for path in ["/users/7", "/users/7/", "/deep/er.page", "/sub/nothing", "/bare/", "/bare"] {
        for fields in [browser, &navigate] {
            let page = client.send(with(path, fields)).response().says("<p>root");
            assert_eq!(page.header("vary"), Some("accept, sec-fetch-mode"), "{path}");
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        }
    }
    // What no file can be called, a page of the app's can.
    let long = format!("/users/{}", "x".repeat(300));
    for path in [
        "/users/con",
        "/settings/aux",
        "/users/C:x",
        "/users/nul.txt",
        "/a//b",
        "//",
        "/x%5Cy",
        "/x%2Fy",
        "/x%5Cy/con/",
        &long,
    ] {
        client.send(with(path, &navigate)).response().says("<p>root");
        let missing = client.get(path);
        assert_eq!(missing.status, if path.contains('%') { 400 } else { 404 }, "{path}");
        assert_eq!(missing.header("vary"), Some("accept, sec-fetch-mode"), "{path}");
    }
    for (path, status) in [
        ("/x%5C..%5Cy", 400),
        ("/..%5Cx", 400),
        ("/x%2F.env", 400),
        ("/x%5Cy/%2e%2e", 400),
        ("/x%5Cy/.env", 400),
        ("/con/.env", 404),
        ("/.git//x", 404),
        ("/x%00", 400),
        ("/x%5C%0A", 400),
        ("/%ff", 400),
        ("/%", 400),
    ] {
        server.connect().send(with(path, &navigate)).response().with_status(status);
    }
    // What is there is answered with itself, and what is refused stays refused.
    client.send(with("/app.js", browser)).response().says("run()");
    client.send(with("/sub/", browser)).response().says("<p>sub");
    client.send(with("/api", browser)).response().says("api");
    client.send(with("/a/..%2f", browser)).response().with_status(400);
    client.send(with("/.env", browser)).response().with_status(404);
    // Scripts, styles and data are no pages.
    for fields in [
        "",
        "accept: */*\r\n",
        "accept: image/avif,image/webp,*/*\r\n",
        "accept: application/json\r\n",
        "accept: text/html;level=1;q=0.0, */*\r\n",
        "accept: text/html\r\nsec-fetch-mode: cors\r\n",
        "accept: text/html\r\nsec-fetch-mode: no-cors\r\n",
    ] {
        let missing = client.send(with("/users/7", fields)).response().with_status(404);
        assert_eq!(missing.header("vary"), Some("accept, sec-fetch-mode"), "{fields}");
    }
    // However long files last: a file of this name may come.
    let lasting = Files::dir(site.root()).single_page().cache(Cache::immutable());
    let private = lasting.clone().cache(Cache::immutable().private());
    let lasting =
        start(on, Router::new().nest("/p", Router::new().route("/{*path}", get(private))).fallback(lasting));
    settled(&mut lasting.connect(), "/app.js");
    for (path, expected) in [
        ("/users/7", "no-cache"),
        ("/app.js", "public, max-age=31536000, immutable"),
        ("/p/users/7", "private, no-cache"),
        ("/p/app.js", "private, max-age=31536000, immutable"),
    ] {
        let page = lasting.connect().send(with(path, browser)).response().with_status(200);
        assert_eq!(page.header("cache-control"), Some(expected), "{path}");
    }
    // The page can be asked for anew.
    settled(&mut client, "/index.html");
    let page = client.send(with("/users/7", &navigate)).response();
    let fields = format!("{navigate}if-none-match: {}\r\n", page.header("etag").unwrap());
    client.send(with("/users/8", &fields)).response().with_status(304);
    let head = with("/users/7", &navigate).replacen("GET", "HEAD", 1);
    assert_eq!(client.send(head).response_to_head().with_status(200).header("content-length"), Some("7"));
}

fn what_caches_are_told(on: Backend) {
    let site = site();
    site.write("app.3f9a0c21.js", "hashed");
    let files = Files::dir(site.root());
    let app = Router::new()
        .nest("/default", files.clone().into_router())
        .nest("/hashed", files.clone().cache(Cache::hashed()).into_router())
        .nest("/private", files.clone().cache(Cache::hashed().private()).into_router())
        .nest("/hour", files.clone().cache(Cache::lasting(Duration::from_secs(3600))).into_router())
        .nest("/none", files.cache(Cache::by(|_| None)).into_router());
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/default/style.css", "/default/", "/default/app.3f9a0c21.js"] {
        settled(&mut client, path);
    }
    for (path, expected) in [
        ("/default/style.css", Some("no-cache")),
        ("/hashed/style.css", Some("no-cache")),
        ("/hashed/app.3f9a0c21.js", Some("public, max-age=31536000, immutable")),
        ("/private/style.css", Some("private, no-cache")),
        ("/private/app.3f9a0c21.js", Some("private, max-age=31536000, immutable")),
        ("/hour/style.css", Some("public, max-age=3600")),
        ("/hour/", Some("public, max-age=3600")),
        ("/none/style.css", None),
    ] {
        let answer = client.get(path).with_status(200);
        assert_eq!(answer.header("cache-control"), expected, "{path}");
        // RFC 9110 §15.4.5: the 304 says the same.
        let fields = format!("if-none-match: {}\r\n", answer.header("etag").unwrap());
        let unchanged = client.send(with(path, &fields)).response().with_status(304);
        assert_eq!(unchanged.header("cache-control"), expected, "{path}");
        assert_eq!(unchanged.header("content-type"), None);
    }
    assert_eq!(client.get("/hour/nothing").with_status(404).header("cache-control"), None);
}

/// It may be half a file, however long the whole one lasts.
fn a_file_that_was_just_written_is_asked_for_each_time(on: Backend) {
    let site = site();
    let files = Files::dir(site.root());
    let by = |value| Cache::by(move |_| Some(HeaderValue::from_static(value)));
    let app = Router::new()
        .nest("/hashed", files.clone().cache(Cache::hashed()).into_router())
        .nest("/ever", files.clone().cache(Cache::immutable()).precompressed().into_router())
        .nest("/private", files.clone().cache(Cache::immutable().private()).into_router())
        .nest("/hour", files.clone().cache(Cache::lasting(Duration::from_secs(3600))).into_router())
        .nest("/by", files.clone().cache(by("private, max-age=600")).into_router())
        .nest("/never", files.cache(by("no-store")).into_router());
    let server = start(on, app);
    let mut client = server.connect();
    for (path, expected) in [
        ("/hashed/app.3f9a0c21.js", "no-cache"),
        ("/ever/app.3f9a0c21.js", "no-cache"),
        ("/private/app.3f9a0c21.js", "private, no-cache"),
        ("/hour/app.3f9a0c21.js", "no-cache"),
        ("/by/app.3f9a0c21.js", "private, no-cache"),
        ("/never/app.3f9a0c21.js", "no-store"),
    ] {
        // A machine may rest for longer than it takes to settle.
        eventually("an answer that is early enough", || {
            site.write("app.3f9a0c21.js", "half").write("app.3f9a0c21.js.gz", "half, too");
            let answer = client.send(with(path, "accept-encoding: gzip\r\n")).response().with_status(200);
            if answer.header("etag").is_some() {
                return false;
            }
            assert_eq!(answer.header("cache-control"), Some(expected), "{path}");
            true
        });
    }
}

fn downloads(on: Backend) {
    let site = site();
    let app = Router::new()
        .nest("/own", Files::dir(site.root()).attachment().into_router())
        .route("/as", get(Files::file(site.root().join("style.css")).attachment_as("Stil \"für\" alle.css")));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, expected) in [
        ("/own/style.css", "attachment; filename=\"style.css\""),
        ("/own/sub/%C3%A4%20b.txt", "attachment; filename=\"_ b.txt\"; filename*=UTF-8''%C3%A4%20b.txt"),
        (
            "/as",
            "attachment; filename=\"Stil _f_r_ alle.css\"; filename*=UTF-8''Stil%20%22f%C3%BCr%22%20alle.css",
        ),
    ] {
        let answer = client.get(path).with_status(200);
        assert_eq!(answer.header("content-disposition"), Some(expected), "{path}");
    }
}

fn what_an_app_finds_itself(on: Backend) {
    fn invoice(
        Path(name): Path<String>,
        State(files): State<Files>,
        method: Method,
        headers: HeaderMap,
    ) -> Response {
        files.attachment_as(&format!("Invoice {name}")).answer(&format!("sub/{name}"), &method, &headers)
    }
    let site = site();
    let app = Router::new().route("/invoices/{name}", any(invoice)).state(Files::dir(site.root()));
    let server = start(on, app);
    let mut client = server.connect();
    let answer = client.get("/invoices/index.html").says("<p>sub");
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"Invoice index.html\""));
    let part = client.send(with("/invoices/index.html", "range: bytes=3-\r\n")).response();
    assert_eq!((part.status, part.text()), (206, "sub"));
    let head = request("/invoices/index.html").replacen("GET", "HEAD", 1);
    assert_eq!(client.send(head).response_to_head().with_status(200).header("content-length"), Some("6"));
    // RFC 9110 §14.2: ranges are for GET alone; and a method that files do not have is no condition on them.
    let head = with("/invoices/index.html", "range: bytes=3-\r\n").replacen("GET", "HEAD", 1);
    let whole = client.send(head).response_to_head().with_status(200);
    assert_eq!((whole.header("content-length"), whole.header("content-range")), (Some("6"), None));
    let post =
        with("/invoices/index.html", "if-none-match: *\r\ncontent-length: 0\r\n").replacen("GET", "POST", 1);
    client.send(post).response().with_status(405);
    // A capture is decoded: what comes out of it is checked all the same.
    for name in ["..%2f..%2fcanary.txt", "..%2Fstyle.css", "..", "%2e%2e", "a%5cb", "a%00"] {
        let refused = client.get(&format!("/invoices/{name}"));
        assert_eq!(refused.status, 400, "{name}");
    }
    client.get("/invoices/.env").with_status(404);
}

fn a_missing_root_is_told_at_start(_: Backend) {
    let site = site();
    let missing = site.root().join("missing");
    let app = Router::new()
        .nest("/a", Files::dir(&missing).into_router())
        .route("/b", get(Files::file(missing.join("file"))))
        .route("/c/{*path}", get(Files::dir(site.root().join("style.css"))))
        .fallback(Files::dir(""));
    let error = app.build().unwrap_err();
    let faults: Vec<&str> = error.faults().collect();
    let root = site.root();
    let missing = missing.display();
    for (place, fault) in [
        (
            "GET /a/{*path}",
            format!("the folder {missing} cannot be served: No such file or directory (os error 2)"),
        ),
        (
            "GET /b",
            format!("the file {missing}/file cannot be served: No such file or directory (os error 2)"),
        ),
        ("GET /c/{*path}", format!("{}/style.css is no folder", root.display())),
        ("the fallback of the app", "the folder  cannot be served: No such file or directory".to_owned()),
    ] {
        let is_told = faults.iter().any(|told| told.starts_with(place) && told.contains(&fault));
        assert!(is_told, "{place}: {fault}\n{faults:#?}");
    }
    assert_eq!(faults.len(), 4, "{faults:#?}");
}

fn what_cannot_be_served_so_is_told_at_start(_: Backend) {
    let site = site();
    let files = Files::dir(site.root());
    let app = Router::new()
        .route("/page/{name}.html", get(files.clone()))
        .route("/v/v{name}", get(files.clone()))
        .route("/in/{lang}/home/", get(files.clone()))
        .route("/braces/{{x}}", get(files.clone()))
        .route("/x/{name}", get(Files::file(site.root().join("style.css"))))
        .nest("/up", files.clone().index("../canary.txt").into_router())
        .nest("/deep", files.clone().index("sub/index.html").into_router())
        .nest("/empty", files.clone().index("").into_router())
        .nest("/dot", files.clone().index(".hidden").into_router())
        .nest("/own", files.index(".hidden").dot_files().into_router());
    let error = app.build().unwrap_err();
    // Each names its place in this file, in brackets.
    let without_place = |fault: &str| {
        let (route, rest) = fault.split_once(" (tests/suite/files/served.rs:")?;
        Some(format!("{route}: {}", rest.split_once("): ")?.1))
    };
    let mut faults: Vec<String> = error.faults().map(|fault| without_place(fault).expect(fault)).collect();
    faults.sort_unstable();
    assert_eq!(
        faults,
        [
            "GET /deep/{*path}: the index `sub/index.html` is no name of a file that is served",
            "GET /dot/{*path}: the index `.hidden` is no name of a file that is served",
            "GET /empty/{*path}: the index `` is no name of a file that is served",
            "GET /page/{name}.html: a folder takes the end of the path: its last segment is no whole `{capture}`",
            "GET /up/{*path}: the index `../canary.txt` is no name of a file that is served",
        ]
    );
    // In a state, nobody looks.
    let unseen = Router::new().state(Files::dir(site.root().join("missing")));
    assert!(unseen.build().is_ok());
}

/// As releases are put in place: by a link that is replaced.
fn a_root_that_is_swapped_is_found(on: Backend) {
    let site = Site::new();
    site.write("one/page", "one").write("two/page", "two");
    let (current, next) = (site.root().join("current"), site.root().join("next"));
    symlink("one", &current).unwrap();
    let server = start(on, Router::new().fallback(Files::dir(&current)));
    let mut client = server.connect();
    client.get("/page").says("one");
    symlink("two", &next).unwrap();
    fs::rename(&next, &current).unwrap();
    client.get("/page").says("two");
    fs::remove_file(&current).unwrap();
    client.get("/page").with_status(404);
}
