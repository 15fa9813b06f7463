//! [`service`]: a service of tower as a handler. It must call nothing of the service before the handler's future is
//! polled, and keeps no request from another: each has its own clone.

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use http::{Method, header::CONTENT_LENGTH};
use http_body::{Body as HttpBody, Frame};
use tower_service::Service;
use trijet_core::{
    Body, BoxError, Bytes, Handler, IntoResponse, ReceivedHead, Request, Response, Router, any,
    extract::{Context, ContextRef, Needs},
    respond::Answer,
};

use super::{
    failure::{OnError, Place, internal_error},
    strip::{OriginalUri, stripped},
};

/// A service of tower as a handler: of a route, or of all that no route matches.
///
/// It is a `tower::Service` of requests whose body is our [`Body`], and of responses with any body. An
/// `axum::Router` is one as it is.
///
/// ```
/// use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll}};
/// use trijet_core::{Request, Response, Router, any};
/// use trijet_web::interop::{Service, service};
///
/// #[derive(Clone)]
/// struct Hello; // …or an `axum::Router`.
///
/// impl Service<Request> for Hello {
///     type Response = Response;
///     type Error = Infallible;
///     type Future = Ready<Result<Response, Infallible>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, request: Request) -> Self::Future {
///         ready(Ok(Response::new(format!("hello from {}", request.uri()).into())))
///     }
/// }
///
/// let app = Router::new()
///     // It sees `/hello`.
///     .route("/hello", any(service(Hello)))
///     // It sees `/` for `/nested`, and `/below?a=b` for `/nested/below?a=b`.
///     .nest("/nested", service(Hello).into_router())
///     // It sees all other paths, as they are.
///     .fallback(service(Hello));
/// # assert!(app.build().is_ok());
/// ```
///
/// - Each request has a clone of the service, which is asked whether it is ready (`poll_ready`) before it is called. As
///   in axum it has to be `Clone + Send + Sync`: `tower::util::BoxCloneSyncService` is, when boxed.
/// - It runs where an `async fn` does, and must not block.
/// - Bodies are streamed in both directions. The limit of the server, or of [`body_limit`](Mounted::body_limit), holds
///   for that of the request beside what the service's framework sets itself: where axum's `DefaultBodyLimit` is to
///   let more through than the 2 MiB of the server, both have to. A length over it is answered with 413 before the
///   service is called; what only turns out to be over it is an error in the body, which an app of axum answers with 400.
/// - An error is a 500, and a line in the log: see [`on_error`](Mounted::on_error). A panic is what it is in any handler.
/// - It is dropped as any handler's future is: at the end of a stop, or with its client where that is said
///   ([`cancel_on_disconnect`](Mounted::cancel_on_disconnect)).
/// - Upgrades, and so the WebSockets of axum, are not there: nothing in a request hands over its connection. A service
///   that answers 101 all the same is a 500, and a line in the log.
pub fn service<S>(service: S) -> Mounted<S> {
    Mounted {
        service,
        prepare: None,
        on_error: OnError::default(),
        sees: Sees::Whole,
        body_bytes_max: None,
        cancels: false,
    }
}

/// What [`service`] makes: a [`Handler`].
#[derive(Clone)]
pub struct Mounted<S> {
    service: S,
    prepare: Option<Arc<Prepare>>,
    on_error: OnError,
    sees: Sees,
    body_bytes_max: Option<u64>,
    cancels: bool,
}

type Prepare = dyn Fn(&mut Request, &Context) + Send + Sync;

/// Which path the service sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    Whole,
    /// Without the prefix of the nest.
    Rest,
}

impl<S> Mounted<S> {
    /// Has `prepare` look at each request, and change it, before the service does: to put into its extensions what a
    /// framework looks for there.
    ///
    /// ```
    /// # #[derive(Clone)] struct ConnectInfo<T>(T);
    /// # use trijet_web::interop::{Mounted, service};
    /// fn mount<S>(app: S) -> Mounted<S> {
    ///     service(app).prepare(|request, context| {
    ///         if let Some(peer) = context.peer_address() {
    ///             // `axum::extract::ConnectInfo`, for handlers that take it.
    ///             request.extensions_mut().insert(ConnectInfo(peer));
    ///         }
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn prepare(self, prepare: impl Fn(&mut Request, &Context) + Send + Sync + 'static) -> Self {
        Self { prepare: Some(Arc::new(prepare)), ..self }
    }

