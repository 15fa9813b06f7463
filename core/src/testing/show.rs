//! An exchange as text, for the messages of failed tests: what was sent, what came, nothing that a terminal would take for
//! an order, and no more of a body than a reader looks at. It judges nothing.

use std::fmt::{self, Write};

use http::HeaderMap;

/// The most bytes of a body that are shown.
pub(super) const SHOWN_MAX: usize = 2048;
/// The most bytes of a text that is compared with another.
const COMPARED_MAX: usize = 400;

/// What was sent: the head, and as much of the body as is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// As in `GET /`.
    pub(super) what: String,
    pub(super) head: Vec<u8>,
    body: Vec<u8>,
    body_len: usize,
}

impl Sent {
    pub(super) fn new(what: String, head: Vec<u8>) -> Self {
        Self { what, head, ..Self::default() }
    }

    pub(super) fn add_body(&mut self, bytes: &[u8]) {
        let room = (SHOWN_MAX + 1).saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.body_len += bytes.len();
    }

    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_head(f, "> ", &self.head)?;
        show_body(f, "> ", &self.body, self.body_len)
    }
}

/// What came, as it came.
pub(super) fn show_raw(f: &mut fmt::Formatter<'_>, raw: &[u8]) -> fmt::Result {
    if raw.is_empty() {
        return f.write_str("< (nothing)\n");
    }
    match super::find(raw, b"\r\n\r\n") {
        None => show_text(f, "< ", raw, raw.len(), "\r\n"),
        Some(end) => {
            show_head(f, "< ", &raw[..end + 4])?;
            let rest = &raw[end + 4..];
            if rest.is_empty() {
                return Ok(());
            }
            f.write_str("<\n")?;
            show_text(f, "< ", rest, rest.len(), "\r\n")
        }
    }
}

/// What came, understood.
pub(super) fn show_answer(
    f: &mut fmt::Formatter<'_>,
    heads: &[u8],
    body: &[u8],
    trailers: &HeaderMap,
) -> fmt::Result {
    show_head(f, "< ", heads)?;
    show_body(f, "< ", body, body.len())?;
    for (name, value) in trailers {
        writeln!(f, "< (trailer) {name}: {}", Shown(value.as_bytes()))?;
    }
    Ok(())
}

fn show_head(f: &mut fmt::Formatter<'_>, mark: &str, head: &[u8]) -> fmt::Result {
    let lines = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    show_text(f, mark, lines, lines.len(), "\r\n")
}

fn show_body(f: &mut fmt::Formatter<'_>, mark: &str, body: &[u8], len: usize) -> fmt::Result {
    if len == 0 {
        return Ok(());
    }
    writeln!(f, "{}", mark.trim_end())?;
    show_text(f, mark, body, len, "\n")
}

/// Lines, which end at `line_end`, of bytes that begin with `text` and are `len` in all.
fn show_text(f: &mut fmt::Formatter<'_>, mark: &str, text: &[u8], len: usize, line_end: &str) -> fmt::Result {
    let shown = shown(text, SHOWN_MAX);
    let mut rest = shown;
    loop {
        let end = super::find(rest, line_end.as_bytes());
        let line = format!("{mark}{}", Shown(&rest[..end.unwrap_or(rest.len())]));
        writeln!(f, "{}", line.trim_end_matches(' '))?;
        match end {
            Some(end) if end + line_end.len() < rest.len() => rest = &rest[end + line_end.len()..],
            _ => break,
        }
    }
    match len - shown.len() {
        0 => Ok(()),
        1 => writeln!(f, "{mark}[1 byte more]"),
        more => writeln!(f, "{mark}[{more} bytes more]"),
    }
}

/// At most `max` bytes of `text`, and no part of a character.
fn shown(text: &[u8], max: usize) -> &[u8] {
    if text.len() <= max {
        return text;
    }
    let is_inside = |at: &usize| text[*at] & 0b1100_0000 == 0b1000_0000;
    let end = (max - 3..=max).rev().find(|at| !is_inside(at)).unwrap_or(max);
    &text[..end]
}

