//! Request bodies, from the connection's bytes to data: by length or by chunks. It decodes only when
//! asked, one piece at a time, and gives data as it came: nothing is gathered here.

use bytes::Bytes;
use http::HeaderMap;

use super::{
    Framing,
    grammar::token_run,
    head::fields,
    input::{Expecting, Input},
    trailers, work,
};
use crate::Limits;

/// The rest of a request's body.
#[derive(Debug)]
pub(super) enum Decoder {
    /// Every byte of it has been decoded.
    Done,
    Length {
        rest: u64,
    },
    Chunked(Chunked),
}

/// What a step of decoding gave.
pub(super) enum Decoded {
    NeedData,
    Data(Bytes),
    End(Option<HeaderMap>),
}

/// Why a body cannot be decoded further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// It breaks the rule that is named.
    Malformed(&'static str),
    /// It is larger than allowed.
    TooLarge,
    /// The peer ended its direction before the end.
    Truncated,
    /// The peer was too slow.
    Timeout,
}

impl Decoder {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Done,
            Framing::Length(rest) => Self::Length { rest },
            Framing::Chunked => Self::Chunked(Chunked::default()),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// What to read next.
    pub(super) fn expecting(&self) -> Expecting {
        match self {
            Self::Done => Expecting::Head,
            Self::Length { rest } => Expecting::Body(*rest),
            Self::Chunked(_) => Expecting::Body(u64::MAX),
        }
    }

    pub(super) fn decode(
        &mut self,
        input: &mut Input,
        limits: &Limits,
        bytes_max: u64,
    ) -> Result<Decoded, BodyFault> {
        match self {
            Self::Done => Ok(Decoded::End(None)),
            Self::Length { rest } => {
                if input.len() == 0 {
                    return Ok(Decoded::NeedData);
                }
                let data = take_data(input, rest);
                if *rest == 0 {
                    *self = Self::Done;
                }
                Ok(Decoded::Data(data))
            }
            Self::Chunked(chunked) => {
                let decoded = chunked.decode(input, limits, bytes_max)?;
                if let Decoded::End(_) = decoded {
                    *self = Self::Done;
                }
                Ok(decoded)
            }
        }
    }
}

fn take_data(input: &mut Input, rest: &mut u64) -> Bytes {
    let count = usize::try_from(*rest).unwrap_or(usize::MAX).min(input.len());
    *rest -= count as u64;
    input.take(count)
}

/// RFC 9112 §7.1.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    part: Part,
    /// Bytes of the current line, or of the trailer section, that were looked at.
    scanned: usize,
    line_start: usize,
    trailers: usize,
    extension_bytes: usize,
    body_bytes: u64,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Size,
    Data {
        rest: u64,
    },
    DataEnd,
    Trailers,
}

const BARE_LF: BodyFault = BodyFault::Malformed("a line ends without CR");

impl Chunked {
    fn decode(&mut self, input: &mut Input, limits: &Limits, bytes_max: u64) -> Result<Decoded, BodyFault> {
        loop {
            match &mut self.part {
                Part::Size => {
                    let Some(size) = self.size_line(input, limits)? else { return Ok(Decoded::NeedData) };
                    self.body_bytes = self.body_bytes.checked_add(size).ok_or(BodyFault::TooLarge)?;
                    if self.body_bytes > bytes_max {
                        return Err(BodyFault::TooLarge);
                    }
                    self.part = if size == 0 { Part::Trailers } else { Part::Data { rest: size } };
                }
                Part::Data { rest } => {
                    if input.len() == 0 {
                        return Ok(Decoded::NeedData);
                    }
                    let data = take_data(input, rest);
                    if *rest == 0 {
                        self.part = Part::DataEnd;
                    }
                    return Ok(Decoded::Data(data));
                }
                Part::DataEnd => match input.bytes() {
                    [b'\r', b'\n', ..] => {
                        input.skip(2);
                        self.part = Part::Size;
                    }
                    [] | [b'\r'] => return Ok(Decoded::NeedData),
                    _ => return Err(BodyFault::Malformed("chunk data is longer than its size says")),
                },
                Part::Trailers => {
                    return Ok(match self.trailer_section(input, limits)? {
                        Some(trailers) => Decoded::End(trailers),
                        None => Decoded::NeedData,
                    });
                }
            }
        }
    }

