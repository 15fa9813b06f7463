//! [`Form`], as extractor and response.

use std::ops::Deref;

use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Context, FromRequest, OptionalFromRequest, Rejection,
    body::{check_content_type, checked, unless_empty},
    located::located,
};
use crate::{
    IntoResponse, Request, Response,
    respond::{Answer, unsendable},
};

const FORM: &str = "application/x-www-form-urlencoded";

/// A body of the type `application/x-www-form-urlencoded`, read or sent. A repeated name fills a list, as in
/// [`Query`](crate::extract::Query), which is what a form that is sent with GET becomes.
///
/// As an extractor it answers 415 for another type, and 422 for fields of another shape, which it names (but not within
/// `#[serde(flatten)]`).
/// `Option<Form<T>>` is `None` for an empty body.
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

    fn from_request(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send {
        let bytes = checked(request, context, check_type);
        async move { parse(&bytes.await?).map(Self) }
    }
}

impl<T: DeserializeOwned + Send + 'static> OptionalFromRequest for Form<T> {
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
    check_content_type(headers, FORM, |essence| essence == FORM)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Rejection> {
    serde_html_form::from_bytes(bytes).map_err(|error| {
        let again = serde_html_form::Deserializer::from_bytes(bytes);
        let text = format!("The form has another shape: {}.", located::<T, _>(&error, again));
        Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, text).with_source(error)
    })
}

impl<T: Serialize> IntoResponse for Form<T> {
    fn into_response(self) -> Response {
        self.into_answer().into_response()
    }

    fn into_answer(self) -> Answer {
        static TYPE: HeaderValue = HeaderValue::from_static(FORM);
        match serde_html_form::to_string(&self.0) {
            Ok(text) => Answer::typed(&TYPE, text),
            Err(error) => unsendable(format_args!("Form: {error}")).into(),
        }
    }
}
