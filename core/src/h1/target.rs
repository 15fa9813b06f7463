//! Request targets and Host: their grammar, byte by byte. Nothing here decodes or normalises.

use http::{Method, StatusCode, Uri};

use super::{
    Refusal,
    grammar::{is_sub_delim, is_unreserved, reg_name_run, target_run},
};

/// A request target, RFC 9112 §3.2.
#[derive(Debug)]
pub(super) enum Target {
    /// A path, of so many bytes, and a query.
    Origin {
        path_len: usize,
    },
    Absolute(Box<Uri>),
    Authority(Box<Uri>),
    Asterisk,
}

pub(super) const MALFORMED: Refusal = Refusal::bad_request("the request target is malformed");

/// Checks `target` for `method`; without `has_marks` it is known to be one [`target_run`]. What nearly all requests have is
/// only looked at; of the rest a `Uri` is made.
pub(super) fn parse(method: &Method, target: &[u8], has_marks: bool) -> Result<Target, Refusal> {
    let uri = || Uri::try_from(target).map(Box::new).map_err(|_| MALFORMED);
    if *method == Method::CONNECT {
        // RFC 9112 §3.2.3: only CONNECT has the authority form, and it has no other.
        return if is_host(target) && names_port(target) {
            Ok(Target::Authority(uri()?))
        } else {
            Err(Refusal::bad_request("the target of CONNECT must be a host and a port"))
        };
    }
    match target {
        [b'/', ..] if !has_marks => Ok(Target::Origin { path_len: target.len() }),
        [b'/', ..] => Ok(Target::Origin { path_len: check_path_and_query(target)? }),
        // RFC 9112 §3.2.4: only for a server-wide OPTIONS.
        b"*" if *method == Method::OPTIONS => Ok(Target::Asterisk),
        _ => {
            check_absolute(target)?;
            Ok(Target::Absolute(uri()?))
        }
    }
}

/// RFC 9112 §3.2.2. Only the scheme that this server can be reached by.
fn check_absolute(target: &[u8]) -> Result<(), Refusal> {
    const INVALID: Refusal = Refusal::bad_request("the request target is neither a path nor an http URI");
    /// RFC 9110 §7.4: an https resource is rejected on a connection that is not secured. A gateway that ends
    /// TLS in front of us does not meet this: to an origin server it has to send the origin form
    /// (RFC 9112 §3.2.1).
    const UNSECURED: Refusal =
        Refusal::new(StatusCode::MISDIRECTED_REQUEST, "https resources are not served without TLS");
    let colon = target.iter().position(|&byte| byte == b':').ok_or(INVALID)?;
    let (scheme, rest) = target.split_at(colon);
    let is_https = scheme.eq_ignore_ascii_case(b"https");
    if !is_https && !scheme.eq_ignore_ascii_case(b"http") {
        return Err(INVALID);
    }
    let rest = rest.strip_prefix(b"://").ok_or(INVALID)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at(end);
    // RFC 9110 §4.2.1: an empty host is invalid; §4.2.4: so is userinfo from an untrusted source.
    if authority.is_empty() || !is_host(authority) {
        return Err(Refusal::bad_request("the host of the request target is malformed"));
    }
    check_path_and_query(path_and_query)?;
    if is_https { Err(UNSECURED) } else { Ok(()) }
}

/// Gives the length of the path.
fn check_path_and_query(target: &[u8]) -> Result<usize, Refusal> {
    let mut path_len = None;
    let mut place = 0;
    loop {
        place += target_run(&target[place..]);
        match target[place..] {
            [] => return Ok(path_len.unwrap_or(place)),
            [b'?', ..] => {
                path_len.get_or_insert(place);
            }
            // Browsers leave a lone `%` in a query as it was typed; in a path it cannot be decoded.
            [b'%', ..] if path_len.is_some() => {}
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            [b'%', ..] => return Err(Refusal::bad_request("the path has a % that is not an escape")),
            // Browsers escape it in a path, and leave it in a query.
            [b'`', ..] if path_len.is_some() => {}
            [b'#', ..] => return Err(Refusal::bad_request("the request target has a fragment")),
            _ => return Err(Refusal::bad_request("the request target has a character that must be escaped")),
        }
        place += 1;
    }
}

/// `uri-host [ ":" port ]` as of a Host field (RFC 9110 §7.2) or an authority: a host that is not empty, with an
/// optional port. No userinfo.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host_is_valid, port) = if let Some(rest) = value.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
        (is_ip_literal(&rest[..end]), &rest[end + 1..])
    } else {
        let (name, port) = value.split_at(reg_name_len(value));
        (!name.is_empty(), port)
    };
    host_is_valid && is_port(port)
}

