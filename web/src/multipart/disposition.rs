//! The `Content-Disposition` of a part (RFC 7578 §4.2), read by its grammar. `multer` looks for `name=` anywhere in it,
//! within a quoted file name too, which a client might choose; so it is not asked.

use super::MultipartError;

/// The names that a part has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
}

const MALFORMED: MultipartError = MultipartError::Malformed("the Content-Disposition of a part is not one");

impl Disposition {
    /// Parses the field's value: `form-data`, then parameters, each at most once.
    pub(super) fn parse(value: &[u8]) -> Result<Self, MultipartError> {
        let value = std::str::from_utf8(value)
            .map_err(|_| MultipartError::Malformed("the Content-Disposition of a part is not UTF-8"))?;
        let (kind, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(MultipartError::Malformed("the Content-Disposition of a part is not form-data"));
        }
        let (mut name, mut file_name) = (None, None);
        while let Some(parameter) = rest.strip_prefix(';') {
            let parameter = parameter.trim_start();
            // A semicolon at the end begins nothing.
            if parameter.is_empty() {
                break;
            }
            let (key, value) = parameter.split_once('=').ok_or(MALFORMED)?;
            let (text, after) = parameter_value(value.trim_start())?;
            rest = after.trim_start();
            let place = match key.trim_end() {
                key if key.eq_ignore_ascii_case("name") => &mut name,
                key if key.eq_ignore_ascii_case("filename") => &mut file_name,
                // RFC 7578 §4.2: `filename*` must not be used, and is not read.
                _ => continue,
            };
            if place.replace(text).is_some() {
                return Err(MultipartError::Malformed("a part has two names of a kind"));
            }
        }
        if !rest.is_empty() && rest.trim() != ";" {
            return Err(MALFORMED);
        }
        let name = name.ok_or(MultipartError::Malformed("a part has no name"))?;
        Ok(Self { name, file_name })
    }
}

/// The value of a parameter, and what comes behind it.
fn parameter_value(text: &str) -> Result<(String, &str), MultipartError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let value = value.trim_end();
        return if value.contains(['"', ' ', '\t']) { Err(MALFORMED) } else { Ok((value.to_owned(), rest)) };
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &quoted[index + 1..])),
            // Of a backslash, clients mean two things: an escape, or the path of a file on Windows. Only what would end
            // the text, and what was escaped for that reason, is taken for the former.
            '\\' if quoted[index + 1..].starts_with(['"', '\\']) => {
                value.extend(characters.next().map(|(_, escaped)| escaped));
            }
            other => value.push(other),
        }
    }
    Err(MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_the_grammar() {
        let rows: [(&str, &str, Option<&str>); 15] = [
            ("form-data; name=\"a\"", "a", None),
            ("FORM-DATA;NAME=a;FileName=b", "a", Some("b")),
            ("form-data; name=\"a\"; filename=\"b.txt\"", "a", Some("b.txt")),
            ("form-data; filename=\"b.txt\"; name=\"a\"", "a", Some("b.txt")),
            ("form-data ; name = \"a\" ; filename = \"b\" ;", "a", Some("b")),
            ("form-data; name=\"\"; filename=\"\"", "", Some("")),
            ("form-data; name=\"a;b=c\"", "a;b=c", None),
            // What a client chooses is no name of a field.
            ("form-data; filename=\"; name=x\"; name=\"a\"", "a", Some("; name=x")),
            ("form-data; name=\"; filename=x\"", "; filename=x", None),
            ("form-data; name=\"a\"; filename=\"b\\\"; name=\\\"c\"", "a", Some("b\"; name=\"c")),
            ("form-data; name=\"a\"; filename=\"C:\\dir\\b.txt\"", "a", Some("C:\\dir\\b.txt")),
            ("form-data; name=\"a\"; filename=\"b\\\\\"", "a", Some("b\\")),
            ("form-data; name=\"\u{fc}\"; filename=\"\u{20ac}.txt\"", "\u{fc}", Some("\u{20ac}.txt")),
            ("form-data; name=\"a\"; filename*=UTF-8''c", "a", None),
            ("form-data; name=\"a%22\"; size=3", "a%22", None),
        ];
        for (value, name, file_name) in rows {
            let read =
                Disposition::parse(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!((&*read.name, read.file_name.as_deref()), (name, file_name), "{value}");
        }
    }

    #[test]
    fn what_is_no_disposition_is_refused() {
        let rows: [&[u8]; 16] = [
            b"",
            b"form-data",
            b"attachment; name=\"a\"",
            b"form-data; name",
            b"form-data; name=\"a",
            b"form-data; name=\"a\\\"",
            b"form-data; name=\"a\" b",
            b"form-data; name=a b",
            b"form-data; name=a\"b\"",
            b"form-data; filename=\"a\"",
            b"form-data; name=\"a\"; name=\"b\"",
            b"form-data; name=\"a\"; NAME=b",
            b"form-data; name=\"a\"; filename=b; filename=c",
            b"form-data; name=\"\xff\"",
            b"form-data, name=\"a\"",
            b"form-data; ; name=\"a\"",
        ];
        for value in rows {
            let text = String::from_utf8_lossy(value);
            let error = Disposition::parse(value).expect_err(&text);
            assert_eq!(error.status(), 400, "{text}");
        }
    }
}
