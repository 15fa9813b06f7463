//! Responses, there and back: whatever an app sends, another parser reads the same, and nothing else.

use std::{fmt::Write, io::IoSlice};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use trijet_core::{
    Limits,
    h1::{AfterExchange, BodyLength, Connection, Event, KeepAlive, SendBody},
};

use super::{NO_TRAILERS, server::wall_clock};

/// A response as it was asked for.
struct Sent {
    is_head: bool,
    status: StatusCode,
    headers: HeaderMap,
    /// `None` where the body has no length of its own.
    body: Option<Vec<u8>>,
    trailers: Option<HeaderMap>,
    closes: bool,
}

/// The bytes are choices: what is asked, and what is answered, up to four times on one connection.
pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut connection = Connection::new(Limits::default().into());
    let mut sent = Vec::new();
    let mut output = Vec::new();
    for _ in 0..4 {
        let choice = input.byte();
        let is_head = choice & 1 == 1;
        let version = if choice & 6 == 6 { "1.0" } else { "1.1" };
        let connection_field = if choice & 8 == 8 { "Connection: keep-alive\r\n" } else { "" };
        let method = if is_head { "HEAD" } else { "GET" };
        let request = format!("{method} / HTTP/{version}\r\nHost: a\r\n{connection_field}\r\n");
        connection.input_space()[..request.len()].copy_from_slice(request.as_bytes());
        connection.receive(request.len());
        let Event::Request = connection.next_event() else { panic!("a request was received") };
        let head = connection.request().expect("it is being served");
        assert_eq!(*head.method() == Method::HEAD, is_head);

        let status = StatusCode::from_u16(200 + u16::from(input.byte()) * 2).expect("200 to 710");
        let headers = input.fields();
        let pieces: Vec<&[u8]> = (0..input.byte() % 5).map(|_| input.piece()).collect();
        let body = pieces.concat();
        let is_known = choice & 16 == 16;
        let length = if is_known { BodyLength::Known(body.len() as u64) } else { BodyLength::Unknown };
        connection.settle();
        let keep = if choice & 32 == 32 { KeepAlive::No } else { KeepAlive::Implied };
        let sends = connection.send_response(status, &headers, length, keep, wall_clock());
        let mut fault = None;
        let trailers = (choice & 64 == 64).then(|| input.fields());
        if sends == SendBody::Yes {
            fault = pieces.iter().find_map(|piece| connection.send_data(Bytes::copy_from_slice(piece)).err());
        }
        fault = fault.or(connection.send_end(trailers.as_ref()).err());
        // A byte at a time, up to everything at once.
        let step = usize::from(input.byte()).checked_sub(1).map_or(usize::MAX, |step| step * 41 + 1);
        drain(&mut connection, &mut output, step);
        let closes = connection.after_exchange() == AfterExchange::Close;
        if fault.is_some() {
            // Only a length that the app set itself can be wrong; the connection is cut.
            assert!(headers.contains_key("content-length") && !is_known, "a wrong length out of nowhere");
            sent.iter().for_each(|sent| output = verify(std::mem::take(&mut output), sent));
            return;
        }
        sent.push(Sent { is_head, status, headers, body: Some(body), trailers, closes });
        if closes {
            break;
        }
        connection.end_exchange();
    }
    for sent in &sent {
        output = verify(output, sent);
    }
    assert!(output.is_empty(), "left over: {}", output.escape_ascii());
}

fn drain(connection: &mut Connection, output: &mut Vec<u8>, step: usize) {
    while connection.output_len() > 0 {
        let mut slices = [IoSlice::new(&[]); 3];
        let slices = connection.output_slices(&mut slices);
        let mut rest = step;
        for slice in slices {
            let count = slice.len().min(rest);
            output.extend_from_slice(&slice[..count]);
            rest -= count;
        }
        let written = step - rest;
        connection.output_written(written);
    }
}

