//! [`Json`], as extractor and response.

use std::ops::Deref;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::{Context, FromRequest, Rejection, body::check_content_type};
use crate::{
    IntoResponse, Request, Response,
    respond::{Answer, escaped, unsendable},
};

/// A JSON body, read or sent.
///
/// As an extractor it answers 415 where the type is neither `application/json` nor `…+json`, 400 for
/// what is no JSON and 422 for JSON of another shape; both say where. As a response, a value that cannot
/// be serialized becomes a 500 with a log line.
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

    async fn from_request(request: Request, context: &Context) -> Result<Self, Rejection> {
        check_content_type(request.headers(), "application/json", |essence| {
            essence == "application/json"
                || (essence.starts_with("application/") && essence.ends_with("+json"))
        })?;
        let bytes = Bytes::from_request(request, context).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(refuse)
    }
}

fn refuse(error: serde_json::Error) -> Rejection {
    let (status, fault) = match error.classify() {
        Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "JSON of another shape"),
        Category::Syntax | Category::Eof | Category::Io => (StatusCode::BAD_REQUEST, "not JSON"),
    };
    Rejection::new(status, format!("The body is {fault}: {}.", escaped(&error))).with_source(error)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        self.into_answer().into_response()
    }

    fn into_answer(self) -> Answer {
        match serde_json::to_vec(&self.0) {
            Ok(data) => Answer::typed(HeaderValue::from_static("application/json"), data),
            Err(error) => unsendable(format_args!("Json: {error}")).into(),
        }
    }
}
