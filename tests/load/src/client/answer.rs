//! Answers out of bytes, compared with what is allowed as they arrive. It knows no socket.

use std::fmt;

use super::exchange::{Check, Exchange};

/// Why bytes are no answer to what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that nothing was asked for.
    Unasked(String),
    /// No head or framing of HTTP/1.1.
    Malformed(String),
    /// A status that was not allowed.
    Status(u16),
    /// A body that is not what it has to be, with its status.
    Body(u16),
    /// A body that ends too early, announced as whole.
    Short(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unasked(text) => write!(f, "bytes that nothing asked for: {text:?}"),
            Self::Malformed(text) => write!(f, "no answer of HTTP/1.1: {text:?}"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Body(status) => write!(f, "a wrong byte in the body of a {status}"),
            Self::Short(status) => write!(f, "the body of a {status} is too short"),
        }
    }
}

/// A whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) closes: bool,
}

/// How far the answer that is due has come.
#[derive(Debug, Default)]
pub(super) struct Reader {
    state: State,
    /// What has come of a line or head that is not whole.
    held: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Body {
        whole: Whole,
        framing: Framing,
        check: Check,
    },
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    Chunked(Chunk),
    UntilClose,
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    Size,
    Data(u64),
    End,
    Trailers,
}

/// The longest head or line that is taken for one.
const HELD_MAX: usize = 64 << 10;

impl Reader {
    /// Whether the head of an answer has come, and its body not to the end.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.state, State::Body { .. })
    }

    /// Whether nothing of an answer has come.
    pub(super) fn is_at_start(&self) -> bool {
        !self.is_in_body() && self.held.is_empty()
    }

    /// Takes from `bytes` what belongs to the answer to `exchange`; gives it once it is whole.
    pub(super) fn receive(&mut self, bytes: &mut &[u8], exchange: &Exchange) -> Result<Option<Whole>, Fault> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(head) = take_until(&mut self.held, bytes, b"\r\n\r\n")? else { return Ok(None) };
                    match parse(&head, exchange)? {
                        // An interim answer: the final one follows.
                        (Whole { status: 100..=199, .. }, _) => {}
                        (whole, Framing::Length(0)) => {
                            let check = exchange.check(whole.status).ok_or(Fault::Status(whole.status))?;
                            let is_whole = check.is_whole() || has_no_body(whole.status, exchange);
                            return if is_whole { Ok(Some(whole)) } else { Err(Fault::Short(whole.status)) };
                        }
                        (whole, framing) => {
                            let check = exchange.check(whole.status).ok_or(Fault::Status(whole.status))?;
                            self.state = State::Body { whole, framing, check };
                        }
                    }
                }
                State::Body { whole, framing, check } => {
                    let whole = *whole;
                    if !receive_body(&mut self.held, bytes, framing, check, whole.status)? {
                        return Ok(None);
                    }
                    let is_right = check.is_whole();
                    self.state = State::Head;
                    return if is_right { Ok(Some(whole)) } else { Err(Fault::Short(whole.status)) };
                }
            }
        }
    }

    /// The peer has closed: the answer, if this was its end.
    pub(super) fn receive_end(&mut self) -> Result<Option<Whole>, Fault> {
        match std::mem::take(&mut self.state) {
            State::Body { whole, framing: Framing::UntilClose, check } if check.is_whole() => Ok(Some(whole)),
            State::Body { whole, framing: Framing::UntilClose, .. } => Err(Fault::Short(whole.status)),
            other => {
                self.state = other;
                Ok(None)
            }
        }
    }
}

fn has_no_body(status: u16, exchange: &Exchange) -> bool {
    exchange.is_head || status == 204 || status == 304
}

/// Whether the body has come to its end.
fn receive_body(
    held: &mut Vec<u8>,
    bytes: &mut &[u8],
    framing: &mut Framing,
    check: &mut Check,
    status: u16,
) -> Result<bool, Fault> {
    let mut take = |rest: &mut u64, bytes: &mut &[u8]| {
        let count = usize::try_from(*rest).unwrap_or(usize::MAX).min(bytes.len());
        let (piece, left) = bytes.split_at(count);
        *rest -= count as u64;
        *bytes = left;
        if check.matches(piece) { Ok(()) } else { Err(Fault::Body(status)) }
    };
    loop {
        match framing {
            Framing::Length(rest) => {
                take(rest, bytes)?;
                return Ok(*rest == 0);
            }
            Framing::UntilClose => {
                let mut endless = u64::MAX;
                take(&mut endless, bytes)?;
                return Ok(false);
            }
            Framing::Chunked(chunk) => match chunk {
                Chunk::Size => {
                    let Some(line) = take_until(held, bytes, b"\r\n")? else { return Ok(false) };
                    let line = String::from_utf8_lossy(&line);
                    let size = u64::from_str_radix(line.trim_end(), 16)
                        .map_err(|_| Fault::Malformed(line.into_owned()))?;
                    *chunk = if size == 0 { Chunk::Trailers } else { Chunk::Data(size) };
                }
                Chunk::Data(rest) => {
                    take(rest, bytes)?;
                    if *rest > 0 {
                        return Ok(false);
                    }
                    *chunk = Chunk::End;
                }
                Chunk::End => {
                    let Some(line) = take_until(held, bytes, b"\r\n")? else { return Ok(false) };
                    if line != b"\r\n" {
                        return Err(Fault::Malformed(String::from_utf8_lossy(&line).into_owned()));
                    }
                    *chunk = Chunk::Size;
                }
                Chunk::Trailers => {
                    let Some(line) = take_until(held, bytes, b"\r\n")? else { return Ok(false) };
                    if line == b"\r\n" {
                        return Ok(true);
                    }
                }
            },
        }
    }
}

