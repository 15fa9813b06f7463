//! [`Form`], as extractor and response.

use std::ops::Deref;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use super::{Context, FromRequest, Rejection, body::check_content_type};
use crate::{
    IntoResponse, Request, Response,
    respond::{Answer, escaped, unsendable},
};

const FORM: &str = "application/x-www-form-urlencoded";

/// A body of the type `application/x-www-form-urlencoded`, read or sent. A repeated name fills a list.
///
/// As an extractor it answers 415 for another type, and 422 for fields of another shape. For a
/// form that is sent with GET, take [`Query`](crate::extract::Query).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<T> Deref for Form<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest for Form<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request, context: &Context) -> Result<Self, Rejection> {
        check_content_type(request.headers(), FORM, |essence| essence == FORM)?;
        let bytes = Bytes::from_request(request, context).await?;
        serde_html_form::from_bytes(&bytes).map(Self).map_err(|error| {
            let text = format!("The form has another shape: {}.", escaped(&error));
            Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, text).with_source(error)
        })
    }
}

impl<T: Serialize> IntoResponse for Form<T> {
    fn into_response(self) -> Response {
        self.into_answer().into_response()
    }

    fn into_answer(self) -> Answer {
        match serde_html_form::to_string(&self.0) {
            Ok(text) => Answer::typed(HeaderValue::from_static(FORM), text),
            Err(error) => unsendable(format_args!("Form: {error}")).into(),
        }
    }
}
