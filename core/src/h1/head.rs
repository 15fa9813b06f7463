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
    grammar::{target_run, token_run, value_run, visible_run},
    input::Input,
    known::{Judged, Known},
    target::{self, Target},
    work,
};
use crate::{Limits, respond::set_field};

/// A request's head, and what it says about the rest of the exchange. Its bytes stay where they were received, so
/// its path and its parts can be had only until something else is read.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    head: &'a Head,
    bytes: &'a [u8],
}

impl<'a> RequestHead<'a> {
    pub(super) fn new(head: &'a Head, bytes: &'a [u8]) -> Self {
        Self { head, bytes }
    }

    /// The method.
    pub fn method(&self) -> &'a Method {
        &self.head.method
    }

    /// The version that it is served as.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// How its body ends.
    pub fn framing(&self) -> Framing {
        self.head.judged.framing
    }

    /// Whether the client wants the connection kept.
    pub fn keep_alive(&self) -> KeepAlive {
        self.head.judged.keep_alive
    }

    /// Whether the client waits for a 100.
    pub fn expect(&self) -> Expect {
        self.head.judged.expect
    }

    /// The path that routes are looked up by: of a target that names none, `*` or nothing.
    pub fn path(&self) -> &'a str {
        // Targets are ASCII: see `target`.
        std::str::from_utf8(self.path_bytes()).unwrap_or_default()
    }

    /// The bytes of the [`path`](Self::path).
    pub(crate) fn path_bytes(&self) -> &'a [u8] {
        let target = self.head.target_span.of(self.bytes);
        match &self.head.target {
            Target::Origin { path_len } => target.get(..*path_len).unwrap_or_default(),
            Target::Asterisk => target,
            Target::Absolute(uri) => uri.path().as_bytes(),
            Target::Authority(_) => &[],
        }
    }

    /// What stands behind the question mark, if there is one.
    pub fn query(&self) -> Option<&'a str> {
        match &self.head.target {
            Target::Origin { path_len } => {
                let query = self.head.target_span.of(self.bytes).get(*path_len..)?.strip_prefix(b"?")?;
                std::str::from_utf8(query).ok()
            }
            Target::Absolute(uri) => uri.query(),
            Target::Asterisk | Target::Authority(_) => None,
        }
    }

    /// The host that is asked, and perhaps its port: of the target where that names one, since it replaces the Host
    /// field (RFC 9112 §3.2.2). It looks for the field, as most apps do not ask.
    pub fn authority(&self) -> Option<&'a str> {
        if let Target::Absolute(uri) | Target::Authority(uri) = &self.head.target {
            return uri.authority().map(http::uri::Authority::as_str);
        }
        let mut rest = self.bytes.get(self.head.fields_start as usize..)?;
        for _ in 0..self.head.judged.fields {
            let name = &rest[..token_run(rest)];
            let value = rest.get(name.len() + 1..)?;
            let (value, after) = value.split_at(value_run(value));
            if name.eq_ignore_ascii_case(b"host") {
                return std::str::from_utf8(value.trim_ascii()).ok();
            }
            rest = after.get(2..)?;
        }
        None
    }

    /// The head in the types of `http`, for who reads it.
    ///
    /// # Errors
    /// Where these types cannot hold it: more fields than a `HeaderMap` takes, under limits that allow so many.
    pub fn parts(&self) -> Result<request::Parts, Refusal> {
        let bytes = Bytes::copy_from_slice(self.bytes);
        let mut headers = fields(&bytes, self.head.fields_start as usize, self.head.judged.fields as usize)?;
        let uri = match &self.head.target {
            Target::Origin { .. } | Target::Asterisk => {
                Uri::from_maybe_shared(bytes.slice_ref(self.head.target_span.of(&bytes)))
                    .map_err(|_| target::MALFORMED)?
            }
            Target::Authority(uri) => Uri::clone(uri),
            Target::Absolute(uri) => {
                if let Some(authority) = uri.authority() {
                    // RFC 9112 §3.2.2: the target's authority replaces what the Host field says.
                    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| REQUEST_LINE)?;
                    set_field(&mut headers, header::HOST, host);
                }
                Uri::clone(uri)
            }
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.head.method.clone();
        parts.uri = uri;
        parts.version = self.head.version;
        parts.headers = headers;
        Ok(parts)
    }
}

/// What was found in a head that is whole, and where. Places are counted from its first byte.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) judged: Judged,
    target: Target,
    target_span: Span,
    fields_start: u32,
}

