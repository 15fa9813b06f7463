//! Origins, as the `Origin` field has them: `scheme://host[:port]` (RFC 6454 §6.2). Here is what a builder takes
//! for one.

use http::{HeaderValue, Uri};

/// Checks an origin that a developer wrote. Browsers send it in lower case and without a default port, and it is
/// compared byte by byte, so anything else would never match.
///
/// # Panics
/// If it is none; the message says what is wrong.
#[track_caller]
pub(super) fn checked(origin: &str) -> HeaderValue {
    let fault = fault(origin);
    match (fault, HeaderValue::from_str(origin)) {
        (None, Ok(value)) => value,
        (fault, _) => panic!(
            "{origin:?} is no origin: {}; write it as browsers do, \"https://app.example\"",
            fault.unwrap_or("it is not a field value")
        ),
    }
}

fn fault(origin: &str) -> Option<&'static str> {
    if origin == "null" {
        return None;
    }
    let Some((scheme, host)) = origin.split_once("://") else { return Some("it has no scheme") };
    if origin.contains('*') {
        return Some("there are no patterns in it: decide by a function");
    }
    if host.is_empty() || host.contains(['/', '?', '#', '@']) {
        return Some("behind the scheme stand a host and perhaps a port, and nothing else");
    }
    if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("it has upper case in it");
    }
    if matches!((scheme, host.rsplit_once(':')), ("https", Some((_, "443"))) | ("http", Some((_, "80")))) {
        return Some("it has the default port of its scheme");
    }
    // Schemes of browsers' extensions have hosts of their own kind.
    (matches!(scheme, "http" | "https") && origin.parse::<Uri>().is_err()).then_some("its host is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_origin() {
        for (origin, is_one) in [
            ("https://app.example", true),
            ("http://localhost:3000", true),
            ("https://[2001:db8::1]:8443", true),
            ("chrome-extension://abcdefgh", true),
            ("null", true),
            ("", false),
            ("app.example", false),
            ("*", false),
            ("https://*.example", false),
            ("https://app.example/", false),
            ("https://app.example/path", false),
            ("https://user@app.example", false),
            ("https://App.example", false),
            ("https://app.example:443", false),
            ("http://app.example:80", false),
            ("https://", false),
            ("https://a b", false),
        ] {
            assert_eq!(fault(origin).is_none(), is_one, "{origin:?}");
        }
    }

    #[test]
    #[should_panic(expected = "\"https://app.example/\" is no origin")]
    fn what_is_none_is_told_at_start() {
        checked("https://app.example/");
    }
}
