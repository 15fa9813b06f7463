//! [`layer`]: a layer of tower as a middleware. The layered service is built once, since it may hold what all requests
//! share (a semaphore, a counter); what is inside of it is another for each request, and travels in that.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;
use trijet_core::{
    Body, BoxError, IntoResponse, Next, Request, Response, extract::Needs, middleware::Middleware,
    respond::Answer,
};

use super::{
    failure::{OnError, Place, internal_error},
    service::answered,
};

/// A layer of tower as a middleware, for the `wrap` of an app, a nest or a route.
///
/// ```
/// # use trijet_web::interop::Inside;
/// # #[derive(Clone)] struct TraceLayer;
/// # impl TraceLayer { fn new_for_http() -> Self { Self } }
/// # impl trijet_web::interop::Layer<Inside> for TraceLayer {
/// #     type Service = Inside;
/// #     fn layer(&self, inside: Inside) -> Inside { inside }
/// # }
/// use trijet_core::{Router, get};
/// use trijet_web::interop;
///
/// let app = Router::new()
///     .route("/", get(async || "hello"))
///     .wrap(interop::layer(TraceLayer::new_for_http())); // of `tower_http::trace`
/// # assert!(app.build().is_ok());
/// ```
///
/// Several make one middleware as a `tower::ServiceBuilder`, or as a tuple.
///
/// - **The layer is applied once**, when the first request comes, and each request has a clone of the service that it
///   gave: so a `ConcurrencyLimitLayer` limits all requests together. That service has to be `Clone + Send + Sync`. A
///   `RateLimit` is not: a `BufferLayer` around it makes it so. Since this happens within the server, a layer that
///   spawns a task, as `BufferLayer` does, finds Tokio on that backend, and with `tokio-context` on the others.
/// - That service is for as long as what it was built in: one whose task has ended with its server, as that of a
///   `BufferLayer` does, fails in the next one (500). So build another router, with another `layer(…)`, for another server:
///   a clone of this, or of an app that has it, has the same service.
/// - A clone is asked whether it is ready (`poll_ready`) before it is called. While it is not, its request waits.
/// - What is inside never fails (its error is [`Infallible`]), is always ready, takes any body, and can be called more
///   than once: a layer may try again. It has to be called with the request that the layer was given, or one that has
///   its extensions.
/// - It runs where an `async fn` does. A plain `fn` inside is a call on a thread, as anywhere, as long as the layer does
///   not move what is inside to a task of its own. A span that is entered around it is not entered on that thread.
/// - An error of the layer is a 500, and a line in the log: see [`on_error`](Layered::on_error).
/// - As any middleware it stands behind the search for the route: one that rewrites the path changes what the handler
///   sees, and not which handler that is.
pub fn layer<L: Layer<Inside>>(layer: L) -> Layered<L> {
    Layered { once: Arc::new(Once { layer, service: OnceLock::new() }), on_error: OnError::default() }
}

/// What [`layer`] makes: a [`Middleware`].
pub struct Layered<L: Layer<Inside>> {
    once: Arc<Once<L, L::Service>>,
    on_error: OnError,
}

struct Once<L, S> {
    layer: L,
    service: OnceLock<S>,
}

impl<L: Layer<Inside>> Layered<L> {
    /// Answers the errors of the layer by `answer`, in place of 500 and a line in the log: those of
    /// `tower::timeout` and `tower::load_shed`, for example.
    #[must_use]
    pub fn on_error<R: IntoResponse>(self, answer: impl Fn(BoxError) -> R + Send + Sync + 'static) -> Self {
        Self { on_error: OnError::new(answer), ..self }
    }
}

impl<L: Layer<Inside>> Clone for Layered<L> {
    fn clone(&self) -> Self {
        Self { once: self.once.clone(), on_error: self.on_error.clone() }
    }
}

impl<L: Layer<Inside>> fmt::Debug for Layered<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").finish_non_exhaustive()
    }
}

/// Marks layers that are middleware.
#[derive(Debug)]
pub enum AsLayer {}

impl<L, B> Middleware<AsLayer> for Layered<L>
where
    L: Layer<Inside> + Send + Sync + 'static,
    L::Service: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Future: Send + 'static,
    <L::Service as Service<Request>>::Error: Into<BoxError>,
    B: HttpBody + Send + 'static,
    B::Error: Into<BoxError>,
{
    async fn call(self, mut request: Request, next: Next) -> Answer {
        let Once { layer, service } = &*self.once;
        let mut service = service.get_or_init(|| layer.layer(Inside(()))).clone();
        request.extensions_mut().insert(Surroundings(next.clone()));
        let at = Place::of(&request, next.route());
        match answered(&mut service, request).await {
            Ok(response) => response.into(),
            Err(error) => self.on_error.answer("a layer around", &at, error).into(),
        }
    }

    fn declare(_: &mut Needs) {}
}

/// What is inside of the innermost layer, in the extensions of the request that is on its way there.
#[derive(Clone)]
struct Surroundings(Next);

/// What a layer of [`layer`] stands around, for one that tells or decides by it: the matched route and the client's
/// address.
///
/// ```
/// use trijet_core::Request;
/// use trijet_web::interop::surroundings;
///
/// /// The name of a span, for the `make_span_with` of `tower_http::trace`.
/// fn route<B>(request: &http::Request<B>) -> &str {
///     surroundings(request).and_then(|next| next.route()).unwrap_or("no route")
/// }
/// ```
///
/// None for a request that is on its way to no such layer.
pub fn surroundings<B>(request: &http::Request<B>) -> Option<&Next> {
    request.extensions().get::<Surroundings>().map(|surroundings| &surroundings.0)
}

/// What a layer of [`layer`] is given to stand around: a service that passes the request on to the next middleware, or to
/// the handler.
#[derive(Clone, Debug)]
pub struct Inside(());

impl<B> Service<http::Request<B>> for Inside
where
    B: HttpBody + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        let Some(Surroundings(next)) = request.extensions_mut().remove() else {
            log::error!(
                "a layer of tower called what is inside with a request of its own making: it has to keep the \
                 extensions of the one that it was given"
            );
            return Box::pin(std::future::ready(Ok(internal_error())));
        };
        let answer = next.run(request);
        Box::pin(async { Ok(answer.await) })
    }
}
