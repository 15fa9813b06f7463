//! A row of the table: a rule, what is sent, and what may come back. Rows are data; nothing here plays or
//! judges them.

use std::fmt::Write;

/// How strong the rule is: as the quoted words say. Grammar and definitions have the level of the rule that
/// has them kept, such as RFC 9112 §2.2, by which octets that are no HTTP message SHOULD get a 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Must,
    MustNot,
    Should,
    ShouldNot,
    /// A MAY or an "ought to" that this server has taken, or what the RFC tells without asking for it.
    Given,
}

impl Level {
    /// The level that is in the words of a rule, if one is.
    pub(crate) fn said(rule: &str) -> Option<Self> {
        let quoted: String = quotes(rule).collect();
        let levels = [
            ("MUST NOT", Self::MustNot),
            ("MUST", Self::Must),
            ("SHOULD NOT", Self::ShouldNot),
            ("SHOULD", Self::Should),
            ("RECOMMENDED", Self::Should),
            ("MAY", Self::Given),
            ("ought to", Self::Given),
        ];
        levels.iter().find(|(word, _)| quoted.contains(word)).map(|(_, level)| *level)
    }
}

/// What of a rule is quoted.
pub(crate) fn quotes(rule: &str) -> impl Iterator<Item = &str> {
    rule.split('“').skip(1).filter_map(|rest| rest.split_once('”')).map(|(quote, _)| quote)
}

/// How the bytes are cut into writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Whole,
    Bytes,
}

impl Cut {
    /// How much is sent at a time. What a long row is long by is not of interest byte by byte.
    pub(crate) fn size(self, bytes: usize) -> usize {
        match self {
            Self::Whole => bytes.max(1),
            Self::Bytes if bytes > 1 << 10 => 97,
            Self::Bytes => 1,
        }
    }
}

/// What the client does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Waits until this has come, behind what was awaited before.
    Await(&'static str),
    HalfClose,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A further request on it is answered.
    Kept,
    /// The last answer says that it closes, and a further request is not answered.
    Closed,
    /// The client ends its direction, and the server follows.
    Ended,
}

/// One answer, in its place.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) statuses: Vec<u16>,
    pub(crate) is_to_head: bool,
    pub(crate) checks: Vec<Check>,
}

