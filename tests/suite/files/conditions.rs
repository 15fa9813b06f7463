//! Conditional requests over a socket: RFC 9110 §13. The whole table of them stands beside the code.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use trijet::{Backend, Router, files::Files};

use super::{Site, settled, with};
use crate::common::{
    client::Client,
    response::Response,
    server::{Running, start},
};

on_every_backend!(
    conditions_in_their_order,
    a_tag_changes_with_the_file,
    a_file_of_a_forged_time_is_another,
    of_what_has_just_changed_nothing_is_told,
    a_date_is_that_of_the_change,
);

fn set_time(site: &Site, name: &str, time: SystemTime) {
    File::options().write(true).open(site.root().join(name)).unwrap().set_modified(time).unwrap();
}

fn serving(on: Backend, site: &Site) -> Running {
    start(on, Router::new().fallback(Files::dir(site.root())))
}

fn tag(client: &mut Client, path: &str) -> String {
    settled(client, path).header("etag").unwrap().to_owned()
}

/// The date that is told of a file, and those of a second before and after it.
fn dates(answer: &Response) -> [String; 3] {
    let date = httpdate::parse_http_date(answer.header("last-modified").unwrap()).unwrap();
    let second = Duration::from_secs(1);
    [date, date - second, date + second].map(httpdate::fmt_http_date)
}

fn conditions_in_their_order(on: Backend) {
    let site = Site::new();
    site.write("file", "0123456789");
    let server = serving(on, &site);
    let mut client = server.connect();
    let answer = settled(&mut client, "/file");
    let [date, earlier, later] = dates(&answer);
    let tag = answer.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "a strong one: {tag}");
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
        // A date is no strong validator: RFC 9110 §8.8.2.2.
        ("range: bytes=0-1|if-range: DATE", 200),
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
            .replace("DATE", &date)
            .replace("EARLIER", &earlier)
            .replace("LATER", &later);
        let answer = client.send(with("/file", &fields)).response();
        assert_eq!(answer.status, *status, "{fields}");
        match status {
            200 => assert_eq!(answer.text(), "0123456789", "{fields}"),
            206 => assert_eq!(answer.text(), "01", "{fields}"),
            _ => {}
        }
        if matches!(status, 200 | 206 | 304) {
            assert_eq!(answer.header("etag"), Some(&*tag), "{fields}");
            assert_eq!(answer.header("last-modified"), Some(&*date), "{fields}");
        }
    }
}

fn a_tag_changes_with_the_file(on: Backend) {
    let site = Site::new();
    site.write("file", "first");
    let server = serving(on, &site);
    let mut client = server.connect();
    let first = tag(&mut client, "/file");
    let fields = format!("if-none-match: {first}\r\n");
    client.send(with("/file", &fields)).response().with_status(304);
    site.write("file", "other");
    client.send(with("/file", &fields)).response().says("other");
    let fields = format!("range: bytes=0-0\r\nif-range: {first}\r\n");
    client.send(with("/file", &fields)).response().says("other");
    // Of the same content anew, by renaming.
    let second = tag(&mut client, "/file");
    site.write("new", "other");
    fs::rename(site.root().join("new"), site.root().join("file")).unwrap();
    assert_ne!(tag(&mut client, "/file"), second);
}

/// As builds that are to be reproducible leave them: another content, of the same length and time. A client may have
/// a tag of the old one, or nothing but its date.
fn a_file_of_a_forged_time_is_another(on: Backend) {
    let site = Site::new();
    site.write("file", "one");
    set_time(&site, "file", UNIX_EPOCH + Duration::from_secs(1));
    let server = serving(on, &site);
    let mut client = server.connect();
    let one = settled(&mut client, "/file");
    let (tag, [date, ..]) = (one.header("etag").unwrap(), dates(&one));
    let both = [format!("if-none-match: {tag}\r\n"), format!("if-modified-since: {date}\r\n")];
    for fields in &both {
        client.send(with("/file", fields)).response().with_status(304);
    }
    site.write("file", "two");
    set_time(&site, "file", UNIX_EPOCH + Duration::from_secs(1));
    for fields in &both {
        client.send(with("/file", fields)).response().says("two");
    }
    // So it stays.
    settled(&mut client, "/file").says("two");
    for fields in &both {
        client.send(with("/file", fields)).response().says("two");
    }
}

/// Another change might not show yet: whatever a client brings, it gets what is there.
fn of_what_has_just_changed_nothing_is_told(on: Backend) {
    let site = Site::new();
    let server = serving(on, &site);
    let mut client = server.connect();
    for content in ["one", "two"] {
        site.write("file", content);
        // Not of the past, and yet of this second.
        let future = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(5));
        let fields = format!("if-modified-since: {future}\r\n");
        let answer = client.send(with("/file", &fields)).response().says(content);
        assert_eq!((answer.header("etag"), answer.header("last-modified")), (None, None));
    }
    assert!(settled(&mut client, "/file").says("two").header("last-modified").is_some());
}

/// Whatever time of modification a file is given, one of before 1970 or of the future: no header could tell them.
fn a_date_is_that_of_the_change(on: Backend) {
    let site = Site::new();
    site.write("old", "x").write("new", "x");
    let before = SystemTime::now() - Duration::from_secs(1);
    set_time(&site, "old", UNIX_EPOCH - Duration::from_secs(5));
    set_time(&site, "new", SystemTime::now() + Duration::from_secs(1_000_000));
    let after = SystemTime::now();
    let server = serving(on, &site);
    for path in ["/old", "/new"] {
        let answer = settled(&mut server.connect(), path);
        let date = httpdate::parse_http_date(answer.header("last-modified").unwrap()).unwrap();
        assert!(before <= date && date <= after, "{path}: {before:?} {date:?} {after:?}");
    }
}
