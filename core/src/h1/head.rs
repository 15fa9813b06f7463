//! Request heads: scanned as the bytes come, each byte looked at once, and judged once they are whole.
//! What is refused does not depend on how the bytes were cut. No type of `http` that a handler may leave
//! unread is made before somebody wants it. No body bytes pass here.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header,
    request::{self, Request},
};

use super::{
    Expect, Framing, KeepAlive, Refusal,
    framing::Noted,
    grammar::{token_run, value_run, visible_run},
    input::Input,
    target::{self, Target},
    work,
};
use crate::Limits;

/// A request's head, and what it says about the rest of the exchange.
#[derive(Debug)]
pub struct RequestHead {
    method: Method,
    version: Version,
    framing: Framing,
    keep_alive: KeepAlive,
    expect: Expect,
    /// As it was sent, and where its parts are.
    bytes: Bytes,
    target: Target,
    target_start: usize,
    target_end: usize,
    fields_start: usize,
    fields: usize,
}

impl RequestHead {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The version that it is served as.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How its body ends.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client wants the connection kept.
    pub fn keep_alive(&self) -> KeepAlive {
        self.keep_alive
    }

    /// Whether the client waits for a 100.
    pub fn expect(&self) -> Expect {
        self.expect
    }

    /// The path that routes are looked up by: of a target that names none, `*` or nothing.
    pub fn path(&self) -> &str {
        let target = &self.bytes[self.target_start..self.target_end];
        let path = match &self.target {
            Target::Origin { path_len } => &target[..*path_len],
            Target::Asterisk => target,
            Target::Absolute(uri) => return uri.path(),
            Target::Authority(_) => &[],
        };
        // Targets are ASCII: see `target`.
        std::str::from_utf8(path).unwrap_or_default()
    }

    /// [`path`](Self::path), sharing the memory of the head.
    pub(crate) fn path_bytes(&self) -> Bytes {
        match &self.target {
            Target::Origin { path_len } => {
                self.bytes.slice(self.target_start..self.target_start + path_len)
            }
            Target::Asterisk | Target::Absolute(_) | Target::Authority(_) => {
                Bytes::copy_from_slice(self.path().as_bytes())
            }
        }
    }

    /// The head in the types of `http`, for who reads it.
    ///
    /// # Errors
    /// Where these types cannot hold it: more fields than a `HeaderMap` takes, under limits that allow so many.
    pub fn parts(&self) -> Result<request::Parts, Refusal> {
        let mut headers = fields(&self.bytes, self.fields_start, self.fields)?;
        let uri = match &self.target {
            Target::Origin { .. } | Target::Asterisk => {
                Uri::from_maybe_shared(self.bytes.slice(self.target_start..self.target_end))
                    .map_err(|_| target::MALFORMED)?
            }
            Target::Authority(uri) => Uri::clone(uri),
            Target::Absolute(uri) => {
                if let Some(authority) = uri.authority() {
                    // RFC 9112 §3.2.2: the target's authority replaces what the Host field says.
                    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| REQUEST_LINE)?;
                    headers.insert(header::HOST, host);
                }
                Uri::clone(uri)
            }
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = uri;
        parts.version = self.version;
        parts.headers = headers;
        Ok(parts)
    }
}

/// The search for the end of a head, and what was found on the way. Places are counted from its first byte.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Bytes looked at so far.
    position: usize,
    empty_lines: u8,
    part: Part,
    is_head: bool,
    version: Version,
    method_end: usize,
    target_end: usize,
    /// Where the field lines begin.
    fields_start: usize,
    line_start: usize,
    /// The end of the current line's name.
    colon: usize,
    fields: usize,
    noted: Noted,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Method,
    Target,
    Version,
    /// The first byte of a field line, or the empty line.
    Line,
    Name,
    Value,
}

/// A longer word than any registered method (RFC 9110 §16.1) is no method.
const METHOD_BYTES_MAX: usize = 32;
/// `HTTP/1.1` and its line end.
const VERSION_LINE_BYTES: usize = 10;
/// RFC 9112 §2.2: at least one empty line before the request line is to be ignored.
const EMPTY_LINES_MAX: u8 = 2;
/// The most that `http::Uri` holds, whatever the limit says.
const URI_BYTES_MAX: usize = u16::MAX as usize - 1;

