//! What becomes of a path that differs from a pattern by a slash at its end. It is settled when the table is built, by
//! patterns that are added to it: looking a path up knows nothing of it.

/// What a router does with a path that has a slash at its end and whose pattern has none, or the other way round: see
/// [`Router::trailing_slash`](crate::Router::trailing_slash).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// They are two paths: the other one is not found. The default.
    #[default]
    Strict,
    /// 308 to the path of the pattern, with the same query: each page has one address.
    Redirect,
    /// They are one path.
    Ignore,
}

/// `pattern` with a slash at its end where it has none, and without where it has one; none where there is no such
/// pattern.
pub(super) fn twin(pattern: &str) -> Option<String> {
    // Of two slashes at the beginning, a redirect would make another host; of two at the end, one is left. What ends in a
    // capture of all has none.
    if pattern == "/" || pattern.starts_with("//") || pattern.ends_with("//") || ends_in_rest(pattern) {
        return None;
    }
    match pattern.strip_suffix('/') {
        Some(shorter) => Some(shorter.to_owned()),
        None => Some(format!("{pattern}/")),
    }
}

fn ends_in_rest(pattern: &str) -> bool {
    pattern.rsplit('/').next().is_some_and(|segment| segment.starts_with("{*"))
}

/// Where a request to `path`, which is that of a twin, is sent.
pub(super) fn target(path: &str, query: Option<&str>) -> String {
    let mut target = match path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{path}/"),
    };
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins() {
        let rows = [
            ("/", None),
            ("/a", Some("/a/")),
            ("/a/", Some("/a")),
            ("/{a}", Some("/{a}/")),
            ("/{a}.png/", Some("/{a}.png")),
            ("/{*a}", None),
            ("/a/{*b}", None),
            ("//a", None),
            ("//", None),
            ("/a//", None),
            ("/{{*a}}", Some("/{{*a}}/")),
        ];
        for (pattern, expected) in rows {
            assert_eq!(twin(pattern).as_deref(), expected, "{pattern}");
        }
        assert_eq!(target("/a/", Some("b=/")), "/a?b=/");
        assert_eq!(target("/a", None), "/a/");
        assert_eq!(target("/a/", Some("")), "/a?");
    }
}