/// Reads one response off the front of `bytes`, compares it, and gives what follows.
fn verify(bytes: Vec<u8>, sent: &Sent) -> Vec<u8> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut slots);
    let Ok(httparse::Status::Complete(used)) = parsed.parse(&bytes) else {
        panic!("no head: {}", bytes.escape_ascii());
    };
    assert_eq!((parsed.code, parsed.version), (Some(sent.status.as_u16()), Some(1)));
    let get = |name: &str| -> Vec<&[u8]> {
        let named = parsed.headers.iter().filter(|field| field.name == name);
        named.map(|field| field.value).collect()
    };
    assert_eq!(get("date"), [b"Sun, 06 Nov 1994 08:49:37 GMT"]);
    let connection = get("connection");
    assert!(connection.len() <= 1);
    // Beside `close` or `keep-alive` there can only be what an Upgrade field has to be named by.
    let mut options: Vec<&[u8]> = connection
        .iter()
        .flat_map(|value| value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii))
        .collect();
    options.retain(|option| *option != b"upgrade" || !sent.headers.contains_key("upgrade"));
    assert_eq!(options == [b"close"], sent.closes, "{}", bytes.escape_ascii());

    // The app's own fields, and none besides.
    let core = ["content-length", "transfer-encoding", "connection", "keep-alive", "date"];
    let theirs = parsed.headers.iter().filter(|field| !core.contains(&field.name));
    let theirs = theirs.map(|field| (field.name, field.value));
    let ours = sent.headers.iter().filter(|(name, _)| !core.contains(&name.as_str()));
    assert_eq!(lines(theirs), lines(ours.map(|(name, value)| (name.as_str(), value.as_bytes()))));

    let (lengths, codings) = (get("content-length"), get("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "two framings");
    let rest = &bytes[used..];
    let body = sent.body.as_deref().unwrap_or_default();
    let none = sent.is_head || matches!(sent.status.as_u16(), 204 | 205 | 304);
    if sent.status == StatusCode::NO_CONTENT {
        assert!(lengths.is_empty() && codings.is_empty(), "RFC 9110 §8.6");
    }
    if none {
        return rest.to_vec();
    }
    match (&lengths[..], &codings[..]) {
        ([length], []) => {
            let length: usize = std::str::from_utf8(length).unwrap().parse().unwrap();
            assert_eq!(length, body.len());
            assert_eq!(&rest[..length], body);
            rest[length..].to_vec()
        }
        ([], [coding]) => {
            assert_eq!(*coding, b"chunked");
            let (data, trailers, used) = dechunk(rest);
            assert!(data == body, "{} for {}", data.escape_ascii(), body.escape_ascii());
            let ours = sent.trailers.iter().flatten();
            let ours = ours.map(|(name, value)| (name.as_str(), value.as_bytes()));
            let ours = lines(ours.filter(|(name, _)| !NO_TRAILERS.contains(name)));
            assert_eq!(trailers, ours, "trailers");
            rest[used..].to_vec()
        }
        ([], []) => {
            assert!(sent.closes, "only a close can be the end");
            assert_eq!(rest, body);
            Vec::new()
        }
        _ => unreachable!("counted above"),
    }
}

/// Fields as sorted lines, their values without white space around them.
fn lines<'f>(fields: impl Iterator<Item = (&'f str, &'f [u8])>) -> Vec<String> {
    let mut lines: Vec<String> = fields
        .map(|(name, value)| {
            let mut line = name.to_ascii_lowercase();
            write!(line, ": {}", value.trim_ascii().escape_ascii()).expect("text");
            line
        })
        .collect();
    lines.sort();
    lines
}

/// A chunked body as a strict client reads it: its data, its trailers, and how long it is.
fn dechunk(bytes: &[u8]) -> (Vec<u8>, Vec<String>, usize) {
    let mut data = Vec::new();
    let mut at = 0;
    loop {
        let line = line(bytes, &mut at);
        let text = std::str::from_utf8(line).expect("a chunk size");
        assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text:?}");
        let size = usize::from_str_radix(text, 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        data.extend_from_slice(&bytes[at..at + size]);
        at += size;
        assert_eq!(&bytes[at..at + 2], b"\r\n");
        at += 2;
    }
    let mut trailers = Vec::new();
    loop {
        let line = line(bytes, &mut at);
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|&byte| byte == b':').expect("a field");
        trailers.push((std::str::from_utf8(&line[..colon]).expect("a name"), &line[colon + 1..]));
    }
    (data, lines(trailers.into_iter()), at)
}

fn line<'b>(bytes: &'b [u8], at: &mut usize) -> &'b [u8] {
    let rest = &bytes[*at..];
    let end = rest.windows(2).position(|window| window == b"\r\n").expect("a line");
    assert!(!rest[..end].contains(&b'\n') && !rest[..end].contains(&b'\r'));
    *at += end + 2;
    &rest[..end]
}

/// The choices, taken from the front.
struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A count and so many bytes; one piece in 32 is long.
    fn piece(&mut self) -> &'b [u8] {
        static LONG: [u8; 20_000] = [b'l'; 20_000];
        let count = usize::from(self.byte());
        if count >= 248 {
            return &LONG[..(count - 247) * 2_500];
        }
        let (piece, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// Up to seven fields: those that an app may set, and any that its types let through.
    fn fields(&mut self) -> HeaderMap {
        const NAMES: [&str; 12] = [
            "content-length",
            "transfer-encoding",
            "connection",
            "date",
            "content-type",
            "x-a",
            "set-cookie",
            "trailer",
            "upgrade",
            "location",
            "te",
            "host",
        ];
        let mut fields = HeaderMap::new();
        for _ in 0..self.byte() % 8 {
            let kind = usize::from(self.byte());
            let name = match NAMES.get(kind % 16) {
                Some(name) => HeaderName::from_static(name),
                None => match HeaderName::from_bytes(self.piece()) {
                    Ok(name) => name,
                    Err(_) => continue,
                },
            };
            if let Ok(value) = HeaderValue::from_bytes(self.piece()) {
                fields.append(name, value);
            }
        }
        fields
    }
}
