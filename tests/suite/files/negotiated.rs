//! Files that lie there compressed beside the plain ones: RFC 9110 §12.5.3.

use std::{fs, os::unix::fs::symlink};

use trijet::{Backend, Router, files::Files, get};

use super::{CANARY, Site, settled, with};
use crate::common::{
    eventually,
    server::{Running, start},
};

on_every_backend!(
    the_best_form_that_a_client_takes,
    forms_have_tags_and_ranges_of_their_own,
    without_the_setting_nothing_is_negotiated,
    what_is_no_form_is_not_sent,
);

fn site() -> Site {
    let site = Site::new();
    site.write("app.js", "plain")
        .write("app.js.br", "as br")
        .write("app.js.zst", "as zstd")
        .write("app.js.gz", "as gzip")
        .write("only.css", "plain css")
        .write("only.css.gz", "css as gzip")
        .write("index.html", "index")
        .write("index.html.br", "index as br");
    site
}

fn serving(on: Backend, site: &Site) -> Running {
    let single = Files::file(site.root().join("app.js")).precompressed();
    start(on, Router::new().route("/single", get(single)).fallback(Files::dir(site.root()).precompressed()))
}

fn the_best_form_that_a_client_takes(on: Backend) {
    let site = site();
    let server = serving(on, &site);
    let mut client = server.connect();
    for (path, accept, coding, content) in [
        ("/app.js", None, None, "plain"),
        ("/app.js", Some(""), None, "plain"),
        ("/app.js", Some("gzip, deflate, br, zstd"), Some("br"), "as br"),
        ("/app.js", Some("gzip, zstd"), Some("zstd"), "as zstd"),
        ("/app.js", Some("gzip"), Some("gzip"), "as gzip"),
        ("/app.js", Some("x-gzip"), Some("gzip"), "as gzip"),
        ("/app.js", Some("*"), Some("br"), "as br"),
        ("/app.js", Some("br;q=0.1, gzip;q=0.9"), Some("gzip"), "as gzip"),
        ("/app.js", Some("br;q=0, *;q=0.5"), Some("zstd"), "as zstd"),
        ("/app.js", Some("br;q=0"), None, "plain"),
        ("/app.js", Some("identity, br;q=0.5"), None, "plain"),
        ("/app.js", Some("deflate"), None, "plain"),
        ("/app.js", Some("identity;q=0"), None, "plain"),
        ("/app.js", Some("gzip;q=nonsense"), None, "plain"),
        ("/only.css", Some("br, zstd, gzip;q=0.1"), Some("gzip"), "css as gzip"),
        ("/only.css", Some("br"), None, "plain css"),
        ("/", Some("br"), Some("br"), "index as br"),
        ("/single", Some("gzip"), Some("gzip"), "as gzip"),
    ] {
        let fields = accept.map_or(String::new(), |accept| format!("accept-encoding: {accept}\r\n"));
        let answer = client.send(with(path, &fields)).response().says(content);
        assert_eq!(answer.header("content-encoding"), coding, "{path} {accept:?}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{path} {accept:?}");
        let kind = match path {
            "/only.css" => "text/css; charset=utf-8",
            "/" => "text/html; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), Some(kind), "{path} {accept:?}");
    }
    // By its own name, it is a file like any other.
    let answer = client.send(with("/app.js.gz", "accept-encoding: gzip\r\n")).response().says("as gzip");
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.header("content-type"), Some("application/gzip"));
}

fn forms_have_tags_and_ranges_of_their_own(on: Backend) {
    let site = site();
    // Of one length, and made at once.
    site.write("same.txt", "0123456789").write("same.txt.gz", "abcdefghij");
    let server = serving(on, &site);
    let mut client = server.connect();
    let plain = settled(&mut client, "/same.txt").says("0123456789");
    // It was written later.
    eventually("a tag", || {
        client.send(with("/same.txt", "accept-encoding: gzip\r\n")).response().header("etag").is_some()
    });
    let gzip = "accept-encoding: gzip\r\n";
    let form = client.send(with("/same.txt", gzip)).response().says("abcdefghij");
    let tags = [plain.header("etag").unwrap(), form.header("etag").unwrap()];
    assert!(tags[0] != tags[1] && tags[1].ends_with("-gzip\""), "{tags:?}");
    for (fields, status) in [
        (format!("{gzip}if-none-match: {}\r\n", tags[1]), 304),
        (format!("{gzip}if-none-match: {}\r\n", tags[0]), 200),
        (format!("if-none-match: {}\r\n", tags[0]), 304),
        (format!("if-none-match: {}\r\n", tags[1]), 200),
    ] {
        let answer = client.send(with("/same.txt", &fields)).response().with_status(status);
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{fields}");
    }
    let part = client.send(with("/same.txt", &format!("{gzip}range: bytes=2-3\r\n"))).response();
    assert_eq!((part.status, part.text(), part.header("content-encoding")), (206, "cd", Some("gzip")));
    assert_eq!(part.header("content-range"), Some("bytes 2-3/10"));
    // Several are ranges of a plain file alone.
    site.write("long.txt", "x".repeat(1000)).write("long.txt.gz", "z".repeat(900));
    let ranges = "range: bytes=0-0,500-500\r\n";
    let whole = client.send(with("/long.txt", &format!("{gzip}{ranges}"))).response().with_status(200);
    assert_eq!((whole.body.len(), whole.header("content-encoding")), (900, Some("gzip")));
    let parts = client.send(with("/long.txt", ranges)).response().with_status(206);
    assert!(parts.header("content-type").unwrap().starts_with("multipart/byteranges; "));
}

fn without_the_setting_nothing_is_negotiated(on: Backend) {
    let site = site();
    let server = start(on, Router::new().fallback(Files::dir(site.root())));
    let answer = server.connect().send(with("/app.js", "accept-encoding: br\r\n")).response().says("plain");
    assert_eq!((answer.header("vary"), answer.header("content-encoding")), (None, None));
}

fn what_is_no_form_is_not_sent(on: Backend) {
    let site = site();
    let root = site.root();
    symlink("../canary.txt", root.join("only.css.br")).unwrap();
    fs::create_dir(root.join("only.css.zst")).unwrap();
    site.write("gone.js.gz", CANARY);
    let server = serving(on, &site);
    let mut client = server.connect();
    let all = "accept-encoding: br, zstd, gzip;q=0.5\r\n";
    client.send(with("/only.css", all)).response().says("css as gzip");
    client.send(with("/only.css", "accept-encoding: br, zstd\r\n")).response().says("plain css");
    // Without the plain file there is none for those who take no other.
    client.send(with("/gone.js", all)).response().with_status(404);
}
