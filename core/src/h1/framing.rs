//! What the fields of a request head say about the connection: how long the body is, whether the
//! connection stays, whether a 100 is expected. Each refusal names its rule. No bytes are moved here.

use http::{HeaderMap, StatusCode, Version, header};

use super::{Refusal, head::is_token_byte};

/// How the end of a request's body is found, RFC 9112 §6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks, up to the last one.
    Chunked,
}

/// Whether the client wants the connection kept, RFC 9112 §9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// It stays open, as 1.1 does by default.
    Implied,
    /// It stays open because a 1.0 client asked: the answer has to say so.
    Asked,
    /// It is closed after the response.
    No,
}

/// Whether the client waits for a 100 before it sends the body, RFC 9110 §10.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It sends at once.
    Nothing,
    /// It waits.
    Continue,
}

pub(super) fn framing(version: Version, headers: &HeaderMap) -> Result<Framing, Refusal> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(Framing::Empty),
        (Some(_), Some(_)) => {
            // RFC 9112 §6.1: a request with both ought to be handled as an error.
            Err(Refusal::bad_request("both Transfer-Encoding and Content-Length are given"))
        }
        (None, Some(length)) => {
            if lengths.next().is_some() {
                // RFC 9110 §8.6: repeated values may be folded; refusing them is the safe choice it allows.
                return Err(Refusal::bad_request("Content-Length is given more than once"));
            }
            parse_length(length.as_bytes())
        }
        (Some(coding), None) => {
            if codings.next().is_some() {
                return Err(Refusal::bad_request("Transfer-Encoding is given more than once"));
            }
            if version == Version::HTTP_10 {
                // RFC 9112 §6.1: such framing is to be treated as faulty.
                return Err(Refusal::bad_request("HTTP/1.0 has no Transfer-Encoding"));
            }
            parse_coding(coding.as_bytes())
        }
    }
}

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`. No sign, no list. A number beyond 64 bits is invalid, not
/// merely too large: others wrap it, and so end the body elsewhere.
fn parse_length(value: &[u8]) -> Result<Framing, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad_request("Content-Length is not a number"));
    }
    let uncountable = Refusal::bad_request("Content-Length is not a number of 64 bits");
    let length = value
        .iter()
        .try_fold(0_u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    match length.ok_or(uncountable)? {
        0 => Ok(Framing::Empty),
        length => Ok(Framing::Length(length)),
    }
}

/// RFC 9112 §6.1, §6.3 and §7: `chunked` once and last; no other coding is implemented.
fn parse_coding(value: &[u8]) -> Result<Framing, Refusal> {
    const UNKNOWN: Refusal =
        Refusal::new(StatusCode::NOT_IMPLEMENTED, "this transfer coding is not implemented");
    // RFC 9110 §5.6.1.2: empty list elements are ignored.
    let mut codings =
        value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty());
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let last = codings.next_back().unwrap_or_default();
    if codings.clone().any(is_chunked) {
        return Err(Refusal::bad_request("chunked is not once and last among the transfer codings"));
    }
    if is_chunked(last) {
        return if codings.next().is_none() { Ok(Framing::Chunked) } else { Err(UNKNOWN) };
    }
    // §6.3: where chunked is not last, nobody can tell the body's end, and 400 is a MUST. That holds for what is
    // known not to tell it, and for what disguises chunked. What nobody knows may be a coding that tells it:
    // §6.1 wants 501.
    let is_name = !last.is_empty() && last.iter().copied().all(is_token_byte);
    let is_known = KNOWN_CODINGS.iter().any(|known| last.eq_ignore_ascii_case(known));
    if is_name && !is_known && !last.windows(b"chunked".len()).any(is_chunked) {
        return Err(UNKNOWN);
    }
    Err(Refusal::bad_request("chunked is not the last transfer coding"))
}

/// Those of RFC 9112 §7 beside chunked, with their old names, and one that RFC 2616 had.
const KNOWN_CODINGS: [&[u8]; 6] = [b"compress", b"x-compress", b"deflate", b"gzip", b"x-gzip", b"identity"];

pub(super) fn keep_alive(version: Version, headers: &HeaderMap) -> KeepAlive {
    let mut keep = if version == Version::HTTP_10 { KeepAlive::No } else { KeepAlive::Implied };
    for option in options(headers) {
        if option.eq_ignore_ascii_case(b"close") {
            // RFC 9112 §9.3: close wins, whatever else is listed.
            return KeepAlive::No;
        }
        if version == Version::HTTP_10 && option.eq_ignore_ascii_case(b"keep-alive") {
            keep = KeepAlive::Asked;
        }
    }
    keep
}

/// Whether the handler asked for a close in its response.
pub(super) fn asks_to_close(headers: &HeaderMap) -> bool {
    options(headers).any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// The members of `Connection`, RFC 9110 §7.6.1.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::CONNECTION).iter();
    values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii))
}

pub(super) fn expect(version: Version, headers: &HeaderMap, framing: Framing) -> Result<Expect, Refusal> {
    let mut expect = Expect::Nothing;
    for value in headers.get_all(header::EXPECT) {
        for member in value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if member.eq_ignore_ascii_case(b"100-continue") {
                expect = Expect::Continue;
            } else if !member.is_empty() {
                return Err(Refusal::new(
                    StatusCode::EXPECTATION_FAILED,
                    "the only expectation that is met is 100-continue",
                ));
            }
        }
    }
    // RFC 9110 §10.1.1: ignored in 1.0; pointless without a body.
    if version == Version::HTTP_10 || framing == Framing::Empty {
        expect = Expect::Nothing;
    }
    Ok(expect)
}
