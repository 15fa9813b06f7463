//! Which file a path means: split at slashes, each segment decoded once, then checked. It touches no file system, and
//! what it lets through has no segment that could mean anything else than a name.
//!
//! A file is served at one spelling of its path. Routes match paths as they were sent: were `%70rivate` as good as
//! `private`, it would lead around whatever guards a route or nest of that name.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};

use super::DotFiles;

/// A path below the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relative {
    /// Names and the slashes between them; empty: the root.
    pub(super) name: String,
    /// Whether a slash stands at the end.
    pub(super) is_folder: bool,
}

/// Why a path means no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It says nothing, or leads elsewhere: 400, with this sentence.
    Malformed(&'static str),
    /// It is not to be told whether there is such a file.
    NotFound,
    /// A harmless path, but one that no file has: 404, or 400 with this sentence. It may be that of a page of an app.
    NoName(Option<&'static str>),
    /// The path has another spelling, which is this.
    Respelled(String),
}

/// What stands in a path as it is: `pchar` of RFC 3986 §3.3, and the slashes between names. All else is escaped, with
/// capital digits (§2.1). It is what browsers send, but for `[`, `]`, `|`, `^`, `{` and `}`, which they leave as they
/// were typed.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    // Unreserved, §2.3.
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    // Sub-delimiters, §2.2.
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// Names as a path has them.
pub(super) fn spelled(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, PATH)
}

/// The path of a request, as it was sent, without its first slash.
pub(super) fn raw(raw: &str, dots: DotFiles) -> Result<Relative, Refused> {
    let path = from_raw(raw, dots)?;
    // RFC 3986 §6.2.2: only capital digits, and no escapes of what needs none. That sub-delimiters may be told from
    // their escapes (§2.2) is nothing to names of files: they have one spelling, too.
    let own = raw.strip_suffix('/').unwrap_or(raw);
    let rest = spelled(&path.name).try_fold(own, |rest, piece| rest.strip_prefix(piece));
    if rest == Some("") {
        return Ok(path);
    }
    let slash = if path.is_folder { "/" } else { "" };
    Err(Refused::Respelled(format!("{}{slash}", spelled(&path.name))))
}

fn from_raw(raw: &str, dots: DotFiles) -> Result<Relative, Refused> {
    relative(raw, |segment, name| {
        let mut after_percent = segment.split('%').skip(1).map(str::as_bytes);
        let is_escape = |rest: &[u8]| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        if !after_percent.all(is_escape) {
            return Err(Refused::Malformed("The path has a percent sign that begins no escape."));
        }
        let decoded = percent_decode_str(segment).decode_utf8();
        let decoded = decoded.map_err(|_| Refused::Malformed("The path is not UTF-8."))?;
        check(&decoded, dots)?;
        name.push_str(&decoded);
        Ok(())
    })
}

/// A path that is decoded already.
pub(super) fn decoded(path: &str, dots: DotFiles) -> Result<Relative, Refused> {
    relative(path, |segment, name| {
        check(segment, dots)?;
        name.push_str(segment);
        Ok(())
    })
}

/// A path whose segments `add` appends.
fn relative(path: &str, add: impl Fn(&str, &mut String) -> Result<(), Refused>) -> Result<Relative, Refused> {
    let mut name = String::with_capacity(path.len());
    let (rest, is_folder) = match path.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (path, path.is_empty()),
    };
    if path.is_empty() {
        return Ok(Relative { name, is_folder: false });
    }
    let mut result = Ok(());
    for segment in rest.split('/') {
        if !name.is_empty() {
            name.push('/');
        }
        match add(segment, &mut name) {
            Ok(()) => {}
            // What is malformed anywhere is told, whatever comes before it.
            Err(refused @ Refused::Malformed(_)) => return Err(refused),
            Err(refused) => {
                result = Err(result.err().map_or(refused.clone(), |before| worse(before, refused)))
            }
        }
    }
    result.map(|()| Relative { name, is_folder })
}

/// What two segments of a path come to.
fn worse(one: Refused, other: Refused) -> Refused {
    match (one, other) {
        (Refused::NoName(one), Refused::NoName(other)) => Refused::NoName(one.or(other)),
        // One is hidden, and the other has a sentence.
        (Refused::NoName(Some(reason)), _) | (_, Refused::NoName(Some(reason))) => Refused::Malformed(reason),
        (Refused::NoName(None), refused) | (refused, _) => refused,
    }
}