    /// Answers the errors of the service by `answer`, in place of 500 and a line in the log.
    ///
    /// Without it, a [`BodyError`](trijet_core::BodyError) that the service passes on is answered as an extractor does:
    /// 413 for a body that is too large, for example.
    #[must_use]
    pub fn on_error<R: IntoResponse>(self, answer: impl Fn(BoxError) -> R + Send + Sync + 'static) -> Self {
        Self { on_error: OnError::new(answer), ..self }
    }

    /// Sets the most bytes that the body of a request may have, in place of
    /// [`Limits::body_bytes_max`](trijet_core::Limits::body_bytes_max), as
    /// [`MethodRouter::body_limit`](trijet_core::MethodRouter::body_limit) does, which wins where both are there. It holds
    /// in a fallback and in a nest too.
    #[must_use]
    pub fn body_limit(self, bytes: u64) -> Self {
        Self { body_bytes_max: Some(bytes), ..self }
    }

    /// Drops the service's future, and the middleware around it, when the client leaves, as
    /// [`MethodRouter::cancel_on_disconnect`](trijet_core::MethodRouter::cancel_on_disconnect) does: in a fallback and in
    /// a nest too.
    #[must_use]
    pub fn cancel_on_disconnect(self) -> Self {
        Self { cancels: true, ..self }
    }

    /// A router whose every path the service answers, for [`Router::nest`]: the service does not see the prefix.
    ///
    /// The prefix itself, with a slash or without, is `/` for the service. The address with the prefix is among the request's
    /// extensions, as [`OriginalUri`]. Prefixes of several nests, and captures in them, are taken off together; that of a
    /// nest that is added to this router is none of them, and the service answers what such a nest does not know.
    pub fn into_router<B>(self) -> Router
    where
        S: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: HttpBody + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let nested = Self { sees: Sees::Rest, ..self };
        // A fallback answers for the prefix itself, with a slash and without: no pattern of a nest can name both.
        Router::new().route("/{*path}", any(nested.clone())).fallback(nested)
    }

    /// The request as the service is to see it.
    fn prepared(&self, mut request: Request, context: &Context) -> Result<Request, Answer> {
        if let Some(prepare) = &self.prepare {
            prepare(&mut request, context);
        }
        if self.sees == Sees::Rest {
            // No part of a valid address is invalid; were one, the service must not see it with the prefix.
            let rest =
                stripped(request.uri(), context.prefix()).map_err(|_| internal_error().into_answer())?;
            let original = OriginalUri(std::mem::replace(request.uri_mut(), rest));
            request.extensions_mut().get_or_insert_with(|| original);
        }
        Ok(request)
    }
}

/// Marks services that are handlers.
#[derive(Debug)]
pub enum AsService {}

impl<S, B> Handler<AsService> for Mounted<S>
where
    S: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn call(
        mut self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let request = head.into_request(body);
        let context = context.into_context();
        async move {
            let prepared = match request {
                Ok(request) => self.prepared(request, &context),
                Err(refusal) => Err(refusal.into_answer()),
            };
            let request = match prepared {
                Ok(request) => request,
                Err(answer) => return answer,
            };
            let at = Place::of(&request, context.route());
            let is_head = *request.method() == Method::HEAD;
            match answered(&mut self.service, request).await {
                Ok(response) if is_head => without_body(response).into(),
                Ok(response) => response.into(),
                Err(error) => self.on_error.answer("the service at", &at, error).into(),
            }
        }
    }

    fn declare(_: &mut Needs) {}

    fn body_bytes_max(&self) -> Option<u64> {
        self.body_bytes_max
    }

    fn cancels(&self) -> bool {
        self.cancels
    }
}

/// Calls `service`, a clone of this request's own, once it is ready.
pub(super) async fn answered<S, B>(service: &mut S, request: Request) -> Result<Response, BoxError>
where
    S: Service<Request, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody + Send + 'static,
    B::Error: Into<BoxError>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    let response = service.call(request).await.map_err(Into::into)?;
    Ok(response.map(Body::new))
}

/// An answer to HEAD whose body the service may have left out by itself, as axum does. Where it does not say how long that
/// is, nothing is said of it: RFC 9110 §8.6 wants the length that it has for GET, or none.
fn without_body(response: Response) -> Response {
    if !response.body().is_empty() || response.headers().contains_key(CONTENT_LENGTH) {
        return response;
    }
    response.map(|_| Body::new(LeftOut))
}

/// A body of unknown length.
struct LeftOut;

impl HttpBody for LeftOut {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

impl<S> fmt::Debug for Mounted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").finish_non_exhaustive()
    }
}
