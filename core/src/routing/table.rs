//! What an app looks requests up in: a table of patterns and nests, and one more for each host that has its own.
//! Nothing here changes once it is built. Who uses no hosts pays a look at whether there are any.

use std::sync::Arc;

use super::{Endpoint, Route, endpoint::OtherSlash, host::Hosts, pattern, slash};
use crate::{extract::Captures, received::ReceivedHead};

/// What an app looks requests up in.
pub(crate) struct Compiled {
    /// For all hosts that have none of their own.
    pub(super) table: Table,
    pub(super) hosts: Option<Box<Hosts<Table>>>,
    /// For `OPTIONS *`.
    pub(crate) options: Arc<Endpoint>,
    /// For CONNECT, which has no path.
    pub(crate) refusal: Arc<Endpoint>,
    /// How logs name the endpoints, by their numbers.
    pub(crate) names: Arc<[Box<str>]>,
}

/// The routes of one host.
pub(crate) struct Table {
    pub(super) tree: matchit::Router<Route>,
    /// Whether one of them says something of paths with a slash more or less.
    pub(super) has_slashes: bool,
    /// The closest first.
    pub(super) nests: Vec<Nest>,
    /// Where nothing matches.
    pub(crate) not_found: Arc<Endpoint>,
}

/// A prefix below which a nested router answers for everything.
pub(crate) struct Nest {
    pub(super) prefix: String,
    pub(crate) not_found: Arc<Endpoint>,
}

impl Compiled {
    /// The table for the host that is asked.
    #[inline]
    pub(crate) fn table(&self, head: &ReceivedHead<'_>) -> &Table {
        match &self.hosts {
            None => &self.table,
            Some(hosts) => self.table_of_host(hosts, head),
        }
    }

    #[inline(never)]
    fn table_of_host<'c>(&'c self, hosts: &'c Hosts<Table>, head: &ReceivedHead<'_>) -> &'c Table {
        head.authority().and_then(|authority| hosts.find(authority)).unwrap_or(&self.table)
    }
}

impl Table {
    /// The route of `path`, and what it captured.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Found<'_, 'p> {
        match self.tree.at(path) {
            Ok(found) if !found.value.is_contested => Found::Route(found.value, found.params),
            Ok(found) => match self.nest(path) {
                Some((nest, _)) if !pattern::is_below(&found.value.pattern, &nest.prefix) => {
                    self.find_nothing(path)
                }
                _ => Found::Route(found.value, found.params),
            },
            Err(_) => self.find_nothing(path),
        }
    }

    /// What becomes of a path that no route matches.
    #[inline(never)]
    fn find_nothing<'p>(&self, path: &'p str) -> Found<'_, 'p> {
        let nest = self.nest(path);
        if self.has_slashes {
            if let Some((route, captures)) = self.find_other_slash(path, nest.as_ref().map(|(nest, _)| *nest))
            {
                return Found::OtherSlash(route, captures);
            }
        }
        nest.map_or(Found::Nothing, |(nest, captures)| Found::Nest(nest, captures))
    }

    /// The route of a path with a slash more or less, as that route has it. `nest` is the closest of both paths: a prefix
    /// does not end with a slash.
    #[cold]
    fn find_other_slash(&self, path: &str, nest: Option<&Nest>) -> Option<(&Route, Captures)> {
        let other = slash::other(path)?;
        let found = self.tree.at(&other).ok()?;
        let route = found.value;
        let is_foreign = |nest: &Nest| !pattern::is_below(&route.pattern, &nest.prefix);
        if route.is_contested && nest.is_some_and(is_foreign) {
            return None;
        }
        let route = match &route.other_slash {
            OtherSlash::Nothing => return None,
            OtherSlash::Same => route,
            OtherSlash::Moved(redirect) => redirect,
        };
        Some((route, Captures::new(&other, found.params.iter().map(|(_, value)| value))))
    }

    fn nest<'p>(&self, path: &'p str) -> Option<(&Nest, Vec<&'p str>)> {
        self.nests.iter().find_map(|nest| Some((nest, pattern::captures_below(&nest.prefix, path)?)))
    }
}

/// What a path belongs to.
pub(crate) enum Found<'a, 'p> {
    Route(&'a Route, matchit::Params<'a, 'p>),
    /// By the path with a slash more or less at its end.
    OtherSlash(&'a Route, Captures),
    Nest(&'a Nest, Vec<&'p str>),
    Nothing,
}