/// A part of a head. Heads are of less than 4 GiB, whatever the limit says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The search for the end of a head, and what was found on the way. It is small, as it is begun anew for each request.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Bytes looked at so far.
    position: u32,
    method_end: u32,
    target_end: u32,
    /// Where the field lines begin.
    fields_start: u32,
    line_start: u32,
    /// The end of the current line's name.
    colon: u32,
    fields: u32,
    empty_lines: u8,
    part: Part,
    is_head: bool,
    /// Whether the target has more than a path's plain characters.
    has_marks: bool,
    version: Version,
    noted: Noted,
    /// What the last fields came to.
    known: Option<Box<Known>>,
    /// Whether these fields are the same.
    is_known: bool,
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
const METHOD_BYTES_MAX: u32 = 32;
/// `HTTP/1.1` and its line end.
const VERSION_LINE_BYTES: usize = 10;
/// RFC 9112 §2.2: at least one empty line before the request line is to be ignored.
const EMPTY_LINES_MAX: u8 = 2;
/// The most that `http::Uri` holds, whatever the limit says.
const URI_BYTES_MAX: usize = u16::MAX as usize - 1;
/// The most that a [`Span`] can tell, whatever the limit says.
const HEAD_BYTES_MAX: usize = u32::MAX as usize - 2;

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

    fn begin_anew(&mut self, empty_lines: u8) {
        *self = Self { empty_lines, known: self.known.take(), ..Self::default() };
    }

    /// Looks at the bytes that are new in `input`; gives the head once it is whole.
    pub(super) fn advance(&mut self, input: &mut Input, limits: &Limits) -> Result<Option<Head>, Refusal> {
        loop {
            let bytes_max = limits.head_bytes_max.min(HEAD_BYTES_MAX);
            let within = input.len().min(bytes_max);
            return match self.scan(&input.bytes()[..within], limits)? {
                Found::End => {
                    input.pass_head(self.position as usize);
                    let head = self.judge(input.head())?;
                    self.begin_anew(0);
                    Ok(Some(head))
                }
                Found::EmptyLine => {
                    input.skip(2);
                    self.begin_anew(self.empty_lines + 1);
                    if self.empty_lines > EMPTY_LINES_MAX {
                        return Err(Refusal::bad_request("too many empty lines before the request line"));
                    }
                    continue;
                }
                Found::Nothing if within == bytes_max => Err(Refusal::new(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "the request head is too large",
                )),
                Found::Nothing => Ok(None),
            };
        }
    }

    /// Goes on from where the last bytes ended. Each rule is applied at the byte that breaks it.
    fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Found, Refusal> {
        let began = self.position as usize;
        let mut rest = bytes.get(began..).unwrap_or_default();
        // The place that has been reached.
        macro_rules! position {
            () => {
                (bytes.len() - rest.len()) as u32
            };
        }
        // From each part on to the next; left where the bytes end within one.
        'ended: {
            if self.part == Part::Method {
                // What most begin with is told at a glance: 20 instructions less.
                let length = if rest.starts_with(b"GET ") { 3 } else { token_run(rest) };
                rest = &rest[length..];
                let end = position!();
                if end > METHOD_BYTES_MAX {
                    return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "the method is not known"));
                }
                match rest {
                    [] => break 'ended,
                    [b' ', after @ ..] if end > 0 => {
                        self.method_end = end;
                        self.is_head = bytes.starts_with(b"HEAD ");
                        rest = after;
                    }
                    [b'\r', b'\n', ..] if end == 0 => return Ok(Found::EmptyLine),
                    [b'\r'] if end == 0 => break 'ended,
                    // RFC 9112 §2.2: only CRLF is a line end here; a lone LF is not taken for one.
                    [b'\n', ..] => return Err(BARE_LF),
                    _ => return Err(REQUEST_LINE),
                }
                self.part = Part::Target;
            }
            if self.part == Part::Target {
                // Most have nothing but these, and need no second look: 70 instructions less.
                rest = &rest[target_run(rest)..];
                if !matches!(rest, [] | [b' ', ..]) {
                    self.has_marks = true;
                    rest = &rest[visible_run(rest)..];
                }
                let length = (position!() - (self.method_end + 1)) as usize;
                if length > limits.target_bytes_max.min(URI_BYTES_MAX) {
                    return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the request target is too long"));
                }
                match rest {
                    [] => break 'ended,
                    [b' ', after @ ..] if length > 0 => {
                        self.target_end = position!();
                        rest = after;
                    }
                    // No other white space separates: RFC 9112 §3.
                    _ => return Err(REQUEST_LINE),
                }
                self.part = Part::Version;
            }
            if self.part == Part::Version {
                let Some((version, after)) = version_line(rest)? else { break 'ended };
                self.version = version;
                rest = after;
                self.fields_start = position!();
                self.part = Part::Line;
                let known = self.known.as_ref().and_then(|known| known.len_of(rest, version, limits));
                if let Some(length) = known {
                    self.is_known = true;
                    self.position = self.fields_start + length as u32;
                    work::count(self.position as usize - began);
                    return Ok(Found::End);
                }
            }
            loop {
                if self.part == Part::Line {
                    match rest {
                        [] | [b'\r'] => break 'ended,
                        [b'\r', b'\n', after @ ..] => {
                            rest = after;
                            self.position = position!();
                            work::count(self.position as usize - began);
                            return Ok(Found::End);
                        }
                        // RFC 9112 §5.2.
                        [b' ' | b'\t', ..] => return Err(Refusal::bad_request("a field line is folded")),
                        _ => self.line_start = position!(),
                    }
                    self.part = Part::Name;
                }
                if self.part == Part::Name {
                    rest = &rest[token_run(rest)..];
                    match rest {
                        [] => break 'ended,
                        // RFC 9112 §5.1: nothing stands between the name and its colon.
                        [b':', after @ ..] if position!() > self.line_start => {
                            self.colon = position!();
                            rest = after;
                        }
                        _ => return Err(FIELD_NAME),
                    }
                    self.part = Part::Value;
                }
                rest = &rest[value_run(rest)..];
                match rest {
                    [] | [b'\r'] => break 'ended,
                    [b'\r', b'\n', after @ ..] => {
                        self.fields += 1;
                        if self.fields as usize > limits.headers_max {
                            return Err(TOO_MANY_FIELDS);
                        }
                        let name = &bytes[self.line_start as usize..self.colon as usize];
                        self.noted.note(name, Span { start: self.colon + 1, end: position!() }, bytes);
                        rest = after;
                    }
                    [b'\n', ..] => return Err(BARE_LF),
                    _ => return Err(FIELD_VALUE),
                }
                self.part = Part::Line;
            }
        }
        self.position = position!();
        work::count(bytes.len() - began);
        Ok(Found::Nothing)
    }

    /// Judges a head that is whole.
    fn judge(&mut self, head: &[u8]) -> Result<Head, Refusal> {
        let method = match &head[..self.method_end as usize] {
            b"GET" => Method::GET,
            other => Method::from_bytes(other).map_err(|_| REQUEST_LINE)?,
        };
        let target_span = Span { start: self.method_end + 1, end: self.target_end };
        let target = target::parse(&method, target_span.of(head), self.has_marks)?;
        let judged = match &self.known {
            Some(known) if self.is_known => known.judged,
            _ => self.judge_fields(&target, head)?,
        };
        Ok(Head {
            method,
            version: self.version,
            judged,
            target,
            target_span,
            fields_start: self.fields_start,
        })
    }

    fn judge_fields(&mut self, target: &Target, head: &[u8]) -> Result<Judged, Refusal> {
        let known = self.known.as_ref().map(|known| known.host()).unwrap_or_default();
        self.noted.check_host(self.version, target, head, known)?;
        let framing = self.noted.framing(self.version, head)?;
        let expect = self.noted.expect(self.version, framing)?;
        let keep_alive = self.noted.keep_alive(self.version);
        let judged = Judged { framing, keep_alive, expect, fields: self.fields };
        if let Some(host) = self.noted.host_of_any_target(head) {
            let section = &head[self.fields_start as usize..];
            let host = host.start - self.fields_start..host.end - self.fields_start;
            self.known.get_or_insert_default().learn(section, host, self.version, judged);
        }
        Ok(judged)
    }
}

/// What a scan came to.
enum Found {
    Nothing,
    /// Before the request line.
    EmptyLine,
    End,
}

/// The version that a request line ends with, and what follows its line end; none as long as that has not come.
fn version_line(rest: &[u8]) -> Result<Option<(Version, &[u8])>, Refusal> {
    if let Some(after) = rest.strip_prefix(b"HTTP/1.1\r\n") {
        return Ok(Some((Version::HTTP_11, after)));
    }
    let within = &rest[..rest.len().min(VERSION_LINE_BYTES)];
    match within.iter().position(|&byte| byte == b'\n') {
        Some(line_feed) => {
            let version = within[..line_feed].strip_suffix(b"\r").ok_or(BARE_LF)?;
            Ok(Some((parse_version(version)?, &rest[line_feed + 1..])))
        }
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
    let mut headers = HeaderMap::try_with_capacity(count).map_err(|_| TOO_MANY_FIELDS)?;
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
