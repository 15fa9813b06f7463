//! The first answer: whether it is right, byte by byte, and of what shape it is, so that the lean loop can count by length.
//! It must never be part of what is measured.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use bytes::Bytes;

use super::{PATIENCE, connect};
use crate::scenarios::Ask;

/// What each answer of a server looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its bytes, all in all.
    pub whole: usize,
    /// Where its content begins.
    pub content_at: usize,
}

/// The system's words for a time that is over are of no help.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::other(format!("the first request was not read, or had no answer, in {PATIENCE:?}"))
        }
        _ => error,
    }
}

impl Shape {
    /// Asks once.
    pub fn learn(address: SocketAddr, ask: &Ask) -> io::Result<Self> {
        let mut stream = connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&ask.requests[0]).map_err(told)?;
        let (mut received, mut piece) = (Vec::new(), vec![0; 256 << 10]);
        loop {
            let length = stream.read(&mut piece).map_err(told)?;
            received.extend_from_slice(&piece[..length]);
            match Self::of(&received, &ask.content) {
                Ok(Some(shape)) => return Ok(shape),
                Ok(None) if length > 0 => {}
                Ok(None) => return Err(io::Error::other("the first answer is not whole")),
                Err(reason) => return Err(io::Error::other(format!("the first answer {reason}"))),
            }
        }
    }

    /// The shape of an answer, once it is whole.
    fn of(received: &[u8], content: &Bytes) -> Result<Option<Self>, String> {
        let Some(head_end) = received.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4) else {
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&received[..head_end]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(format!("begins with {:?}", head.lines().next().unwrap_or_default()));
        }
        if head.lines().any(|line| line.starts_with("connection:") && line.contains("close")) {
            return Err("ends the connection".to_owned());
        }
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(length) = field("content-length:") {
            let length: usize = length.parse().map_err(|_| format!("has a length of {length:?}"))?;
            let body = &received[head_end..];
            return match body.len().cmp(&length) {
                std::cmp::Ordering::Less => Ok(None),
                std::cmp::Ordering::Equal if body == content => {
                    Ok(Some(Self { whole: received.len(), content_at: head_end }))
                }
                _ => Err(format!("is wrong: {length} bytes instead of {}", content.len())),
            };
        }
        if field("transfer-encoding:") != Some("chunked") {
            return Err("says nothing of its length".to_owned());
        }
        Self::of_chunks(received, head_end, content)
    }

    fn of_chunks(received: &[u8], head_end: usize, content: &Bytes) -> Result<Option<Self>, String> {
        let (mut at, mut body, mut content_at) = (head_end, Vec::new(), None);
        loop {
            let Some(line) = received[at..].windows(2).position(|end| end == b"\r\n") else {
                return Ok(None);
            };
            let size = String::from_utf8_lossy(&received[at..at + line]);
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| format!("has a chunk {size:?}"))?;
            let start = at + line + 2;
            content_at = content_at.or(Some(start));
            let Some(chunk) = received.get(start..start + size) else { return Ok(None) };
            body.extend_from_slice(chunk);
            at = start + size + 2;
            if at > received.len() {
                return Ok(None);
            }
            if size == 0 {
                let is_right = body == *content && at == received.len();
                let shape = Self { whole: at, content_at: content_at.unwrap_or(start) };
                return if is_right { Ok(Some(shape)) } else { Err("is wrong".to_owned()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(received: &str) -> Result<Option<Shape>, String> {
        Shape::of(received.as_bytes(), &Bytes::from_static(b"hello"))
    }

    #[test]
    fn an_answer_is_whole_at_its_last_byte() {
        let sized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        for (answer, content_at) in [(sized, sized.len() - 5), (chunked, 50)] {
            for end in 0..answer.len() {
                assert_eq!(shape(&answer[..end]), Ok(None), "{end}");
            }
            assert_eq!(shape(answer), Ok(Some(Shape { whole: answer.len(), content_at })));
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for answer in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhellO",
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello!",
            "HTTP/1.1 200 OK\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhellO\r\n0\r\n\r\n",
        ] {
            assert!(shape(answer).is_err(), "{answer}");
        }
    }
}
