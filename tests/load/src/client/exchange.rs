//! A request and the answers that it may have. It says nothing about connections or time.

use bytes::{BufMut, Bytes, BytesMut};

use crate::pattern::Pattern;

/// One request, and what may come back: the statuses, and for each the whole body.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(super) request: Bytes,
    pub(super) is_head: bool,
    allowed: Vec<(u16, Content)>,
}

/// What a body has to be, byte by byte.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Exactly(Bytes),
    /// So many bytes of the pattern that the app sends.
    Pattern(u64),
    /// Whatever it is: an error's text, say.
    Any,
}

impl Exchange {
    /// The bytes of a request, as they stand.
    pub fn raw(request: impl Into<Bytes>) -> Self {
        let request = request.into();
        Self { is_head: request.starts_with(b"HEAD "), request, allowed: Vec::new() }
    }

    /// A GET on a connection that is kept.
    pub fn get(target: &str) -> Self {
        Self::raw(format!("GET {target} HTTP/1.1\r\nHost: load\r\n\r\n"))
    }

    /// A GET after which the server closes.
    pub fn get_and_close(target: &str) -> Self {
        Self::raw(format!("GET {target} HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n"))
    }

    /// A POST of `body`, as JSON.
    pub fn post(target: &str, body: &[u8]) -> Self {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut request = BytesMut::from(head.as_bytes());
        request.put_slice(body);
        Self::raw(request)
    }

    /// A POST of so many bytes of the pattern.
    pub fn post_pattern(target: &str, length: usize) -> Self {
        let mut body = Vec::with_capacity(length);
        let mut pattern = Pattern::default();
        while body.len() < length {
            body.extend_from_slice(pattern.piece(length - body.len()));
        }
        Self::post(target, &body)
    }

    /// Allows an answer. One that is not allowed is [`wrong`](super::What::Wrong).
    #[must_use]
    pub fn may(mut self, status: u16, content: Content) -> Self {
        self.allowed.push((status, content));
        self
    }

    /// Allows 200 with this text.
    #[must_use]
    pub fn may_say(self, text: &'static str) -> Self {
        self.may(200, Content::Exactly(Bytes::from_static(text.as_bytes())))
    }

    /// The bytes of the request.
    pub fn request(&self) -> &Bytes {
        &self.request
    }

    pub(super) fn check(&self, status: u16) -> Option<Check> {
        let (_, content) = self.allowed.iter().find(|(allowed, _)| *allowed == status)?;
        Some(match content {
            Content::Exactly(bytes) => Check::Exactly(bytes.clone()),
            Content::Pattern(rest) => Check::Pattern { pattern: Pattern::default(), rest: *rest },
            Content::Any => Check::Any,
        })
    }
}

/// How far a body has been compared.
#[derive(Debug)]
pub(super) enum Check {
    Exactly(Bytes),
    Pattern { pattern: Pattern, rest: u64 },
    Any,
}

impl Check {
    /// Whether these bytes are the next ones.
    pub(super) fn matches(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Exactly(rest) => {
                let is_next = rest.starts_with(bytes);
                if is_next {
                    *rest = rest.slice(bytes.len()..);
                }
                is_next
            }
            Self::Pattern { pattern, rest } => match rest.checked_sub(bytes.len() as u64) {
                Some(left) => {
                    *rest = left;
                    pattern.matches(bytes)
                }
                None => false,
            },
            Self::Any => true,
        }
    }

    /// Whether nothing more is to come.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Exactly(rest) => rest.is_empty(),
            Self::Pattern { rest, .. } => *rest == 0,
            Self::Any => true,
        }
    }
}
