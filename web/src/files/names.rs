//! What the name of a file says: its content type, and the name that it is saved under. Pure.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The content type of a file of this name. Text is said to be UTF-8.
pub(super) fn content_type(name: &str) -> HeaderValue {
    let extension = name.rsplit('/').next().unwrap_or_default().rsplit_once('.').map_or("", |(_, last)| last);
    // The first are what nearly all requests are for; of the last, the table has an older name (RFC 9239 §6).
    let known = match extension {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        _ => match mime_guess::from_ext(extension).first_raw() {
            Some("application/javascript") => "text/javascript; charset=utf-8",
            Some(text) if text.starts_with("text/") => {
                return HeaderValue::try_from(format!("{text}; charset=utf-8")).unwrap_or(UNKNOWN);
            }
            Some(other) => other,
            None => return UNKNOWN,
        },
    };
    HeaderValue::from_static(known)
}

/// RFC 8187 §3.2.1: what an extended value holds as it is, `attr-char`.
const ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Content-Disposition` for a file that is saved as `name`: RFC 6266.
///
/// `filename` is for clients that know nothing else; where it cannot be the name, `filename*` is (§4.3). In
/// it there is nothing that any of them could take for an escape, a folder or the end of the text (appendix D); and in
/// neither what would have a name shown in another order than it has: a program that seems to be a picture.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let name: String =
        name.chars().filter(|&character| !character.is_control() && !is_bidi(character)).collect();
    let plain: String = name
        .chars()
        .map(|character| match character {
            '"' | '\\' | '%' | '/' => '_',
            ' '..='~' => character,
            _ => '_',
        })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        value += &format!("; filename*=UTF-8''{}", utf8_percent_encode(&name, ATTRIBUTE));
    }
    // All of it is visible ASCII or a space.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Unicode Standard Annex #9, §2: marks, embeddings, overrides and isolates.
fn is_bidi(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTML", "text/html; charset=utf-8"),
            ("a/app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("APP.MJS", "text/javascript; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("data.csv", "text/csv; charset=utf-8"),
            ("data.json", "application/json"),
            ("picture.svg", "image/svg+xml"),
            ("picture.webp", "image/webp"),
            ("picture.avif", "image/avif"),
            ("picture.png", "image/png"),
            ("module.wasm", "application/wasm"),
            ("font.woff2", "font/woff2"),
            ("paper.pdf", "application/pdf"),
            ("site.webmanifest", "application/manifest+json"),
            ("film.mp4", "video/mp4"),
            ("archive.tar.gz", "application/gzip"),
            ("README", "application/octet-stream"),
            ("a.html/README", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn names_to_save_under() {
        for (name, expected) in [
            ("report.pdf", r#"attachment; filename="report.pdf""#),
            ("a b.txt", r#"attachment; filename="a b.txt""#),
            (
                "Bericht für Jürgen.pdf",
                r#"attachment; filename="Bericht f_r J_rgen.pdf"; filename*=UTF-8''Bericht%20f%C3%BCr%20J%C3%BCrgen.pdf"#,
            ),
            ("€ rates", r#"attachment; filename="_ rates"; filename*=UTF-8''%E2%82%AC%20rates"#),
            (r#"a"b\c.txt"#, r#"attachment; filename="a_b_c.txt"; filename*=UTF-8''a%22b%5Cc.txt"#),
            ("100%41.txt", r#"attachment; filename="100_41.txt"; filename*=UTF-8''100%2541.txt"#),
            ("../a", r#"attachment; filename=".._a"; filename*=UTF-8''..%2Fa"#),
            ("a\r\nset-cookie: x\0", r#"attachment; filename="aset-cookie: x""#),
            ("ann\u{202e}fdp.exe", r#"attachment; filename="annfdp.exe""#),
            ("\u{2066}a\u{2069}\u{200f}\u{61c}.txt", r#"attachment; filename="a.txt""#),
            ("it's (1)*.txt", r#"attachment; filename="it's (1)*.txt""#),
            ("ä'()*;=", r#"attachment; filename="_'()*;="; filename*=UTF-8''%C3%A4%27%28%29%2A%3B%3D"#),
            ("", r#"attachment; filename="""#),
        ] {
            assert_eq!(attachment(name), expected, "{name}");
        }
    }
}
