//! What decides whether credentials are good: a function of the user's, a plain `fn` that may block (it hashes a
//! password, it asks a database) or an `async fn` that may not. A plain one must never be called by a poll: it goes
//! through `jobs`.

use http::StatusCode;
use trijet_core::{
    IntoResponse, Response,
    handler::{Asynchronous, Blocking},
    jobs,
};

/// A function from credentials to a [`Verdict`]: `fn` or `async fn`, as handlers are. `K` tells the kinds apart,
/// and is never named.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not check credentials of the type `{C}`",
    label = "not a check",
    note = "a check is `fn(Basic) -> Option<User>` or `async fn(Basic) -> Option<User>`; for tokens it takes a `Bearer`",
    note = "it may return a `Result` of that, whose error is a response; `User` must be `Clone + Send + Sync + 'static`"
)]
pub trait Check<C, K>: Clone + Send + Sync + 'static {
    /// Who somebody is whose credentials are good.
    type User: Clone + Send + Sync + 'static;

    /// Tells who they are, or none.
    ///
    /// # Errors
    /// The response to give where it could not be found out.
    fn check(self, credentials: C) -> impl Future<Output = Result<Option<Self::User>, Box<Response>>> + Send;
}

impl<F, C, R> Check<C, Asynchronous> for F
where
    F: Fn(C) -> R + Clone + Send + Sync + 'static,
    C: Send + 'static,
    R: Future<Output: Verdict> + Send,
{
    type User = <R::Output as Verdict>::User;

    async fn check(self, credentials: C) -> Result<Option<Self::User>, Box<Response>> {
        self(credentials).await.into_user()
    }
}

impl<F, C, R> Check<C, Blocking> for F
where
    F: Fn(C) -> R + Clone + Send + Sync + 'static,
    C: Send + 'static,
    R: Verdict + 'static,
{
    type User = R::User;

    async fn check(self, credentials: C) -> Result<Option<Self::User>, Box<Response>> {
        let call = jobs::run(move || self(credentials).into_user());
        call.await.unwrap_or_else(|error| Err(Box::new(error.into_response())))
    }
}

/// What a check returns: who it is, `None` where the credentials are not good, or an error where it could not be
/// found out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who somebody is",
    note = "return `Option<User>`, or a `Result` of that whose error is a response"
)]
pub trait Verdict: Send {
    /// Who it is: put into the request's extensions, for `Extension<User>`.
    type User: Clone + Send + Sync + 'static;

    /// The user, or none.
    ///
    /// # Errors
    /// The response to give.
    fn into_user(self) -> Result<Option<Self::User>, Box<Response>>;
}

impl<U: Clone + Send + Sync + 'static> Verdict for Option<U> {
    type User = U;

    fn into_user(self) -> Result<Option<U>, Box<Response>> {
        Ok(self)
    }
}

impl<U: Clone + Send + Sync + 'static, E: IntoResponse + Send> Verdict for Result<Option<U>, E> {
    type User = U;

    fn into_user(self) -> Result<Option<U>, Box<Response>> {
        self.map_err(|error| {
            let mut response = error.into_response();
            // An error must never pass for an answer of what is protected.
            if response.status().is_success() {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            Box::new(response)
        })
    }
}
