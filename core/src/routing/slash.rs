//! What becomes of a path that differs from those of a pattern by a slash at its end. It is looked at only where no route
//! matches the path as it is: a policy must never take a route's path away.

use std::borrow::Cow;

use super::pattern::{self, Part};

/// What a router does with a path that has a slash at its end and whose pattern has none, or the other way round: see
/// [`Router::trailing_slash`](crate::Router::trailing_slash).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// They are two paths: the other one is not found. The default.
    #[default]
    Strict,
    /// 308 to the path of the pattern, with the same query, for the methods that are offered there: each page has one
    /// address.
    Redirect,
    /// They are one path.
    Ignore,
}

/// Whether `pattern` has other paths, with a slash more or less at their end: what ends in a capture of all has none.
pub(super) fn has_other(pattern: &str) -> bool {
    pattern != "/" && pattern::parts(pattern).last() != Some(Part::Rest)
}

/// `path` with a slash at its end where it has none, and without where it has one; none where there is no such path.
pub(super) fn other(path: &str) -> Option<Cow<'_, str>> {
    // Of two slashes at the beginning, a redirect would make another host; of two at the end, one is left.
    if path == "/" || !path.starts_with('/') || path.starts_with("//") || path.ends_with("//") {
        return None;
    }
    Some(match path.strip_suffix('/') {
        Some(shorter) => shorter.into(),
        None => format!("{path}/").into(),
    })
}

/// Where a request to `path` is sent, which has the other slash.
pub(super) fn target(path: &str, query: Option<&str>) -> String {
    let mut target = other(path).unwrap_or(path.into()).into_owned();
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
    fn other_paths() {
        let rows = [
            ("/", None),
            ("", None),
            ("*", None),
            ("/a", Some("/a/")),
            ("/a/", Some("/a")),
            ("/a/b%2F", Some("/a/b%2F/")),
            ("//a", None),
            ("//", None),
            ("/a//", None),
        ];
        for (path, expected) in rows {
            assert_eq!(other(path).as_deref(), expected, "{path}");
        }
        assert_eq!(target("/a/", Some("b=/")), "/a?b=/");
        assert_eq!(target("/a", None), "/a/");
        assert_eq!(target("/a/", Some("")), "/a?");
        let rows = [
            ("/", false),
            ("/a", true),
            ("/{a}/", true),
            ("/{*a}", false),
            ("/a-{*a}", false),
            ("/{{*a}}", true),
        ];
        for (pattern, expected) in rows {
            assert_eq!(has_other(pattern), expected, "{pattern}");
        }
    }
}
