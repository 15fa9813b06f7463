//! [`Path`]: the captures of a route as values. They are percent-decoded here, after matching.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZero,
    ops::Deref,
    path::PathBuf,
    str::FromStr,
};

use http::{StatusCode, request::Parts};
use percent_encoding::percent_decode_str;

use super::{
    Captures, Context, FromRequestParts, Needs, OptionalFromRequestParts, Rejection, located::explained,
};

/// The captures of the route: one value, a tuple of up to 8, or all by name.
///
/// Each is percent-decoded (so `%2F` in it becomes a slash) and then parsed. Escapes that are no
/// escapes, bytes that are no UTF-8 and values that do not parse are answered with 400, which names the capture. The
/// captures of a nest's prefix come first. A count that does not fit the route is found by
/// [`Router::build`](crate::Router::build). `Option<Path<T>>` is `None` on a route that captures nothing.
///
/// Middleware can stand around routes of several shapes, so there a count is compared when it runs: one that does not fit
/// is a 500 with a log line, with `Option` too. All by name fit every route.
///
/// ```
/// use std::collections::HashMap;
/// use trijet_core::{Path, Router, get};
///
/// async fn one(Path(id): Path<u64>) -> String { format!("report {id}") }
/// async fn two(Path((user, id)): Path<(String, u64)>) -> String { format!("{user}'s report {id}") }
/// async fn all(Path(all): Path<HashMap<String, String>>) -> String { format!("{:?}", all["rest"]) }
///
/// let app = Router::new()
///     .route("/reports/{id}", get(one))
///     .route("/users/{user}/reports/{id}", get(two))
///     .route("/files/{*rest}", get(all));
/// assert!(app.build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromPath> FromRequestParts for Path<T> {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        T::from_path(context.path_values()).map(Self)
    }

    fn declare(needs: &mut Needs) {
        if let Some(count) = T::COUNT {
            needs.captures(count);
        }
    }
}

impl<T: FromPath> OptionalFromRequestParts for Path<T> {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Option<Self>, Rejection> {
        let values = context.path_values();
        if values.raw().len() == 0 { Ok(None) } else { T::from_path(values).map(|value| Some(Self(value))) }
    }

    fn declare(needs: &mut Needs) {
        if let Some(count) = T::COUNT {
            needs.captures_if_any(count);
        }
    }
}

/// What all captures of a path together can become.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from the captures of a path",
    label = "not a value of a path",
    note = "`Path` takes one value, a tuple of up to 8, `Vec<(String, String)>` or a map from `String` to `String`",
    note = "implement `trijet::extract::FromCapture` for a type of your own; for another crate's take `Parse<T>`"
)]
pub trait FromPath: Sized + Send + 'static {
    /// How many captures it takes; `None`: any number.
    const COUNT: Option<usize>;

    /// Makes the value.
    ///
    /// # Errors
    /// A [`Rejection`] where a capture cannot be decoded or parsed.
    fn from_path(values: PathValues<'_>) -> Result<Self, Rejection>;
}

/// What one capture can become, decoded.
///
/// ```
/// use trijet_core::extract::FromCapture;
///
/// struct Slug(String);
///
/// impl FromCapture for Slug {
///     type Error = &'static str;
///
///     fn from_capture(text: &str) -> Result<Self, Self::Error> {
///         let valid = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
///         valid.then(|| Self(text.into())).ok_or("letters, digits and dashes only")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from one capture of a path",
    label = "not a value of a path",
    note = "implement `trijet::extract::FromCapture` for a type of your own; for another crate's take `Parse<T>`"
)]
pub trait FromCapture: Sized + Send + 'static {
    /// What is wrong with the text. It is shown to the client, escaped.
    type Error: fmt::Display;

    /// Makes the value.
    ///
    /// # Errors
    /// Where `text` is not one: answered with 400.
    fn from_capture(text: &str) -> Result<Self, Self::Error>;
}

/// Any [`FromStr`] type as a capture: `Path(Parse(id)): Path<Parse<Uuid>>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parse<T>(pub T);

impl<T: FromStr<Err: fmt::Display> + Send + 'static> FromCapture for Parse<T> {
    type Error = T::Err;

    fn from_capture(text: &str) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

