//! Patterns of paths: their captures, and where nests begin. Matching routes is `matchit`'s task, which
//! must not be seen outside this folder.

use crate::extract::CAPTURES_MAX;

/// The names of the captures of `pattern`, in order; or what is wrong with it.
pub(super) fn names(pattern: &str) -> Result<Vec<Box<str>>, String> {
    if !pattern.starts_with('/') {
        return Err("a path begins with `/`".into());
    }
    // RFC 3986 §3.3, but for braces, `|`, `^` and brackets, which the server takes as they are.
    let is_wrong = |c: &char| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '\\' | '"' | '<' | '>' | '`');
    if let Some(wrong) = pattern.chars().find(is_wrong) {
        return Err(format!("{wrong:?} cannot stand in a path as it is sent: write it percent-encoded"));
    }
    let mut names: Vec<Box<str>> = Vec::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        if let Some(literal) = rest.strip_prefix('{') {
            rest = literal;
            continue;
        }
        let Some(close) = rest.find('}') else { return Err("a `{` is never closed".into()) };
        let name = rest[..close].trim_start_matches('*');
        // Doubled, a brace is text: here it could be that of the name, or of what comes behind.
        if name.contains('{') || rest[close + 1..].starts_with('}') {
            return Err(format!(
                "`{{{name}}}`: no brace stands in the name of a capture, or right behind one"
            ));
        }
        if let Some((name, kind)) = name.split_once(':') {
            // The kind of a value is that of the handler's argument, which says what is wrong with another.
            return Err(format!("`{name}` cannot have a kind in the pattern: take it as `Path<{kind}>`"));
        }
        if names.iter().any(|other| **other == *name) {
            return Err(format!("`{name}` is captured twice"));
        }
        names.push(name.into());
        rest = &rest[close + 1..];
    }
    if names.len() > CAPTURES_MAX {
        return Err(format!("{} captures are more than {CAPTURES_MAX}", names.len()));
    }
    check_text(pattern)?;
    Ok(names)
}

/// Text that no path has would make a pattern that never matches.
fn check_text(pattern: &str) -> Result<(), String> {
    let text: String =
        parts(pattern).map(|part| if let Part::Text(text) = part { text } else { "\0" }).collect();
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if text.split('%').skip(1).any(|rest| !is_escape(rest)) {
        return Err("a `%` begins an escape of two hexadecimal digits: for itself write `%25`".into());
    }
    match text.split('/').find(|segment| is_dots(segment)) {
        Some(dots) => Err(format!("clients resolve `{dots}` before they ask")),
        None => Ok(()),
    }
}

/// Whether a segment of a path is `.` or `..`, which clients resolve: RFC 3986 §5.2.4, and where they are escaped too, as
/// WHATWG URL says.
pub(super) fn is_dots(segment: &str) -> bool {
    let Some(rest) = behind_dot(segment) else { return false };
    rest.is_empty() || behind_dot(rest).is_some_and(str::is_empty)
}

/// What follows the dot that `text` begins with.
fn behind_dot(text: &str) -> Option<&str> {
    let (escape, behind) = text.split_at_checked(3).unwrap_or_default();
    if escape.eq_ignore_ascii_case("%2e") { Some(behind) } else { text.strip_prefix('.') }
}

/// What is wrong with `prefix` as that of a nest.
pub(super) fn check_prefix(prefix: &str) -> Result<(), String> {
    names(prefix)?;
    if prefix.ends_with('/') {
        return Err("the prefix of a nest does not end with `/`; to add routes at `/` use `merge`".into());
    }
    match prefix.split('/').find(|segment| !is_plain(segment)) {
        Some(segment) => {
            Err(format!("`{segment}`: a segment of a nest's prefix is plain text or one whole `{{capture}}`"))
        }
        None => Ok(()),
    }
}

fn is_plain(segment: &str) -> bool {
    let text = capture(segment).unwrap_or(segment);
    !text.contains(['{', '}', '*'])
}

