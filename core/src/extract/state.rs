//! [`State`], and the map of what a router was given with `state`.
//! The map is complete before serving and never changes afterwards.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    ops::Deref,
    sync::Arc,
};

use http::request::Parts;

use super::{Context, FromRequestParts, Needs, Rejection};

/// A clone of a value that the router was given with [`Router::state`](crate::Router::state).
///
/// A route that takes a state nobody has given is found by [`Router::build`](crate::Router::build),
/// before anything is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone + Send + Sync + 'static> FromRequestParts for State<T> {
    type Rejection = Rejection;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        match context.state::<T>() {
            Some(value) => Ok(Self(value.clone())),
            None => Err(Rejection::internal(
                format!(
                    "State<{}> is missing and was not declared: the extractor that uses it has to do so in \
                     `declare`",
                    type_name::<T>()
                )
                .into(),
            )),
        }
    }

    fn declare(needs: &mut Needs) {
        needs.state::<T>();
    }
}

/// Values by their type. A few at most, so a list beats a hash map.
#[derive(Clone, Default)]
pub(crate) struct StateMap(Vec<StateEntry>);

#[derive(Clone)]
struct StateEntry {
    kind: TypeId,
    name: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

impl StateMap {
    /// Adds `value`, and tells whether its type is new.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        let kind = TypeId::of::<T>();
        let is_new = !self.contains(kind);
        self.0.push(StateEntry { kind, name: type_name::<T>(), value: Arc::new(value) });
        is_new
    }

    /// This map, and what `outer` has beside it.
    pub(crate) fn within(&self, outer: &Self) -> Self {
        Self(self.0.iter().chain(&outer.0).cloned().collect())
    }

    pub(crate) fn contains(&self, kind: TypeId) -> bool {
        self.0.iter().any(|entry| entry.kind == kind)
    }

    pub(crate) fn find<T: 'static>(&self) -> Option<&T> {
        let kind = TypeId::of::<T>();
        self.0.iter().find(|entry| entry.kind == kind)?.value.downcast_ref()
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|entry| entry.name)).finish()
    }
}
