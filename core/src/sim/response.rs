//! Reads responses as a strict client does: what it takes for an answer has no byte too many or too
//! few. It never guesses.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What the response's framing depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Head,
    Other,
}

/// One whole response.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) chunks: Vec<Bytes>,
    pub(super) trailers: HeaderMap,
    /// The bytes that it takes, interim responses before it included.
    pub(super) len: usize,
}

/// Where `needle` begins in `haystack`.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

/// The first final response in `bytes`; `is_over` where no more will come.
pub(super) fn parse(bytes: &[u8], asked: Asked, is_over: bool) -> Result<Option<Parsed>, String> {
    let mut start = 0;
    loop {
        let Some((status, headers, head_len)) = parse_head(&bytes[start..])? else { return Ok(None) };
        start += head_len;
        if status.is_informational() {
            continue;
        }
        let rest = &bytes[start..];
        let mut parsed = Parsed {
            status,
            headers,
            body: Bytes::new(),
            chunks: Vec::new(),
            trailers: HeaderMap::new(),
            len: start,
        };
        let no_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if asked == Asked::Head || no_body {
            return Ok(Some(parsed));
        }
        let field = |name| parsed.headers.get(name).map(|value: &HeaderValue| value.as_bytes());
        return match (field(http::header::TRANSFER_ENCODING), field(http::header::CONTENT_LENGTH)) {
            (Some(_), Some(_)) => Err("the response has a Content-Length and a Transfer-Encoding".to_owned()),
            (Some(b"chunked"), None) => Ok(parse_chunks(rest, &mut parsed)?.then_some(parsed)),
            (Some(other), None) => Err(format!("the response has the coding {other:?}")),
            (None, Some(length)) => {
                let length: usize = std::str::from_utf8(length)
                    .ok()
                    .and_then(|length| length.parse().ok())
                    .ok_or("the response has a malformed Content-Length")?;
                Ok(rest.get(..length).map(|body| {
                    parsed.body = Bytes::copy_from_slice(body);
                    parsed.len += length;
                    parsed
                }))
            }
            (None, None) => Ok(is_over.then(|| {
                parsed.body = Bytes::copy_from_slice(rest);
                parsed.len += rest.len();
                parsed
            })),
        };
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(StatusCode, HeaderMap, usize)>, String> {
    let Some(end) = find(bytes, b"\r\n\r\n").map(|end| end + 4) else { return Ok(None) };
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut head = httparse::Response::new(&mut fields);
    match head.parse(&bytes[..end]) {
        Ok(httparse::Status::Complete(len)) if len == end => {}
        other => return Err(format!("the response head is malformed: {other:?}")),
    }
    let status = StatusCode::from_u16(head.code.unwrap_or(0)).map_err(|error| error.to_string())?;
    let fields = head.headers.iter().map(|field| (field.name, field.value));
    Ok(Some((status, collect(fields)?, end)))
}

fn collect<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        headers.append(name, HeaderValue::from_bytes(value).map_err(|error| error.to_string())?);
    }
    Ok(headers)
}

/// Reads the chunks at the start of `rest`; false where they have no end yet.
fn parse_chunks(rest: &[u8], into: &mut Parsed) -> Result<bool, String> {
    let mut at = 0;
    let mut body = Vec::new();
    loop {
        let Some(line) = find(&rest[at..], b"\r\n") else { return Ok(false) };
        let digits = std::str::from_utf8(&rest[at..at + line]).unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("{digits:?} is no chunk size"))?;
        at += line + 2;
        if size == 0 {
            break;
        }
        let (Some(data), Some(end)) = (rest.get(at..at + size), rest.get(at + size..at + size + 2)) else {
            return Ok(false);
        };
        if end != b"\r\n" {
            return Err(format!("a chunk of {size} bytes has no line end"));
        }
        body.extend_from_slice(data);
        into.chunks.push(Bytes::copy_from_slice(data));
        at += size + 2;
    }
    if rest[at..].starts_with(b"\r\n") {
        at += 2;
    } else {
        let Some(end) = find(&rest[at..], b"\r\n\r\n").map(|end| at + end + 4) else { return Ok(false) };
        let mut fields = [httparse::EMPTY_HEADER; 64];
        match httparse::parse_headers(&rest[at..end], &mut fields) {
            Ok(httparse::Status::Complete((_, fields))) => {
                into.trailers = collect(fields.iter().map(|field| (field.name, field.value)))?;
            }
            other => return Err(format!("the trailers are malformed: {other:?}")),
        }
        at = end;
    }
    into.body = body.into();
    into.len += at;
    Ok(true)
}