    fn size_line(&mut self, input: &mut Input, limits: &Limits) -> Result<Option<u64>, BodyFault> {
        const TOO_LONG: BodyFault = BodyFault::Malformed("a chunk-size line is too long");
        let within = input.len().min(limits.chunk_line_bytes_max);
        let bytes = &input.bytes()[..within];
        let Some(offset) = memchr::memchr(b'\n', &bytes[self.scanned..]) else {
            self.scanned = within;
            return if within == limits.chunk_line_bytes_max { Err(TOO_LONG) } else { Ok(None) };
        };
        let line_feed = self.scanned + offset;
        let line = bytes[..line_feed].strip_suffix(b"\r").ok_or(BARE_LF)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extensions) = line.split_at(digits);
        let size = parse_size(size)?;
        self.extension_bytes += extensions.len();
        if self.extension_bytes > limits.chunk_extension_bytes_max {
            return Err(BodyFault::Malformed("the chunk extensions are too long"));
        }
        check_extensions(extensions)?;
        input.skip(line_feed + 1);
        self.scanned = 0;
        Ok(Some(size))
    }

    fn trailer_section(
        &mut self,
        input: &mut Input,
        limits: &Limits,
    ) -> Result<Option<Option<HeaderMap>>, BodyFault> {
        let within = input.len().min(limits.trailer_bytes_max.saturating_add(2));
        let bytes = &input.bytes()[..within];
        while let Some(offset) = memchr::memchr(b'\n', &bytes[self.scanned..]) {
            work::count(offset + 1);
            let line_feed = self.scanned + offset;
            if line_feed == 0 || bytes[line_feed - 1] != b'\r' {
                return Err(BARE_LF);
            }
            self.scanned = line_feed + 1;
            if line_feed - 1 == self.line_start {
                let section = input.take(self.scanned);
                if self.trailers == 0 {
                    return Ok(Some(None));
                }
                let mut trailers = fields(&section, 0, self.trailers)
                    .map_err(|refusal| BodyFault::Malformed(refusal.reason))?;
                // So that no handler can take them for header fields.
                trailers::FORBIDDEN.iter().for_each(|name| drop(trailers.remove(name)));
                return Ok(Some(Some(trailers)));
            }
            self.trailers += 1;
            if self.trailers > limits.trailers_max {
                return Err(BodyFault::Malformed("there are too many trailer fields"));
            }
            self.line_start = self.scanned;
        }
        work::count(within - self.scanned);
        self.scanned = within;
        // Only then is the empty line too far away, however the bytes came.
        if within == limits.trailer_bytes_max.saturating_add(2) {
            return Err(BodyFault::Malformed("the trailer section is too large"));
        }
        Ok(None)
    }
}

/// RFC 9112 §7.1: `chunk-size = 1*HEXDIG`, and large numerals must not overflow. A chunk that cannot be
/// counted in 64 bits, with the line end behind it, is no size: others wrap it to a small one. One that can,
/// and is over the limit, is too large.
fn parse_size(digits: &[u8]) -> Result<u64, BodyFault> {
    const UNCOUNTABLE: BodyFault = BodyFault::Malformed("a chunk size is not a number of 64 bits");
    const LINE_END: u64 = 2;
    if digits.is_empty() {
        return Err(BodyFault::Malformed("a chunk has no size"));
    }
    let size = digits.iter().try_fold(0_u64, |size, &digit| {
        let value =
            char::from(digit).to_digit(16).ok_or(BodyFault::Malformed("a chunk size is not hexadecimal"))?;
        Ok(size.checked_mul(16).ok_or(UNCOUNTABLE)? + u64::from(value))
    })?;
    size.checked_add(LINE_END).map(|_| size).ok_or(UNCOUNTABLE)
}

/// RFC 9112 §7.1.1: `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, to the letter, as
/// lenience here is how requests are smuggled. The extensions themselves mean nothing to us.
fn check_extensions(mut rest: &[u8]) -> Result<(), BodyFault> {
    const MALFORMED: BodyFault = BodyFault::Malformed("a chunk-size line is malformed");
    while !rest.is_empty() {
        rest = skip_space(rest).strip_prefix(b";").ok_or(MALFORMED)?;
        rest = skip_token(skip_space(rest)).ok_or(MALFORMED)?;
        if let Some(value) = skip_space(rest).strip_prefix(b"=") {
            let value = skip_space(value);
            rest = match value.strip_prefix(b"\"") {
                Some(quoted) => skip_quoted(quoted).ok_or(MALFORMED)?,
                None => skip_token(value).ok_or(MALFORMED)?,
            };
        }
    }
    Ok(())
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..]
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let count = token_run(bytes);
    (count > 0).then(|| &bytes[count..])
}

/// RFC 9110 §5.6.4, after the opening quote.
fn skip_quoted(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        bytes = match bytes {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'\t' | b' '..=b'~' | 0x80.., rest @ ..] => rest,
            [b'\t' | b' '..=b'[' | b']'..=b'~' | 0x80.., rest @ ..] => rest,
            _ => return None,
        };
    }
}
