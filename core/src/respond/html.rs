//! [`Html`]. It escapes nothing: that is the template's task.

use http::HeaderValue;

use super::{Answer, IntoResponse};
use crate::{Body, Response};

/// A response of the type `text/html; charset=utf-8`. What is in it is sent as it is, unescaped.
///
/// ```
/// use trijet_core::{Html, IntoResponse};
/// let page = Html("<p>Hello!</p>").into_response();
/// assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        self.into_answer().into_response()
    }

    fn into_answer(self) -> Answer {
        static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
        Answer::typed(&HTML, self.0)
    }
}
