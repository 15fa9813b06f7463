//! [`MatchedPath`]: the pattern that a request's route was added with.

use std::{convert::Infallible, fmt, ops::Deref, sync::Arc};

use http::request::Parts;

use super::{Context, FromRequestParts, Needs, OptionalFromRequestParts, Rejection};

/// The pattern of the matched route, `/reports/{id}` for example, the prefixes of its nests included: what metrics and
/// spans are named by, since there are as many as routes.
///
/// A fallback has none, and neither has middleware around it, which a router's always is: there take
/// `Option<MatchedPath>`. [`Router::build`](crate::Router::build) finds where it could be missing.
///
/// ```
/// use trijet_core::{Router, extract::MatchedPath, get};
///
/// async fn report(path: MatchedPath) -> String { format!("this is {path}") }
///
/// let router = Router::new().route("/reports/{id}", get(report));
/// # #[cfg(feature = "testing")]
/// assert_eq!(trijet_core::sim::TestClient::new(router).get("/reports/7").send().text(), "this is /reports/{id}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatchedPath(Arc<str>);

impl MatchedPath {
    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(context: &Context) -> Option<Self> {
        context.endpoint.route.clone().map(Self)
    }
}

impl Deref for MatchedPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MatchedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromRequestParts for MatchedPath {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        Self::of(context).ok_or_else(|| {
            Rejection::internal("MatchedPath: no route matched; take Option<MatchedPath>".into())
        })
    }

    fn declare(needs: &mut Needs) {
        needs.matched_path();
    }
}

impl OptionalFromRequestParts for MatchedPath {
    type Rejection = Infallible;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(context))
    }
}
