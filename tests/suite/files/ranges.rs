//! Ranges over a socket: RFC 9110 §14. The table of what is a range stands beside the code.

use trijet::{Backend, Router, files::Files};

use super::{Site, pattern, settled, with};
use crate::common::{
    response::Response,
    server::{Running, start},
};

on_every_backend!(
    one_range,
    several_ranges,
    ranges_of_a_large_file,
    a_thousand_ranges,
    ranges_that_overlap,
    ranges_of_an_empty_file,
);

const LENGTH: usize = 1000;

fn site() -> (Site, Vec<u8>) {
    let (site, content) = (Site::new(), pattern(LENGTH));
    site.write("file.txt", &content);
    (site, content)
}

fn serving(on: Backend, site: &Site) -> Running {
    start(on, Router::new().fallback(Files::dir(site.root())))
}

fn one_range(on: Backend) {
    let (site, content) = site();
    let server = serving(on, &site);
    let mut client = server.connect();
    settled(&mut client, "/file.txt");
    // What is sent; none is 416, and all of it a 200.
    let rows: &[(&str, Option<std::ops::Range<usize>>)] = &[
        ("bytes=0-0", Some(0..1)),
        ("bytes=0-", Some(0..1000)),
        ("bytes=500-", Some(500..1000)),
        ("bytes=10-19", Some(10..20)),
        ("bytes=-1", Some(999..1000)),
        ("bytes=-5000", Some(0..1000)),
        ("bytes=999-1000000", Some(999..1000)),
        ("bytes=0-18446744073709551615", Some(0..1000)),
        ("bytes=0-99999999999999999999999999", Some(0..1000)),
        ("bytes=-99999999999999999999999999", Some(0..1000)),
        ("Bytes=1-1", Some(1..2)),
        ("bytes=5000-,1-1", Some(1..2)),
        ("bytes=1000-", None),
        ("bytes=-0", None),
        ("bytes=1000-1000,2000-", None),
        ("bytes=18446744073709551615-", None),
        ("bytes=99999999999999999999999999-", None),
    ];
    for (range, expected) in rows {
        let answer = client.send(with("/file.txt", &format!("range: {range}\r\n"))).response();
        match expected {
            Some(part) => {
                assert_eq!(answer.status, 206, "{range}");
                let told = format!("bytes {}-{}/1000", part.start, part.end - 1);
                assert_eq!(answer.header("content-range"), Some(&*told), "{range}");
                assert_eq!(answer.header("content-length"), Some(&*part.len().to_string()), "{range}");
                assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{range}");
                assert!(answer.header("etag").is_some() && answer.header("last-modified").is_some());
                assert!(answer.body == content[part.clone()], "{range}");
            }
            None => {
                assert_eq!(answer.status, 416, "{range}");
                assert_eq!(answer.header("content-range"), Some("bytes */1000"), "{range}");
            }
        }
    }
    for range in [
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=9-0",
        "bytes=0",
        "bytes=0-1,9-0",
        "bytes=+0-1",
        "bytes 0-1",
        "items=0-1",
        "bytes=0-0x1",
        "bytes=0-1;2-3",
        "none",
    ] {
        let answer = client.send(with("/file.txt", &format!("range: {range}\r\n"))).response();
        assert_eq!((answer.status, answer.header("content-range")), (200, None), "{range}");
        assert!(answer.body == content, "{range}");
    }
    // It is no list of fields.
    let twice = client.send(with("/file.txt", "range: bytes=0-0\r\nrange: bytes=1-1\r\n")).response();
    assert!(twice.status == 200 && twice.body == content);
}

/// The parts of a `multipart/byteranges`, RFC 9110 §14.6: what `Content-Range` says, and the bytes.
#[track_caller]
fn parts(answer: &Response) -> Vec<(String, Vec<u8>)> {
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), None);
    let kind = answer.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut rest = &answer.body[..];
    let mut parts = Vec::new();
    let delimiter = format!("--{boundary}\r\n");
    rest = rest.strip_prefix(delimiter.as_bytes()).expect("a first delimiter");
    loop {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("a part's head");
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let (kind, range) = head.split_once("\r\n").unwrap();
        assert_eq!(kind, "content-type: text/plain; charset=utf-8");
        let range = range.strip_prefix("content-range: bytes ").unwrap();
        let (first, last) = range.split_once('/').unwrap().0.split_once('-').unwrap();
        let length = last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap();
        let (data, behind) = rest[end + 4..].split_at(length);
        parts.push((range.to_owned(), data.to_vec()));
        match behind.strip_prefix(format!("\r\n--{boundary}--\r\n").as_bytes()) {
            Some(epilogue) => {
                assert!(epilogue.is_empty());
                return parts;
            }
            None => rest = behind.strip_prefix(format!("\r\n{delimiter}").as_bytes()).expect("a delimiter"),
        }
    }
}

