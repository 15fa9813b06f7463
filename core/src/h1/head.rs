//! Request heads: found line by line as the bytes come, each byte looked at once, then parsed once.
//! What is refused does not depend on how the bytes were cut. No body bytes pass here.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header,
    request::{self, Request},
};

use super::{
    Expect, Framing, KeepAlive, Refusal, framing,
    input::Input,
    target::{self, Form},
    work,
};
use crate::Limits;

/// A request's head, and what it says about the rest of the exchange.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target, version and fields.
    pub parts: request::Parts,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the client wants the connection kept.
    pub keep_alive: KeepAlive,
    /// Whether the client waits for a 100.
    pub expect: Expect,
}

/// The search for the end of a head, and where the parts of its first line are.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Bytes looked at so far.
    position: usize,
    empty_lines: u8,
    part: Part,
    method_end: usize,
    is_head: bool,
    target_end: usize,
    /// Where the field lines begin.
    fields_start: usize,
    line_start: usize,
    fields: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Method,
    Target,
    Version,
    Fields,
}

/// A longer word than any registered method (RFC 9110 §16.1) is no method.
const METHOD_BYTES_MAX: usize = 32;
/// `HTTP/1.1` and its line end.
const VERSION_LINE_BYTES: usize = 10;
/// RFC 9112 §2.2: at least one empty line before the request line is to be ignored.
const EMPTY_LINES_MAX: u8 = 2;

const BARE_LF: Refusal = Refusal::bad_request("a line ends without CR");
const REQUEST_LINE: Refusal = Refusal::bad_request("the request line is malformed");

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
            let bytes = &input.bytes()[..within];
            let end = match self.part {
                Part::Method | Part::Target | Part::Version => {
                    match self.scan_request_line(bytes, limits)? {
                        Line::Incomplete => None,
                        Line::Empty => {
                            input.skip(2);
                            *self = Self { empty_lines: self.empty_lines + 1, ..Self::default() };
                            if self.empty_lines > EMPTY_LINES_MAX {
                                return Err(Refusal::bad_request(
                                    "too many empty lines before the request line",
                                ));
                            }
                            continue;
                        }
                        Line::Complete => self.scan_fields(bytes, limits)?,
                    }
                }
                Part::Fields => self.scan_fields(bytes, limits)?,
            };
            return match end {
                Some(end) => self.parse(&input.take(end)).map(Some),
                None if within == limits.head_bytes_max => Err(Refusal::new(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "the request head is too large",
                )),
                None => Ok(None),
            };
        }
    }

    fn scan_request_line(&mut self, bytes: &[u8], limits: &Limits) -> Result<Line, Refusal> {
        while let Some(&byte) = bytes.get(self.position) {
            work::count(1);
            let position = self.position;
            match self.part {
                Part::Method => match byte {
                    // RFC 9112 §2.2: only CRLF is a line end here; a lone LF is not taken for one.
                    b'\r' if position == 0 => {}
                    b'\n' if position == 1 && bytes[0] == b'\r' => return Ok(Line::Empty),
                    b'\n' => return Err(BARE_LF),
                    b' ' if position > 0 && bytes[0] != b'\r' => {
                        self.method_end = position;
                        self.is_head = bytes[..position] == *b"HEAD";
                        self.part = Part::Target;
                    }
                    _ if !is_token_byte(byte) || bytes[0] == b'\r' => return Err(REQUEST_LINE),
                    _ if position >= METHOD_BYTES_MAX => {
                        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "the method is not known"));
                    }
                    _ => {}
                },
                Part::Target => match byte {
                    b' ' if position > self.method_end + 1 => {
                        self.target_end = position;
                        self.part = Part::Version;
                    }
                    // No other white space separates: RFC 9112 §3.
                    0..=b' ' | 0x7f => return Err(REQUEST_LINE),
                    _ if position - self.method_end > limits.target_bytes_max => {
                        return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the request target is too long"));
                    }
                    _ => {}
                },
                Part::Version => {
                    if byte == b'\n' {
                        if bytes[position - 1] != b'\r' {
                            return Err(BARE_LF);
                        }
                        self.position += 1;
                        self.fields_start = self.position;
                        self.line_start = self.position;
                        self.part = Part::Fields;
                        return Ok(Line::Complete);
                    }
                    if position - self.target_end >= VERSION_LINE_BYTES {
                        return Err(REQUEST_LINE);
                    }
                }
                Part::Fields => return Ok(Line::Complete),
            }
            self.position += 1;
        }
        Ok(Line::Incomplete)
    }

    /// Gives the end of the head, once its empty line is found.
    fn scan_fields(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        while let Some(offset) = memchr::memchr(b'\n', &bytes[self.position..]) {
            work::count(offset + 1);
            let line_feed = self.position + offset;
            if bytes[line_feed - 1] != b'\r' {
                return Err(BARE_LF);
            }
            self.position = line_feed + 1;
            if line_feed - 1 == self.line_start {
                return Ok(Some(self.position));
            }
            if matches!(bytes[self.line_start], b' ' | b'\t') {
                // RFC 9112 §5.2.
                return Err(Refusal::bad_request("a field line is folded"));
            }
            self.fields += 1;
            if self.fields > limits.headers_max {
                return Err(Refusal::new(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "the request has too many header fields",
                ));
            }
            self.line_start = self.position;
        }
        work::count(bytes.len() - self.position);
        self.position = bytes.len();
        Ok(None)
    }

    fn parse(&self, head: &Bytes) -> Result<RequestHead, Refusal> {
        work::count(head.len());
        let version = parse_version(&head[self.target_end + 1..self.fields_start - 2])?;
        let method = Method::from_bytes(&head[..self.method_end]).map_err(|_| REQUEST_LINE)?;
        let target = head.slice(self.method_end + 1..self.target_end);
        let form = target::check(&method, &target)?;
        let uri = Uri::from_maybe_shared(target)
            .map_err(|_| Refusal::bad_request("the request target is malformed"))?;
        let mut headers = parse_fields(head, self.fields_start, self.fields)?;
        check_host(version, form, &headers)?;
        if let (Form::Absolute, Some(authority)) = (form, uri.authority()) {
            // RFC 9112 §3.2.2: the target's authority replaces what the Host field says.
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| REQUEST_LINE)?;
            headers.insert(header::HOST, host);
        }
        let framing = framing::framing(version, &headers)?;
        let expect = framing::expect(version, &headers, framing)?;
        let keep_alive = framing::keep_alive(version, &headers);
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.uri = uri;
        parts.version = version;
        parts.headers = headers;
        Ok(RequestHead { parts, framing, keep_alive, expect })
    }
}

