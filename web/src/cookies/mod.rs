//! Cookies (RFC 6265, and its successor as browsers have it): read by [`Cookies`], set and removed by a [`CookieJar`],
//! signed or encrypted with [`Keys`]. What a client sends is never trusted here without its seal, and nothing reaches a
//! `Set-Cookie` field that could end a value or begin an attribute.
//!
//! ```
//! use trijet_core::{Router, State, get, post};
//! use trijet_web::cookies::{Cookie, CookieJar, Cookies, Keys};
//!
//! /// What the client says, as it is.
//! async fn theme(cookies: Cookies) -> String {
//!     cookies.get("theme").unwrap_or_else(|| "light".into())
//! }
//!
//! /// A jar is a part of the response, before its last value.
//! async fn set_theme(theme: String) -> CookieJar {
//!     CookieJar::new().set(Cookie::new("theme", theme).secure())
//! }
//!
//! /// What only this app can have written. Without the keys, it does not start.
//! async fn account(cookies: Cookies, State(keys): State<Keys>) -> String {
//!     cookies.private("account", &keys).unwrap_or_else(|| "nobody".into())
//! }
//!
//! let router = Router::new()
//!     .route("/theme", get(theme).post(set_theme))
//!     .route("/account", get(account))
//!     .state(Keys::generate());
//! assert!(router.build().is_ok());
//! ```

mod cookie;
mod jar;
mod keys;

use std::{borrow::Cow, convert::Infallible, fmt};

use http::{HeaderMap, header, request::Parts};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use trijet_core::{FromRequestParts, extract::Context};

pub use self::{
    cookie::{Cookie, SameSite},
    jar::CookieJar,
    keys::{KeyError, Keys},
};

/// The most cookies of one request that are read, the first ones. Browsers keep at most 180 for a site; a head of
/// 16 KiB has room for some thousands.
pub const COOKIES_MAX: usize = 200;

/// The most bytes that name and value of a cookie have together: browsers drop larger ones (RFC 6265bis §5.6), without a
/// word to anybody. Those that come are skipped, those that are to be set are an error in the log and a 500.
pub const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies of a request: an extractor.
///
/// What is malformed is skipped: what is no pair, whose name is no token (RFC 6265 §4.1.1), whose value is not UTF-8, or
/// that is larger than [`COOKIE_BYTES_MAX`]. The first [`COOKIES_MAX`] are read. Where a name comes twice the first
/// counts, which is the one of the longer path (§5.4).
///
/// ```
/// use trijet_web::cookies::Cookies;
///
/// async fn hello(cookies: Cookies) -> String {
///     format!("Hello, {}!", cookies.get("name").unwrap_or_else(|| "you".into()))
/// }
/// # let _ = trijet_core::get(hello);
/// ```
#[derive(Clone, Default)]
pub struct Cookies(Vec<Pair>);

/// A cookie as it came.
#[derive(Clone)]
struct Pair {
    name: Box<str>,
    value: Box<str>,
}

impl Cookies {
    /// The cookies of these header fields.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self(pairs(headers).map(|(name, value)| Pair { name: name.into(), value: value.into() }).collect())
    }

    /// The value of the cookie with this name, with what is percent-encoded in it decoded. `None` where there is none, or
    /// where that is not UTF-8.
    ///
    /// Anybody can send any cookie. What matters is to be [signed](Self::signed) or [private](Self::private).
    pub fn get(&self, name: &str) -> Option<String> {
        self.raw(name).and_then(decoded).map(Cow::into_owned)
    }

    /// All of them, in the order in which they came, decoded as by [`get`](Self::get).
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.0.iter().filter_map(|pair| Some((&*pair.name, decoded(&pair.value)?)))
    }

    /// The value of a cookie that was set with [`CookieJar::set_signed`] under this name, by a holder of these keys.
    /// `None` where a bit of it was changed, or it was signed for another name.
    ///
    /// A signature has no end: who has the cookie can send it again at any time. What is to expire says so in its value.
    pub fn signed(&self, name: &str, keys: &Keys) -> Option<String> {
        let encoded = keys.verify(name, self.raw(name)?)?;
        decoded(&encoded).map(Cow::into_owned)
    }

    /// The value of a cookie that was set with [`CookieJar::set_private`] under this name, by a holder of these keys;
    /// `None` for any other. As with [`signed`](Self::signed) ones, an old one can come again.
    pub fn private(&self, name: &str, keys: &Keys) -> Option<String> {
        keys.decrypt(name, self.raw(name)?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| *pair.name == *name).map(|pair| &*pair.value)
    }
}

/// The well-formed ones of them.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(pair).take(COOKIES_MAX)
}

fn pair(bytes: &[u8]) -> Option<(&str, &str)> {
    let bytes = bytes.trim_ascii();
    if bytes.len() > COOKIE_BYTES_MAX + 1 {
        return None;
    }
    let (name, value) = std::str::from_utf8(bytes).ok()?.split_once('=')?;
    let (name, value) = (name.trim_ascii_end(), value.trim_ascii_start());
    is_token(name).then_some((name, value))
}

/// The value of one cookie, as it came.
#[cfg(feature = "sessions")]
pub(crate) fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    pairs(headers).find(|(other, _)| *other == name).map(|(_, value)| value)
}

/// The names alone: values are secrets more often than not, and this ends up in logs.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cookies").field(&self.0.iter().map(|pair| &pair.name).collect::<Vec<_>>()).finish()
    }
}

impl FromRequestParts for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

/// RFC 9110 §5.6.2, which RFC 6265 §4.1.1 asks of a cookie's name.
fn is_token(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// What cannot stand in a value (RFC 6265 §4.1.1, `cookie-octet`), and the percent sign that stands for it.
const NOT_IN_VALUES: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, NOT_IN_VALUES).to_string()
}

fn decoded(value: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(value).decode_utf8().ok()
}

#[cfg(test)]
mod tests;