const BARE_LF: Refusal = Refusal::bad_request("a line ends without CR");
const REQUEST_LINE: Refusal = Refusal::bad_request("the request line is malformed");
const FIELD_NAME: Refusal = Refusal::bad_request("a field name is malformed");
const FIELD_VALUE: Refusal = Refusal::bad_request("a field value has a forbidden character");
const TOO_MANY_FIELDS: Refusal =
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has too many header fields");

impl Scan {
    /// Whether nothing of a request has come yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.position == 0 && self.empty_lines == 0
    }

    /// Whether the method is HEAD, whose refusal has no body either.
    pub(super) fn is_head(&self) -> bool {
        self.is_head
    }

    /// Looks at the bytes that are new in `input`; gives the head once it is whole.
    pub(super) fn advance(
        &mut self,
        input: &mut Input,
        limits: &Limits,
    ) -> Result<Option<RequestHead>, Refusal> {
        loop {
            let within = input.len().min(limits.head_bytes_max);
            return match self.scan(&input.bytes()[..within], limits)? {
                Found::End => self.judge(input.take(self.position)).map(Some),
                Found::EmptyLine => {
                    input.skip(2);
                    *self = Self { empty_lines: self.empty_lines + 1, ..Self::default() };
                    if self.empty_lines > EMPTY_LINES_MAX {
                        return Err(Refusal::bad_request("too many empty lines before the request line"));
                    }
                    continue;
                }
                Found::Nothing if within == limits.head_bytes_max => Err(Refusal::new(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "the request head is too large",
                )),
                Found::Nothing => Ok(None),
            };
        }
    }

    /// Goes on from where the last bytes ended. Each rule is applied at the byte that breaks it.
    fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Found, Refusal> {
        let started = self.position;
        loop {
            let rest = bytes.get(self.position..).unwrap_or_default();
            match self.part {
                Part::Method => {
                    self.position += token_run(rest);
                    if self.position > METHOD_BYTES_MAX {
                        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "the method is not known"));
                    }
                    match bytes[self.position..] {
                        [] => break,
                        [b' ', ..] if self.position > 0 => {
                            self.method_end = self.position;
                            self.is_head = bytes[..self.position] == *b"HEAD";
                            self.part = Part::Target;
                            self.position += 1;
                        }
                        [b'\r', b'\n', ..] if self.position == 0 => return Ok(Found::EmptyLine),
                        [b'\r'] if self.position == 0 => break,
                        // RFC 9112 §2.2: only CRLF is a line end here; a lone LF is not taken for one.
                        [b'\n', ..] => return Err(BARE_LF),
                        _ => return Err(REQUEST_LINE),
                    }
                }
                Part::Target => {
                    self.position += visible_run(rest);
                    let length = self.position - (self.method_end + 1);
                    if length > limits.target_bytes_max.min(URI_BYTES_MAX) {
                        return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the request target is too long"));
                    }
                    match bytes.get(self.position) {
                        None => break,
                        Some(b' ') if length > 0 => {
                            self.target_end = self.position;
                            self.part = Part::Version;
                            self.position += 1;
                        }
                        // No other white space separates: RFC 9112 §3.
                        Some(_) => return Err(REQUEST_LINE),
                    }
                }
                Part::Version => {
                    let line = &bytes[self.target_end + 1..];
                    let Some(end) = version_end(line)? else { break };
                    self.version = parse_version(&line[..end])?;
                    self.position = self.target_end + 1 + end + 2;
                    self.fields_start = self.position;
                    self.part = Part::Line;
                }
                Part::Line => match rest {
                    [] | [b'\r'] => break,
                    [b'\r', b'\n', ..] => {
                        self.position += 2;
                        work::count(self.position - started);
                        return Ok(Found::End);
                    }
                    // RFC 9112 §5.2.
                    [b' ' | b'\t', ..] => return Err(Refusal::bad_request("a field line is folded")),
                    _ => {
                        self.line_start = self.position;
                        self.part = Part::Name;
                    }
                },
                Part::Name => {
                    self.position += token_run(rest);
                    match bytes.get(self.position) {
                        None => break,
                        // RFC 9112 §5.1: nothing stands between the name and its colon.
                        Some(b':') if self.position > self.line_start => {
                            self.colon = self.position;
                            self.part = Part::Value;
                            self.position += 1;
                        }
                        Some(_) => return Err(FIELD_NAME),
                    }
                }
                Part::Value => {
                    self.position += value_run(rest);
                    match bytes[self.position..] {
                        [] | [b'\r'] => break,
                        [b'\r', b'\n', ..] => self.end_line(bytes, limits)?,
                        [b'\n', ..] => return Err(BARE_LF),
                        _ => return Err(FIELD_VALUE),
                    }
                }
            }
        }
        work::count(bytes.len() - started);
        Ok(Found::Nothing)
    }

    /// A field line is whole, up to its line end.
    fn end_line(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > limits.headers_max {
            return Err(TOO_MANY_FIELDS);
        }
        self.noted.note(bytes, self.line_start..self.colon, self.colon + 1..self.position);
        self.position += 2;
        self.part = Part::Line;
        Ok(())
    }

    /// Judges a head that is whole.
    fn judge(&self, bytes: Bytes) -> Result<RequestHead, Refusal> {
        let method = Method::from_bytes(&bytes[..self.method_end]).map_err(|_| REQUEST_LINE)?;
        let target_start = self.method_end + 1;
        let target = target::parse(&method, &bytes[target_start..self.target_end])?;
        self.noted.check_host(self.version, &target, &bytes)?;
        let framing = self.noted.framing(self.version, &bytes)?;
        let expect = self.noted.expect(self.version, framing)?;
        Ok(RequestHead {
            method,
            version: self.version,
            framing,
            keep_alive: self.noted.keep_alive(self.version),
            expect,
            bytes,
            target,
            target_start,
            target_end: self.target_end,
            fields_start: self.fields_start,
            fields: self.fields,
        })
    }
}