/// The longest name that file systems know, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Whether `name`, which is decoded, may be the name of a file or folder.
pub(super) fn check(name: &str, dots: DotFiles) -> Result<(), Refused> {
    if matches!(name, "." | "..") {
        return Err(Refused::Malformed("The path has a segment of dots."));
    }
    if name.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(Refused::Malformed("The path has a control character."));
    }
    if let Some(separator) = name.find(['/', '\\']) {
        let is_slash = name[separator..].starts_with('/');
        let reason = if is_slash { "The path has an encoded slash." } else { "The path has a backslash." };
        let leads_elsewhere = name.split(['/', '\\']).any(|part| part.starts_with('.'));
        return Err(if leads_elsewhere { Refused::Malformed(reason) } else { Refused::NoName(Some(reason)) });
    }
    if name.starts_with('.') && dots == DotFiles::NotFound {
        return Err(Refused::NotFound);
    }
    if name.is_empty() || name.len() > NAME_BYTES_MAX || is_drive(name) || is_device(name) {
        return Err(Refused::NoName(None));
    }
    Ok(())
}

/// `C:`, and what follows. A folder that is served is to mean the same wherever it lies.
fn is_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// The devices that Windows has in each folder, under any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end_matches(' ');
    let is = |device: &&str| stem.eq_ignore_ascii_case(device);
    if ["con", "prn", "aux", "nul", "conin$", "conout$"].iter().any(is) {
        return true;
    }
    // Also with the digits ¹, ² and ³.
    let (Some(kind), Some(number)) = (stem.get(..3), stem.get(3..)) else { return false };
    let is_port = kind.eq_ignore_ascii_case("com") || kind.eq_ignore_ascii_case("lpt");
    is_port && matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLASH: Refused = Refused::NoName(Some("The path has an encoded slash."));
    const SLASH_AND_DOTS: Refused = Refused::Malformed("The path has an encoded slash.");
    const DOTS: Refused = Refused::Malformed("The path has a segment of dots.");
    const BACKSLASH: Refused = Refused::NoName(Some("The path has a backslash."));
    const BACKSLASH_AND_DOTS: Refused = Refused::Malformed("The path has a backslash.");
    const NO_NAME: Refused = Refused::NoName(None);
    const CONTROL: Refused = Refused::Malformed("The path has a control character.");
    const UTF_8: Refused = Refused::Malformed("The path is not UTF-8.");
    const ESCAPE: Refused = Refused::Malformed("The path has a percent sign that begins no escape.");

    #[test]
    fn paths_that_mean_a_file() {
        for (path, name, is_folder) in [
            ("", "", false),
            ("a", "a", false),
            ("a/", "a", true),
            ("a/b.txt", "a/b.txt", false),
            ("a%20b/%C3%A4", "a b/ä", false),
            ("100%25", "100%", false),
            ("%2561", "%61", false),
            ("%252e%252e", "%2e%2e", false),
            ("it's/-._~!$&()*+,;=:@/", "it's/-._~!$&()*+,;=:@", true),
            ("%5B1%5D%7C%5E%7B%7D%22%3C%3E%60", "[1]|^{}\"<>`", false),
            ("what%3F%23", "what?#", false),
            ("a..b/...", "a..b/...", false),
            ("12:30", "12:30", false),
            ("console/com10/nulled", "console/com10/nulled", false),
        ] {
            let dots = if path.contains("...") { DotFiles::Served } else { DotFiles::NotFound };
            let expected = Relative { name: name.into(), is_folder };
            assert_eq!(raw(path, dots), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_file_has_one_spelling() {
        for (path, expected) in [
            ("%70rivate/secret.txt", "private/secret.txt"),
            ("private/secret%2Etxt", "private/secret.txt"),
            ("%61/", "a/"),
            ("a%7eb%7Ec", "a~b~c"),
            ("%c3%a4", "%C3%A4"),
            ("%c3%A4/%2520/", "%C3%A4/%2520/"),
            ("a%40b%2cc%2Cd%3A", "a@b,c,d:"),
            ("%21%24%26%27%28%29%2A%2B%2C%3B%3D", "!$&'()*+,;="),
            ("a[1].txt", "a%5B1%5D.txt"),
            ("{a}|^", "%7Ba%7D%7C%5E"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(raw(path, DotFiles::NotFound), Err(Refused::Respelled(expected.into())), "{path}");
            assert!(raw(expected, DotFiles::NotFound).is_ok(), "{expected}");
        }
    }

    /// Each character of a name is accepted in one spelling.
    #[test]
    fn no_name_has_two_spellings() {
        for byte in 0..=127_u8 {
            let mut ways = vec![format!("%{byte:02x}"), format!("%{byte:02X}"), char::from(byte).to_string()];
            ways.sort();
            ways.dedup();
            let accepted = ways.iter().filter(|way| {
                raw(&format!("ab{way}c"), DotFiles::Served).is_ok_and(|path| !path.name.contains('/'))
            });
            let is_name = !matches!(byte, b'/' | b'\\' | 0..=31 | 127);
            assert_eq!(accepted.count(), usize::from(is_name), "{ways:?}");
        }
    }

    #[test]
    fn paths_that_mean_none() {
        for (path, expected) in [
            ("..", DOTS),
            ("../a", DOTS),
            ("a/../b", DOTS),
            ("a/..", DOTS),
            ("a/../", DOTS),
            (".", DOTS),
            ("a/./b", DOTS),
            ("%2e%2E/a", DOTS),
            (".%2e", DOTS),
            ("a%2fb", SLASH),
            ("..%2Fa", SLASH_AND_DOTS),
            ("a%2f.%2fb", SLASH_AND_DOTS),
            ("a%2f.env", SLASH_AND_DOTS),
            ("a%5Cb", BACKSLASH),
            ("a%5C%5Cb", BACKSLASH),
            ("%5C", BACKSLASH),
            ("..%5Ca", BACKSLASH_AND_DOTS),
            ("a%5C..", BACKSLASH_AND_DOTS),
            ("a%2fb%5C..", SLASH_AND_DOTS),
            ("a%5C%00", CONTROL),
            ("a%00", CONTROL),
            ("a%0a", CONTROL),
            ("%7f", CONTROL),
            ("%c0%ae%c0%ae", UTF_8),
            ("%ff", UTF_8),
            ("%ed%a0%80", UTF_8),
            ("100%", ESCAPE),
            ("%zz", ESCAPE),
            ("/", NO_NAME),
            ("/etc", NO_NAME),
            ("a//b", NO_NAME),
            ("a//", NO_NAME),
            (".env", Refused::NotFound),
            ("a/.git/config", Refused::NotFound),
            ("C:", NO_NAME),
            ("c%3Aa", NO_NAME),
            ("CON", NO_NAME),
            ("nul.txt", NO_NAME),
            ("a/Aux .html", NO_NAME),
            ("COM1", NO_NAME),
            ("lpt%C2%B2.x", NO_NAME),
            ("CONIN$", NO_NAME),
            // Two of them, in any order.
            (".git/%2e%2e", DOTS),
            (".git//a", Refused::NotFound),
            ("a//.git", Refused::NotFound),
            (".git/a%5Cb", BACKSLASH_AND_DOTS),
            ("a%5Cb/.git", BACKSLASH_AND_DOTS),
            ("a%5Cb//con", BACKSLASH),
            ("con//a%5Cb", BACKSLASH),
            ("con/%2e%2e", DOTS),
        ] {
            assert_eq!(raw(path, DotFiles::NotFound), Err(expected), "{path}");
        }
        assert_eq!(raw(&"a".repeat(256), DotFiles::NotFound), Err(NO_NAME));
        assert!(raw(".env", DotFiles::Served).is_ok());
        assert_eq!(raw("..", DotFiles::Served), Err(DOTS));
    }

    #[test]
    fn decoded_paths_are_not_decoded_again() {
        assert_eq!(decoded("%2e%2e", DotFiles::NotFound).unwrap().name, "%2e%2e");
        assert_eq!(decoded("a/../b", DotFiles::NotFound), Err(DOTS));
        assert_eq!(decoded("a\\b", DotFiles::NotFound), Err(BACKSLASH));
        assert_eq!(decoded("/etc/passwd", DotFiles::NotFound), Err(NO_NAME));
    }

    /// Of whatever bytes: what is let through is made of names.
    #[test]
    fn no_segment_is_anything_but_a_name() {
        const PARTS: [&str; 16] = [
            "a", ".", "..", "/", "%2e", "%2f", "%5c", "\\", "%00", "%", "%c0%ae", "%25", "2e", "C:", "é",
            "%ff",
        ];
        let mut seed = 1_u64;
        let mut passed = 0;
        for _ in 0..200_000 {
            let mut path = String::new();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut rest = seed >> 20;
            for _ in 0..rest % 8 {
                path += PARTS[(rest >> 3) as usize % 16];
                rest >>= 5;
            }
            let Ok(Relative { name, .. }) = from_raw(&path, DotFiles::Served) else { continue };
            passed += 1;
            let is_name = |segment: &str| {
                !matches!(segment, "" | "." | "..") && !segment.contains(['\\', '\0']) && !is_drive(segment)
            };
            assert!(name.is_empty() || name.split('/').all(is_name), "{path:?}: {name:?}");
        }
        assert!(passed > 1000, "{passed}");
    }
}