/// Bytes as text in which everything can be seen: control characters and what is not UTF-8 is escaped as in Rust. A
/// backslash is not, so that JSON stays as it is.
pub(super) struct Shown<'b>(pub(super) &'b [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\0' => f.write_str("\\0")?,
                    character if is_unseen(character) => write!(f, "{}", character.escape_default())?,
                    character => f.write_char(character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Control characters, and those that change how others are shown.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// Two texts one above the other, and where they part.
pub(super) fn compared(wanted: &str, found: &str) -> String {
    let same = wanted.bytes().zip(found.bytes()).take_while(|(one, other)| one == other).count();
    let mut text = if same > COMPARED_MAX {
        // What is shown is the same, and the difference comes below.
        format!("  wanted: {}\n  found:  {}", quoted(wanted), quoted(found))
    } else {
        let [wanted, found] = pair(wanted, found);
        format!("  wanted: {wanted}\n  found:  {found}")
    };
    if same > 40 {
        let [wanted, found] = pair(after(wanted, same), after(found, same));
        _ = write!(text, "\n  they part after {same} bytes: {wanted} and {found}");
    }
    text
}

/// Two texts that are not the same, in quotes, so that it can be seen.
pub(super) fn pair(one: &str, other: &str) -> [String; 2] {
    let escaped = |text: &str| short_of(text, "\"", |shown| shown.escape_ascii().to_string());
    apart([one, other].map(quoted), || [one, other].map(escaped))
}

/// What is shown of two that differ: where that is the same, since a backslash is not escaped, what `escaped` gives.
pub(super) fn apart(shown: [String; 2], escaped: impl FnOnce() -> [String; 2]) -> [String; 2] {
    if shown[0] == shown[1] { escaped() } else { shown }
}

fn after(text: &str, mut at: usize) -> &str {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[at..]
}

/// In quotes; what is long is cut.
pub(super) fn quoted(text: &str) -> String {
    short(text, "\"")
}

/// Between two marks; what is long is cut.
pub(super) fn short(text: &str, mark: &str) -> String {
    short_of(text, mark, |shown| Shown(shown).to_string())
}

fn short_of(text: &str, mark: &str, show: impl FnOnce(&[u8]) -> String) -> String {
    let shown = shown(text.as_bytes(), COMPARED_MAX);
    match text.len() - shown.len() {
        0 => format!("{mark}{}{mark}", show(shown)),
        more => format!("{mark}{}{mark} [{more} bytes more]", show(shown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_seen() {
        let table: [(&[u8], &str); 6] = [
            (b"a \\ \"b\"", "a \\ \"b\""),
            (b"\0\t\x1b[2J\r\n\x7f", "\\0\\t\\u{1b}[2J\\r\\n\\u{7f}"),
            (b"\x89PNG\xff", "\\x89PNG\\xff"),
            ("J\u{fc}rgen \u{1f980}".as_bytes(), "J\u{fc}rgen \u{1f980}"),
            ("\u{202e}abc\u{200b}\u{85}".as_bytes(), "\\u{202e}abc\\u{200b}\\u{85}"),
            (b"cut \xe2\x82", "cut \\xe2\\x82"),
        ];
        for (bytes, expected) in table {
            assert_eq!(Shown(bytes).to_string(), expected);
        }
    }

    #[test]
    fn what_is_not_the_same_is_not_shown_the_same() {
        assert_eq!(compared("a\\n", "a\n"), "  wanted: \"a\\\\n\"\n  found:  \"a\\n\"");
        assert_eq!(compared("\\b", "\\c"), "  wanted: \"\\b\"\n  found:  \"\\c\"");
        let (one, other) = ("x".repeat(500) + "\\0", "x".repeat(500) + "\0");
        assert!(compared(&one, &other).ends_with("they part after 500 bytes: \"\\\\0\" and \"\\x00\""));
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let text = "\u{20ac}".repeat(1000);
        assert_eq!(shown(text.as_bytes(), SHOWN_MAX).len(), 2046);
        assert_eq!(shown(&[0x80; 3000], SHOWN_MAX).len(), SHOWN_MAX);
        assert_eq!(shown(b"abc", 3), b"abc");
        assert_eq!(quoted(&"x".repeat(401)), format!("\"{}\" [1 bytes more]", "x".repeat(400)));
        let (one, other) = ("x".repeat(50) + "\u{e9}", "x".repeat(50) + "\u{e8}");
        assert!(compared(&one, &other).ends_with("they part after 51 bytes: \"\u{e9}\" and \"\u{e8}\""));
    }
}
