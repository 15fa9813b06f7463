//! Request heads against a plain reading of RFC 9112: what is let through breaks no rule, and means the
//! same to another parser.

use http::{Version, header};
use trijet_core::{
    Limits,
    h1::{Connection, Event, Framing, RequestHead},
};

pub fn check(bytes: &[u8]) {
    let limits = Limits::default();
    let mut connection = Connection::new(limits.clone().into());
    let mut fed = 0;
    let event = loop {
        match connection.next_event() {
            Event::NeedData if fed == bytes.len() => {
                assert!(fed < limits.head_bytes_max + 4, "a head without end");
                connection.receive_end();
                fed += 1;
            }
            Event::NeedData => {
                assert!(fed < bytes.len(), "it waits after the end");
                let space = connection.input_space();
                let count = space.len().min(bytes.len() - fed);
                space[..count].copy_from_slice(&bytes[fed..fed + count]);
                connection.receive(count);
                fed += count;
            }
            event => break event,
        }
    };
    match event {
        Event::Request => {
            let used = fed.min(bytes.len()) - connection.input_len();
            let head = connection.request().expect("it is being served");
            is_sound(head, &bytes[..used], &limits);
        }
        Event::Refused(refusal) => {
            let status = refusal.status.as_u16();
            assert!(matches!(status, 400 | 414 | 417 | 421 | 431 | 501 | 505), "{refusal}");
            connection.send_refusal(&refusal, super::server::wall_clock());
            assert!(connection.output_len() > 0);
        }
        Event::Closed => assert!(bytes == b"" || bytes == b"\r\n" || bytes == b"\r\n\r\n"),
        Event::Truncated => {}
        other => panic!("{other:?} before a head"),
    }
}

fn is_sound(head: RequestHead<'_>, bytes: &[u8], limits: &Limits) {
    let shown = bytes.escape_ascii();
    let is_framed = head.framing();
    let path = head.path().to_owned();
    let head = head.parts().unwrap_or_else(|refusal| panic!("{refusal}: {shown}"));
    // CONNECT has none.
    assert!(path == head.uri.path() || head.method == http::Method::CONNECT && path.is_empty(), "{shown}");
    let mut bytes = bytes;
    for _ in 0..2 {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    }
    assert!(bytes.len() <= limits.head_bytes_max, "{shown}");
    let lines = bytes.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("no end: {shown}"));
    let lines: Vec<&[u8]> = split(lines, b"\r\n");
    for line in &lines {
        assert!(!line.is_empty() && !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{shown}");
    }

    let words = split(lines[0], b" ");
    let [method, target, version] = words[..] else { panic!("not three words: {shown}") };
    assert_eq!(head.method.as_str().as_bytes(), method, "{shown}");
    assert!(method.iter().all(u8::is_ascii_graphic) && !method.is_empty(), "{shown}");
    assert!(target.iter().all(u8::is_ascii_graphic) && target.len() <= limits.target_bytes_max, "{shown}");
    assert!(version.len() == 8 && version.starts_with(b"HTTP/1.") && version[7].is_ascii_digit(), "{shown}");
    let expected = if version[7] == b'0' { Version::HTTP_10 } else { Version::HTTP_11 };
    assert_eq!(head.version, expected, "{shown}");

    let fields: Vec<(String, &[u8])> = lines[1..]
        .iter()
        .map(|line| {
            let colon = line.iter().position(|&byte| byte == b':').unwrap_or_else(|| panic!("{shown}"));
            let name = std::str::from_utf8(&line[..colon]).unwrap_or_else(|_| panic!("{shown}"));
            let is_token = |c: char| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c);
            assert!(!name.is_empty() && name.chars().all(is_token), "a name: {shown}");
            (name.to_ascii_lowercase(), trim(&line[colon + 1..]))
        })
        .collect();
    assert!(fields.len() <= limits.headers_max, "{shown}");
    // RFC 9112 §3.2.2: the authority of the target is the Host, also where none was sent.
    let has_host = fields.iter().any(|(name, _)| name == "host");
    let is_added = !has_host && head.uri.scheme().is_some();
    assert_eq!(fields.len() + usize::from(is_added), head.headers.len(), "{shown}");
    for name in head.headers.keys() {
        let theirs: Vec<&[u8]> =
            fields.iter().filter(|(other, _)| other == name.as_str()).map(|(_, value)| *value).collect();
        let ours: Vec<&[u8]> = head.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        let is_replaced = name == header::HOST && !target.starts_with(b"/");
        assert!(is_replaced || ours == theirs, "{name}: {shown}");
    }

    let of = |name: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect()
    };
    // RFC 9112 §3.2.
    assert!(of("host").len() == 1 || (of("host").is_empty() && version[7] == b'0'), "{shown}");
    // RFC 9112 §6.3, with no doubt left over.
    let framing = match (&of("transfer-encoding")[..], &of("content-length")[..]) {
        ([], []) => Framing::Empty,
        ([coding], []) => {
            let coding = trim_commas(coding);
            assert!(coding.eq_ignore_ascii_case(b"chunked") && version[7] != b'0', "{shown}");
            Framing::Chunked
        }
        ([], [length]) => {
            assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit), "{shown}");
            let length = std::str::from_utf8(length).unwrap().parse().unwrap_or_else(|_| panic!("{shown}"));
            if length == 0 { Framing::Empty } else { Framing::Length(length) }
        }
        _ => panic!("two framings: {shown}"),
    };
    assert_eq!(is_framed, framing, "{shown}");

    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut other = httparse::Request::new(&mut slots);
    // Another parser knows no minor version but 0 and 1.
    if matches!(version[7], b'0' | b'1') {
        let used = other.parse(bytes);
        assert_eq!(used, Ok(httparse::Status::Complete(bytes.len())), "{shown}");
        assert_eq!(
            (other.method.map(str::as_bytes), other.path.map(str::as_bytes)),
            (Some(method), Some(target))
        );
        assert_eq!(other.headers.len(), fields.len(), "{shown}");
        for (theirs, (name, value)) in other.headers.iter().zip(&fields) {
            assert!(theirs.name.eq_ignore_ascii_case(name) && trim(theirs.value) == *value, "{shown}");
        }
    }
}

pub fn split<'b>(bytes: &'b [u8], by: &[u8]) -> Vec<&'b [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(by.len()).position(|window| window == by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}

/// Without spaces and tabs around it.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// RFC 9110 §5.6.1.2: empty members of a list mean nothing.
fn trim_commas(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b',', rest @ ..] | [rest @ .., b' ' | b'\t' | b','] = bytes {
        bytes = rest;
    }
    bytes
}