enum Line {
    Incomplete,
    Empty,
    Complete,
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

/// Parses the field lines that begin at `start` and end with an empty line.
pub(super) fn parse_fields(section: &Bytes, start: usize, count: usize) -> Result<HeaderMap, Refusal> {
    /// More fields than clients send; beyond, the array lives on the heap.
    const USUAL: usize = 32;
    let mut usual = [httparse::EMPTY_HEADER; USUAL];
    let mut many = Vec::new();
    let fields = if count <= USUAL {
        &mut usual[..]
    } else {
        many.resize(count, httparse::EMPTY_HEADER);
        &mut many[..]
    };
    let fields = match httparse::parse_headers(&section[start..], fields) {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        Ok(httparse::Status::Partial) => return Err(Refusal::bad_request("the fields have no end")),
        Err(httparse::Error::HeaderName) => return Err(Refusal::bad_request("a field name is malformed")),
        Err(httparse::Error::HeaderValue) => {
            return Err(Refusal::bad_request("a field value has a forbidden character"));
        }
        Err(_) => return Err(Refusal::bad_request("a field line is malformed")),
    };
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| Refusal::bad_request("a field name is malformed"))?;
        let value = HeaderValue::from_maybe_shared(section.slice_ref(field.value))
            .map_err(|_| Refusal::bad_request("a field value has a forbidden character"))?;
        headers.try_append(name, value).map_err(|_| {
            Refusal::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request has too many header fields",
            )
        })?;
    }
    Ok(headers)
}

/// RFC 9112 §3.2: exactly one Host in 1.1, and a valid one. One that is empty is valid by its grammar; but
/// where the target has no authority, it makes an http URI without a host, which RFC 9110 §4.2.1 has rejected.
fn check_host(version: Version, form: Form, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_10 => Ok(()),
        (None, _) => Err(Refusal::bad_request("the Host field is missing")),
        (Some(_), Some(_)) => Err(Refusal::bad_request("the Host field is given more than once")),
        (Some(host), None) if host.is_empty() => match form {
            Form::Absolute | Form::Authority => Ok(()),
            Form::Origin | Form::Asterisk => Err(Refusal::bad_request("the Host field is empty")),
        },
        (Some(host), None) if target::is_host(host.as_bytes()) => Ok(()),
        (Some(_), None) => Err(Refusal::bad_request("the Host field is malformed")),
    }
}

/// RFC 9110 §5.6.2 `tchar`.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
