//! What a handler may take: the extractor traits, and the extractors that need no file of their own.
//! An extractor must never block, and must never look state up without declaring it.

mod body;
mod captures;
mod context;
#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
mod json;
mod located;
mod matched;
mod optional;
mod path;
#[cfg(feature = "query")]
mod query;
mod rejection;
mod state;

use std::{convert::Infallible, net::SocketAddr};

use http::{HeaderMap, Method, Uri, Version, request::Parts};

pub(crate) use captures::{CAPTURES_MAX, Captures};
pub(crate) use context::{At, Need};
pub use context::{Context, ContextRef, Needs};
#[cfg(feature = "form")]
pub use form::Form;
#[cfg(feature = "json")]
pub use json::Json;
pub use matched::MatchedPath;
pub use optional::{OptionalFromRequest, OptionalFromRequestParts};
pub use path::{FromCapture, FromPath, Parse, Path, PathValues};
#[cfg(feature = "query")]
pub use query::Query;
pub use rejection::Rejection;
pub use state::State;
pub(crate) use state::StateMap;

use crate::{IntoResponse, Request};
pub use crate::{disconnect::Disconnected, routing::Urls};

/// An extractor of the request's head: it can stand anywhere among a handler's arguments.
///
/// One of your own is ten lines. What it refuses with is a response; a [`Rejection`] is one that
/// [`Router::errors`](crate::Router::errors) can word.
///
/// ```
/// use trijet_core::{FromRequestParts, StatusCode, extract::{Context, Rejection}};
/// use http::request::Parts;
///
/// struct UserAgent(String);
///
/// impl FromRequestParts for UserAgent {
///     type Rejection = Rejection;
///
///     async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Rejection> {
///         let value = parts.headers.get("user-agent").and_then(|value| value.to_str().ok());
///         value.map(|text| Self(text.into())).ok_or(Rejection::new(StatusCode::BAD_REQUEST, "Say who you are."))
///     }
/// }
///
/// async fn whoami(UserAgent(name): UserAgent) -> String { name }
/// # let _ = trijet_core::get(whoami);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor, or not one that can stand here",
    label = "cannot be taken from the request's head",
    note = "an extractor that reads the body (`Json`, `Form`, `String`, `Bytes`, `Body`, `Request`) must be the last argument",
    note = "state is taken as `State<T>`, captures as `Path<T>`; implement `trijet::FromRequestParts` for a type of your own"
)]
pub trait FromRequestParts: Sized + Send + 'static {
    /// What is answered where the value cannot be had.
    type Rejection: IntoResponse;

    /// Whether it looks at the head that it is given. Say `false` for what is taken from the context alone: a handler
    /// all of whose extractors do so costs less, as its request's head need not be made.
    const READS_HEAD: bool = true;

    /// Takes the value from the head of the request, or from the context of its route.
    fn from_request_parts(
        parts: &mut Parts,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// Declares what must be there for this to work, so that its lack is found before serving.
    ///
    /// An extractor that uses others declares for them: `State::<Db>::declare(needs)`.
    fn declare(needs: &mut Needs) {
        let _ = needs;
    }
}

/// An extractor of the whole request, body included: the last argument of a handler.
///
/// Every [`FromRequestParts`] type is one too; `M` only tells the two kinds apart, and is never named.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor",
    label = "cannot be taken from a request",
    note = "state is taken as `State<T>`, captures as `Path<T>`, a JSON body as `Json<T>`",
    note = "implement `trijet::FromRequestParts` (head) or `trijet::FromRequest` (body) for a type of your own"
)]
pub trait FromRequest<M = ViaRequest>: Sized + Send + 'static {
    /// What is answered where the value cannot be had.
    type Rejection: IntoResponse;

    /// As [`FromRequestParts::READS_HEAD`]: `false` for what is taken from the body or the context alone.
    const READS_HEAD: bool = true;

    /// Takes the value from the request.
    fn from_request(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// As [`FromRequestParts::declare`].
    fn declare(needs: &mut Needs) {
        let _ = needs;
    }
}

