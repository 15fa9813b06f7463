//! Header fields as values of a type: [`TypedHeader`], over the crate `headers`, which knows their grammars. That crate is
//! re-exported, as its types are named here; it is not at 1.0 yet, and a new version of it is a breaking one of this feature.
//!
//! ```
//! use std::time::Duration;
//! use trijet_core::{Router, get};
//! use trijet_web::typed_headers::{TypedHeader, headers::{Authorization, CacheControl, UserAgent, authorization::Basic}};
//!
//! async fn hello(
//!     TypedHeader(Authorization(login)): TypedHeader<Authorization<Basic>>,
//!     agent: Option<TypedHeader<UserAgent>>,
//! ) -> (TypedHeader<CacheControl>, String) {
//!     let cached = TypedHeader(CacheControl::new().with_private().with_max_age(Duration::from_secs(60)));
//!     let agent = agent.map_or("something".into(), |TypedHeader(agent)| agent.to_string());
//!     (cached, format!("Hello, {}, with {agent}!", login.username()))
//! }
//! let router = Router::new().route("/", get(hello));
//! ```

use std::ops::Deref;

pub use headers;
use headers::{Header, HeaderMapExt};
use http::{StatusCode, request::Parts};
use trijet_core::{
    FromRequestParts, IntoResponse, Response,
    extract::{Context, OptionalFromRequestParts, Rejection},
    respond::{IntoResponseParts, InvalidHeader},
};

/// A header field, read or sent.
///
/// As an extractor it answers 400 where the field is missing or malformed; as `Option<TypedHeader<T>>` only where it is
/// malformed. As a part of a response it replaces a field of that name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypedHeader<T>(pub T);

impl<T> Deref for TypedHeader<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Header + Send + 'static> FromRequestParts for TypedHeader<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Rejection> {
        match take(parts) {
            Ok(Some(value)) => Ok(Self(value)),
            Ok(None) => Err(refuse::<T>("is missing")),
            Err(error) => Err(refuse::<T>("is malformed").with_source(error)),
        }
    }
}

impl<T: Header + Send + 'static> OptionalFromRequestParts for TypedHeader<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Option<Self>, Rejection> {
        take(parts)
            .map(|value| value.map(Self))
            .map_err(|error| refuse::<T>("is malformed").with_source(error))
    }
}

/// `None` where there is no such field, whatever the type makes of that.
fn take<T: Header>(parts: &Parts) -> Result<Option<T>, headers::Error> {
    if !parts.headers.contains_key(T::name()) {
        return Ok(None);
    }
    T::decode(&mut parts.headers.get_all(T::name()).iter()).map(Some)
}

fn refuse<T: Header>(fault: &str) -> Rejection {
    let text = format!("The request was refused: the header field {} {fault}.", T::name());
    Rejection::new(StatusCode::BAD_REQUEST, text)
}

impl<T: Header> IntoResponseParts for TypedHeader<T> {
    fn apply(self, response: &mut Response) -> Result<(), InvalidHeader> {
        response.headers_mut().remove(T::name());
        response.headers_mut().typed_insert(self.0);
        Ok(())
    }
}

/// A 200 without a body, which has the field.
impl<T: Header> IntoResponse for TypedHeader<T> {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}
