//! `Accept`: which of some media types a client likes best (RFC 9110 §12.5.1).
//! What is malformed in it counts as not there: a request is never refused for it.

/// The one of `types`, each as `type/subtype` in lower case, that `accept` prefers; of equals the first. None where
/// none is acceptable.
pub(super) fn preferred<'t>(accept: &str, types: &[&'t str]) -> Option<&'t str> {
    let mut best: Option<(u16, &'t str)> = None;
    for &offered in types {
        let quality = quality(accept, offered);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, offered));
        }
    }
    best.map(|(_, offered)| offered)
}

/// In thousandths, by the most specific range that covers `offered`; 0 where there is none.
fn quality(accept: &str, offered: &str) -> u16 {
    let mut closest = (0, 0);
    for member in accept.split(',') {
        let mut parts = member.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let specificity = specificity(range, offered);
        let mut quality = Some(1000);
        for parameter in parts {
            match parameter.split_once('=') {
                Some((name, value)) if name.trim_end().eq_ignore_ascii_case("q") => {
                    quality = parse_quality(value.trim_start());
                    // What follows it is not of the media type.
                    break;
                }
                // Another parameter makes a type that is none of ours.
                _ => quality = None,
            }
        }
        if let (Some(quality), true) = (quality, specificity > closest.0) {
            closest = (specificity, quality);
        }
    }
    closest.1
}

/// How closely `range` describes `offered`; 0 where it does not.
fn specificity(range: &str, offered: &str) -> u8 {
    if range.eq_ignore_ascii_case(offered) {
        return 3;
    }
    match range.strip_suffix("/*") {
        Some("*") => 1,
        Some(kind) if offered.split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(kind)) => 2,
        _ => 0,
    }
}

/// RFC 9110 §12.4.2: 0 to 1, with at most three digits behind the point.
fn parse_quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::preferred;

    #[test]
    fn the_type_that_is_liked_best() {
        const JSON: &str = "application/problem+json";
        const HTML: &str = "text/html";
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        let rows = [
            ("", None),
            ("*/*", Some(JSON)),
            (browser, Some(HTML)),
            ("text/*", Some(HTML)),
            ("Text/HTML", Some(HTML)),
            ("text/html;q=0.5, application/problem+json;q=0.5", Some(JSON)),
            ("text/html;q=0.5, application/problem+json;q=0.499", Some(HTML)),
            ("application/problem+json;q=0, */*", Some(HTML)),
            ("*/*;q=0.9, application/*;q=0.1, text/html;q=0.2", Some(HTML)),
            ("text/html ; Q = 0.3 , */* ; q=0.2", Some(HTML)),
            ("text/html;q=0", None),
            ("text/html;level=1", None),
            ("text/html;q=1;level=1", Some(HTML)),
            ("application/json", None),
            ("text/htm, tex, /, ;;;, =,,", None),
            ("text/html;q=2, text/html;q=1.001, text/html;q=0.0001, text/html;q=x, text/html;q=", None),
            ("text/html;q=-1, text/html;q=+1, text/html;q=.5", None),
        ];
        for (accept, expected) in rows {
            assert_eq!(preferred(accept, &[JSON, HTML]), expected, "{accept}");
        }
    }
}
