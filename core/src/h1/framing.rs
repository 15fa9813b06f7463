//! What the fields of a request head say about the connection: how long the body is, whether the
//! connection stays, whether a 100 is expected, whose host it is for. Each refusal names its rule. No bytes
//! are moved here.

use http::{StatusCode, Version, header};

use super::{
    Refusal,
    grammar::is_token_byte,
    head::Span,
    target::{self, Target},
};
use crate::respond::Fields;

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

/// What the fields of a head say that matters here, noted as they pass: no map of them is needed for it.
#[derive(Debug, Default)]
pub(super) struct Noted {
    host: Single,
    content_length: Single,
    transfer_encoding: Single,
    closes: bool,
    keeps_alive: bool,
    expects: Expects,
}

/// A field that may come once.
#[derive(Clone, Copy, Debug, Default)]
enum Single {
    #[default]
    Absent,
    /// Where its value is.
    Once(Span),
    Repeated,
}

impl Single {
    fn note(&mut self, value: Span) {
        *self = match self {
            Self::Absent => Self::Once(value),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expects {
    #[default]
    Nothing,
    Continue,
    /// Something that is not known here.
    Unknown,
}

impl Noted {
    /// Notes a field of `head`.
    pub(super) fn note(&mut self, name: &[u8], value: Span, head: &[u8]) {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 if is(b"host") => self.host.note(value),
            14 if is(b"content-length") => self.content_length.note(value),
            17 if is(b"transfer-encoding") => self.transfer_encoding.note(value),
            10 if is(b"connection") => {
                for option in members(value.of(head)) {
                    self.closes |= option.eq_ignore_ascii_case(b"close");
                    self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            6 if is(b"expect") => {
                for member in members(value.of(head)).filter(|member| !member.is_empty()) {
                    let is_known = member.eq_ignore_ascii_case(b"100-continue");
                    self.expects = match self.expects {
                        Expects::Nothing | Expects::Continue if is_known => Expects::Continue,
                        _ => Expects::Unknown,
                    };
                }
            }
            _ => {}
        }
    }

    /// RFC 9112 §3.2: exactly one Host in 1.1, and a valid one. One that is empty is valid by its grammar; but
    /// where the target has no authority, it makes an http URI without a host, which RFC 9110 §4.2.1 has rejected.
    /// What is `known` is the value of one that was valid, if it is not empty.
    pub(super) fn check_host(
        &self,
        version: Version,
        target: &Target,
        head: &[u8],
        known: &[u8],
    ) -> Result<(), Refusal> {
        match self.host {
            Single::Absent if version == Version::HTTP_10 => Ok(()),
            Single::Absent => Err(Refusal::bad_request("the Host field is missing")),
            Single::Repeated => Err(Refusal::bad_request("the Host field is given more than once")),
            // Most clients name the same one again, which needs no second look: 110 instructions less.
            Single::Once(value) if !known.is_empty() && value.of(head) == known => Ok(()),
            Single::Once(value) => match (value.of(head).trim_ascii(), target) {
                ([], Target::Absolute(_) | Target::Authority(_)) => Ok(()),
                ([], Target::Origin { .. } | Target::Asterisk) => {
                    Err(Refusal::bad_request("the Host field is empty"))
                }
                (host, _) if target::is_host(host) => Ok(()),
                (_, _) => Err(Refusal::bad_request("the Host field is malformed")),
            },
        }
    }

    /// Where the Host is, of a head whose Host would have passed with any target.
    pub(super) fn host_of_any_target(&self, head: &[u8]) -> Option<Span> {
        match self.host {
            Single::Once(value) if !value.of(head).trim_ascii().is_empty() => Some(value),
            Single::Once(_) | Single::Absent | Single::Repeated => None,
        }
    }

    /// How the body's end is found.
    pub(super) fn framing(&self, version: Version, head: &[u8]) -> Result<Framing, Refusal> {
        match (self.transfer_encoding, self.content_length) {
            (Single::Absent, Single::Absent) => Ok(Framing::Empty),
            (Single::Absent, Single::Once(length)) => parse_length(length.of(head).trim_ascii()),
            // RFC 9110 §8.6: repeated values may be folded; refusing them is the safe choice it allows.
            (Single::Absent, Single::Repeated) => {
                Err(Refusal::bad_request("Content-Length is given more than once"))
            }
            // RFC 9112 §6.1: such framing is to be treated as faulty.
            (Single::Once(_), Single::Absent) if version == Version::HTTP_10 => {
                Err(Refusal::bad_request("HTTP/1.0 has no Transfer-Encoding"))
            }
            (Single::Once(coding), Single::Absent) => parse_coding(coding.of(head).trim_ascii()),
            (Single::Repeated, Single::Absent) => {
                Err(Refusal::bad_request("Transfer-Encoding is given more than once"))
            }
            // RFC 9112 §6.1: a request with both ought to be handled as an error.
            (Single::Once(_) | Single::Repeated, Single::Once(_) | Single::Repeated) => {
                Err(Refusal::bad_request("both Transfer-Encoding and Content-Length are given"))
            }
        }
    }

    /// RFC 9112 §9.3: close wins, whatever else is listed.
    pub(super) fn keep_alive(&self, version: Version) -> KeepAlive {
        match (version, self.keeps_alive) {
            _ if self.closes => KeepAlive::No,
            (Version::HTTP_10, true) => KeepAlive::Asked,
            (Version::HTTP_10, false) => KeepAlive::No,
            _ => KeepAlive::Implied,
        }
    }

    /// Whether a 100 is waited for, by a request of this framing.
    pub(super) fn expect(&self, version: Version, framing: Framing) -> Result<Expect, Refusal> {
        match self.expects {
            Expects::Unknown => Err(Refusal::new(
                StatusCode::EXPECTATION_FAILED,
                "the only expectation that is met is 100-continue",
            )),
            // RFC 9110 §10.1.1: ignored in 1.0; pointless without a body.
            Expects::Continue if version != Version::HTTP_10 && framing != Framing::Empty => {
                Ok(Expect::Continue)
            }
            Expects::Continue | Expects::Nothing => Ok(Expect::Nothing),
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
    let mut codings = members(value).filter(|coding| !coding.is_empty());
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

/// Whether the handler asked for a close in its response.
pub(super) fn asks_to_close(fields: Fields<'_>) -> bool {
    let Fields::Map(headers) = fields else { return false };
    // RFC 9110 §7.6.1.
    let values = headers.get_all(header::CONNECTION).iter();
    values.flat_map(|value| members(value.as_bytes())).any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// The members of a list, RFC 9110 §5.6.1: some may be empty.
fn members(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}
