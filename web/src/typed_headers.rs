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
/// malformed. A second field of a kind that there is one of is malformed too. As a part of a response it replaces a field of that name.
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

/// `None` where there is no such field, whatever the type makes of that. A type that takes one field and leaves another has
/// been sent two of what there may be one of: whoever reads the last one would see another request.
fn take<T: Header>(parts: &Parts) -> Result<Option<T>, headers::Error> {
    if !parts.headers.contains_key(T::name()) {
        return Ok(None);
    }
    let mut fields = parts.headers.get_all(T::name()).iter();
    let value = T::decode(&mut fields)?;
    if fields.next().is_some() { Err(headers::Error::invalid()) } else { Ok(Some(value)) }
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

#[cfg(test)]
mod tests {
    use headers::{Authorization, Host, UserAgent, authorization::Bearer};
    use trijet_core::{Router, get, sim::TestClient};

    use super::*;

    #[test]
    fn a_second_field_is_malformed_where_there_is_one() {
        let token = async |TypedHeader(field): TypedHeader<Authorization<Bearer>>| field.token().to_owned();
        let agent = async |field: Option<TypedHeader<UserAgent>>| field.is_some().to_string();
        let host = async |TypedHeader(host): TypedHeader<Host>| host.to_string();
        let vary = async |TypedHeader(vary): TypedHeader<headers::Connection>| vary.contains("b").to_string();
        let app = Router::new()
            .route("/token", get(token))
            .route("/agent", get(agent))
            .route("/host", get(host))
            .route("/list", get(vary));
        let client = TestClient::new(app);
        let ask = |path: &str, fields: &str| {
            let answer = client.raw(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
            let text = answer.text();
            let (status, body) =
                (text["HTTP/1.1 ".len()..][..3].parse::<u16>().unwrap(), text.rsplit("\r\n").next());
            (status, body.unwrap_or_default().to_owned())
        };
        assert_eq!(ask("/token", "Authorization: Bearer a\r\n"), (200, "a".to_owned()));
        assert_eq!(ask("/token", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n").0, 400);
        assert_eq!(ask("/token", "Authorization: Bearer a\r\nAuthorization: Basic b\r\n").0, 400);
        assert_eq!(ask("/agent", ""), (200, "false".to_owned()));
        assert_eq!(ask("/agent", "User-Agent: a\r\nUser-Agent: b\r\n").0, 400);
        assert_eq!(ask("/host", ""), (200, "a".to_owned()));
        // Of a list there may be many.
        assert_eq!(ask("/list", "Connection: a\r\nConnection: b\r\n"), (200, "true".to_owned()));
    }
}
