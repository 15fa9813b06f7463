//! From drafts to the tables that an app looks requests up in: conflicts found, the twins of trailing slashes added,
//! names made unique.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Endpoint, Place, Route, TrailingSlash, Urls,
    build::{Builder, Draft, DraftNest, Naming, Site},
    check::{and, at},
    endpoint::{Builtin, allow},
    host::Hosts,
    names::{Map, Named, Places},
    pattern, slash,
    table::{Nest, Table},
};

/// Of each host.
type Sites = Vec<(Site, Arc<Endpoint>)>;

impl Builder {
    /// The table of all hosts that have none of their own, which is the first of `sites`, and those of the others.
    pub(super) fn tables(&mut self, sites: Sites, urls: &Urls) -> (Table, Option<Box<Hosts<Table>>>) {
        let mut map = Map { named: self.named(&sites), tables: Vec::new() };
        let mut tables = sites.into_iter().map(|(site, not_found)| {
            let (host, table, places) = self.table(site, not_found);
            map.tables.push(places);
            (host, table)
        });
        let table = tables.next().map(|(_, table)| table);
        let mut hosts = Hosts::new();
        let mut has_hosts = false;
        for (host, table) in tables {
            hosts.insert(&host, table);
            has_hosts = true;
        }
        if !map.named.is_empty() {
            urls.set(map);
        }
        let Some(table) = table else { unreachable!("the routes of no host are always a site") };
        (table, has_hosts.then(|| Box::new(hosts)))
    }

    fn table(&mut self, mut site: Site, not_found: Arc<Endpoint>) -> (String, Table, Places) {
        site.nests.sort_by_cached_key(|nest| pattern::closeness(&nest.prefix));
        for pair in site.nests.windows(2) {
            if pattern::shape(&pair[0].prefix) == pattern::shape(&pair[1].prefix) {
                let (prefix, places) = (&pair[1].prefix, and(pair[0].place, pair[1].place));
                self.faults.push(format!("`{prefix}` is nested twice {places}: merge the two routers first"));
            }
        }
        let places: BTreeMap<String, Place> =
            site.routes.iter().map(|(pattern, draft)| (pattern.clone(), draft.place)).collect();
        let mut patterns = matchit::Router::new();
        let mut tree = matchit::Router::new();
        let mut twins = Vec::new();
        for (pattern, draft) in site.routes {
            let place = draft.place;
            let (route, twin) = self.finish(&site.host, &pattern, draft, &site.nests);
            twins.extend(twin);
            match tree.insert(pattern.as_str(), route) {
                // The same patterns are in both trees.
                Ok(()) => drop(patterns.insert(pattern.as_str(), pattern.as_str().into())),
                Err(matchit::InsertError::Conflict { with }) => {
                    let other = places.get(&with).map_or(String::new(), |place| format!(" {}", at(place)));
                    self.faults.push(format!(
                        "`{pattern}` {} conflicts with `{with}`{other}: a path could match both",
                        at(place)
                    ));
                }
                Err(error) => self.faults.push(format!("`{pattern}` {}: {error}", at(place))),
            }
        }
        for twin in twins {
            // What is written out wins.
            let pattern = twin.pattern.clone();
            if tree.insert(pattern.as_str(), twin).is_ok() {
                drop(patterns.insert(pattern.as_str(), pattern.as_str().into()));
            }
        }
        let prefixes = site.nests.iter().map(|nest| nest.prefix.clone()).collect();
        let nests = site.nests.into_iter();
        let nests = nests.map(|DraftNest { prefix, not_found, .. }| Nest { prefix, not_found }).collect();
        (site.host, Table { tree, nests, not_found }, Places { patterns, nests: prefixes })
    }

    /// The route, and its twin where there is one.
    fn finish(
        &mut self,
        host: &str,
        pattern: &str,
        draft: Draft,
        nests: &[DraftNest],
    ) -> (Route, Option<Route>) {
        let allow = allow(&draft.methods().collect::<Vec<_>>());
        let names = pattern::names(pattern).unwrap_or_default();
        let around = &draft.around;
        let options = self.number(format!("OPTIONS {host}{pattern}"));
        let options = around.builtin(options, Some(pattern), &names, Builtin::Options(allow.clone()));
        let refusal = match draft.other {
            Some((endpoint, other)) => {
                other.set_allow(allow);
                endpoint
            }
            None => {
                let refusal = self.number(format!("another method of {host}{pattern}"));
                around.builtin(refusal, Some(pattern), &names, Builtin::Refusal(allow))
            }
        };
        let is_contested = |pattern: &str| {
            let is_foreign = |nest: &DraftNest| {
                pattern::can_overlap(pattern, &nest.prefix) && !pattern::is_below(pattern, &nest.prefix)
            };
            // Written out, it is meant to lie there; only captures reach in unasked.
            !names.is_empty() && nests.iter().any(is_foreign)
        };
        let route = Route {
            pattern: pattern.to_owned(),
            options,
            refusal,
            is_contested: is_contested(pattern),
            offers: draft.offers.into_iter().map(|(offer, _)| offer).collect(),
        };
        let twin = slash::twin(pattern).map(|pattern| (is_contested(&pattern), pattern));
        let twin = match (around.slash(), twin) {
            (TrailingSlash::Strict, _) | (_, None) => None,
            (TrailingSlash::Ignore, Some((is_contested, pattern))) => {
                Some(Route { pattern, is_contested, ..route.clone() })
            }
            (TrailingSlash::Redirect, Some((is_contested, twin))) => {
                let number = self.number(format!("the redirect to {host}{pattern}"));
                let redirect = around.builtin(number, Some(pattern), &names, Builtin::OtherSlash);
                Some(Route {
                    pattern: twin,
                    options: redirect.clone(),
                    refusal: redirect,
                    is_contested,
                    offers: Vec::new(),
                })
            }
        };
        (route, twin)
    }

    /// The named routes; a name is that of one pattern.
    fn named(&mut self, sites: &Sites) -> BTreeMap<Box<str>, Named> {
        let mut first_of: BTreeMap<&str, Naming> = BTreeMap::new();
        for naming in std::mem::take(&mut self.named) {
            let Some(first) = first_of.get(naming.name) else {
                first_of.insert(naming.name, naming);
                continue;
            };
            if (&first.host, &first.pattern) != (&naming.host, &naming.pattern) {
                let route =
                    |naming: &Naming| format!("`{}{}` {}", naming.host, naming.pattern, at(naming.place));
                let (name, first, second) = (naming.name, route(first), route(&naming));
                self.faults.push(format!("the name `{name}` is given to {first} and to {second}"));
            }
        }
        let named = first_of.into_iter().map(|(name, naming)| {
            let table = sites.iter().position(|(site, _)| site.host == naming.host).unwrap_or_default();
            let captures = (*naming.captures).into();
            (name.into(), Named { pattern: naming.pattern.into(), captures, table })
        });
        named.collect()
    }
}
