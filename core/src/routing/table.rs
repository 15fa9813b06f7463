//! What an app looks requests up in: a table of paths, patterns and nests, and one more for each host that has its own.
//! Nothing here changes once it is built. Who uses no hosts pays a look at whether there are any.

use std::sync::Arc;

use super::{
    Endpoint, Route,
    host::ByHost,
    nest::{Nest, Nests},
    pattern, slash,
    texts::Texts,
};
use crate::{extract::Captures, received::ReceivedHead};

/// What an app looks requests up in.
pub(crate) struct Compiled {
    /// For all hosts that have none of their own.
    pub(super) table: Table,
    pub(super) hosts: Option<Box<dyn ByHost>>,
    /// For `OPTIONS *`.
    pub(crate) options: Arc<Endpoint>,
    /// For CONNECT, which has no path.
    pub(crate) refusal: Arc<Endpoint>,
    /// How logs name the endpoints, by their numbers.
    pub(crate) names: Arc<[Box<str>]>,
}

/// By their hosts.
pub(super) type Tables = Vec<(String, Table)>;

/// The routes of one host.
pub(crate) struct Table {
    pub(super) routes: Vec<Route>,
    /// Those that capture nothing, by their numbers. Text goes before captures wherever both match: these are asked first.
    pub(super) texts: Texts,
    /// All of them: which patterns a tree can hold, and how it finds them, hangs on all that stand in it.
    pub(super) tree: Arc<matchit::Router<u32>>,
    /// Where one of them says something of paths with a slash more or less.
    pub(super) other_slash: Option<slash::Find>,
    pub(super) nests: Option<Box<dyn Nests>>,
    /// Where nothing matches.
    pub(super) not_found: Arc<Endpoint>,
}

impl Compiled {
    /// The table for the host that is asked.
    #[inline]
    pub(crate) fn table(&self, head: &ReceivedHead<'_>) -> &Table {
        match &self.hosts {
            None => &self.table,
            Some(hosts) => self.table_of_host(&**hosts, head),
        }
    }

    #[inline(never)]
    fn table_of_host<'c>(&'c self, hosts: &'c dyn ByHost, head: &ReceivedHead<'_>) -> &'c Table {
        head.authority().and_then(|authority| hosts.find(authority)).unwrap_or(&self.table)
    }
}

impl Table {
    /// The route that has this very path.
    #[inline]
    pub(crate) fn find_text(&self, path: &[u8]) -> Option<&Route> {
        self.texts.find(path).map(|route| self.route(route))
    }

    pub(super) fn route(&self, number: u32) -> &Route {
        &self.routes[number as usize]
    }

    /// The route that `path` matches, and what it captured.
    #[inline]
    pub(crate) fn find<'p>(&self, path: &'p str) -> Option<(&Route, matchit::Params<'_, 'p>)> {
        let found = self.tree.at(path).ok()?;
        let route = self.route(*found.value);
        if route.is_contested && self.is_in_another_nest(route, path) {
            return None;
        }
        Some((route, found.params))
    }

    #[inline(never)]
    fn is_in_another_nest(&self, route: &Route, path: &str) -> bool {
        self.nest(path).is_some_and(|(nest, _)| !pattern::is_below(&route.pattern, &nest.prefix))
    }

    /// What a path belongs to that no route matches.
    #[inline(never)]
    pub(crate) fn find_nothing(&self, path: &str) -> Unmatched<'_> {
        let nest = self.nest(path);
        if let Some(find) = self.other_slash {
            if let Some((route, captures)) = find(self, path, nest.as_ref().map(|(nest, _)| *nest)) {
                return Unmatched::OtherSlash(route, captures);
            }
        }
        match nest {
            Some((nest, values)) => Unmatched::Nothing(&nest.not_found, Captures::new(values.into_iter())),
            None => Unmatched::Nothing(&self.not_found, Captures::default()),
        }
    }

    fn nest<'p>(&self, path: &'p str) -> Option<(&Nest, Vec<&'p str>)> {
        self.nests.as_ref()?.closest(path)
    }
}

/// What a path belongs to that no route matches.
pub(crate) enum Unmatched<'a> {
    /// A route, by the path with a slash more or less at its end.
    OtherSlash(&'a Route, Captures),
    /// What answers there, that of the closest nest.
    Nothing(&'a Arc<Endpoint>, Captures),
}
