//! Chunked request bodies against a second decoder, which sees all bytes at once and is written as the
//! grammar of RFC 9112 §7.1 is.

use trijet_core::{
    Limits,
    h1::{BodyFault, Connection, Event},
};

use super::{Choices, NO_TRAILERS};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The trailer fields in order, and how many bytes follow the body.
    Complete {
        trailers: Vec<(String, Vec<u8>)>,
        left: usize,
    },
    Malformed,
    TooLarge,
    Truncated,
}

pub fn check(bytes: &[u8]) {
    let limits = Limits { body_bytes_max: 5000, ..Limits::default() };
    let expected = plainly(bytes, &limits);
    let mut choices = Choices::of(bytes);
    for cuts in [Vec::new(), choices.cuts(bytes.len(), 8)] {
        let given = decoded(bytes, &cuts, &limits);
        assert_eq!(given, expected, "{} cut at {cuts:?}", bytes.escape_ascii());
    }
}

fn decoded(bytes: &[u8], cuts: &[usize], limits: &Limits) -> (Vec<u8>, Outcome) {
    let mut connection = Connection::new(limits.clone().into());
    let mut data = Vec::new();
    let all = [HEAD, bytes].concat();
    let mut ends = cuts.iter().map(|cut| cut + HEAD.len()).chain([all.len()]);
    let (mut fed, mut until) = (0, HEAD.len());
    let outcome = loop {
        match connection.next_event() {
            Event::Request => {}
            Event::NeedData if fed == until => match ends.next() {
                Some(end) => until = end,
                None => connection.receive_end(),
            },
            Event::NeedData => {
                let space = connection.input_space();
                let count = space.len().min(until - fed);
                space[..count].copy_from_slice(&all[fed..fed + count]);
                connection.receive(count);
                fed += count;
            }
            Event::Data(piece) => data.extend_from_slice(&piece),
            Event::EndOfMessage(trailers) => {
                let trailers = trailers.iter().flatten();
                let trailers =
                    trailers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
                break Outcome::Complete {
                    trailers: sorted(trailers),
                    left: connection.input_len() + all.len() - fed,
                };
            }
            Event::BodyFailed(BodyFault::Malformed(_)) => break Outcome::Malformed,
            Event::BodyFailed(BodyFault::TooLarge) => break Outcome::TooLarge,
            Event::BodyFailed(BodyFault::Truncated) => break Outcome::Truncated,
            other => panic!("{other:?} within a body"),
        }
    };
    (data, outcome)
}

fn plainly(bytes: &[u8], limits: &Limits) -> (Vec<u8>, Outcome) {
    let mut data = Vec::new();
    let outcome = read(bytes, limits, &mut data).unwrap_or_else(|outcome| outcome);
    (data, outcome)
}

fn read(mut bytes: &[u8], limits: &Limits, data: &mut Vec<u8>) -> Result<Outcome, Outcome> {
    let mut extensions = 0;
    let mut total = 0_u128;
    loop {
        let line = line(&mut bytes, limits.chunk_line_bytes_max)?;
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let size = std::str::from_utf8(&line[..digits]).expect("digits");
        if size.is_empty() {
            return Err(Outcome::Malformed);
        }
        // With the line end behind the data it has to be a number of 64 bits.
        let size = match u64::from_str_radix(size, 16) {
            Ok(size) if size <= u64::MAX - 2 => size,
            _ => return Err(Outcome::Malformed),
        };
        extensions += line.len() - digits;
        if extensions > limits.chunk_extension_bytes_max || !is_extensions(&line[digits..]) {
            return Err(Outcome::Malformed);
        }
        total += u128::from(size);
        if total > u128::from(limits.body_bytes_max) {
            return Err(Outcome::TooLarge);
        }
        if size == 0 {
            return read_trailers(bytes, limits);
        }
        let size = usize::try_from(size).expect("within the limit");
        let taken = size.min(bytes.len());
        data.extend_from_slice(&bytes[..taken]);
        bytes = &bytes[taken..];
        match bytes {
            _ if taken < size => return Err(Outcome::Truncated),
            [b'\r', b'\n', rest @ ..] => bytes = rest,
            [] | [b'\r'] => return Err(Outcome::Truncated),
            _ => return Err(Outcome::Malformed),
        }
    }
}

/// A line without its end; `max` counts that too.
fn line<'b>(bytes: &mut &'b [u8], max: usize) -> Result<&'b [u8], Outcome> {
    let Some(end) = bytes.iter().take(max).position(|&byte| byte == b'\n') else {
        return Err(if bytes.len() >= max { Outcome::Malformed } else { Outcome::Truncated });
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Outcome::Malformed)?;
    *bytes = &bytes[end + 1..];
    Ok(line)
}

fn read_trailers(mut bytes: &[u8], limits: &Limits) -> Result<Outcome, Outcome> {
    let mut trailers = Vec::new();
    let mut room = limits.trailer_bytes_max + 2;
    let mut is_malformed = false;
    loop {
        let before = bytes.len();
        let line = line(&mut bytes, room)?;
        room -= before - bytes.len();
        if line.is_empty() {
            break;
        }
        trailers.push(line);
        if trailers.len() > limits.trailers_max {
            return Err(Outcome::Malformed);
        }
        if room == 0 {
            return Err(Outcome::Malformed);
        }
    }
    let mut fields = Vec::new();
    for line in trailers {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return Err(Outcome::Malformed) };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_value = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        is_malformed |=
            name.is_empty() || !name.iter().all(is_tchar) || !line[colon + 1..].iter().all(is_value);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if !NO_TRAILERS.contains(&name.as_str()) {
            fields.push((name, value.to_vec()));
        }
    }
    if is_malformed {
        return Err(Outcome::Malformed);
    }
    Ok(Outcome::Complete { trailers: sorted(fields), left: bytes.len() })
}

/// By name; of one name in order.
fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

fn is_tchar(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte)
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, as a machine over single bytes.
fn is_extensions(bytes: &[u8]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        Semicolon,
        BeforeName,
        Name,
        AfterName,
        BeforeValue,
        Token,
        Quoted,
        Escape,
        AfterValue,
    }
    // White space before a semicolon has to be followed by one.
    let mut at = At::Semicolon;
    for &byte in bytes {
        let is_space = matches!(byte, b' ' | b'\t');
        at = match (at, byte) {
            (At::Semicolon | At::AfterValue, b' ' | b'\t') => At::AfterValue,
            (At::Semicolon | At::AfterValue | At::Name | At::AfterName | At::Token, b';') => At::BeforeName,
            (At::BeforeName, _) if is_space => At::BeforeName,
            (At::BeforeName | At::Name, _) if is_tchar(&byte) => At::Name,
            (At::Name | At::AfterName, b'=') => At::BeforeValue,
            (At::Name | At::AfterName, _) if is_space => At::AfterName,
            (At::BeforeValue, _) if is_space => At::BeforeValue,
            (At::BeforeValue, b'"') => At::Quoted,
            (At::BeforeValue | At::Token, _) if is_tchar(&byte) => At::Token,
            (At::Token, _) if is_space => At::AfterValue,
            (At::Quoted, b'"') => At::Semicolon,
            (At::Quoted, b'\\') => At::Escape,
            (At::Quoted | At::Escape, b'\t' | b' '..=b'~' | 0x80..) => At::Quoted,
            _ => return false,
        };
    }
    matches!(at, At::Semicolon | At::Name | At::Token)
}
