//! [`MethodRouter`]: the handlers of one path by method, with their settings.
//! Faults are kept here and reported by `Router::build`; none may panic or be dropped.

use std::{fmt, sync::Arc};

use http::Method;

use super::{RouteName, endpoint::Others, names::Given};
use crate::{
    handler::{Erased, Handler, Service},
    middleware::{self, Around, Middleware},
};

/// The handlers of one path by method, with settings for all of them.
///
/// HEAD is answered by the handler of GET, without the body; OPTIONS with the list of methods; both
/// unless they have a handler of their own. A method without handler is answered with 405 and `Allow`, or by the
/// [`fallback`](Self::fallback).
///
/// ```
/// use trijet_core::{Router, get, post};
///
/// async fn list() -> &'static str { "no files" }
/// async fn upload(body: trijet_core::Bytes) -> String { format!("{} bytes", body.len()) }
///
/// let router = Router::new().route("/files", get(list).post(upload).body_limit(64 << 20));
/// ```
#[derive(Default)]
pub struct MethodRouter {
    /// No method: any.
    pub(super) handlers: Vec<(Option<Method>, Arc<dyn Service>)>,
    /// The innermost first.
    pub(super) wraps: Vec<Arc<dyn Around>>,
    pub(super) body_bytes_max: Option<u64>,
    pub(super) cancels: bool,
    /// One at most, or it is a fault.
    pub(super) fallbacks: Vec<Others>,
    pub(super) names: Vec<Given>,
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {
        $(
            #[doc = concat!("Answers ", stringify!($method), " by `handler`; other methods can be added.")]
            pub fn $name<H: Handler<M>, M: 'static>(handler: H) -> MethodRouter {
                MethodRouter::default().$name(handler)
            }
        )*

        impl MethodRouter {
            $(
                #[doc = concat!("Answers ", stringify!($method), " by `handler`.")]
                #[must_use]
                pub fn $name<H: Handler<M>, M: 'static>(self, handler: H) -> Self {
                    self.on(Method::$method, handler)
                }
            )*
        }
    };
}
methods!(get GET, head HEAD, post POST, put PUT, patch PATCH, delete DELETE, options OPTIONS);

/// Answers every method by `handler`, also those that nobody has heard of; some can be given other handlers.
pub fn any<H: Handler<M>, M: 'static>(handler: H) -> MethodRouter {
    MethodRouter::default().any(handler)
}

impl MethodRouter {
    /// Answers `method` by `handler`.
    #[must_use]
    pub fn on<H: Handler<M>, M: 'static>(mut self, method: Method, handler: H) -> Self {
        self.handlers.push((Some(method), Arc::new(Erased::new(handler))));
        self
    }

    /// Answers every method that has no handler of its own by `handler`.
    #[must_use]
    pub fn any<H: Handler<M>, M: 'static>(mut self, handler: H) -> Self {
        self.handlers.push((None, Arc::new(Erased::new(handler))));
        self
    }

    /// Answers by `handler` the methods that have no handler, in place of 405 (and of 501 for those that nobody has heard
    /// of). HEAD and OPTIONS are still answered as they are without.
    ///
    /// A 405 of its own gets the `Allow` that it must have (RFC 9110 §15.5.6), unless it has one. [`any`](Self::any)
    /// is for handlers that offer every method: OPTIONS too, and no 405 then. It leaves nothing to a fallback, and
    /// [`Router::build`](crate::Router::build) refuses both together.
    ///
    /// ```
    /// use trijet_core::{Method, Router, StatusCode, get};
    ///
    /// async fn no(method: Method) -> (StatusCode, String) {
    ///     (StatusCode::METHOD_NOT_ALLOWED, format!("{method} changes nothing here: this list is read only.\n"))
    /// }
    ///
    /// let router = Router::new().route("/list", get(async || "eggs\n").fallback(no));
    /// # #[cfg(feature = "testing")] {
    /// # let refused = trijet_core::sim::TestClient::new(router).put("/list").send();
    /// # assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    /// # }
    /// ```
    #[must_use]
    pub fn fallback<H: Handler<M>, M: 'static>(mut self, handler: H) -> Self {
        self.fallbacks.push(Others::new(Arc::new(Erased::new(handler))));
        self
    }

    /// Names the route, so that [`Urls`](crate::extract::Urls) can build addresses of it: by a text, or by a
    /// [`RouteName`], whose captures [`Router::build`](crate::Router::build) compares with those of the pattern.
    ///
    /// A name is given once in an app, its nests and hosts included.
    #[must_use]
    pub fn name<C>(mut self, name: impl Into<RouteName<C>>) -> Self {
        self.names.push(Given::new(name.into().untyped()));
        self
    }

    /// Puts `middleware` around all handlers of this path, and its fallback, whether they are added before or after.
    ///
    /// A later wrap stands outside an earlier one. The answers 405 and to OPTIONS that are made without a handler
    /// are not wrapped: [`Router::wrap`](crate::Router::wrap) does that.
    #[must_use]
    pub fn wrap<W: Middleware<M>, M: 'static>(mut self, middleware: W) -> Self {
        self.wraps.push(Arc::new(middleware::Erased::new(middleware)));
        self
    }

    /// Sets the most bytes that the body of a request to this path may have, in place of
    /// [`Limits::body_bytes_max`](crate::Limits::body_bytes_max). Over it is answered with 413.
    #[must_use]
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// Drops the future of a handler, and of the middleware around it, when the client leaves; or the body
    /// that it is streaming. Without this, a handler runs to its end.
    ///
    /// **A client that ends its direction counts as leaving**, even if it still waits for its answer: it gets
    /// none. Some simple clients do so (`nc -N`). What was answered before on the connection is still sent.
    ///
    /// A plain `fn` that runs cannot be stopped: its answer is dropped. It can look at
    /// [`Disconnected`](crate::extract::Disconnected). One that still waits for a thread never runs. For a
    /// middleware that is one, [`run_blocking`](crate::Next::run_blocking) ends: what is inside is dropped.
    ///
    /// ```
    /// use trijet_core::{Router, get};
    ///
    /// async fn report() -> String {
    ///     // …many queries; what is under way is dropped when nobody waits for the report any more.
    ///     "report".into()
    /// }
    ///
    /// let router = Router::new().route("/report", get(report).cancel_on_disconnect());
    /// # assert!(router.build().is_ok());
    /// ```
    #[must_use]
    pub fn cancel_on_disconnect(mut self) -> Self {
        self.cancels = true;
        self
    }
}

impl fmt::Debug for MethodRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.handlers.iter().map(|(method, _)| match method {
            Some(method) => method.as_str(),
            None => "any",
        });
        f.debug_list().entries(methods).finish()
    }
}
