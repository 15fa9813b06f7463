//! Figures as words. Rounded to what a reader can use; the results have all digits.

/// Milliseconds, in the unit that fits.
pub(super) fn ms(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".to_owned(),
        value if value >= 9_999.5 => format!("{:.1} s", value / 1e3),
        value if value >= 999.5 => format!("{:.2} s", value / 1e3),
        value if value >= 99.5 => format!("{value:.0} ms"),
        value if value >= 9.95 => format!("{value:.1} ms"),
        value if value >= 0.995 => format!("{value:.2} ms"),
        value => format!("{:.0} µs", value * 1e3),
    }
}

/// A time that was set, and is no measurement.
pub fn set_ms(value: u64) -> String {
    if value >= 1_000 && value.is_multiple_of(1_000) {
        format!("{} s", value / 1_000)
    } else {
        format!("{value} ms")
    }
}

/// A number with three digits or more.
pub(super) fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".to_owned(),
        value if value >= 99.5 => thousands(value),
        value if value >= 9.95 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A whole number, in groups of three digits.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage.
pub(super) fn share(value: f64) -> String {
    if value.is_finite() { format!("{:.1} %", value * 100.0) } else { "–".to_owned() }
}

/// Jain's index, rounded down: what is a little uneven is not called even.
pub(super) fn jain(value: f64) -> String {
    format!("{:.3}", (value * 1e3 + 1e-9).floor() / 1e3)
}

/// How often one is the other, as words.
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 9.95 => format!("{ratio:.0}"),
        ratio if ratio >= 0.95 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.2}"),
    }
}

/// The smallest and the largest, as words; once where they are the same.
pub(super) fn range(values: impl IntoIterator<Item = f64>, words: fn(f64) -> String) -> String {
    let (least, most) = values
        .into_iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    let (least, most) = (words(least), words(most));
    if least == most { least } else { format!("{least} to {most}") }
}

/// `one`, `two and three`, `one, two and three`.
pub(super) fn list(words: &[String]) -> String {
    match words {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_keep_their_unit() {
        assert_eq!([ms(0.9953), ms(203.5), ms(3_250.0), ms(0.05)], ["1.00 ms", "204 ms", "3.25 s", "50 µs"]);
        assert_eq!([number(12_345.6), number(3.0), number(f64::INFINITY)], ["12,346", "3.00", "–"]);
        assert_eq!([jain(1.0), jain(0.9989), jain(0.29)], ["1.000", "0.998", "0.290"]);
        assert_eq!([times(17.6), times(2.84), times(0.467)], ["18", "2.8", "0.47"]);
        assert_eq!([range([2.0, 1.0], times), range([1.0, 1.01], times)], ["1.0 to 2.0", "1.0"]);
        assert_eq!(list(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), "a, b and c");
    }
}
