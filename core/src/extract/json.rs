//! [`Json`], as extractor and response.

use std::ops::Deref;

use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::{
    Context, FromRequest, OptionalFromRequest, Rejection,
    body::{check_content_type, checked, unless_empty},
    located::{explained, located},
};
use crate::{
    IntoResponse, Request, Response,
    respond::{Answer, unsendable},
};

/// A JSON body, read or sent.
///
/// As an extractor it answers 415 where the type is neither `application/json` nor `…+json`, 400 for
/// what is no JSON and 422 for JSON of another shape. Both say where, the latter also by the field: ``The body is JSON of
/// another shape: `items[2].price`: invalid type: string "much", expected u32 at line 5 column 30.`` (Not by the field
/// within what `serde` keeps aside first: `flatten`, `untagged` and tags within enums.)
/// `Option<Json<T>>` is `None` for an empty body. As a response, a value that cannot be serialized becomes a 500 with a
/// log line.
///
/// ```
/// use trijet_core::{IntoResponse, Json};
/// let response = Json([1, 2, 3]).into_response();
/// assert_eq!(response.headers()["content-type"], "application/json");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest for Json<T> {
    type Rejection = Rejection;

    fn from_request(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send {
        let bytes = checked(request, context, check_type);
        async move { parse(&bytes.await?).map(Self) }
    }
}

impl<T: DeserializeOwned + Send + 'static> OptionalFromRequest for Json<T> {
    type Rejection = Rejection;

    fn from_request(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Option<Self>, Rejection>> + Send {
        let bytes = unless_empty(request, context, check_type);
        async move { bytes.await?.map(|bytes| parse(&bytes).map(Self)).transpose() }
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Rejection> {
    check_content_type(headers, "application/json", |essence| {
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Rejection> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (status, text) = match error.classify() {
            Category::Data => {
                let mut again = serde_json::Deserializer::from_slice(bytes);
                let fault = located::<T, _>(&error, &mut again);
                (StatusCode::UNPROCESSABLE_ENTITY, format!("The body is JSON of another shape: {fault}."))
            }
            Category::Syntax | Category::Eof | Category::Io => {
                (StatusCode::BAD_REQUEST, format!("The body is not JSON: {}.", explained(&error)))
            }
        };
        Rejection::new(status, text).with_source(error)
    })
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        self.into_answer().into_response()
    }

    fn into_answer(self) -> Answer {
        static TYPE: HeaderValue = HeaderValue::from_static("application/json");
        match serde_json::to_vec(&self.0) {
            Ok(data) => Answer::typed(&TYPE, data),
            Err(error) => unsendable(format_args!("Json: {error}")).into(),
        }
    }
}
