//! The address of a request without the prefix of its nest. Segments are counted, and never compared: so captures in
//! the prefix are as good as text, and what a middleware has rewritten is stripped as it is now.

use http::{Uri, uri::PathAndQuery};

/// The address before the prefix was taken off it: an extension of the requests that a service in a nest sees.
///
/// An app of axum takes it as `Extension<OriginalUri>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalUri(pub Uri);

/// The rest of `uri` below as many segments as stand before the capture at the end of `route`; `/` where that is
/// nothing, or where there is no such route. The query stays.
pub(super) fn stripped(uri: &Uri, route: Option<&str>) -> http::Result<Uri> {
    let slashes =
        route.and_then(|route| route.rsplit_once("{*")).map(|(prefix, _)| prefix.matches('/').count());
    let rest = slashes
        .and_then(|count| uri.path().match_indices('/').nth(count.checked_sub(1)?))
        .map_or("/", |(start, _)| &uri.path()[start..]);
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
            ("/api/users", Some("/api/{*path}"), "/users"),
            ("/api/users/", Some("/api/{*path}"), "/users/"),
            ("/api/users?a=/b", Some("/api/{*path}"), "/users?a=/b"),
            ("/api//users", Some("/api/{*path}"), "//users"),
            ("/api/%2Fusers", Some("/api/{*path}"), "/%2Fusers"),
            ("/v1/of/api/users/7", Some("/{version}/of/api/{*path}"), "/users/7"),
            ("/users", Some("/{*path}"), "/users"),
            ("http://host:1/api/users?a", Some("/api/{*path}"), "http://host:1/users?a"),
            // The prefix itself is answered by the fallback, which has no route.
            ("/api", None, "/"),
            ("/api/", None, "/"),
            ("/api?a=b", None, "/?a=b"),
            ("http://host/api", None, "http://host/"),
            // What a middleware has made of it.
            ("/other/users", Some("/api/{*path}"), "/users"),
            ("/users", Some("/a/b/{*path}"), "/"),
            ("*", Some("/api/{*path}"), "/"),
        ];
        for (uri, route, expected) in rows {
            let found = stripped(&uri.parse().unwrap(), route).unwrap();
            assert_eq!(found, expected.parse::<Uri>().unwrap(), "{uri} {route:?}");
        }
    }
}
