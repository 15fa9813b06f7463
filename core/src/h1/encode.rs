//! Responses, from `http` types to bytes. Everything that a peer reads is written here, and the rules
//! of framing a response stand here alone. It never decides what to answer.

use std::{
    cell::Cell,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version, header};

use super::{KeepAlive, head::Head, output::Output, trailers};
use crate::respond::Fields;

/// How long a response's body is, as far as is known when its head is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes.
    Known(u64),
    /// It ends when it ends.
    Unknown,
}

/// How the end of a response's body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Nothing of it is sent.
    None,
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
    /// By closing: the only way to send an unknown length to HTTP/1.0.
    UntilClose,
}

/// What the framing of a response depends on.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) version: Version,
}

impl<'a> Asked<'a> {
    pub(super) fn by(head: &'a Head) -> Self {
        Self { method: &head.method, version: head.version }
    }
}

/// RFC 9110 §6.4.1 and RFC 9112 §6.3: which responses have a body, and how its end is told.
pub(super) fn encoding(
    asked: Asked<'_>,
    status: StatusCode,
    fields: Fields<'_>,
    length: BodyLength,
) -> Encoding {
    if *asked.method == Method::HEAD || has_no_body(status) {
        return Encoding::None;
    }
    match (length, declared_length(fields)) {
        (BodyLength::Known(length), _) | (BodyLength::Unknown, Some(length)) => Encoding::Length(length),
        (BodyLength::Unknown, None) if asked.version == Version::HTTP_10 => Encoding::UntilClose,
        (BodyLength::Unknown, None) => Encoding::Chunked,
    }
}