/// What a scan came to.
enum Found {
    Nothing,
    /// Before the request line.
    EmptyLine,
    End,
}

/// Where the version ends, before its line end; none as long as that has not come.
fn version_end(line: &[u8]) -> Result<Option<usize>, Refusal> {
    let within = &line[..line.len().min(VERSION_LINE_BYTES)];
    match memchr::memchr(b'\n', within) {
        Some(line_feed) if line_feed > 0 && within[line_feed - 1] == b'\r' => Ok(Some(line_feed - 1)),
        Some(_) => Err(BARE_LF),
        None if within.len() == VERSION_LINE_BYTES => Err(REQUEST_LINE),
        None => Ok(None),
    }
}

/// RFC 9112 §2.3: `HTTP-version = "HTTP/" DIGIT "." DIGIT`, case-sensitive.
fn parse_version(version: &[u8]) -> Result<Version, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        // RFC 9110 §2.5: a higher minor version is served as the highest that is known.
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => Ok(Version::HTTP_11),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::new(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "only HTTP/1.0 and HTTP/1.1 are spoken here",
            ))
        }
        _ => Err(REQUEST_LINE),
    }
}

/// The `count` field lines that begin at `start` and end with an empty line, in `http`'s types. Their line ends are
/// known to be in order; names and values are checked here where no scan has.
pub(super) fn fields(section: &Bytes, start: usize, count: usize) -> Result<HeaderMap, Refusal> {
    work::count(section.len() - start);
    let mut headers = HeaderMap::with_capacity(count);
    let mut line_start = start;
    for _ in 0..count {
        let rest = &section[line_start..];
        let name_len = token_run(rest);
        if name_len == 0 || rest.get(name_len) != Some(&b':') {
            return Err(FIELD_NAME);
        }
        let value = &rest[name_len + 1..];
        let value = &value[..value_run(value)];
        let line_end = line_start + name_len + 1 + value.len();
        if section.get(line_end..line_end + 2) != Some(b"\r\n") {
            return Err(FIELD_VALUE);
        }
        let name = HeaderName::from_bytes(&rest[..name_len]).map_err(|_| FIELD_NAME)?;
        let value =
            HeaderValue::from_maybe_shared(section.slice_ref(value.trim_ascii())).map_err(|_| FIELD_VALUE)?;
        headers.try_append(name, value).map_err(|_| TOO_MANY_FIELDS)?;
        line_start = line_end + 2;
    }
    Ok(headers)
}
