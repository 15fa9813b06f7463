//! [`Redirect`]: the three redirects that keep their meaning across clients.

use http::{HeaderValue, StatusCode, header::LOCATION};

use super::{IntoResponse, set_field, unsendable};
use crate::Response;

/// A response that sends the client to another address.
///
/// The target is put into `Location` as it is: it must be a URI, with everything escaped that has to
/// be. One with other characters than visible ASCII becomes a 500 with a log line. Never pass on an
/// address that a client chose without checking where it leads.
///
/// ```
/// use trijet_core::{IntoResponse, Redirect};
/// let response = Redirect::to("/reports/1").into_response();
/// assert_eq!((response.status().as_u16(), &response.headers()["location"]), (303, &"/reports/1".parse().unwrap()));
/// ```
#[derive(Clone, Debug)]
pub struct Redirect {
    status: StatusCode,
    target: String,
}

impl Redirect {
    /// 303: the answer to this request is found there, with GET.
    pub fn to(target: impl Into<String>) -> Self {
        Self { status: StatusCode::SEE_OTHER, target: target.into() }
    }

    /// 307: the same request, there, this time.
    pub fn temporary(target: impl Into<String>) -> Self {
        Self { status: StatusCode::TEMPORARY_REDIRECT, target: target.into() }
    }

    /// 308: the same request, there, from now on.
    pub fn permanent(target: impl Into<String>) -> Self {
        Self { status: StatusCode::PERMANENT_REDIRECT, target: target.into() }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        if !self.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return unsendable(format_args!("{:?} cannot be the target of a redirect", self.target));
        }
        match HeaderValue::try_from(self.target) {
            Ok(target) => {
                let mut response = self.status.into_response();
                set_field(response.headers_mut(), LOCATION, target);
                response
            }
            Err(error) => unsendable(format_args!("the target of a redirect: {error}")),
        }
    }
}