fn several_ranges(on: Backend) {
    let (site, content) = site();
    let server = serving(on, &site);
    let mut client = server.connect();
    let answer = client.send(with("/file.txt", "range: bytes=900-909,0-9, -1 ,5000-\r\n")).response();
    let part = |range: std::ops::Range<usize>| {
        (format!("{}-{}/1000", range.start, range.end - 1), content[range].to_vec())
    };
    assert_eq!(parts(&answer), [part(900..910), part(0..10), part(999..1000)]);
    let boundary = answer.header("content-type").unwrap().to_owned();
    let again = client.send(with("/file.txt", "range: bytes=0-0,500-500\r\n")).response();
    assert_eq!(parts(&again), [part(0..1), part(500..501)]);
    assert_ne!(again.header("content-type"), Some(&*boundary), "nobody can foresee a boundary");
}

fn ranges_of_a_large_file(on: Backend) {
    let (site, content) = (Site::new(), pattern(500_000));
    site.write("file.txt", &content);
    let server = serving(on, &site);
    let mut client = server.connect();
    let answer = client.send(with("/file.txt", "range: bytes=100000-399999\r\n")).response();
    assert!(answer.status == 206 && answer.body == content[100_000..400_000]);
    assert_eq!(answer.header("content-length"), Some("300000"));
    let answer = client.send(with("/file.txt", "range: bytes=300000-,0-199999\r\n")).response();
    let parts = parts(&answer);
    assert_eq!(parts[0].0, "300000-499999/500000");
    assert!(parts[0].1 == content[300_000..] && parts[1].1 == content[..200_000]);
    client.get("/file.txt").with_status(200);
}

/// More than any reader asks for: the file is sent once, as without them.
fn a_thousand_ranges(on: Backend) {
    let (site, content) = (Site::new(), pattern(500_000));
    site.write("file.txt", &content);
    let server = serving(on, &site);
    let mut client = server.connect();
    let apart: Vec<String> = (0..1000).map(|n| format!("{}-{}", n * 500, n * 500)).collect();
    for ranges in [apart.join(","), vec!["0-"; 1000].join(","), vec!["-1"; 1000].join(",")] {
        let answer = client.send(with("/file.txt", &format!("range: bytes={ranges}\r\n"))).response();
        assert_eq!((answer.status, answer.header("content-range")), (200, None));
        assert!(answer.body == content);
    }
    // As many as are served.
    let answer =
        client.send(with("/file.txt", &format!("range: bytes={}\r\n", apart[..64].join(",")))).response();
    let parts = parts(&answer);
    assert_eq!(parts.len(), 64);
    for (n, (_, data)) in parts.iter().enumerate() {
        assert_eq!(*data, content[n * 500..=n * 500]);
    }
}

/// What is sent is never more than the file.
fn ranges_that_overlap(on: Backend) {
    let (site, content) = site();
    let server = serving(on, &site);
    let mut client = server.connect();
    for (ranges, told) in [
        (vec!["0-"; 64].join(","), "bytes 0-999/1000"),
        ("0-9,5-14,10-19".to_owned(), "bytes 0-19/1000"),
        ("10-19,0-9".to_owned(), "bytes 0-19/1000"),
        ("0-0,2-2,4-4,6-6".to_owned(), "bytes 0-6/1000"),
        ("990-,-20,985-990".to_owned(), "bytes 980-999/1000"),
    ] {
        let answer = client.send(with("/file.txt", &format!("range: bytes={ranges}\r\n"))).response();
        assert_eq!((answer.status, answer.header("content-range")), (206, Some(told)), "{ranges}");
        assert!(content.windows(answer.body.len()).any(|window| window == answer.body));
    }
}

fn ranges_of_an_empty_file(on: Backend) {
    let site = Site::new();
    site.write("empty.txt", "");
    let server = serving(on, &site);
    let mut client = server.connect();
    for (range, status) in [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-0", 416), ("bytes=-1", 200)] {
        let answer = client.send(with("/empty.txt", &format!("range: {range}\r\n"))).response();
        assert_eq!(answer.status, status, "{range}");
        if status == 416 {
            assert_eq!(answer.header("content-range"), Some("bytes */0"));
        }
    }
}
