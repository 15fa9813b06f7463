//! [`Query`]: what stands behind the question mark.

use std::ops::Deref;

use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;

use super::{Context, FromRequestParts, Rejection};
use crate::respond::escaped;

/// The query of the request's target. A repeated name fills a list; no query reads as an empty one.
/// A query of another shape is answered with 400.
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
        serde_html_form::from_str(parts.uri.query().unwrap_or_default()).map(Self).map_err(|error| {
            let text = format!("The query has another shape: {}.", escaped(&error));
            Rejection::new(StatusCode::BAD_REQUEST, text).with_source(error)
        })
    }
}
