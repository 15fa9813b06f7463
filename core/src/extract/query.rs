//! [`Query`]: what stands behind the question mark.

use std::ops::Deref;

use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;

use super::{Context, FromRequestParts, OptionalFromRequestParts, Rejection, located::located};

/// The query of the request's target. No query reads as an empty one; `Option<Query<T>>` is `None` for both. A query of
/// another shape is answered with 400, which names the field (but not within `#[serde(flatten)]`).
///
/// A repeated name fills a list, in order; one value is a list of one. Where there may be none, the list needs
/// `#[serde(default)]`. An empty value is `None` for an optional number, and `on` is true, as in forms.
///
/// ```
/// use serde::Deserialize;
/// use trijet_core::Query;
///
/// #[derive(Deserialize)]
/// struct Search {
///     words: String,
///     #[serde(default)]
///     tag: Vec<String>,
///     page: Option<u32>,
/// }
///
/// /// `/search?words=tea&tag=green&tag=black&page=2`
/// async fn search(Query(search): Query<Search>) -> String {
///     format!("{} in {:?}, page {}", search.words, search.tag, search.page.unwrap_or(1))
/// }
/// # let router = trijet_core::Router::new().route("/search", trijet_core::get(search));
/// # #[cfg(feature = "testing")] {
/// # let client = trijet_core::sim::TestClient::new(router);
/// # let found = client.get("/search?words=tea&tag=green&tag=black&page=2").send();
/// # assert_eq!(found.text(), r#"tea in ["green", "black"], page 2"#);
/// # }
/// ```
///
/// Any names:
///
/// ```
/// use std::collections::HashMap;
/// use trijet_core::Query;
///
/// async fn search(Query(query): Query<HashMap<String, String>>) -> String {
///     format!("nothing found for {:?}", query.get("words"))
/// }
/// # let _ = trijet_core::get(search);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequestParts for Query<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Rejection> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: DeserializeOwned + Send + 'static> OptionalFromRequestParts for Query<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Option<Self>, Rejection> {
        match parts.uri.query() {
            None | Some("") => Ok(None),
            Some(query) => parse(query).map(|value| Some(Self(value))),
        }
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Rejection> {
    serde_html_form::from_str(query).map_err(|error| {
        let again = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        let text = format!("The query has another shape: {}.", located::<T, _>(&error, again));
        Rejection::new(StatusCode::BAD_REQUEST, text).with_source(error)
    })
}