/// Marks extractors that take the whole request.
#[derive(Debug)]
pub enum ViaRequest {}

/// Marks extractors that take its head alone.
#[derive(Debug)]
pub enum ViaParts {}

impl<T: FromRequestParts> FromRequest<ViaParts> for T {
    type Rejection = T::Rejection;

    const READS_HEAD: bool = T::READS_HEAD;

    fn from_request(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, T::Rejection>> + Send {
        // Nobody will read the body any more: the connection learns it at once.
        let (mut parts, _) = request.into_parts();
        async move { T::from_request_parts(&mut parts, context).await }
    }

    fn declare(needs: &mut Needs) {
        T::declare(needs);
    }
}

impl FromRequest for Request {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &Context) -> Result<Self, Infallible> {
        Ok(request)
    }
}

macro_rules! head_fields {
    ($($field:ident: $kind:ty),*) => {$(
        impl FromRequestParts for $kind {
            type Rejection = Infallible;

            async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Infallible> {
                Ok(parts.$field.clone())
            }
        }
    )*};
}
head_fields!(method: Method, uri: Uri, version: Version, headers: HeaderMap);

/// The address of the peer that this connection comes from.
///
/// Behind a proxy that is the proxy's. A connection without one (a test, a Unix socket) is refused
/// with 500; take `Option<PeerAddress>` to serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress(pub SocketAddr);

impl FromRequestParts for PeerAddress {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        context.peer_address().map(Self).ok_or_else(|| {
            Rejection::internal("PeerAddress: this connection has none; take Option<PeerAddress>".into())
        })
    }
}

impl OptionalFromRequestParts for PeerAddress {
    type Rejection = Infallible;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Option<Self>, Infallible> {
        Ok(context.peer_address().map(PeerAddress))
    }
}

/// A clone of a value that a middleware put into the request's extensions: the user it found, for example.
///
/// Where there is none, it answers 500 with a log line; `Option<Extension<T>>` is `None` there.
///
/// ```
/// use trijet_core::{Next, Request, Response, Router, extract::Extension, get};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// async fn identify(mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(User("Ada".into()));
///     next.run(request).await
/// }
///
/// async fn greet(Extension(user): Extension<User>) -> String { format!("Hello, {}!", user.0) }
///
/// let router = Router::new().route("/", get(greet)).wrap(identify);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromRequestParts for Extension<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        parts.extensions.get().cloned().map(Self).ok_or_else(|| {
            let (kind, route) = (std::any::type_name::<T>(), context.route().unwrap_or("no route"));
            Rejection::internal(
                format!("Extension<{kind}> on `{route}`: no middleware has put one in").into(),
            )
        })
    }
}

impl<T: Clone + Send + Sync + 'static> OptionalFromRequestParts for Extension<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned().map(Self))
    }
}

/// The value or its rejection: the handler decides what to answer.
impl<T: FromRequestParts<Rejection: Send + 'static>> FromRequestParts for Result<T, T::Rejection> {
    type Rejection = Infallible;

    const READS_HEAD: bool = T::READS_HEAD;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Infallible> {
        Ok(T::from_request_parts(parts, context).await)
    }

    fn declare(needs: &mut Needs) {
        T::declare(needs);
    }
}

/// The value or its rejection: the handler decides what to answer.
impl<T: FromRequest<Rejection: Send + 'static>> FromRequest for Result<T, T::Rejection> {
    type Rejection = Infallible;

    const READS_HEAD: bool = T::READS_HEAD;

    async fn from_request(request: Request, context: &Context) -> Result<Self, Infallible> {
        Ok(T::from_request(request, context).await)
    }

    fn declare(needs: &mut Needs) {
        T::declare(needs);
    }
}

#[cfg(test)]
mod tests;
