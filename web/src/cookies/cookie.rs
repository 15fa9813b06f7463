//! One cookie that is to be set: [`Cookie`], with attributes that are safe unless they are told otherwise. Whatever its
//! parts hold, it becomes one well-formed `Set-Cookie` value, or none.

use std::{fmt, time::Duration};

use cookie::time::Duration as Seconds;
use http::HeaderValue;

use super::{COOKIE_BYTES_MAX, encoded, is_token};

/// A cookie to set, with `HttpOnly`, `SameSite=Lax` and `Path=/`, until the browser ends.
///
/// The value may be any text: what cannot stand in a cookie is percent-encoded, and decoded again by
/// [`Cookies::get`](super::Cookies::get).
///
/// ```
/// use std::time::Duration;
/// use trijet_core::IntoResponse;
/// use trijet_web::cookies::{Cookie, CookieJar};
///
/// let cookie = Cookie::new("seen", "yes, twice").max_age(Duration::from_secs(3600)).secure();
/// let response = (CookieJar::new().set(cookie), "hello").into_response();
/// assert_eq!(
///     response.headers()["set-cookie"],
///     "seen=yes%2C%20twice; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"
/// );
/// ```
#[derive(Clone)]
pub struct Cookie(cookie::Cookie<'static>);

/// To which requests that other sites cause a browser adds a cookie (RFC 6265bis §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// To none.
    Strict,
    /// To those that follow a link from there, by GET.
    Lax,
    /// To all. Browsers want such a cookie to be [`secure`](Cookie::secure), so it is.
    None,
}

impl Cookie {
    /// A cookie of this name, which must be a token (RFC 6265 §4.1.1): letters, digits, `-`, `_` and some more.
    ///
    /// One whose name begins with `__Host-` or `__Secure-` is [`secure`](Self::secure), as browsers refuse it otherwise.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let mut cookie = cookie::Cookie::new(name.into(), value.into());
        cookie.set_http_only(true);
        cookie.set_same_site(cookie::SameSite::Lax);
        cookie.set_path("/");
        Self(cookie)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Its value.
    pub fn value(&self) -> &str {
        self.0.value()
    }

    /// It is only sent over TLS. Set it wherever the site has that; it is not the default, as not every browser takes
    /// such a cookie from a server without, on the developer's machine.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.0.set_secure(true);
        self
    }

    /// Scripts of the page can read it: no `HttpOnly`.
    #[must_use]
    pub fn readable_by_scripts(mut self) -> Self {
        self.0.set_http_only(false);
        self
    }

    /// For requests that other sites cause; `Lax` unless said otherwise.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.0.set_same_site(match same_site {
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::None => cookie::SameSite::None,
        });
        self
    }

    /// It is sent with requests below this path; `/` unless said otherwise.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.0.set_path(path.into());
        self
    }

    /// It is sent to this host and those below it; to the one that has set it alone unless said otherwise.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.0.set_domain(domain.into());
        self
    }

    /// The browser keeps it so long, also beyond its own end.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        self.0.set_max_age(Seconds::seconds(seconds));
        self
    }

    /// The same with another value.
    #[must_use]
    pub(crate) fn with_value(mut self, value: impl Into<String>) -> Self {
        self.0.set_value(value.into());
        self
    }

    #[cfg(feature = "sessions")]
    pub(crate) fn lasts(&self) -> Option<Duration> {
        self.0.max_age().map(|age| age.unsigned_abs())
    }

    /// What it has to be: a cookie of the same name, path and domain replaces it (RFC 6265 §5.3).
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let of = |cookie: &Self| {
            [Some(cookie.0.name()), cookie.0.path(), cookie.0.domain()].map(|part| part.map(str::to_owned))
        };
        of(self) == of(other)
    }

    /// The same, already over: a browser removes it.
    pub(super) fn removal(self) -> Self {
        let mut over = self.with_value("");
        over.0.make_removal();
        over
    }

    /// The same, with the value in a form that can be sent.
    pub(super) fn encoded(self) -> Self {
        let value = encoded(self.value());
        self.with_value(value)
    }

    /// The value of its `Set-Cookie` field, or what is wrong with it. The cookie's own value must be encoded.
    pub(crate) fn into_field(mut self) -> Result<HeaderValue, String> {
        let name = self.name().to_owned();
        if !is_token(&name) {
            return Err(format!("the name of the cookie {name:?} is no token"));
        }
        if name.len() + self.value().len() > COOKIE_BYTES_MAX {
            return Err(format!(
                "the cookie `{name}` has more than {COOKIE_BYTES_MAX} bytes: browsers drop such cookies"
            ));
        }
        let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';');
        let path = self.0.path().unwrap_or_default();
        if !path.starts_with('/') || !is_plain(path) {
            return Err(format!("the path of the cookie `{name}`, {path:?}, cannot be one"));
        }
        let is_in_domains = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if let Some(domain) = self.0.domain() {
            if domain.is_empty() || !domain.bytes().all(is_in_domains) {
                return Err(format!("the domain of the cookie `{name}`, {domain:?}, cannot be one"));
            }
        }
        // RFC 6265bis §4.1.3 and §5.6: browsers take these for secure ones alone.
        let is_host = name.len() >= 7 && name[..7].eq_ignore_ascii_case("__Host-");
        let is_secure = name.len() >= 9 && name[..9].eq_ignore_ascii_case("__Secure-");
        if is_host && (self.0.domain().is_some() || path != "/") {
            return Err(format!(
                "the cookie `{name}` is for one host and all of it: no domain, and the path /"
            ));
        }
        if is_host || is_secure || self.0.same_site() == Some(cookie::SameSite::None) {
            self.0.set_secure(true);
        }
        HeaderValue::try_from(self.0.to_string())
            .map_err(|error| format!("the cookie `{name}` cannot be sent: {error}"))
    }
}

/// A cookie of this name without a value: to remove one.
impl From<&str> for Cookie {
    fn from(name: &str) -> Self {
        Self::new(name, "")
    }
}

/// Without its value, which may be a secret.
impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie").field("name", &self.name()).finish_non_exhaustive()
    }
}
