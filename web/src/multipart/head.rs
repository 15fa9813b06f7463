//! What a part says of itself: [`Head`] (RFC 7578 §4.2), read by its grammar. Nothing in a quoted file name, which a client
//! may have chosen, is ever the name of a field.

use super::{MultipartError, parameters};

/// What a part says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

/// So many fields in a head: two are usual.
const FIELDS_MAX: usize = 32;

const MALFORMED: MultipartError = MultipartError::Malformed("the head of a part is not one");

impl Head {
    /// Of the fields of a part, with the blank line behind them.
    pub(super) fn parse(fields: &[u8]) -> Result<Self, MultipartError> {
        let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let Ok(httparse::Status::Complete((_, headers))) = httparse::parse_headers(fields, &mut headers)
        else {
            return Err(MALFORMED);
        };
        let disposition = only(headers, "content-disposition", "a part has two fields Content-Disposition")?;
        let disposition =
            disposition.ok_or(MultipartError::Malformed("a part has no Content-Disposition"))?;
        let content_type = only(headers, "content-type", "a part has two fields Content-Type")?;
        let content_type = content_type.and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned);
        let (name, file_name) = names(disposition)?;
        Ok(Self { name, file_name, content_type })
    }
}

/// The value of this field. Of two, one reader would take the first and another the last.
fn only<'h>(
    headers: &[httparse::Header<'h>],
    name: &str,
    two: &'static str,
) -> Result<Option<&'h [u8]>, MultipartError> {
    let mut found = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let value = found.next().map(|header| header.value);
    if found.next().is_some() { Err(MultipartError::Malformed(two)) } else { Ok(value) }
}

/// The names of a field and of a file, by a `Content-Disposition`: `form-data`, then parameters, each at most once.
fn names(value: &[u8]) -> Result<(String, Option<String>), MultipartError> {
    let value = std::str::from_utf8(value)
        .map_err(|_| MultipartError::Malformed("the Content-Disposition of a part is not UTF-8"))?;
    let (kind, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
    if !parameters::trimmed(kind).eq_ignore_ascii_case("form-data") {
        return Err(MultipartError::Malformed("the Content-Disposition of a part is not form-data"));
    }
    let (mut name, mut file_name, mut is_twice) = (None, None, false);
    parameters::each(parameters, |key, value| {
        let place = match key {
            key if key.eq_ignore_ascii_case("name") => &mut name,
            key if key.eq_ignore_ascii_case("filename") => &mut file_name,
            // RFC 7578 §4.2: `filename*` must not be used, and is not read.
            _ => return,
        };
        is_twice |= place.replace(value).is_some();
    })
    .ok_or(MultipartError::Malformed("the Content-Disposition of a part is not one"))?;
    if is_twice {
        return Err(MultipartError::Malformed("a part has two names of a kind"));
    }
    Ok((name.ok_or(MultipartError::Malformed("a part has no name"))?, file_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_the_grammar() {
        let rows: [(&str, &str, Option<&str>); 17] = [
            // White space that no field has around its parts is the name's own.
            ("form-data; name=\u{a0}a\u{3000}", "\u{a0}a\u{3000}", None),
            ("form-data;\u{a0}name=b; name=a", "a", None),
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
            let (read, file) = names(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!((&*read, file.as_deref()), (name, file_name), "{value}");
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
            let error = names(value).expect_err(&text);
            assert_eq!(error.status(), 400, "{text}");
        }
    }
}
