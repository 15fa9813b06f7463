//! The address of a request without the prefix of its nest. Segments are counted, and never compared: so captures in
//! the prefix are as good as text, and what a middleware has rewritten is stripped as it is now.

use http::{Uri, uri::PathAndQuery};

/// The address before the prefix was taken off it: an extension of the requests that a service in a nest sees.
///
/// An app of axum takes it as `Extension<OriginalUri>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalUri(pub Uri);

/// The rest of `uri` below as many segments as `prefix` has; `/` where that is nothing. The query stays.
pub(super) fn stripped(uri: &Uri, prefix: &str) -> http::Result<Uri> {
    let rest = uri.path().match_indices('/').nth(prefix.matches('/').count());
    let rest = rest.map_or("/", |(start, _)| &uri.path()[start..]);
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{rest}?{query}"))?,
        None => PathAndQuery::try_from(rest)?,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_sees() {
        let rows = [
            ("/api/users", "/api", "/users"),
            ("/api/users/", "/api", "/users/"),
            ("/api/users?a=/b", "/api", "/users?a=/b"),
            ("/api//users", "/api", "//users"),
            ("/api/%2Fusers", "/api", "/%2Fusers"),
            ("/v1/of/api/users/7", "/{version}/of/api", "/users/7"),
            ("/users", "", "/users"),
            ("/", "", "/"),
            ("//users", "", "//users"),
            ("http://host:1/api/users?a", "/api", "http://host:1/users?a"),
            // The prefix itself.
            ("/api", "/api", "/"),
            ("/api/", "/api", "/"),
            ("/api?a=b", "/api", "/?a=b"),
            ("http://host/api", "/api", "http://host/"),
            // What a middleware has made of it.
            ("/other/users", "/api", "/users"),
            ("/users", "/a/b", "/"),
            ("*", "/api", "/"),
            ("*", "", "/"),
        ];
        for (uri, prefix, expected) in rows {
            let found = stripped(&uri.parse().unwrap(), prefix).unwrap();
            assert_eq!(found, expected.parse::<Uri>().unwrap(), "{uri} {prefix}");
        }
    }
}