macro_rules! parsed {
    ($($kind:ty)*) => {$(
        impl FromCapture for $kind {
            type Error = <$kind as FromStr>::Err;

            fn from_capture(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )*};
}
parsed!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char String PathBuf);
parsed!(NonZero<u8> NonZero<u16> NonZero<u32> NonZero<u64> NonZero<u128> NonZero<usize>);
parsed!(std::net::IpAddr std::net::Ipv4Addr std::net::Ipv6Addr std::net::SocketAddr);

/// The captures of one request, by name, in the order of the pattern.
#[derive(Clone, Copy, Debug)]
pub struct PathValues<'c> {
    names: &'c [Box<str>],
    captures: &'c Captures,
}

impl<'c> PathValues<'c> {
    pub(crate) fn new(names: &'c [Box<str>], captures: &'c Captures) -> Self {
        Self { names, captures }
    }

    /// Each name, and the raw text that stood in its place.
    pub fn raw(&self) -> impl ExactSizeIterator<Item = (&'c str, &'c str)> + use<'c> {
        self.names.iter().map(|name| &**name).zip(self.captures.iter())
    }

    /// Each name, and its text, decoded.
    fn decoded(&self) -> impl Iterator<Item = Result<(&'c str, Cow<'c, str>), Rejection>> + use<'c> {
        self.raw().map(|(name, raw)| Ok((name, decode(name, raw)?)))
    }

    fn all<C: FromIterator<(String, String)>>(&self) -> Result<C, Rejection> {
        self.decoded().map(|pair| pair.map(|(name, text)| (name.to_owned(), text.into_owned()))).collect()
    }

    fn expect_count(&self, count: usize) -> Result<(), Rejection> {
        let actual = self.raw().len();
        if actual == count {
            return Ok(());
        }
        // Found before serving for handlers; a middleware can meet routes of many shapes.
        Err(Rejection::internal(format!("Path takes {count} captures, the route has {actual}").into()))
    }
}

/// RFC 3986 §2.1, strictly: each `%` is followed by two hexadecimal digits.
fn decode<'r>(name: &str, raw: &'r str) -> Result<Cow<'r, str>, Rejection> {
    if memchr::memchr(b'%', raw.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(raw));
    }
    let mut after_percent = raw.split('%').skip(1).map(str::as_bytes);
    if !after_percent
        .all(|rest| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
    {
        let text = format!("The path value `{name}` has a percent sign that begins no escape.");
        return Err(Rejection::new(StatusCode::BAD_REQUEST, text));
    }
    percent_decode_str(raw).decode_utf8().map_err(|error| {
        let text = format!("The path value `{name}` is not UTF-8.");
        Rejection::new(StatusCode::BAD_REQUEST, text).with_source(error)
    })
}

fn parse<T: FromCapture>(name: &str, text: &str) -> Result<T, Rejection> {
    T::from_capture(text).map_err(|error| {
        let text = format!("The path value `{name}` is not valid: {}.", explained(&error));
        Rejection::new(StatusCode::BAD_REQUEST, text)
    })
}

impl<T: FromCapture> FromPath for T {
    const COUNT: Option<usize> = Some(1);

    fn from_path(values: PathValues<'_>) -> Result<Self, Rejection> {
        let (value,) = FromPath::from_path(values)?;
        Ok(value)
    }
}

macro_rules! tuples {
    ($count:literal $($part:ident)*) => {
        impl<$($part: FromCapture),*> FromPath for ($($part,)*) {
            const COUNT: Option<usize> = Some($count);

            fn from_path(values: PathValues<'_>) -> Result<Self, Rejection> {
                values.expect_count($count)?;
                let mut raw = values.raw();
                Ok(($({
                    let (name, raw) = raw.next().unwrap_or_default();
                    parse::<$part>(name, &decode(name, raw)?)?
                },)*))
            }
        }
    };
}
tuples!(1 A);
tuples!(2 A B);
tuples!(3 A B C);
tuples!(4 A B C D);
tuples!(5 A B C D E);
tuples!(6 A B C D E F);
tuples!(7 A B C D E F G);
tuples!(8 A B C D E F G H);

macro_rules! collections {
    ($($kind:ty)*) => {$(
        impl FromPath for $kind {
            const COUNT: Option<usize> = None;

            fn from_path(values: PathValues<'_>) -> Result<Self, Rejection> {
                values.all()
            }
        }
    )*};
}
collections!(Vec<(String, String)> HashMap<String, String> BTreeMap<String, String>);