/// RFC 3986 §3.2.3: `[ ":" *DIGIT ]`; TCP has 16 bits of it.
fn is_port(port: &[u8]) -> bool {
    let [b':', digits @ ..] = port else { return port.is_empty() };
    let fits = || std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok());
    // Four digits are always few enough, and no digit is no number that could be too large.
    digits.iter().all(u8::is_ascii_digit) && (digits.len() <= 4 || fits())
}

/// Whether a valid host is followed by a port that can be connected to: RFC 9110 §9.3.6 has one that is
/// empty refused.
fn names_port(host: &[u8]) -> bool {
    let mut digits = host.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let is_behind_colon = host.iter().rev().find(|byte| !byte.is_ascii_digit()) == Some(&b':');
    is_behind_colon && digits.any(|digit| *digit != b'0')
}

fn is_ip_literal(literal: &[u8]) -> bool {
    // Without a zone: RFC 9110 §4.2 gives none to http URIs.
    let is_v6 = || std::str::from_utf8(literal).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    // IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
    let is_future = || {
        let [b'v' | b'V', rest @ ..] = literal else { return false };
        let Some(dot) = rest.iter().position(|&byte| byte == b'.') else { return false };
        let (version, address) = (&rest[..dot], &rest[dot + 1..]);
        !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(|&byte| is_unreserved(byte) || is_sub_delim(byte) || byte == b':')
    };
    is_v6() || is_future()
}

/// How much of `text` is a registered name, RFC 3986 §3.2.2.
fn reg_name_len(text: &[u8]) -> usize {
    let mut len = 0;
    loop {
        len += reg_name_run(&text[len..]);
        match text[len..] {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => len += 3,
            _ => return len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let get = Method::GET;
        // The length of the path, where the target begins with one; 0 for the other forms.
        let cases: &[(&str, &Method, &[u8], Option<usize>)] = &[
            ("root", &get, b"/", Some(1)),
            ("escapes", &get, b"/a%20b?c=%41", Some(6)),
            ("lone percent in query", &get, b"/?off=100%", Some(1)),
            ("lone percent in path", &get, b"/100%", None),
            ("browser's raw query", &get, b"/?a[]=1|2&b={x}", Some(1)),
            ("backtick in query", &get, b"/?q=`a`", Some(1)),
            ("backtick in path", &get, b"/`a`", None),
            ("two slashes", &get, b"//a", Some(3)),
            ("absolute", &get, b"http://example.com/a", Some(0)),
            ("absolute without path", &get, b"http://example.com", Some(0)),
            ("absolute with userinfo", &get, b"http://u@example.com/", None),
            ("absolute without host", &get, b"http:///a", None),
            ("https", &get, b"https://example.com/", None),
            ("other scheme", &get, b"ftp://example.com/", None),
            ("asterisk for GET", &get, b"*", None),
            ("asterisk for OPTIONS", &Method::OPTIONS, b"*", Some(0)),
            ("authority for GET", &get, b"example.com:80", None),
            ("bare word", &get, b"foo", None),
            ("fragment", &get, b"/a#b", None),
            ("backslash", &get, b"/a\\b", None),
            ("raw UTF-8", &get, "/ä".as_bytes(), None),
            ("control", &get, b"/\x01", None),
            ("delete", &get, b"/\x7f", None),
            ("authority for CONNECT", &Method::CONNECT, b"example.com:443", Some(0)),
            ("IPv6 for CONNECT", &Method::CONNECT, b"[::1]:443", Some(0)),
            ("IPv6 without a port for CONNECT", &Method::CONNECT, b"[::1]", None),
            ("empty port for CONNECT", &Method::CONNECT, b"example.com:", None),
            ("port zero for CONNECT", &Method::CONNECT, b"example.com:00", None),
            ("no port for CONNECT", &Method::CONNECT, b"1", None),
            ("path for CONNECT", &Method::CONNECT, b"/a", None),
            ("empty", &get, b"", None),
        ];
        for (name, method, target, expected) in cases {
            let has_marks = target_run(target) < target.len();
            let path_len = parse(method, target, has_marks).ok().map(|target| match target {
                Target::Origin { path_len } => path_len,
                Target::Absolute(_) | Target::Authority(_) | Target::Asterisk => 0,
            });
            assert_eq!(path_len, *expected, "{name}");
        }
    }

    #[test]
    fn hosts() {
        let valid = [
            "a",
            "example.com:80",
            "example.com:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "[v1.a:b]",
            "a%41",
            "a_b",
        ];
        let invalid = [
            "",
            ":80",
            "a:b",
            "a:65536",
            "a:99999999999999999999",
            "u@a",
            "a b",
            "a/b",
            "[::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[g]",
            "a%4",
            "a,b c",
            "a:80:80",
            "\u{e4}",
        ];
        for host in valid {
            assert!(is_host(host.as_bytes()), "{host:?}");
        }
        for host in invalid {
            assert!(!is_host(host.as_bytes()), "{host:?}");
        }
    }
}
