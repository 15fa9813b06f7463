//! Reads a response as a strict client does: what it takes for an answer has no byte too many or too few. It never
//! guesses, and does not see where the bytes come from.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What the response's framing depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Head,
    Other,
}

/// One response, as far as it has come.
#[derive(Debug)]
pub(super) struct Answer {
    asked: Asked,
    /// Everything that came: of a response that is wrong, all of it is shown.
    raw: Vec<u8>,
    /// How much of it is understood.
    at: usize,
    is_over: bool,
    stage: Stage,
    head: Option<Head>,
    body: Vec<u8>,
    chunks: Vec<Bytes>,
    trailers: HeaderMap,
}

#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The bytes before the body, interim responses included.
    end: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    Trailers,
    UntilTheEnd,
    Done,
}

/// What was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    NeedData,
    Head,
    Piece(Bytes),
    Done,
}

/// A response that is whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) head: Head,
    /// As they came, interim responses included.
    pub(super) heads: Vec<u8>,
    pub(super) body: Bytes,
    pub(super) chunks: Vec<Bytes>,
    pub(super) trailers: HeaderMap,
}

impl Answer {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            raw: Vec::new(),
            at: 0,
            is_over: false,
            stage: Stage::Head,
            head: None,
            body: Vec::new(),
            chunks: Vec::new(),
            trailers: HeaderMap::new(),
        }
    }

    /// Where what comes is to be added.
    pub(super) fn receive(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }

    /// Nothing more comes, and all that was sent did.
    pub(super) fn receive_end(&mut self) {
        self.is_over = true;
    }

    /// Everything that came.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// How many bytes came behind what is understood.
    pub(super) fn rest_len(&self) -> usize {
        self.raw.len() - self.at
    }

    /// Whether the end has been reached.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The response as far as it has come, its head at least.
    pub(super) fn so_far(&self) -> Option<Whole> {
        let head = self.head.clone()?;
        Some(Whole {
            heads: self.raw[..head.end].to_vec(),
            head,
            body: Bytes::copy_from_slice(&self.body),
            chunks: self.chunks.clone(),
            trailers: self.trailers.clone(),
        })
    }

    /// Goes on by one event, or says what is wrong.
    pub(super) fn next_event(&mut self) -> Result<Event, String> {
        loop {
            match self.stage {
                Stage::Head => return self.read_head(),
                Stage::Length(0) => self.stage = Stage::Done,
                Stage::Length(left) => {
                    let count = left.min(self.rest_len());
                    if count == 0 {
                        return Ok(Event::NeedData);
                    }
                    self.stage = Stage::Length(left - count);
                    return Ok(Event::Piece(self.take_body(count)));
                }
                Stage::ChunkSize => {
                    let Some(len) = find(&self.raw[self.at..], b"\r\n") else { return Ok(Event::NeedData) };
                    let size = chunk_size(&self.raw[self.at..self.at + len])?;
                    self.check_content(size)?;
                    self.at += len + 2;
                    self.stage = if size == 0 { Stage::Trailers } else { Stage::Chunk(size) };
                }
                Stage::Chunk(size) => {
                    let rest = &self.raw[self.at..];
                    let (Some(_), Some(end)) = (rest.get(..size), size.checked_add(2)) else {
                        return Ok(Event::NeedData);
                    };
                    let Some(line_end) = rest.get(size..end) else { return Ok(Event::NeedData) };
                    if line_end != b"\r\n" {
                        return Err(format!("a chunk of {size} bytes has no line end"));
                    }
                    self.stage = Stage::ChunkSize;
                    let chunk = self.take_body(size);
                    self.at += 2;
                    self.chunks.push(chunk.clone());
                    return Ok(Event::Piece(chunk));
                }
                Stage::Trailers => {
                    let rest = &self.raw[self.at..];
                    check_lines(rest_of_lines(rest))
                        .map_err(|fault| format!("the trailers are malformed: {fault}"))?;
                    let len = if rest.starts_with(b"\r\n") {
                        2
                    } else {
                        let Some(end) = find(rest, b"\r\n\r\n") else { return Ok(Event::NeedData) };
                        self.trailers = trailers(&rest[..end + 4])?;
                        end + 4
                    };
                    self.at += len;
                    self.stage = Stage::Done;
                }
                Stage::UntilTheEnd => match self.rest_len() {
                    0 if self.is_over => self.stage = Stage::Done,
                    0 => return Ok(Event::NeedData),
                    count => {
                        self.check_content(count)?;
                        return Ok(Event::Piece(self.take_body(count)));
                    }
                },
                Stage::Done => return Ok(Event::Done),
            }
        }
    }

    /// RFC 9110 §15.3.6: 205 has no content, however long that is said to be.
    fn check_content(&self, count: usize) -> Result<(), String> {
        match &self.head {
            Some(head) if head.status == StatusCode::RESET_CONTENT && count > 0 => {
                Err("a response with status 205 has content".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn take_body(&mut self, count: usize) -> Bytes {
        let piece = &self.raw[self.at..self.at + count];
        self.body.extend_from_slice(piece);
        self.at += count;
        Bytes::copy_from_slice(piece)
    }

    fn read_head(&mut self) -> Result<Event, String> {
        loop {
            let rest = &self.raw[self.at..];
            // So that it is told at once, and not when the end of a head is not found.
            if !rest.iter().zip(b"HTTP/1.").all(|(byte, expected)| byte == expected) {
                return Err("what the server sent is no response".to_owned());
            }
            check_lines(rest_of_lines(rest))
                .map_err(|fault| format!("the response head is malformed: {fault}"))?;
            let Some(len) = find(rest, b"\r\n\r\n").map(|end| end + 4) else { return Ok(Event::NeedData) };
            let (version, status, headers) = parse_head(&rest[..len])?;
            let stage = framing(self.asked, version, status, &headers)?;
            self.at += len;
            if let Some(stage) = stage {
                self.stage = stage;
                self.head = Some(Head { status, headers, end: self.at });
                return Ok(Event::Head);
            }
        }
    }
}

/// How the body ends (RFC 9112 §6.3); `None` for an interim response.
fn framing(
    asked: Asked,
    version: u8,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Stage>, String> {
    let only = |name: header::HeaderName| {
        let mut values = headers.get_all(&name).iter();
        match (values.next(), values.count()) {
            (value, 0) => Ok(value.map(HeaderValue::as_bytes)),
            (_, more) => Err(format!("the response has {} fields {name}", more + 1)),
        }
    };
    let (coding, length) = (only(header::TRANSFER_ENCODING)?, only(header::CONTENT_LENGTH)?);
    // RFC 9110 §8.6, RFC 9112 §6.1.
    if (status.is_informational() || status == StatusCode::NO_CONTENT)
        && (coding.is_some() || length.is_some())
    {
        return Err(format!(
            "a response with status {} says how long its body is, and has none",
            status.as_u16()
        ));
    }
    // RFC 9110 §15.2.2: only where the request asks for another protocol, and what follows is none of HTTP.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err("the server switches to another protocol, of which this client knows none".to_owned());
    }
    let stage = match (coding, length) {
        (Some(_), Some(_)) => {
            return Err("the response has a Content-Length and a Transfer-Encoding".to_owned());
        }
        (Some(_), None) if version == 0 => {
            return Err("the response is of HTTP/1.0 and has a Transfer-Encoding".to_owned());
        }
        (Some(b"chunked"), None) => Stage::ChunkSize,
        (Some(other), None) => return Err(format!("the response has the coding `{}`", other.escape_ascii())),
        (None, Some(length)) => match decimal(length)? {
            0 => Stage::Length(0),
            // RFC 9110 §15.3.6.
            _ if status == StatusCode::RESET_CONTENT && asked == Asked::Other => {
                return Err("a response with status 205 has content".to_owned());
            }
            length => Stage::Length(length),
        },
        (None, None) => Stage::UntilTheEnd,
    };
    let has_none =
        asked == Asked::Head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok((!status.is_informational()).then_some(if has_none { Stage::Done } else { stage }))
}

/// What there is of a section of lines that ends with an empty one.
fn rest_of_lines(rest: &[u8]) -> &[u8] {
    if rest.starts_with(b"\r\n") {
        return &rest[..2];
    }
    find(rest, b"\r\n\r\n").map_or(rest, |end| &rest[..end + 4])
}

/// RFC 9112 §2.2 lets a recipient take a lone LF for the end of a line; a server never sends one.
fn check_lines(lines: &[u8]) -> Result<(), &'static str> {
    let mut ends = memchr::memchr_iter(b'\n', lines);
    match ends.all(|at| at > 0 && lines[at - 1] == b'\r') {
        true => Ok(()),
        false => Err("a line ends with LF alone"),
    }
}

fn decimal(length: &[u8]) -> Result<usize, String> {
    let digits = Some(length).filter(|length| !length.is_empty() && length.iter().all(u8::is_ascii_digit));
    digits
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .ok_or_else(|| format!("the response has a malformed Content-Length: `{}`", length.escape_ascii()))
}

fn chunk_size(line: &[u8]) -> Result<usize, String> {
    let digits = Some(line).filter(|line| !line.is_empty() && line.iter().all(u8::is_ascii_hexdigit));
    digits
        .and_then(|digits| usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .ok_or_else(|| format!("`{}` is no chunk size", line.escape_ascii()))
}

fn parse_head(bytes: &[u8]) -> Result<(u8, StatusCode, HeaderMap), String> {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut head = httparse::Response::new(&mut fields);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
        Ok(_) => return Err("the response head is malformed: a line end is missing or too many".to_owned()),
        Err(error) => return Err(format!("the response head is malformed: {error}")),
    }
    let status = StatusCode::from_u16(head.code.unwrap_or(0)).map_err(|error| error.to_string())?;
    let fields = head.headers.iter().map(|field| (field.name, field.value));
    Ok((head.version.unwrap_or(1), status, collect(fields)?))
}

fn trailers(bytes: &[u8]) -> Result<HeaderMap, String> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete((len, fields))) if len == bytes.len() => {
            collect(fields.iter().map(|field| (field.name, field.value)))
        }
        Ok(_) => Err("the trailers are malformed: a line end is missing or too many".to_owned()),
        Err(error) => Err(format!("the trailers are malformed: {error}")),
    }
}

fn collect<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        headers.append(name, HeaderValue::from_bytes(value).map_err(|error| error.to_string())?);
    }
    Ok(headers)
}

/// Where `needle` begins in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

/// The length of the first final response in `bytes`, once it is whole; `is_over` where no more will come.
pub(crate) fn whole_len(bytes: &[u8], asked: Asked, is_over: bool) -> Result<Option<usize>, String> {
    let mut answer = Answer::new(asked);
    answer.receive().extend_from_slice(bytes);
    if is_over {
        answer.receive_end();
    }
    loop {
        match answer.next_event()? {
            Event::NeedData => return Ok(None),
            Event::Head | Event::Piece(_) => {}
            Event::Done => return Ok(Some(answer.at)),
        }
    }
}

#[cfg(test)]
mod tests;
