//! Conditional requests over a socket: RFC 9110 §13. The whole table of them stands beside the code.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use trijet::{Backend, Router, files::Files};

use super::{Site, with};
use crate::common::{
    client::Client,
    eventually,
    server::{Running, start},
};

on_every_backend!(
    conditions_in_their_order,
    a_tag_changes_with_the_file,
    a_file_of_a_forged_time_has_another_tag,
    times_that_no_header_can_tell,
);

/// 1994-11-06T08:49:37Z.
const THEN: Duration = Duration::from_secs(784_111_777);
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";

fn set_time(site: &Site, name: &str, time: SystemTime) {
    File::options().write(true).open(site.root().join(name)).unwrap().set_modified(time).unwrap();
}

fn serving(on: Backend, site: &Site) -> Running {
    start(on, Router::new().fallback(Files::dir(site.root())))
}

fn tag(client: &mut Client, path: &str) -> String {
    client.get(path).with_status(200).header("etag").unwrap().to_owned()
}

/// Once the last change lies back by more than the clock's tick.
fn strong_tag(client: &mut Client, path: &str) -> String {
    eventually("a strong tag", || !tag(client, path).starts_with("W/"));
    tag(client, path)
}

fn conditions_in_their_order(on: Backend) {
    let site = Site::new();
    site.write("file", "0123456789");
    set_time(&site, "file", UNIX_EPOCH + THEN);
    let server = serving(on, &site);
    let mut client = server.connect();
    let tag = strong_tag(&mut client, "/file");
    let rows: &[(&str, u16)] = &[
        ("", 200),
        ("if-match: TAG", 200),
        ("if-match: *", 200),
        ("if-match: \"other\", TAG", 200),
        ("if-match: \"other\"", 412),
        ("if-match: W/TAG", 412),
        ("if-match: nonsense", 412),
        ("if-unmodified-since: DATE", 200),
        ("if-unmodified-since: EARLIER", 412),
        ("if-unmodified-since: nonsense", 200),
        ("if-match: TAG|if-unmodified-since: EARLIER", 200),
        ("if-none-match: TAG", 304),
        ("if-none-match: W/TAG", 304),
        ("if-none-match: *", 304),
        ("if-none-match: \"other\", TAG", 304),
        ("if-none-match: \"other\"", 200),
        ("if-modified-since: DATE", 304),
        ("if-modified-since: LATER", 304),
        ("if-modified-since: EARLIER", 200),
        ("if-modified-since: nonsense", 200),
        ("if-none-match: \"other\"|if-modified-since: LATER", 200),
        ("if-none-match: TAG|if-modified-since: EARLIER", 304),
        ("if-match: \"other\"|if-none-match: TAG", 412),
        ("range: bytes=0-1", 206),
        ("range: bytes=0-1|if-range: TAG", 206),
        ("range: bytes=0-1|if-range: W/TAG", 200),
        ("range: bytes=0-1|if-range: \"other\"", 200),
        ("range: bytes=0-1|if-range: DATE", 206),
        ("range: bytes=0-1|if-range: LATER", 200),
        ("range: bytes=0-1|if-range: EARLIER", 200),
        ("range: bytes=10-|if-range: \"other\"", 200),
        ("range: bytes=10-|if-range: TAG", 416),
        ("range: bytes=10-|if-none-match: TAG", 304),
        ("range: bytes=10-|if-match: \"other\"", 412),
        ("if-range: \"other\"", 200),
    ];
    for (fields, status) in rows {
        let fields: String = fields
            .split('|')
            .filter(|field| !field.is_empty())
            .map(|field| format!("{field}\r\n"))
            .collect::<String>()
            .replace("TAG", &tag)
            .replace("DATE", DATE)
            .replace("EARLIER", EARLIER)
            .replace("LATER", LATER);
        let answer = client.send(with("/file", &fields)).response();
        assert_eq!(answer.status, *status, "{fields}");
        match status {
            200 => assert_eq!(answer.text(), "0123456789", "{fields}"),
            206 => assert_eq!(answer.text(), "01", "{fields}"),
            _ => {}
        }
        if matches!(status, 200 | 206 | 304) {
            assert_eq!(answer.header("etag"), Some(&*tag), "{fields}");
            assert_eq!(answer.header("last-modified"), Some(DATE), "{fields}");
        }
    }
}

fn a_tag_changes_with_the_file(on: Backend) {
    let site = Site::new();
    site.write("file", "first");
    let server = serving(on, &site);
    let mut client = server.connect();
    let first = strong_tag(&mut client, "/file");
    let fields = format!("if-none-match: {first}\r\n");
    client.send(with("/file", &fields)).response().with_status(304);
    site.write("file", "other");
    client.send(with("/file", &fields)).response().says("other");
    let fields = format!("range: bytes=0-0\r\nif-range: {first}\r\n");
    client.send(with("/file", &fields)).response().says("other");
    // Of the same content anew, by renaming.
    let second = strong_tag(&mut client, "/file");
    site.write("new", "other");
    fs::rename(site.root().join("new"), site.root().join("file")).unwrap();
    assert_ne!(tag(&mut client, "/file"), second);
}

/// As builds that are to be reproducible leave them: another content, of the same length and time.
fn a_file_of_a_forged_time_has_another_tag(on: Backend) {
    let site = Site::new();
    site.write("file", "one");
    set_time(&site, "file", UNIX_EPOCH + Duration::from_secs(1));
    let server = serving(on, &site);
    let mut client = server.connect();
    let one = strong_tag(&mut client, "/file");
    site.write("file", "two");
    set_time(&site, "file", UNIX_EPOCH + Duration::from_secs(1));
    let fields = format!("if-none-match: {one}\r\n");
    client.send(with("/file", &fields)).response().says("two");
}

fn times_that_no_header_can_tell(on: Backend) {
    let site = Site::new();
    site.write("file", "x");
    let server = serving(on, &site);
    let mut client = server.connect();
    set_time(&site, "file", UNIX_EPOCH - Duration::from_secs(5));
    assert_eq!(client.get("/file").says("x").header("last-modified"), None);
    // RFC 9110 §8.8.2.1: not later than the answer.
    set_time(&site, "file", SystemTime::now() + Duration::from_secs(1_000_000));
    let answer = client.get("/file").says("x");
    let date = answer.header("last-modified").unwrap().to_owned();
    assert!(date.len() == DATE.len() && date.ends_with(" GMT"), "{date}");
    let fields = format!("if-modified-since: {date}\r\n");
    let again = client.send(with("/file", &fields)).response();
    assert!(matches!(again.status, 200 | 304));
    let limit = SystemTime::now() + Duration::from_secs(60);
    let shown = httpdate::parse_http_date(&date).unwrap();
    assert!(shown < limit, "{date}");
}
