//! What an extractor can know beside the request: [`Context`]; and what it can ask for: [`Needs`].

use std::{
    any::{TypeId, type_name},
    net::SocketAddr,
    sync::Arc,
};

use super::{Captures, PathValues};
use crate::routing::Endpoint;

/// The surroundings of one request: its route, captures, state and peer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) at: At,
    pub(crate) captures: Captures,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) body_bytes_max: u64,
}

/// The surroundings of a request on its way to its handler. A [`Context`] is made of them for who looks at one: to count
/// the route once more, and less again, was two atomic operations for each request whose handler does not.
#[derive(Debug)]
pub struct ContextRef<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) at: At,
    pub(crate) captures: Captures,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) body_bytes_max: u64,
}

impl ContextRef<'_> {
    /// The surroundings, to be kept.
    pub fn into_context(self) -> Context {
        let Self { endpoint, at, captures, peer, body_bytes_max } = self;
        Context { endpoint: endpoint.clone(), at, captures, peer, body_bytes_max }
    }
}

/// Who looks: each middleware sees the state of the router that it wraps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Layer(usize),
    Handler,
}

impl Context {
    /// The value of this type that the router was given with `state`; the innermost router's comes first.
    ///
    /// An extractor that calls this declares it with [`Needs::state`], unless it can do without.
    pub fn state<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.endpoint.state_at(self.at).find()
    }

    /// The pattern of the matched route, `/reports/{id}` for example, nests included. None where
    /// nothing matched.
    pub fn route(&self) -> Option<&str> {
        self.endpoint.route.as_deref()
    }

    /// The prefixes of the nests that the handler was added in, as one pattern: `/api/{version}` for example, and nothing
    /// outside of nests. For a handler that works with the rest of the path.
    ///
    /// Those of a fallback are of the router that has it, also where a nest of that router has none of its own, and so
    /// uses it.
    ///
    /// ```
    /// use trijet_core::{FromRequestParts, Router, any, extract::Context};
    ///
    /// struct Prefix(String);
    ///
    /// impl FromRequestParts for Prefix {
    ///     type Rejection = std::convert::Infallible;
    ///
    ///     async fn from_request_parts(_: &mut http::request::Parts, context: &Context) -> Result<Self, Self::Rejection> {
    ///         Ok(Self(context.prefix().to_owned()))
    ///     }
    /// }
    ///
    /// async fn below(Prefix(prefix): Prefix) -> String {
    ///     prefix
    /// }
    ///
    /// let api = Router::new().route("/{*rest}", any(below)).nest("/empty", Router::new()).fallback(below);
    /// # #[cfg(feature = "testing")] {
    /// # let client = trijet_core::sim::TestClient::new(Router::new().nest("/api/{version}", api));
    /// # for path in ["/api/1/x/y", "/api/1", "/api/1/empty/x"] {
    /// #     assert_eq!(client.get(path).send().text(), "/api/{version}");
    /// # }
    /// # }
    /// ```
    pub fn prefix(&self) -> &str {
        &self.endpoint.prefix
    }

    /// The captured parts of the path.
    pub fn path_values(&self) -> PathValues<'_> {
        PathValues::new(&self.endpoint.names, &self.captures)
    }

    /// The client's address, where it has one.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The most bytes that the body of this request may have.
    pub fn body_bytes_max(&self) -> u64 {
        self.body_bytes_max
    }
}

/// What extractors need of the routes that they are used on, checked before serving.
#[derive(Debug, Default)]
pub struct Needs {
    pub(crate) needs: Vec<Need>,
    route: Option<Arc<str>>,
}

#[derive(Debug)]
pub(crate) enum Need {
    State {
        kind: TypeId,
        name: &'static str,
    },
    Captures(usize),
    Fault(String),
    /// So many, or none.
    CapturesIfAny(usize),
    MatchedPath,
}

impl Needs {
    pub(crate) fn of(route: Option<&Arc<str>>) -> Self {
        Self { needs: Vec::new(), route: route.cloned() }
    }

    /// The pattern of the route that is being checked, as [`Context::route`] will have it.
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// A state of the type `T`.
    pub fn state<T: Clone + Send + Sync + 'static>(&mut self) {
        self.needs.push(Need::State { kind: TypeId::of::<T>(), name: type_name::<T>() });
    }

    /// A route with exactly `count` captures, those of its nests included.
    pub fn captures(&mut self, count: usize) {
        self.needs.push(Need::Captures(count));
    }

    /// Something that is not there: a folder, for example. The app is not served then, and `what` says why, in a
    /// sentence without a full stop.
    pub fn fault(&mut self, what: impl Into<String>) {
        self.needs.push(Need::Fault(what.into()));
    }

    /// A route with exactly `count` captures, or with none.
    pub fn captures_if_any(&mut self, count: usize) {
        self.needs.push(Need::CapturesIfAny(count));
    }

    /// A route, in whose place a fallback has nothing.
    pub fn matched_path(&mut self) {
        self.needs.push(Need::MatchedPath);
    }
}