#[derive(Clone, Debug)]
pub(crate) enum Check {
    Field(&'static str, &'static str),
    Has(&'static str),
    StatusLine(&'static str),
    /// A `Date` of the form that senders have to use.
    FixedDate,
    /// Text that tells why.
    Explanation,
    Lacks(&'static str),
    Body(Vec<u8>),
    /// The body is chunked, and these are its trailers.
    Trailer(&'static str, &'static str),
    NoTrailer(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) section: &'static str,
    pub(crate) level: Level,
    pub(crate) name: &'static str,
    /// With at least one quote in “ ”, in which … stands for words left out.
    pub(crate) rule: &'static str,
    pub(crate) steps: Vec<Step>,
    pub(crate) answers: Vec<Expected>,
    pub(crate) end: End,
}

/// What is sent last where the connection is to be kept, or must not be.
pub(crate) const PROBE: &str = "GET /probe HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";

macro_rules! levels {
    ($($function:ident $level:ident),*) => {
        $(pub(crate) fn $function(section: &'static str, name: &'static str, rule: &'static str) -> Row {
            Row {
                section,
                level: Level::$level,
                name,
                rule,
                steps: Vec::new(),
                answers: Vec::new(),
                end: End::Kept,
            }
        })*
    };
}
levels!(must Must, must_not MustNot, should Should, should_not ShouldNot, given Given);

/// A row of a table: its level is in the words of its rule, or else is that of the table.
pub(crate) fn by(table: Level, section: &'static str, name: &'static str, rule: &'static str) -> Row {
    let level = Level::said(rule).unwrap_or(table);
    Row { level, ..must(section, name, rule) }
}

impl Row {
    pub(crate) fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Send(bytes.as_ref().to_vec()));
        self
    }

    /// Waits for this text before it goes on.
    pub(crate) fn awaits(mut self, text: &'static str) -> Self {
        self.steps.push(Step::Await(text));
        self
    }

    /// An answer with this status is next.
    pub(crate) fn gets(self, status: u16) -> Self {
        self.gets_any(&[status])
    }

    /// An answer with one of these is next.
    pub(crate) fn gets_any(mut self, statuses: &[u16]) -> Self {
        self.answers.push(Expected { statuses: statuses.to_vec(), is_to_head: false, checks: Vec::new() });
        self
    }

    /// An answer to a HEAD request is next.
    pub(crate) fn gets_head(self, status: u16) -> Self {
        let mut row = self.gets(status);
        row.last().is_to_head = true;
        row
    }

    fn last(&mut self) -> &mut Expected {
        self.answers.last_mut().expect("a check follows the answer that it is of")
    }

    fn check(mut self, check: Check) -> Self {
        self.last().checks.push(check);
        self
    }

    /// The answer has one field of this name, with this value.
    pub(crate) fn field(self, name: &'static str, value: &'static str) -> Self {
        self.check(Check::Field(name, value))
    }

    pub(crate) fn has(self, name: &'static str) -> Self {
        self.check(Check::Has(name))
    }

    /// The first line is this, to the octet.
    pub(crate) fn status_line(self, line: &'static str) -> Self {
        self.check(Check::StatusLine(line))
    }

    pub(crate) fn fixed_date(self) -> Self {
        self.check(Check::FixedDate)
    }

    pub(crate) fn explains(self) -> Self {
        self.check(Check::Explanation)
    }

    pub(crate) fn lacks(self, name: &'static str) -> Self {
        self.check(Check::Lacks(name))
    }

    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        self.check(Check::Body(body.as_ref().to_vec()))
    }

    pub(crate) fn trailer(self, name: &'static str, value: &'static str) -> Self {
        self.check(Check::Trailer(name, value))
    }

    pub(crate) fn lacks_trailer(self, name: &'static str) -> Self {
        self.check(Check::NoTrailer(name))
    }

    /// A further request is answered.
    pub(crate) fn kept(mut self) -> Self {
        self.steps.push(Step::Send(PROBE.into()));
        self.answers.push(Expected {
            statuses: vec![200],
            is_to_head: false,
            checks: vec![Check::Body(b"probe".to_vec())],
        });
        self.end = End::Kept;
        self
    }

    /// The close is announced, and a further request is not answered.
    pub(crate) fn closed(mut self) -> Self {
        self.steps.push(Step::Send(PROBE.into()));
        self.end = End::Closed;
        self
    }

    /// The client ends its direction.
    pub(crate) fn ended(mut self) -> Self {
        self.steps.push(Step::HalfClose);
        self.end = End::Ended;
        self
    }

    /// The steps, as they are shown.
    pub(crate) fn shown(&self) -> String {
        let mut shown = String::new();
        for step in &self.steps {
            _ = match step {
                Step::Send(bytes) => writeln!(shown, "  > {}", shortened(bytes)),
                Step::Await(text) => writeln!(shown, "  < … {}", text.escape_debug()),
                Step::HalfClose => writeln!(shown, "  > (end)"),
            };
        }
        shown
    }
}

/// Escaped, and long ones by their ends.
pub(crate) fn shortened(bytes: &[u8]) -> String {
    const SHOWN: usize = 700;
    if bytes.len() <= SHOWN {
        return bytes.escape_ascii().to_string();
    }
    let (start, end) = (&bytes[..SHOWN / 2], &bytes[bytes.len() - SHOWN / 2..]);
    format!("{} … {} bytes … {}", start.escape_ascii(), bytes.len() - SHOWN, end.escape_ascii())
}
