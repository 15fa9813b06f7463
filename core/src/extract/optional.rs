//! `Option<T>` as an extractor: [`OptionalFromRequestParts`] says what "absent" is. A value that is there and malformed
//! must stay an error.

use http::request::Parts;

use super::{Context, FromRequestParts, Needs};
use crate::IntoResponse;

/// An extractor of the head that has a notion of "absent", so that it can be taken as `Option`.
///
/// What is absent is `None`; what is there, and is not what it should be, is refused as without the `Option`. Who wants
/// to see any refusal takes `Result<T, T::Rejection>`.
///
/// ```
/// use trijet_core::{StatusCode, extract::{Context, FromRequestParts, OptionalFromRequestParts}};
/// use http::request::Parts;
///
/// struct ApiKey(String);
///
/// impl OptionalFromRequestParts for ApiKey {
///     type Rejection = (StatusCode, &'static str);
///
///     async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Option<Self>, Self::Rejection> {
///         let Some(value) = parts.headers.get("x-api-key") else { return Ok(None) };
///         let key = value.to_str().map_err(|_| (StatusCode::BAD_REQUEST, "The key is not ASCII."))?;
///         Ok(Some(Self(key.into())))
///     }
/// }
///
/// async fn hello(key: Option<ApiKey>) -> String {
///     key.map_or("Hello, whoever you are!".into(), |ApiKey(key)| format!("Hello, {key}!"))
/// }
/// # let _ = trijet_core::get(hello);
/// ```
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` is not an extractor",
    label = "has no notion of \"absent\"",
    note = "to see why it could not be taken, take `Result<{Self}, …>` with its rejection",
    note = "implement `trijet::extract::OptionalFromRequestParts` for a type of your own"
)]
pub trait OptionalFromRequestParts: Sized + Send + 'static {
    /// What is answered where the value is there and malformed.
    type Rejection: IntoResponse;

    /// As [`FromRequestParts::READS_HEAD`].
    const READS_HEAD: bool = true;

    /// Takes the value, if it is there.
    fn from_request_parts(
        parts: &mut Parts,
        context: &Context,
    ) -> impl Future<Output = Result<Option<Self>, Self::Rejection>> + Send;

    /// As [`FromRequestParts::declare`]: what must be there for the value to be absent or well-formed.
    fn declare(needs: &mut Needs) {
        let _ = needs;
    }
}

impl<T: OptionalFromRequestParts> FromRequestParts for Option<T> {
    type Rejection = T::Rejection;

    const READS_HEAD: bool = T::READS_HEAD;

    fn from_request_parts(
        parts: &mut Parts,
        context: &Context,
    ) -> impl Future<Output = Result<Self, T::Rejection>> + Send {
        T::from_request_parts(parts, context)
    }

    fn declare(needs: &mut Needs) {
        T::declare(needs);
    }
}
