//! The boundary that a form's `Content-Type` names (RFC 7578 §4.1, RFC 2046 §5.1.1). Clients write more without quotes than a
//! token may hold, as `----=_Part_1`; what cannot be misread is taken.

use http::{HeaderMap, header::CONTENT_TYPE};

use super::{MultipartError, parameters};

/// The boundary of the form that these fields announce.
pub(super) fn boundary(headers: &HeaderMap) -> Result<String, MultipartError> {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let Ok(value) = std::str::from_utf8(value) else { return Err(refused(value)) };
    parse(value)
}

/// What is not UTF-8 may still say first that it is a form.
fn refused(value: &[u8]) -> MultipartError {
    match parse(&String::from_utf8_lossy(value)) {
        Err(MultipartError::Unsupported) => MultipartError::Unsupported,
        _ => MultipartError::Malformed("the Content-Type is malformed"),
    }
}

fn parse(content_type: &str) -> Result<String, MultipartError> {
    let (kind, parameters) = content_type.split_at(content_type.find(';').unwrap_or(content_type.len()));
    if !parameters::trimmed(kind).eq_ignore_ascii_case("multipart/form-data") {
        return Err(MultipartError::Unsupported);
    }
    let (mut boundary, mut is_twice) = (None, false);
    parameters::each(parameters, |key, value| {
        if key.eq_ignore_ascii_case("boundary") {
            is_twice |= boundary.replace(value).is_some();
        }
    })
    .filter(|()| !is_twice)
    .ok_or(MultipartError::Malformed("the Content-Type is malformed"))?;
    let boundary = boundary.ok_or(MultipartError::Malformed("the Content-Type names no boundary"))?;
    // A longer one would cost as much for each piece of the body.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    if !(1..=70).contains(&boundary.len()) || boundary.ends_with(' ') || !boundary.bytes().all(is_allowed) {
        return Err(MultipartError::Malformed("the boundary must be 1 to 70 of the characters for one"));
    }
    Ok(boundary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_read_as_clients_write_them() {
        let rows = [
            ("multipart/form-data; boundary=b", "b"),
            ("multipart/form-data; boundary=\"b\"", "b"),
            ("multipart/form-data; boundary=b;", "b"),
            ("multipart/form-data; boundary=b ", "b"),
            ("Multipart/Form-Data;BOUNDARY=B", "B"),
            ("multipart/form-data ; charset=utf-8 ; boundary = b ; x=y", "b"),
            ("multipart/form-data; x=\"a;boundary=c\"; boundary=b", "b"),
            ("multipart/form-data; boundary=----=_Part_1", "----=_Part_1"),
            ("multipart/form-data; boundary=a:b", "a:b"),
            ("multipart/form-data; boundary=(a/b,c?)", "(a/b,c?)"),
            ("multipart/form-data; boundary=\"a b\"", "a b"),
        ];
        for (value, expected) in rows {
            assert_eq!(parse(value).ok().as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_names_no_boundary_is_refused() {
        let rows = [
            ("", 415),
            ("multipart/mixed; boundary=b", 415),
            ("multipart/form-data, multipart/form-data; boundary=b", 415),
            ("multipart/form-data", 400),
            ("multipart/form-data; boundary", 400),
            ("multipart/form-data; boundary=", 400),
            ("multipart/form-data; boundary=\"\"", 400),
            ("multipart/form-data; boundary=\"b", 400),
            ("multipart/form-data; boundary=\"b \"", 400),
            ("multipart/form-data; boundary=\"\\b\"", 400),
            ("multipart/form-data; boundary=a b", 400),
            ("multipart/form-data; boundary=a\"b", 400),
            ("multipart/form-data; boundary=b; boundary=c", 400),
            ("multipart/form-data; boundary=\u{fc}", 400),
            // White space, but not that of a field.
            ("multipart/form-data;\u{a0}boundary=b", 400),
            ("multipart/form-data; boundary\u{a0}=b", 400),
            ("multipart/form-data; boundary=\u{3000}b", 400),
            ("multipart/form-data; boundary=b\u{85}", 400),
            ("multipart/form-data; boundary=\"b\"\u{2003}", 400),
            ("multipart/form-data\u{a0}; boundary=b", 415),
        ];
        for (value, status) in rows {
            assert_eq!(parse(value).expect_err(value).status(), status, "{value}");
        }
    }
}
