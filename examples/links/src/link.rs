//! What a link is, and which ones are let in. Nothing here asks the database.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use serde::Serialize;
use trijet::Uri;

use crate::Failure;

const URL_BYTES_MAX: usize = 2048;
const CODE_LENGTHS: std::ops::RangeInclusive<usize> = 3..=32;
/// What has a route of its own.
const RESERVED: [&str; 3] = ["api", "metrics", "static"];
const NEW_CODE_LENGTH: usize = 7;
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A stored link.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    pub(crate) code: String,
    pub(crate) url: String,
}

/// Checks that `url` is one that a browser may be sent to: `http` or `https`, a host, no user or password,
/// and nothing that would have to be escaped.
pub(crate) fn check_url(url: &str) -> Result<(), Failure> {
    if url.len() > URL_BYTES_MAX {
        return Err(Failure::Invalid("A URL has at most 2,048 bytes."));
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Invalid("A URL is visible ASCII: everything else in it must be escaped."));
    }
    // A fragment is for the browser alone, and `Uri` does not take one.
    let address = url.split('#').next().unwrap_or_default();
    let uri: Uri = address.parse().map_err(|_| Failure::Invalid("This is not a URL."))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(Failure::Invalid("A URL begins with http:// or https://."));
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err(Failure::Invalid("A URL with a user or a password is not taken."))
        }
        None => Err(Failure::Invalid("A URL names a host.")),
        Some(authority) if authority.host().is_empty() => Err(Failure::Invalid("A URL names a host.")),
        Some(authority) if !has_valid_port(authority.as_str(), authority.host()) => {
            Err(Failure::Invalid("The port of a URL is a number up to 65535."))
        }
        Some(_) => Ok(()),
    }
}

/// RFC 3986 §3.2.3: a colon and digits follow the host, or a colon alone, or nothing.
fn has_valid_port(authority: &str, host: &str) -> bool {
    let is_number =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match authority.strip_prefix(host) {
        Some("" | ":") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(is_number),
        None => false,
    }
}

/// Checks a code that the user chose.
pub(crate) fn check_code(code: &str) -> Result<(), Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if RESERVED.contains(&code) {
        return Err(Failure::Taken);
    }
    if CODE_LENGTHS.contains(&code.len()) && code.bytes().all(is_plain) {
        return Ok(());
    }
    Err(Failure::Invalid("A code has 3 to 32 letters, digits, - or _."))
}

/// A new code, likely to be free. It is not a secret.
pub(crate) fn new_code() -> String {
    // Keyed by the system's random numbers, with another key at each call.
    let mut random = RandomState::new().build_hasher().finish();
    let letters = std::iter::repeat_with(|| {
        let letter = LETTERS[usize::try_from(random % 62).unwrap_or_default()];
        random /= 62;
        char::from(letter)
    });
    letters.take(NEW_CODE_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_let_in_or_not() {
        for url in [
            "http://example.com",
            "http://example.com:/",
            "http://example.com:65535",
            "http://[2001:db8::1]:8080/",
            "https://example.com:8443/a/b?c=d&e=%20#part",
            "http://[2001:db8::1]/",
            "HTTPS://EXAMPLE.COM/",
        ] {
            assert!(check_url(url).is_ok(), "{url}");
        }
        let long = format!("http://example.com/{}", "a".repeat(URL_BYTES_MAX));
        for url in [
            "",
            "example.com",
            "/path",
            "ftp://example.com",
            "javascript:alert(1)",
            "http://",
            "http://:80/",
            "http://example.com:99999/",
            "http://example.com:65536",
            "http://example.com:+80/",
            "http://example.com:a/",
            "http://[2001:db8::1]:99999/",
            "http://[2001:db8::1]8080/",
            "http://user:secret@example.com/",
            "http://example.com/ö",
            "http://example.com/a b",
            "http://example.com/\r\nset-cookie:a",
            &long,
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn new_codes_are_valid_and_differ() {
        let codes: std::collections::HashSet<String> = (0..1000).map(|_| new_code()).collect();
        assert_eq!(codes.len(), 1000);
        assert!(codes.iter().all(|code| check_code(code).is_ok()));
        for code in ["", "ab", "a/b", "a b c", "äöü", "metrics"] {
            assert!(check_code(code).is_err(), "{code}");
        }
    }
}
