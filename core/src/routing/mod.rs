//! [`Router`]: which handler answers which path. It only collects; `build` checks everything and compiles it.
//! A fault must never panic or be dropped: it ends in the [`BuildError`].

mod build;
mod check;
mod endpoint;
mod finish;
mod host;
mod listing;
mod method;
mod names;
mod nest;
mod pattern;
mod slash;
mod table;
mod texts;

use std::{any::type_name, collections::BTreeMap, fmt, panic::Location, sync::Arc};

pub(crate) use endpoint::{Endpoint, Route};
pub use method::{MethodRouter, any, delete, get, head, options, patch, post, put};
pub use names::{RouteName, UrlError, UrlValues, Urls};
pub use slash::TrailingSlash;
pub(crate) use table::{Compiled, Table, Unmatched};

use crate::{
    App, IntoResponse,
    extract::StateMap,
    handler::{self, Handler, Service},
    kept::Kept,
    middleware::{self, Around, Errors, Middleware},
    respond::Failure,
};

/// Where in the app's code something was added.
type Place = &'static Location<'static>;

/// The numbers of what is told apart by text: patterns and names while routers are built, and hosts. One kind of map for all,
/// since each is 10 KB of code.
type Numbers = BTreeMap<String, usize>;

/// Routes, and what surrounds them.
///
/// A path is matched as it was sent, percent-encoded: `{id}` captures one segment or part of it,
/// `{*rest}` all that follows; text wins over captures, whatever the order of the calls. A capture is text: its kind is
/// that of the handler's [`Path`](crate::Path), which says what is wrong with another value (400, not 404).
///
/// As text, a router is its table: `println!("{router}")` tells which methods of which paths it answers, what they are
/// named, and how many middlewares stand around each.
///
/// ```
/// use trijet_core::{Path, Router, State, get};
///
/// #[derive(Clone)]
/// struct Greeting(&'static str);
///
/// async fn hello(Path(name): Path<String>, State(greeting): State<Greeting>) -> String {
///     format!("{}, {name}!", greeting.0)
/// }
///
/// let app = Router::new()
///     .route("/hello/{name}", get(hello))
///     .state(Greeting("Hello"))
///     .build();
/// assert!(app.is_ok());
/// ```
pub struct Router(Kept<Parts>);

