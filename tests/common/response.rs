//! One response, parsed strictly: what a lenient client would mend is a failure here.

/// A response as it was on the wire.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The sizes of the chunks, where it came in chunks.
    pub(crate) chunks: Option<Vec<usize>>,
    pub(crate) trailers: Vec<(String, String)>,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Length(u64),
    Chunked,
    Close,
}

impl Response {
    /// Parses a head, up to its blank line.
    pub(crate) fn parse(head: &[u8]) -> Self {
        let text = std::str::from_utf8(head).expect("a head of plain text");
        let mut lines = text.strip_suffix("\r\n\r\n").expect("a whole head").split("\r\n");
        let status = lines.next().expect("a status line");
        let status = status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{status:?}"));
        let (code, _reason) = status.split_once(' ').expect("a space after the status");
        assert_eq!(code.len(), 3, "{status}");
        let response = Self {
            status: code.parse().expect("a status"),
            headers: fields(lines),
            body: Vec::new(),
            chunks: None,
            trailers: Vec::new(),
        };
        response.check(text);
        response
    }

    fn check(&self, head: &str) {
        let count = |name| self.headers.iter().filter(|(field, _)| field == name).count();
        let framing = count("content-length") + count("transfer-encoding");
        assert!(framing <= 1, "one framing: {head}");
        if self.status == 100 {
            assert!(self.headers.is_empty(), "{head}");
            return;
        }
        assert_eq!(count("date"), 1, "{head}");
        assert!(count("connection") <= 1, "{head}");
        if self.status == 204 {
            assert_eq!(framing, 0, "{head}");
        }
    }

    /// How the body ends, of an answer to a method other than HEAD.
    pub(crate) fn ending(&self) -> Ending {
        if self.status < 200 || self.status == 204 || self.status == 304 {
            return Ending::Length(0);
        }
        if let Some(length) = self.header("content-length") {
            assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{length:?}");
            return Ending::Length(length.parse().expect("a length"));
        }
        match self.header("transfer-encoding") {
            Some(coding) => {
                assert_eq!(coding, "chunked");
                Ending::Chunked
            }
            None => {
                assert!(self.closes(), "a body that ends by the close announces it");
                Ending::Close
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether it announces the close.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// Fails unless this is its status; gives it back for more questions.
    #[track_caller]
    pub(crate) fn with_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Fails unless it is a 200 with this body.
    #[track_caller]
    pub(crate) fn says(self, body: &str) -> Self {
        assert_eq!((self.status, self.text()), (200, body), "{self:?}");
        self
    }
}

/// Field lines: lower-case names, one space, no white space at the end.
pub(crate) fn fields<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<(String, String)> {
    lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}"));
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{line:?}");
            assert_eq!(value, value.trim(), "{line:?}");
            (name.to_owned(), value.to_owned())
        })
        .collect()
}
