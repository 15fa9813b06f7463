//! What the fields of a request head say about the connection: how long the body is, whether the
//! connection stays, whether a 100 is expected. Each refusal names its rule. No bytes are moved here.

use http::{HeaderMap, StatusCode, Version, header};

use super::Refusal;

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

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`. No sign, no list.
fn parse_length(value: &[u8]) -> Result<Framing, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad_request("Content-Length is not a number"));
    }
    let too_large = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Content-Length is larger than any limit");
    let length = value
        .iter()
        .try_fold(0_u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    match length.ok_or(too_large)? {
        0 => Ok(Framing::Empty),
        length => Ok(Framing::Length(length)),
    }
}

/// RFC 9112 §6.1 and §7: `chunked` once and last; no other coding is implemented.
fn parse_coding(value: &[u8]) -> Result<Framing, Refusal> {
    // RFC 9110 §5.6.1.2: empty list elements are ignored.
    let mut codings =
        value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty());
    let (Some(first), second) = (codings.next(), codings.next()) else {
        return Err(Refusal::bad_request("Transfer-Encoding is empty"));
    };
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match second {
        None if is_chunked(first) => Ok(Framing::Chunked),
        Some(_) if is_chunked(first) => {
            Err(Refusal::bad_request("chunked is not the last transfer coding, or is applied twice"))
        }
        None | Some(_) => {
            Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "this transfer coding is not implemented"))
        }
    }
}

pub(super) fn keep_alive(version: Version, headers: &HeaderMap) -> KeepAlive {
    let mut keep = if version == Version::HTTP_10 { KeepAlive::No } else { KeepAlive::Implied };
    for value in headers.get_all(header::CONNECTION) {
        for option in value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                // RFC 9112 §9.3: close wins, whatever else is listed.
                return KeepAlive::No;
            }
            if version == Version::HTTP_10 && option.eq_ignore_ascii_case(b"keep-alive") {
                keep = KeepAlive::Asked;
            }
        }
    }
    keep
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