/// Takes bytes up to and with `end`. What comes before it is held until then.
fn take_until(held: &mut Vec<u8>, bytes: &mut &[u8], end: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    // The end may have begun in what is held.
    let from = held.len().saturating_sub(end.len() - 1);
    let before = held.len();
    held.extend_from_slice(bytes);
    let Some(found) = held[from..].windows(end.len()).position(|window| window == end) else {
        *bytes = &[];
        if held.len() > HELD_MAX {
            return Err(Fault::Malformed(String::from_utf8_lossy(&held[..100]).into_owned()));
        }
        return Ok(None);
    };
    let length = from + found + end.len();
    *bytes = &bytes[length - before..];
    held.truncate(length);
    Ok(Some(std::mem::take(held)))
}

fn parse(head: &[u8], exchange: &Exchange) -> Result<(Whole, Framing), Fault> {
    let malformed = || Fault::Malformed(String::from_utf8_lossy(head).into_owned());
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(head).map_err(|_| malformed())?;
    let (true, Some(status)) = (parsed.is_complete(), response.code) else { return Err(malformed()) };
    let value = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let closes = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let framing = if has_no_body(status, exchange) || status < 200 {
        Framing::Length(0)
    } else if let Some(coding) = value("transfer-encoding") {
        if coding != "chunked" {
            return Err(malformed());
        }
        Framing::Chunked(Chunk::Size)
    } else if let Some(length) = value("content-length") {
        Framing::Length(length.parse().map_err(|_| malformed())?)
    } else {
        Framing::UntilClose
    };
    Ok((Whole { status, closes }, framing))
}

#[cfg(test)]
mod tests {
    use super::{super::exchange::Content, *};

    /// Fed whole and byte by byte, the reader gives the same.
    fn read(exchange: &Exchange, bytes: &[u8]) -> Result<Option<Whole>, Fault> {
        let mut whole = bytes;
        let at_once = Reader::default().receive(&mut whole, exchange);
        let mut reader = Reader::default();
        let mut dripped = Ok(None);
        for byte in bytes {
            dripped = reader.receive(&mut &[*byte][..], exchange);
            if !matches!(dripped, Ok(None)) {
                break;
            }
        }
        assert_eq!(at_once, dripped);
        at_once
    }

    #[test]
    fn every_framing_is_read_and_compared() {
        let hello = Exchange::get("/").may_say("hello").may(204, Content::Any);
        let whole = |status, closes| Ok(Some(Whole { status, closes }));
        let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(read(&hello, sized), whole(200, false));
        let chunked = b"HTTP/1.1 200 OK\r\nconnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
            2\r\nhe\r\n3\r\nllo\r\n0\r\nx: y\r\n\r\n";
        assert_eq!(read(&hello, chunked), whole(200, true));
        let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(read(&hello, interim), whole(204, false));
        let head = Exchange::raw("HEAD / HTTP/1.1\r\n\r\n").may_say("hello");
        assert_eq!(read(&head, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), whole(200, false));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let hello = Exchange::get("/").may_say("hello");
        for (bytes, fault) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellO"[..], Fault::Body(200)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!", Fault::Body(200)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell", Fault::Short(200)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Fault::Short(200)),
            (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Fault::Status(500)),
        ] {
            assert_eq!(read(&hello, bytes), Err(fault));
        }
    }

    #[test]
    fn a_body_that_ends_with_the_connection_is_whole_only_then() {
        let hello = Exchange::get("/").may_say("hello");
        for (body, end) in
            [("hello", Ok(Some(Whole { status: 200, closes: false }))), ("hel", Err(Fault::Short(200)))]
        {
            let mut reader = Reader::default();
            let bytes = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
            assert_eq!(reader.receive(&mut bytes.as_bytes(), &hello), Ok(None));
            assert_eq!(reader.receive_end(), end);
        }
    }
}
