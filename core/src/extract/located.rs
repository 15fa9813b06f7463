//! Where a value did not fit, and what was expected there. What fits is read once, by `serde`'s own means; only what does
//! not is read again, with an eye on the way.

#[cfg(any(feature = "json", feature = "query", feature = "form"))]
use serde::{Deserialize, Deserializer};

use crate::respond::escaped;

/// `error`, which `T` gave, with the field that it is about: `` `items[2].price`: invalid type: string "x", expected u32 ``.
/// `again` reads the same input once more.
#[cfg(any(feature = "json", feature = "query", feature = "form"))]
pub(super) fn located<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    error: &dyn std::fmt::Display,
    again: D,
) -> String {
    let what = explained(error);
    match serde_path_to_error::deserialize::<D, T>(again) {
        Err(error) if error.path().iter().any(|segment| !is_unknown(segment)) => {
            format!("`{}`: {what}", escaped(&error.path()))
        }
        // A fault of the whole; or a type that does not always decide alike.
        Err(_) | Ok(_) => what,
    }
}

#[cfg(any(feature = "json", feature = "query", feature = "form"))]
fn is_unknown(segment: &serde_path_to_error::Segment) -> bool {
    matches!(segment, serde_path_to_error::Segment::Unknown)
}

/// `error`, safe to be sent, and with what is expected where it does not say so: std does not for a number, and
/// `serde_html_form` not for a name that is repeated.
pub(super) fn explained(error: &dyn std::fmt::Display) -> String {
    let mut text = escaped(error);
    let is_of_a_number = ["", "x"]
        .iter()
        .any(|no_number| no_number.parse::<u8>().is_err_and(|error| error.to_string() == text));
    if is_of_a_number {
        text.push_str("; a whole number is expected");
    } else if text == "unsupported value" {
        text.push_str("; one value is expected, and there are several");
    }
    text
}
