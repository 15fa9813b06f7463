//! One method of one route, ready to be called: its layers, its handler and what they can see.
//! Nothing here changes once it is built.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{HeaderValue, Method, StatusCode, header::ALLOW};

use crate::{
    Body, Response,
    extract::{At, ContextRef, Needs, StateMap},
    handler::Service,
    middleware::{Around, Words},
    received::ReceivedHead,
    respond::{self, BoxReply, Spare, sentence},
};

/// A handler and everything around it.
pub(crate) struct Endpoint {
    /// The pattern, for logs; none where nothing matched.
    pub(crate) route: Option<Arc<str>>,
    /// Its place among the app's endpoints, whose names [`Compiled`](super::Compiled) has.
    pub(crate) number: u32,
    /// The nests that the handler stands in, as one pattern.
    pub(crate) prefix: Arc<str>,
    /// The names of the captures.
    pub(crate) names: Arc<[Box<str>]>,
    /// Middleware, the outermost first.
    pub(crate) layers: Box<[Layer]>,
    pub(crate) service: Arc<dyn Service>,
    pub(crate) state: Arc<StateMap>,
    /// None: as for the whole server.
    pub(crate) body_bytes_max: Option<u64>,
    /// Whether a request ends when its client leaves.
    pub(crate) cancels: bool,
}

/// A middleware, and the state of the router that it was given to.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) middleware: Arc<dyn Around>,
    pub(crate) state: Arc<StateMap>,
}

impl Endpoint {
    pub(crate) fn state_at(&self, at: At) -> &StateMap {
        match at {
            At::Layer(index) => self.layers.get(index).map_or(&self.state, |layer| &layer.state),
            At::Handler => &self.state,
        }
    }

    /// How the middleware around it words failures, the innermost first.
    pub(crate) fn words(&self) -> impl Iterator<Item = Words<'_>> {
        self.layers.iter().rev().filter_map(|layer| layer.middleware.words())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("route", &self.route).finish_non_exhaustive()
    }
}

/// One pattern, with all that it offers.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) offers: Vec<Offer>,
    /// For OPTIONS, where it is not offered itself.
    pub(crate) options: Arc<Endpoint>,
    /// For every other method: 405, or 501 for one that nobody knows.
    pub(crate) refusal: Arc<Endpoint>,
    pub(crate) pattern: String,
    /// Whether paths that match it can belong to a nest that it is no part of.
    pub(crate) is_contested: bool,
    pub(crate) other_slash: OtherSlash,
}

/// What stands at the paths of a route with a slash more or less at their end, where no route matches those.
#[derive(Clone)]
pub(crate) enum OtherSlash {
    Nothing,
    /// The route itself.
    Same,
    /// What sends to it.
    Moved(Box<Route>),
}

/// An endpoint and its method; none is `any`.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) method: Option<Method>,
    pub(crate) endpoint: Arc<Endpoint>,
}

impl Route {
    pub(crate) fn endpoint(&self, method: &Method) -> &Arc<Endpoint> {
        let offered = |wanted: Option<&Method>| {
            self.offers.iter().find(|offer| offer.method.as_ref() == wanted).map(|offer| &offer.endpoint)
        };
        offered(Some(method))
            // RFC 9110 §9.3.2: HEAD is GET without the content, which the engine leaves out.
            .or_else(|| if *method == Method::HEAD { offered(Some(&Method::GET)) } else { None })
            .or_else(|| offered(None))
            .unwrap_or(if *method == Method::OPTIONS { &self.options } else { &self.refusal })
    }
}

/// The answers that need no handler.
pub(crate) enum Builtin {
    /// Nothing at this path.
    NotFound,
    /// The methods that there are, for one that is not among them.
    Refusal(HeaderValue),
    /// The methods that there are, for OPTIONS.
    Options(HeaderValue),
}

