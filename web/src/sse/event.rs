//! One event, as it is on the wire (HTML Living Standard, §9.2.5). No text in it can end the line that it stands in.

use std::{fmt::Write, time::Duration};

use bytes::Bytes;

/// An event: data, and perhaps a type, an id, and how soon to come again.
///
/// The data may be any text. Lines of it may end in CR, LF or both, and are lines to the client too, where they end in LF.
///
/// ```
/// use trijet_web::sse::Event;
///
/// let event = Event::new("21 degrees\nin the shade").event("weather").id("7");
/// assert_eq!(event.into_bytes(), "event: weather\nid: 7\ndata: 21 degrees\ndata: in the shade\n\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an event is sent as an item of a stream"]
pub struct Event {
    comment: Option<String>,
    event: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
    data: Option<String>,
}

impl Event {
    /// An event with this data.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: Some(data.into()), ..Self::default() }
    }

    /// No event to the client, but a line that it reads over.
    pub fn only_comment(comment: impl Into<String>) -> Self {
        Self { comment: Some(comment.into()), ..Self::default() }
    }

    /// Has the client come again so soon after a connection that has ended, from now on; no event to its listeners.
    pub fn only_retry(delay: Duration) -> Self {
        Self::default().retry(delay)
    }

    /// Its type: those who listen for that alone hear it. It is one line: line ends in it are left out.
    pub fn event(self, kind: impl Into<String>) -> Self {
        Self { event: Some(kind.into()), ..self }
    }

    /// Its id, which a client that comes again sends as `Last-Event-ID`. Line ends and NUL are left out; with the latter the
    /// client would not take it (§9.2.6).
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Has the client come again so soon after a connection that has ended, from now on. In milliseconds.
    pub fn retry(self, delay: Duration) -> Self {
        Self { retry: Some(delay), ..self }
    }

    /// A remark, which the client reads over.
    pub fn comment(self, comment: impl Into<String>) -> Self {
        Self { comment: Some(comment.into()), ..self }
    }

    /// As it is on the wire.
    pub fn into_bytes(self) -> Bytes {
        let sizes = [&self.comment, &self.event, &self.id, &self.data];
        let size: usize = sizes.into_iter().flatten().map(|text| text.len() + 9).sum();
        let mut wire = String::with_capacity(size + 32);
        if let Some(comment) = &self.comment {
            put_lines(&mut wire, ":", comment);
        }
        if let Some(kind) = &self.event {
            put_line(&mut wire, "event: ", kind);
        }
        if let Some(id) = &self.id {
            put_line(&mut wire, "id: ", id);
        }
        if let Some(retry) = self.retry {
            _ = writeln!(wire, "retry: {}", retry.as_millis());
        }
        if let Some(data) = &self.data {
            put_lines(&mut wire, "data:", data);
        }
        wire.push('\n');
        wire.into()
    }
}

/// One line, of which nothing is a line end. A client keeps NUL out of ids.
fn put_line(wire: &mut String, field: &str, text: &str) {
    wire.push_str(field);
    wire.extend(text.chars().filter(|character| !matches!(character, '\r' | '\n' | '\0')));
    wire.push('\n');
}

/// A line for each line of the text. A client takes one space from its beginning.
fn put_lines(wire: &mut String, field: &str, text: &str) {
    let mut rest = text;
    loop {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        wire.push_str(field);
        wire.push(' ');
        wire.push_str(line);
        wire.push('\n');
        if after.is_empty() {
            return;
        }
        rest = after.strip_prefix("\r\n").unwrap_or_else(|| &after[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(event: Event) -> String {
        String::from_utf8(event.into_bytes().to_vec()).unwrap()
    }

    #[test]
    fn each_line_end_is_one() {
        let rows = [
            ("", "data: \n\n"),
            ("a", "data: a\n\n"),
            (" a", "data:  a\n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\rb", "data: a\ndata: b\n\n"),
            ("a\r\nb", "data: a\ndata: b\n\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n\n"),
            ("a\r\r\nb", "data: a\ndata: \ndata: b\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\r\n\r\n", "data: \ndata: \ndata: \n\n"),
            ("a\n\nevent: x\nid: 1", "data: a\ndata: \ndata: event: x\ndata: id: 1\n\n"),
            ("\u{fc}\u{2028}\0", "data: \u{fc}\u{2028}\0\n\n"),
        ];
        for (data, expected) in rows {
            assert_eq!(wire(Event::new(data)), expected, "{data:?}");
        }
    }

    #[test]
    fn no_field_can_begin_another() {
        for injected in ["a\ndata: x", "a\rdata: x", "a\r\n\r\ndata: x", "\n\na\0data: x"] {
            let sent = wire(Event::new("d").event(injected).id(injected).comment(injected));
            let lines: Vec<&str> = sent.split(['\r', '\n']).collect();
            let data: Vec<_> = lines.iter().filter(|line| line.starts_with("data")).collect();
            assert_eq!(data, [&"data: d"], "{sent:?}");
            assert_eq!(lines.iter().filter(|line| line.starts_with("id: adata: x")).count(), 1, "{sent:?}");
            // One blank line, and what is behind it.
            assert_eq!(lines[lines.len() - 2..], ["", ""]);
            assert_eq!(lines.iter().filter(|line| line.is_empty()).count(), 2, "{sent:?}");
        }
    }

    #[test]
    fn what_is_no_event_has_no_data() {
        assert_eq!(wire(Event::only_comment("still\nhere")), ": still\n: here\n\n");
        assert_eq!(wire(Event::only_retry(Duration::from_millis(2500))), "retry: 2500\n\n");
        assert_eq!(wire(Event::new("a").retry(Duration::ZERO)), "retry: 0\ndata: a\n\n");
        assert!(wire(Event::only_retry(Duration::MAX)).len() < 40);
    }
}