/// What a router was given.
#[derive(Default)]
struct Parts {
    routes: Vec<(String, MethodRouter, Place)>,
    children: Vec<Child>,
    fallback: Option<(Arc<dyn Service>, Place)>,
    /// The innermost first.
    wraps: Vec<Arc<dyn Around>>,
    state: StateMap,
    /// None: as in the router around it.
    slash: Option<(TrailingSlash, &'static slash::Means)>,
    faults: Vec<String>,
}

enum Child {
    Nested(String, Router, Place, &'static nest::Means),
    Merged(Router),
    Host(String, Router, Place, &'static host::Means),
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// A router without routes.
    pub fn new() -> Self {
        Self(Kept::new(Parts::default()))
    }

    /// Answers requests to paths that match `pattern` by the handlers of `methods`.
    ///
    /// The same pattern can be added again with other methods. Literal braces are written twice.
    #[must_use]
    #[track_caller]
    pub fn route(mut self, pattern: &str, methods: MethodRouter) -> Self {
        self.0.routes.push((pattern.to_owned(), methods, Location::caller()));
        self
    }

    /// Adds `router` with all its patterns behind `prefix`. Its pattern `/` becomes the prefix itself.
    ///
    /// It keeps its middleware and its state, which come before this router's, and answers for all paths below the
    /// prefix: those that it does not know go to its fallback, or, if it has none, to this
    /// router's, and not to patterns of this router that begin with a capture. Handlers see the whole path.
    ///
    /// Paths are matched as they were sent, and captures decoded afterwards (RFC 3986 §2.4). So middleware around a nest guards
    /// its prefix in the spelling that is written here: beside `nest("/admin", …)`, the path `/%61dmin` is one of `/{page}`, whose
    /// handler gets `admin`. What is behind a guard must not be found by the value of a capture elsewhere.
    #[must_use]
    #[track_caller]
    pub fn nest(mut self, prefix: &str, router: Self) -> Self {
        self.0.children.push(Child::Nested(prefix.to_owned(), router, Location::caller(), nest::Means::ALL));
        self
    }

    /// Adds the routes of `router` to this one. They keep their middleware and their state, and its
    /// fallback becomes this router's, who must not have one then.
    #[must_use]
    pub fn merge(mut self, router: Self) -> Self {
        self.0.children.push(Child::Merged(router));
        self
    }

    /// Answers requests to `host` by `router`: `api.example.org`, or `*.example.org` for all hosts below that.
    ///
    /// The host is that of the request's target, where it names one, else of its Host field; its port and its case play
    /// no part. A host that is written out wins over `*`, and a longer one with `*` over a shorter one. All others, and
    /// requests of HTTP/1.0 without a host, go to what is added without `host`.
    ///
    /// The router answers for all of its host: paths that it does not know go to its fallback, or, if it has none, to
    /// this router's, and never to the routes of other hosts. It keeps its middleware and its state, which come before
    /// this router's. Routes of several hosts are merged into the router of each. Hosts stand in the outermost router of
    /// an app, or in one that is merged into it.
    ///
    /// A handler finds the host that was asked in the Host field of its `HeaderMap`, also where the target names it. A
    /// client can name any host: this chooses a site, and protects nothing.
    ///
    /// ```
    /// use trijet_core::{Router, get};
    ///
    /// let router = Router::new()
    ///     .route("/", get(async || "Welcome."))
    ///     .host("api.example.org", Router::new().route("/", get(async || "{}")))
    ///     .host("*.example.org", Router::new().route("/", get(async || "A tenant's own page.")));
    /// # #[cfg(feature = "testing")] {
    /// # let client = trijet_core::sim::TestClient::new(router);
    /// # let page = |host: &str| client.get("/").header("host", host).send().text().to_owned();
    /// # assert_eq!(page("api.example.org:8080"), "{}");
    /// # assert_eq!(page("acme.example.org"), "A tenant's own page.");
    /// # assert_eq!(page("example.org"), "Welcome.");
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn host(mut self, host: &str, router: Self) -> Self {
        self.0.children.push(Child::Host(host.to_owned(), router, Location::caller(), host::Means::ALL));
        self
    }

    /// Answers all paths that no route matches by `handler`. Without, that is 404.
    #[must_use]
    #[track_caller]
    pub fn fallback<H: Handler<M>, M: 'static>(mut self, handler: H) -> Self {
        let place = Location::caller();
        let service: Arc<dyn Service> = Arc::new(handler::Erased::new(handler));
        if let Some((_, first)) = self.0.fallback.replace((service, place)) {
            self.0.faults.push(format!("a router has two fallbacks {}", check::and(first, place)));
        }
        self
    }

    /// Says what becomes of paths that differ from a pattern by a slash at their end: by default they are not found.
    ///
    /// It holds for all routes of this router, of those merged into it, and of its nests and hosts, unless they say
    /// otherwise. It is asked only where no route matches the path as it is: with `/{name}` beside `/docs/`, `/docs` is
    /// a name. `/` and patterns that end in `{*rest}` have no other form.
    ///
    /// ```
    /// use trijet_core::{Router, get, routing::TrailingSlash};
    ///
    /// let router = Router::new()
    ///     .route("/docs/", get(async || "contents"))
    ///     .trailing_slash(TrailingSlash::Redirect);
    /// # #[cfg(feature = "testing")] {
    /// # let moved = trijet_core::sim::TestClient::new(router).get("/docs?page=1").send();
    /// # assert_eq!((moved.status.as_u16(), moved.header("location")), (308, Some("/docs/?page=1")));
    /// # }
    /// ```
    #[must_use]
    pub fn trailing_slash(mut self, policy: TrailingSlash) -> Self {
        self.0.slash = Some((policy, slash::Means::ALL));
        self
    }

    /// Has `render` word the errors that the app has not worded itself: as a page, or as `application/problem+json`.
    ///
    /// These are the answers of Trijet itself: 404, 405 and 501 of routing, what extractors refuse
    /// ([`Rejection`](crate::extract::Rejection), yours too), 413, 503, 504, the 500 of a panic; and responses of a
    /// status from 400 on that have no body, such as a `StatusCode` alone. Every other response is left as it is: a text is
    /// a body, and an empty one too.
    ///
    /// It stands where [`wrap`](Self::wrap) would: it sees what was added before, middleware included, and later wraps
    /// stand outside of it. So it comes last, but for middleware that changes bodies (compression) or looks at them. The
    /// `errors` of a nest come first for what is in it.
    ///
    /// A response of the status 200 is sent with the status of the failure, so that a page is enough. Headers that it
    /// does not set itself are those of the answer that it replaces: `Allow`, `Retry-After`, what middleware has added; not
    /// those that describe its body, such as `Content-Language` or `ETag`. After a panic the connection is closed, whatever
    /// is made of the answer. `render` runs where the connection is driven, and must not block.
    ///
    /// What is refused before there is a route stays plain text: a head that is malformed, too large or too slow (400,
    /// 408, 414, 431 …), and the 503 of a server that has no thread for a connection. So does the 500 for a response that
    /// cannot be sent: its body fails before its first byte, or `render` panics.
    ///
    /// ```
    /// # #[cfg(feature = "json")] {
    /// use trijet_core::{Html, IntoResponse, Response, Router, get, respond::Failure};
    ///
    /// fn page(failure: Failure) -> Response {
    ///     match failure.preferred(&["application/problem+json", "text/html"]) {
    ///         Some("text/html") => {
    ///             Html(format!("<h1>{}</h1><p>{}", failure.status(), failure.detail())).into_response()
    ///         }
    ///         _ => failure.problem().into_response(),
    ///     }
    /// }
    ///
    /// let router = Router::new().route("/", get(async || "hello")).errors(page);
    /// # #[cfg(feature = "testing")] {
    /// # let client = trijet_core::sim::TestClient::new(router);
    /// # let missing = client.get("/missing").send();
    /// # assert_eq!(missing.text(), r#"{"title":"Not Found","status":404,"detail":"There is nothing at this path."}"#);
    /// # let page = client.get("/missing").header("accept", "text/html").send();
    /// # assert_eq!((page.status.as_u16(), page.text()), (404, "<h1>404 Not Found</h1><p>There is nothing at this path."));
    /// # }
    /// # }
    /// ```
    #[must_use]
    pub fn errors<R: IntoResponse>(mut self, render: impl Fn(Failure) -> R + Send + Sync + 'static) -> Self {
        self.0.wraps.push(Arc::new(Errors::new(render)));
        self
    }

    /// Puts `middleware` around all that this router answers, whether added before or after: its routes, its
    /// nests, its fallback, and the answers 404, 405 and to OPTIONS.
    ///
    /// A later wrap stands outside an earlier one.
    #[must_use]
    pub fn wrap<W: Middleware<M>, M: 'static>(mut self, middleware: W) -> Self {
        self.0.wraps.push(Arc::new(middleware::Erased::new(middleware)));
        self
    }

    /// Gives the value to everything in this router that takes [`State<T>`](crate::State); each gets a clone.
    ///
    /// There is one of each type. A nested or merged router sees its own first.
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.0.state.insert(value) {
            self.0.faults.push(format!("a router was given two states of the type {}", type_name::<T>()));
        }
        self
    }

    /// Checks everything and makes the app that a server takes.
    ///
    /// # Errors
    /// A [`BuildError`] that lists every fault: a pattern that is malformed, conflicts or is routed twice, a state
    /// that is taken and not there, a `Path` or a name that does not fit its route. What stands behind a malformed
    /// prefix, pattern or host is looked at once that is right.
    pub fn build(self) -> Result<App, BuildError> {
        build::compile(self).map(App::new)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.0.routes.iter().map(|(pattern, methods, _)| (pattern, methods));
        f.debug_map().entries(routes).finish()
    }
}

/// What is wrong with a [`Router`]: every fault, one a line.
#[derive(Debug)]
pub struct BuildError {
    faults: Vec<String>,
}

impl BuildError {
    /// The faults, each a sentence that names its route, and where in the code it was added.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(String::as_str)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the router cannot be served:")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n- {fault}"))
    }
}

impl std::error::Error for BuildError {}

#[cfg(test)]
mod tests;
