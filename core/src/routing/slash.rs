//! What becomes of a path that differs from those of a pattern by a slash at its end. It is looked at only where no route
//! matches the path as it is: a policy must never take a route's path away.

use std::{borrow::Cow, future::ready, sync::Arc};

use super::{
    Endpoint, Route, Table,
    build::{Builder, Draft, Surroundings},
    endpoint::{Offer, OtherSlash},
    nest::Nest,
    pattern::{self, Part},
};
use crate::{
    Body, IntoResponse, Redirect,
    extract::{Captures, ContextRef, Needs},
    handler::Service,
    received::ReceivedHead,
    respond::{BoxReply, Spare},
};

/// What a router does with a path that has a slash at its end and whose pattern has none, or the other way round: see
/// [`Router::trailing_slash`](crate::Router::trailing_slash).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// They are two paths: the other one is not found. The default.
    #[default]
    Strict,
    /// 308 to the path of the pattern, with the same query, for the methods that are offered there: each page has one
    /// address.
    Redirect,
    /// They are one path.
    Ignore,
}

/// How the policies are compiled. [`Router::trailing_slash`](super::Router::trailing_slash) hands it over: a program that has
/// none has none of this.
pub(super) struct Means {
    /// Whether a pattern has other paths, with a slash more or less at their end.
    pub(super) has_other: fn(&str) -> bool,
    pub(super) compiled: Compile,
    pub(super) find: Find,
}

/// What becomes of the other path of a route, of this host, draft and captures.
type Compile = fn(&mut Builder<'_>, TrailingSlash, &str, &Route, &Draft, &[Box<str>]) -> OtherSlash;

/// The route of a path with a slash more or less, as that route has it. The nest is the closest of both paths: a prefix
/// does not end with a slash.
pub(super) type Find = for<'t> fn(&'t Table, &str, Option<&Nest>) -> Option<(&'t Route, Captures)>;

impl Means {
    pub(super) const ALL: &Self = &Self { has_other, compiled, find };
}

fn compiled(
    builder: &mut Builder<'_>,
    policy: TrailingSlash,
    host: &str,
    route: &Route,
    draft: &Draft,
    names: &[Box<str>],
) -> OtherSlash {
    match policy {
        TrailingSlash::Redirect if has_other(&route.pattern) => {
            OtherSlash::Moved(Box::new(moved(builder, host, route, draft, names)))
        }
        TrailingSlash::Ignore if has_other(&route.pattern) => OtherSlash::Same,
        TrailingSlash::Strict | TrailingSlash::Redirect | TrailingSlash::Ignore => OtherSlash::Nothing,
    }
}

/// What answers at the other path of `route`: it sends on what the route offers, and says itself what that does not.
fn moved(builder: &mut Builder<'_>, host: &str, route: &Route, draft: &Draft, names: &[Box<str>]) -> Route {
    let pattern = &route.pattern;
    let mut made: Vec<(&Arc<Surroundings>, Arc<Endpoint>)> = Vec::new();
    // Each part stands in layers of its own: a method must not be answered outside of them.
    let mut redirect = |around| match made.iter().find(|(other, _)| Arc::ptr_eq(other, around)) {
        Some((_, endpoint)) => endpoint.clone(),
        None => {
            let number = builder.number(format!("the redirect to {host}{pattern}"));
            let endpoint = around.endpoint(number, Some(pattern), names, Arc::new(Moved));
            made.push((around, endpoint.clone()));
            endpoint
        }
    };
    let offers = draft.offers.iter().map(|part| {
        let method = part.offer.method.clone();
        Offer { method, endpoint: redirect(&part.around) }
    });
    Route {
        offers: offers.collect(),
        options: route.options.clone(),
        // A handler of the app's answers at its own path alone.
        refusal: draft.other.as_ref().map_or_else(|| route.refusal.clone(), |other| redirect(&other.around)),
        pattern: pattern.clone(),
        is_contested: route.is_contested,
        other_slash: OtherSlash::Nothing,
    }
}

/// The path is known with a slash at its end, or without.
struct Moved;

impl Service for Moved {
    fn call(&self, head: ReceivedHead<'_>, _: Body, _: ContextRef<'_>, _: &mut Option<Spare>) -> BoxReply {
        let response = Redirect::permanent(target(head.path(), head.query())).into_response();
        BoxReply::new(ready(response.into()))
    }

    fn declare(&self, _: &mut Needs) {}

    /// What is sent elsewhere is measured there.
    fn body_bytes_max(&self) -> Option<u64> {
        Some(u64::MAX)
    }
}

fn find<'t>(table: &'t Table, path: &str, nest: Option<&Nest>) -> Option<(&'t Route, Captures)> {
    let other = other(path)?;
    let found = table.tree.at(&other).ok()?;
    let route = table.route(*found.value);
    let is_foreign = |nest: &Nest| !pattern::is_below(&route.pattern, &nest.prefix);
    if route.is_contested && nest.is_some_and(is_foreign) {
        return None;
    }
    let route = match &route.other_slash {
        OtherSlash::Nothing => return None,
        OtherSlash::Same => route,
        OtherSlash::Moved(redirect) => redirect,
    };
    Some((route, Captures::new(found.params.iter().map(|(_, value)| value))))
}

/// Whether `pattern` has other paths, with a slash more or less at their end: what ends in a capture of all has none.
fn has_other(pattern: &str) -> bool {
    pattern != "/" && pattern::parts(pattern).last() != Some(Part::Rest)
}

/// `path` with a slash at its end where it has none, and without where it has one; none where there is no such path.
fn other(path: &str) -> Option<Cow<'_, str>> {
    // Of two slashes at the beginning, a redirect would make another host; of two at the end, one is left.
    if path == "/" || !path.starts_with('/') || path.starts_with("//") || path.ends_with("//") {
        return None;
    }
    Some(match path.strip_suffix('/') {
        Some(shorter) => shorter.into(),
        None => format!("{path}/").into(),
    })
}

/// Where a request to `path` is sent, which has the other slash.
fn target(path: &str, query: Option<&str>) -> String {
    let mut target = other(path).unwrap_or(path.into()).into_owned();
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_paths() {
        let rows = [
            ("/", None),
            ("", None),
            ("*", None),
            ("/a", Some("/a/")),
            ("/a/", Some("/a")),
            ("/a/b%2F", Some("/a/b%2F/")),
            ("//a", None),
            ("//", None),
            ("/a//", None),
        ];
        for (path, expected) in rows {
            assert_eq!(other(path).as_deref(), expected, "{path}");
        }
        assert_eq!(target("/a/", Some("b=/")), "/a?b=/");
        assert_eq!(target("/a", None), "/a/");
        assert_eq!(target("/a/", Some("")), "/a?");
        let rows = [
            ("/", false),
            ("/a", true),
            ("/{a}/", true),
            ("/{*a}", false),
            ("/a-{*a}", false),
            ("/{{*a}}", true),
        ];
        for (pattern, expected) in rows {
            assert_eq!(has_other(pattern), expected, "{pattern}");
        }
    }
}
