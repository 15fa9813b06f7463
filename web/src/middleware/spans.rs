//! [`Spans`]: a span of the crate `tracing` for each request. It must never put a target into a span, which may hold secrets:
//! the route names what was asked.

use tracing::{Instrument, Span, field::Empty};
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Provided, RequestId,
    fields::method_name,
    observed::{End, Observer, observe},
};

/// Gives each request a span of the crate [`tracing`], of the name `request`, the target `trijet::request` and the
/// level info, with the fields `method`, `route`, `status` and `request_id` (where
/// [`RequestIds`](super::RequestIds) stands outside).
///
/// All `async fn` inside are in the span whenever they are polled, and so is what they
/// [instrument](tracing::Instrument). A plain `fn` runs where no poll is: there the span is at hand as
/// [`RequestSpan`]. It is closed with the response's body.
///
/// A method that no RFC 9110 knows is `other`, so that clients cannot make values up.
///
/// ```
/// use trijet_core::{Router, extract::Extension, get};
/// use trijet_web::middleware::{RequestIds, RequestSpan, Spans};
///
/// async fn report() -> &'static str {
///     tracing::info!("in the span of the request");
///     "report"
/// }
///
/// fn from_disk(Extension(RequestSpan(span)): Extension<RequestSpan>) -> &'static str {
///     span.in_scope(|| tracing::info!("here, too"));
///     "from disk"
/// }
///
/// let app = Router::new()
///     .route("/", get(report))
///     .route("/disk", get(from_disk))
///     .wrap(Spans::new())
///     .wrap(RequestIds::new());
/// # let client = trijet_core::sim::TestClient::new(app);
/// # assert_eq!((client.get("/").send().text(), client.get("/disk").send().text()), ("report", "from disk"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans(());

/// The span of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestSpan(pub Span);

impl Spans {
    /// A span for each request.
    pub fn new() -> Self {
        Self(())
    }
}

impl Middleware<Provided> for Spans {
    async fn call(self, mut request: Request, next: Next) -> Answer {
        let span = tracing::info_span!(
            target: "trijet::request",
            "request",
            method = method_name(request.method()),
            route = next.route(),
            status = Empty,
            request_id = request.extensions().get::<RequestId>().map(RequestId::as_str),
        );
        request.extensions_mut().insert(RequestSpan(span.clone()));
        let response = next.run(request).instrument(span.clone()).await;
        span.record("status", response.status().as_u16());
        observe(response, Held(span)).into()
    }

    fn declare(_: &mut Needs) {}
}

/// Keeps the span open until the body is done.
struct Held(#[expect(dead_code, reason = "it is dropped with the body")] Span);

impl Observer for Held {
    fn ended(self, _: u64, _: End) {}
}
