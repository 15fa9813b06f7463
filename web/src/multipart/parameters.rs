//! What stands behind the first semicolon of a field (RFC 9110 §5.6.6), as browsers and mail programs write it.

/// Without the white space around it that a field may have there: spaces and tabs (RFC 9110 §5.6.3), and none of the others
/// that Unicode knows. Who takes one of those for part of a name sees another name.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(WHITE)
}

const WHITE: [char; 2] = [' ', '\t'];

/// Calls `take` for each parameter in `text`, which is empty or begins with a semicolon. `None` for what is not that.
pub(super) fn each(mut text: &str, mut take: impl FnMut(&str, String)) -> Option<()> {
    while let Some(parameter) = text.strip_prefix(';') {
        let parameter = parameter.trim_start_matches(WHITE);
        // A semicolon at the end begins nothing.
        if parameter.is_empty() {
            return Some(());
        }
        let (key, value) = parameter.split_once('=')?;
        let (value, rest) = parameter_value(value.trim_start_matches(WHITE))?;
        take(key.trim_end_matches(WHITE), value);
        text = rest.trim_start_matches(WHITE);
    }
    text.is_empty().then_some(())
}

/// The value of a parameter, and what comes behind it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let value = value.trim_end_matches(WHITE);
        return if value.contains(['"', ' ', '\t']) { None } else { Some((value.to_owned(), rest)) };
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[index + 1..])),
            // Of a backslash, clients mean two things: an escape, or the path of a file on Windows. Only what would end
            // the text, and what was escaped for that reason, is taken for the former.
            '\\' if quoted[index + 1..].starts_with(['"', '\\']) => {
                value.extend(characters.next().map(|(_, escaped)| escaped));
            }
            other => value.push(other),
        }
    }
    None
}