pub(super) fn has_no_body(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// A `Content-Length` that the handler set, for a stream whose size it knows.
fn declared_length(fields: Fields<'_>) -> Option<u64> {
    let Fields::Map(headers) = fields else { return None };
    let value = headers.get(header::CONTENT_LENGTH)?.as_bytes();
    (!value.is_empty() && value.iter().all(u8::is_ascii_digit))
        .then(|| std::str::from_utf8(value).ok()?.parse().ok())
        .flatten()
}

/// Writes the head of a response that is sent in this [`encoding`].
pub(super) fn put_head(
    output: &mut Output,
    encoding: Encoding,
    status: StatusCode,
    fields: Fields<'_>,
    length: BodyLength,
    keep_alive: KeepAlive,
    wall_clock: SystemTime,
) {
    output.make_room();
    put_status_line(output, status);
    let mut upgrades = false;
    match fields {
        Fields::Type(content_type) => {
            output.put(b"content-type: ");
            output.put(content_type.as_bytes());
            output.put(b"\r\n");
        }
        Fields::Map(headers) => {
            upgrades = headers.contains_key(header::UPGRADE);
            for (name, value) in headers.iter().filter(|(name, _)| !is_ours(name)) {
                put_field(output, name.as_str().as_bytes(), value.as_bytes());
            }
        }
    }
    put_framing(output, encoding, status, fields, length);
    // RFC 9110 §7.8: who sends Upgrade sends its connection option too.
    match (keep_alive, upgrades) {
        (KeepAlive::Implied, false) => {}
        (KeepAlive::Implied, true) => output.put(b"connection: upgrade\r\n"),
        (KeepAlive::Asked, false) => output.put(b"connection: keep-alive\r\n"),
        (KeepAlive::Asked, true) => output.put(b"connection: keep-alive, upgrade\r\n"),
        (KeepAlive::No, false) => output.put(b"connection: close\r\n"),
        (KeepAlive::No, true) => output.put(b"connection: close, upgrade\r\n"),
    }
    put_date_and_end(output, wall_clock);
}

/// RFC 9110 §2.5: the version is the server's own, also towards 1.0.
fn put_status_line(output: &mut Output, status: StatusCode) {
    if status == StatusCode::OK {
        return output.put(b"HTTP/1.1 200 OK\r\n");
    }
    output.put(b"HTTP/1.1 ");
    output.put(status.as_str().as_bytes());
    output.put(b" ");
    output.put(status.canonical_reason().unwrap_or("").as_bytes());
    output.put(b"\r\n");
}

fn put_field(output: &mut Output, name: &[u8], value: &[u8]) {
    output.put(name);
    output.put(b": ");
    output.put(value);
    output.put(b"\r\n");
}

/// The fields that a handler's response may have and that are written here alone. RFC 9110 §7.6.1: Keep-Alive would
/// have to be listed in Connection.
fn is_ours(name: &HeaderName) -> bool {
    matches!(*name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::CONNECTION | header::DATE)
        || name.as_str() == "keep-alive"
}

fn put_framing(
    output: &mut Output,
    encoding: Encoding,
    status: StatusCode,
    fields: Fields<'_>,
    length: BodyLength,
) {
    let length_field = match encoding {
        Encoding::Length(length) => Some(length),
        Encoding::Chunked => return output.put(b"transfer-encoding: chunked\r\n"),
        Encoding::UntilClose => None,
        // RFC 9110 §8.6: none in 1xx and 204; in 304 and for HEAD that of the body left out.
        Encoding::None if status.is_informational() || status == StatusCode::NO_CONTENT => None,
        Encoding::None if status == StatusCode::NOT_MODIFIED => declared_length(fields),
        // RFC 9110 §15.3.6: no content, and the length that says so.
        Encoding::None if status == StatusCode::RESET_CONTENT => Some(0),
        Encoding::None => match length {
            BodyLength::Known(0) => declared_length(fields).or(Some(0)),
            BodyLength::Known(length) => Some(length),
            BodyLength::Unknown => declared_length(fields),
        },
    };
    if let Some(length) = length_field {
        output.put(b"content-length: ");
        output.put(itoa::Buffer::new().format(length).as_bytes());
        output.put(b"\r\n");
    }
}

/// RFC 9112 §7.1: one piece of data, one chunk. An empty piece would end the body: it is left out.
pub(super) fn put_chunk(output: &mut Output, data: Bytes) {
    if data.is_empty() {
        return;
    }
    let mut size = [0_u8; 18];
    let mut rest = &mut size[..];
    // 16 digits and a line end fit, so that this cannot fail.
    let written = write!(rest, "{:x}\r\n", data.len()).map_or(0, |()| 18 - rest.len());
    output.put(&size[..written]);
    output.put_data(data);
    output.put(b"\r\n");
}

pub(super) fn put_last_chunk(output: &mut Output, fields: Option<&HeaderMap>) {
    output.put(b"0\r\n");
    for (name, value) in fields.into_iter().flatten() {
        // RFC 9110 §6.5.1.
        if trailers::FORBIDDEN.contains(name) {
            continue;
        }
        put_field(output, name.as_str().as_bytes(), value.as_bytes());
    }
    output.put(b"\r\n");
}

/// `date: …\r\n\r\n`, and the second that it is right in: from its beginning to its end.
type DateLine = (SystemTime, SystemTime, [u8; DATE_LINE_BYTES]);
const DATE_LINE_BYTES: usize = 39;

thread_local! {
    static DATE: Cell<Option<DateLine>> = const { Cell::new(None) };
}

/// RFC 9110 §6.6.1, and the end of the head. Formatted once a second and thread.
fn put_date_and_end(output: &mut Output, wall_clock: SystemTime) {
    match DATE.get() {
        Some((from, until, line)) if from <= wall_clock && wall_clock < until => output.put(&line),
        _ => {
            let made = date_line(wall_clock);
            DATE.set(made);
            match made {
                Some((_, _, line)) => output.put(&line),
                None => output.put(b"\r\n"),
            }
        }
    }
}

fn date_line(wall_clock: SystemTime) -> Option<DateLine> {
    /// 9999-12-31T23:59:59Z, the last second that the format can tell.
    const LAST: u64 = 253_402_300_799;
    // RFC 9110 §6.6.1 lets a server without a sane clock leave it out.
    let second = wall_clock.duration_since(UNIX_EPOCH).ok()?.as_secs();
    if second > LAST {
        return None;
    }
    let at = |second| UNIX_EPOCH.checked_add(Duration::from_secs(second));
    let mut line = [0; DATE_LINE_BYTES];
    let mut rest = &mut line[..];
    let date = httpdate::HttpDate::from(wall_clock);
    let is_whole = write!(rest, "date: {date}\r\n\r\n").is_ok() && rest.is_empty();
    Some((at(second)?, at(second + 1)?, line)).filter(|_| is_whole)
}