/// The name of a segment that is one whole capture.
fn capture(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The captured parts of `path` where it lies at or below `prefix`.
pub(super) fn captures_below<'p>(prefix: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut captures = Vec::new();
    let mut segments = path.split('/');
    for wanted in prefix.split('/') {
        let segment = segments.next()?;
        match capture(wanted) {
            Some(_) if !segment.is_empty() => captures.push(segment),
            None if wanted == segment => {}
            _ => return None,
        }
    }
    Some(captures)
}

/// Whether a path that matches `pattern` can lie at or below `prefix`.
pub(super) fn can_overlap(pattern: &str, prefix: &str) -> bool {
    let mut segments = pattern.split('/');
    for wanted in prefix.split('/') {
        match segments.next() {
            None => return false,
            // The rest may begin within a segment: how that begins is not looked at.
            Some(segment) if parts(segment).any(|part| part == Part::Rest) => return true,
            Some(segment) if segment.contains('{') || capture(wanted).is_some() => {}
            Some(segment) if segment == wanted => {}
            Some(_) => return false,
        }
    }
    true
}

/// Whether `pattern` captures anything: braces may stand for themselves.
pub(super) fn has_captures(pattern: &str) -> bool {
    parts(pattern).any(|part| !matches!(part, Part::Text(_)))
}

/// Whether `pattern` is written below `prefix`, or at it.
pub(super) fn is_below(pattern: &str, prefix: &str) -> bool {
    pattern.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A prefix without the names of its captures: those of one shape cover the same paths.
pub(super) fn shape(prefix: &str) -> Vec<Option<&str>> {
    prefix.split('/').map(|segment| if capture(segment).is_some() { None } else { Some(segment) }).collect()
}

/// Sorts prefixes so that the first which covers a path is the closest: text wins over captures, from
/// the left as in patterns, and a longer one over its own beginning. Those of one shape come together.
pub(super) fn closeness(prefix: &str) -> impl Ord + use<> {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Segment {
        Text,
        Capture,
        End,
    }
    let shape = shape(prefix);
    let segments = shape.iter().map(|text| if text.is_some() { Segment::Text } else { Segment::Capture });
    let segments: Vec<Segment> = segments.chain([Segment::End]).collect();
    (segments, shape.into_iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>())
}

/// A piece of a pattern that has no fault.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'p> {
    /// As it is in a path.
    Text(&'p str),
    Capture,
    /// A capture of all that follows.
    Rest,
}

/// The pieces of `pattern`, in order.
pub(super) fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        let (part, after) = match rest.as_bytes() {
            [] => return None,
            // Doubled, a brace stands for itself.
            [b'{', b'{', ..] | [b'}', b'}', ..] => (Part::Text(&rest[..1]), &rest[2..]),
            [b'{', ..] => {
                let end = rest.find('}').map_or(rest.len(), |end| end + 1);
                let part = if rest[1..].starts_with('*') { Part::Rest } else { Part::Capture };
                (part, &rest[end..])
            }
            _ => {
                let end = rest[1..].find(['{', '}']).map_or(rest.len(), |end| end + 1);
                (Part::Text(&rest[..end]), &rest[end..])
            }
        };
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::{Part::*, parts};

    #[test]
    fn a_pattern_is_text_and_captures() {
        let rows: [(&str, &[super::Part<'_>]); 6] = [
            ("/", &[Text("/")]),
            ("/a/{b}", &[Text("/a/"), Capture]),
            ("/{a}.png/{*c}", &[Text("/"), Capture, Text(".png/"), Rest]),
            ("/{{a}}", &[Text("/"), Text("{"), Text("a"), Text("}")]),
            ("/{{{a}}}", &[Text("/"), Text("{"), Capture, Text("}")]),
            ("/{a", &[Text("/"), Capture]),
        ];
        for (pattern, expected) in rows {
            assert_eq!(parts(pattern).collect::<Vec<_>>(), expected, "{pattern}");
        }
    }
}
