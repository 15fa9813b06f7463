//! The cookies that a response sets and removes: [`CookieJar`]. It knows nothing of the request's.

use http::header::SET_COOKIE;
use trijet_core::{
    IntoResponse, Response,
    respond::{IntoResponseParts, InvalidHeader},
};

use super::{Cookie, Keys};

/// Cookies to set and to remove: a part of a response, before its last value, or a response of its own.
///
/// A cookie of the same name, path and domain replaces an earlier one (RFC 6265 §4.1.1 wants one field for each). One that
/// cannot be sent, because of its name or size for example, makes the response a 500 with a log line.
///
/// ```
/// use trijet_core::Redirect;
/// use trijet_web::cookies::{Cookie, CookieJar};
///
/// async fn log_out() -> (CookieJar, Redirect) {
///     (CookieJar::new().remove("account"), Redirect::to("/"))
/// }
/// # let _ = trijet_core::post(log_out);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a jar sets cookies as a part of the response"]
pub struct CookieJar(Vec<Cookie>);

impl CookieJar {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a cookie that the client can read and change.
    pub fn set(self, cookie: Cookie) -> Self {
        self.put(cookie.encoded())
    }

    /// Sets a cookie that the client can read, and not change: HMAC-SHA256 over name and value goes before the value.
    /// [`Cookies::signed`](super::Cookies::signed) reads it.
    pub fn set_signed(self, cookie: Cookie, keys: &Keys) -> Self {
        let cookie = cookie.encoded();
        let signed = keys.sign(cookie.name(), cookie.value());
        self.put(cookie.with_value(signed))
    }

    /// Sets a cookie that the client can neither read nor change: AES-256-GCM, with the name as associated data.
    /// [`Cookies::private`](super::Cookies::private) reads it.
    ///
    /// # Panics
    /// Where the system has no random numbers.
    pub fn set_private(self, cookie: Cookie, keys: &Keys) -> Self {
        let name = cookie.name().to_owned();
        self.set_private_as(&name, cookie, keys)
    }

    /// As `set_private`, with something else as associated data.
    pub(crate) fn set_private_as(self, name: &str, cookie: Cookie, keys: &Keys) -> Self {
        let sealed = keys.encrypt(name, cookie.value());
        self.put(cookie.with_value(sealed))
    }

    /// Has the browser remove a cookie. It is found by its name, path and domain: give the latter two where it was set with
    /// others than the default, as in `remove(Cookie::new("seen", "").path("/shop"))`.
    pub fn remove(self, cookie: impl Into<Cookie>) -> Self {
        self.put(cookie.into().removal())
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(mut self, cookie: Cookie) -> Self {
        self.0.retain(|other| !other.is_same(&cookie));
        self.0.push(cookie);
        self
    }
}

/// Beside what an earlier part has set.
impl IntoResponseParts for CookieJar {
    fn apply(self, response: &mut Response) -> Result<(), InvalidHeader> {
        for cookie in self.0 {
            let field = cookie.into_field().map_err(InvalidHeader::new)?;
            response.headers_mut().append(SET_COOKIE, field);
        }
        Ok(())
    }
}

/// A 200 without a body, which sets them.
impl IntoResponse for CookieJar {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}