impl Builtin {
    fn respond(&self, head: &ReceivedHead<'_>) -> Response {
        let method = head.method();
        let (status, text, allow) = match self {
            Self::Options(allow) => (StatusCode::NO_CONTENT, "", Some(allow)),
            // RFC 9110 §9.1: unknown to the server is 501, known but not offered 405.
            Self::NotFound | Self::Refusal(_) if !STANDARD.contains(method) => {
                (StatusCode::NOT_IMPLEMENTED, "This server does not know the method.", None)
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "There is nothing at this path.", None),
            Self::Refusal(allow) => {
                (StatusCode::METHOD_NOT_ALLOWED, "This path does not offer the method.", Some(allow))
            }
        };
        let mut response = if text.is_empty() { Response::default() } else { sentence(status, text) };
        *response.status_mut() = status;
        if let Some(allow) = allow {
            respond::set_field(response.headers_mut(), ALLOW, allow.clone());
        }
        response
    }
}

impl Service for Builtin {
    fn call(&self, head: ReceivedHead<'_>, _: Body, _: ContextRef<'_>, _: &mut Option<Spare>) -> BoxReply {
        let response = self.respond(&head);
        BoxReply::new(std::future::ready(response.into()))
    }

    fn declare(&self, _: &mut Needs) {}
}

/// What answers the methods that a route does not offer, as it is added: a program without one has nothing of it.
pub(crate) struct Others {
    pub(crate) service: Arc<dyn Service>,
    /// Known once all parts of the route are there.
    pub(crate) allow: Arc<OnceLock<HeaderValue>>,
}

impl Others {
    pub(crate) fn new(service: Arc<dyn Service>) -> Self {
        let allow = Arc::<OnceLock<_>>::default();
        Self { service: Arc::new(Other { service, allow: allow.clone() }), allow }
    }
}

/// A handler of the methods that a route does not offer.
struct Other {
    service: Arc<dyn Service>,
    allow: Arc<OnceLock<HeaderValue>>,
}

impl Service for Other {
    fn call(
        &self,
        head: ReceivedHead<'_>,
        body: Body,
        context: ContextRef<'_>,
        _: &mut Option<Spare>,
    ) -> BoxReply {
        let reply = self.service.call(head, body, context, &mut None);
        let allow = self.allow.get().cloned();
        BoxReply::new(async move {
            let answer = reply.await;
            let is_refusal = |response: &Response| response.status() == StatusCode::METHOD_NOT_ALLOWED;
            match allow {
                Some(allow) if answer.as_response().is_some_and(is_refusal) => {
                    let mut response = answer.into_response();
                    // RFC 9110 §15.5.6: a 405 must say what is offered.
                    response.headers_mut().entry(ALLOW).or_insert(allow);
                    response.into()
                }
                _ => answer,
            }
        })
    }

    fn declare(&self, needs: &mut Needs) {
        self.service.declare(needs);
    }

    fn body_bytes_max(&self) -> Option<u64> {
        self.service.body_bytes_max()
    }

    fn cancels(&self) -> bool {
        self.service.cancels()
    }
}

/// The methods of RFC 9110 §9.3 and RFC 5789, in the order in which `Allow` lists them.
const STANDARD: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];

/// The value of `Allow` for `methods`, with HEAD where GET is, and OPTIONS always.
pub(crate) fn allow(methods: &[Method]) -> HeaderValue {
    let offers = |method: &Method| {
        methods.contains(method)
            || *method == Method::OPTIONS
            || (*method == Method::HEAD && methods.contains(&Method::GET))
    };
    let standard = STANDARD.iter().filter(|method| offers(method));
    let others = methods.iter().filter(|method| !STANDARD.contains(method));
    let mut names = String::new();
    for method in standard.chain(others) {
        if !names.is_empty() {
            names += ", ";
        }
        names += method.as_str();
    }
    // Methods are tokens, so their list is a header value.
    HeaderValue::try_from(names).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
