//! Figures as words. Rounded to what a reader can use; the results have all digits.

use crate::{standing::Place, statistics::Spread};

/// The median, and the ends in brackets.
pub(super) fn range(spread: &Spread) -> String {
    let Spread { median, least, most } = *spread;
    if least == most {
        return number(median);
    }
    format!("{} ({}–{})", number(median), number(least), number(most))
}

/// Three digits that count, or all before the point.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    if digits > 0 { format!("{value:.digits$}") } else { whole(value) }
}

/// A count, in groups of three digits.
pub(super) fn whole(value: f64) -> String {
    let text = format!("{value:.0}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    format!("{sign}{}", groups.join(","))
}

/// `one`, `two and three`, `one, two and three`.
pub(super) fn list(words: &[String]) -> String {
    match words {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// A name as code.
pub(super) fn code(name: &str) -> String {
    format!("`{name}`")
}

/// Where one stands, followed by whom it stands to. What is not equal is to be seen at once.
pub(super) fn towards(place: Place) -> &'static str {
    match place {
        Place::Ahead => "**ahead** of",
        Place::Equal => "equal to",
        Place::Behind => "**behind**",
    }
}

/// The place of a title on the page, as those who show Markdown make it.
pub(super) fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let numbers = [0.0, 0.1234, 1.234, 12.34, 123.4, 1234.4, 1234567.0, -1234.0].map(number);
        assert_eq!([whole(12.4), whole(-1234.0)], ["12", "-1,234"]);
        assert_eq!(numbers, ["0", "0.123", "1.23", "12.3", "123", "1,234", "1,234,567", "-1,234"]);
    }

    #[test]
    fn titles_have_places() {
        let place = anchor("A plain `fn` (or what may block there), 64 connections");
        assert_eq!(place, "a-plain-fn-or-what-may-block-there-64-connections");
    }
}
