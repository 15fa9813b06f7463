//! A value as it stands in a file or a variable, and what it means. Text means the same in both.

use std::{fmt, time::Duration};

/// A value, before it is known what it has to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Whole(u64),
    /// Any other number: negative, or with a fraction.
    Number(f64),
    Text(String),
    List(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => number.fmt(f),
            // With its fraction, also where that is zero.
            Self::Number(number) => fmt::Debug::fmt(number, f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(list) if list.is_empty() => f.write_str("an empty list"),
            Self::List(_) => f.write_str("a list"),
        }
    }
}

pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Whole(number) => Some(*number),
        Value::Text(text) => whole(text.trim()),
        _ => None,
    }
}

/// A whole number in plain digits: the standard library takes a sign too.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What `read` finds, or nothing where it is the word for that.
pub(super) fn or_word<T>(word: &str, value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Text(text) if text.trim() == word => Some(None),
        value => read(value).map(Some),
    }
}

pub(super) fn bytes(value: &Value) -> Option<u64> {
    let Value::Text(text) = value else { return count(value) };
    let (number, unit) = split(text);
    let scale: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    whole(number)?.checked_mul(scale)
}

pub(super) fn time(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Whole(seconds) => return Some(Duration::from_secs(*seconds)),
        Value::Number(seconds) => *seconds,
        Value::Text(text) => {
            let (number, unit) = split(text);
            let scale = match unit {
                "ms" => {
                    if let Some(millis) = whole(number) {
                        return Some(Duration::from_millis(millis));
                    }
                    0.001
                }
                "" | "s" => 1.0,
                "min" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
            // Infinity and the like are words to the standard library.
            let is_plain = number.starts_with(|first: char| first.is_ascii_digit());
            is_plain.then(|| number.parse::<f64>().ok()).flatten()? * scale
        }
        Value::Flag(_) | Value::List(_) => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// The permissions of a file. A number in a file would be read as decimal by some formats and as octal by others.
pub(super) fn mode(value: &Value) -> Option<u32> {
    let Value::Text(text) = value else { return None };
    let digits = text.trim();
    let is_octal = !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = is_octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten()?;
    (mode <= 0o777).then_some(mode)
}

/// A number and its unit, with or without a space between.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic() || c == ' ').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (value, expected) in [
            (Value::Whole(5), Duration::from_secs(5)),
            (Value::Number(0.25), Duration::from_millis(250)),
            (text("5"), Duration::from_secs(5)),
            (text(" 1.5 s "), Duration::from_millis(1500)),
            (text("500ms"), Duration::from_millis(500)),
            (text("2 min"), Duration::from_secs(120)),
            (text("1h"), Duration::from_secs(3600)),
            (text("0"), Duration::ZERO),
        ] {
            assert_eq!(time(&value), Some(expected), "{value}");
        }
        for value in ["", "s", "-1", "+1", "1 day", "1 S", "inf", "nan", "1e400", "1 s s", "5 5", "٣ s"] {
            assert_eq!(time(&text(value)), None, "{value:?}");
        }
        assert_eq!(time(&Value::Number(-1.0)), None);
        assert_eq!(time(&Value::Number(f64::NAN)), None);
        assert_eq!(time(&Value::Flag(true)), None);
    }

    #[test]
    fn bytes_are_whole_and_never_overflow() {
        for (value, expected) in [
            (Value::Whole(u64::MAX), u64::MAX),
            (text("8 MiB"), 8 << 20),
            (text("16KiB"), 16 << 10),
            (text("1GiB"), 1 << 30),
            (text("7 B"), 7),
            (text("7"), 7),
        ] {
            assert_eq!(bytes(&value), Some(expected), "{value}");
        }
        for value in
            ["", "MiB", "1.5 MiB", "-1", "+1", "8 MB", "8 mib", "18446744073709551615 KiB", "1 MiB x"]
        {
            assert_eq!(bytes(&text(value)), None, "{value:?}");
        }
    }

    #[test]
    fn modes_are_octal_digits_in_text() {
        assert_eq!([mode(&text("0660")), mode(&text("777"))], [Some(0o660), Some(0o777)]);
        for value in [text(""), text("0o660"), text("880"), text("01777"), text("-1"), Value::Whole(660)] {
            assert_eq!(mode(&value), None, "{value}");
        }
    }
}
