//! [`Router`]: which handler answers which path. It only collects; `build` checks everything and compiles it.
//! A fault must never panic or be dropped: it ends in the [`BuildError`].

mod build;
mod endpoint;
mod method;
mod pattern;

use std::{any::type_name, fmt, sync::Arc};

pub(crate) use build::{Compiled, Found};
pub(crate) use endpoint::{Endpoint, Route};
pub use method::{MethodRouter, any, delete, get, head, options, patch, post, put};

use crate::{
    App,
    extract::StateMap,
    handler::{self, Handler, Service},
    middleware::{self, Around, Middleware},
};

/// Routes, and what surrounds them.
///
/// A path is matched as it was sent, percent-encoded: `{id}` captures one segment or part of it,
/// `{*rest}` all that follows; text wins over captures, whatever the order of the calls.
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
#[derive(Default)]
pub struct Router {
    routes: Vec<(String, MethodRouter)>,
    children: Vec<Child>,
    fallback: Option<Arc<dyn Service>>,
    /// The innermost first.
    wraps: Vec<Arc<dyn Around>>,
    state: StateMap,
    faults: Vec<String>,
}

enum Child {
    Nested(String, Router),
    Merged(Router),
}

impl Router {
    /// A router without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests to paths that match `pattern` by the handlers of `methods`.
    ///
    /// The same pattern can be added again with other methods. Literal braces are written twice.
    #[must_use]
    pub fn route(mut self, pattern: &str, methods: MethodRouter) -> Self {
        self.routes.push((pattern.to_owned(), methods));
        self
    }

    /// Adds `router` with all its patterns behind `prefix`. Its pattern `/` becomes the prefix itself.
    ///
    /// It keeps its middleware and its state, which come before this router's, and answers for all paths below the
    /// prefix: those that it does not know go to its fallback, or, if it has none, to this
    /// router's, and not to patterns of this router that begin with a capture. Handlers see the whole path.
    #[must_use]
    pub fn nest(mut self, prefix: &str, router: Self) -> Self {
        self.children.push(Child::Nested(prefix.to_owned(), router));
        self
    }

    /// Adds the routes of `router` to this one. They keep their middleware and their state, and its
    /// fallback becomes this router's, who must not have one then.
    #[must_use]
    pub fn merge(mut self, router: Self) -> Self {
        self.children.push(Child::Merged(router));
        self
    }

    /// Answers all paths that no route matches by `handler`. Without, that is 404.
    #[must_use]
    pub fn fallback<H: Handler<M>, M: 'static>(mut self, handler: H) -> Self {
        if self.fallback.replace(Arc::new(handler::Erased::new(handler))).is_some() {
            self.faults.push("a router has two fallbacks".into());
        }
        self
    }

    /// Puts `middleware` around all that this router answers, whether added before or after: its routes, its
    /// nests, its fallback, and the answers 404, 405 and to OPTIONS.
    ///
    /// A later wrap stands outside an earlier one.
    #[must_use]
    pub fn wrap<W: Middleware<M>, M: 'static>(mut self, middleware: W) -> Self {
        self.wraps.push(Arc::new(middleware::Erased::new(middleware)));
        self
    }

    /// Gives the value to everything in this router that takes [`State<T>`](crate::State); each gets a clone.
    ///
    /// There is one of each type. A nested or merged router sees its own first.
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.state.insert(value) {
            self.faults.push(format!("a router was given two states of the type {}", type_name::<T>()));
        }
        self
    }

    /// Checks everything and makes the app that a server takes.
    ///
    /// # Errors
    /// A [`BuildError`] that lists every fault: a pattern that is malformed, conflicts or is routed twice, a state
    /// that is taken and not there, a `Path` that does not fit its route.
    pub fn build(self) -> Result<App, BuildError> {
        build::compile(self).map(App::new)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|(pattern, methods)| (pattern, methods));
        f.debug_map().entries(routes).finish()
    }
}

/// What is wrong with a [`Router`]: every fault, one a line.
#[derive(Debug)]
pub struct BuildError {
    faults: Vec<String>,
}

impl BuildError {
    /// The faults, each a sentence that names its route.
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
