//! From drafts to the tables that an app looks requests up in: conflicts found, what becomes of the other slash
//! settled.

use std::{mem, sync::Arc};

use super::{
    Endpoint, Route,
    build::{Builder, Draft, DraftOther, Site},
    check::{and, at},
    endpoint::{Builtin, OtherSlash, allow},
    nest::Nests,
    pattern,
    table::{Table, Tables},
    texts::Texts,
};

/// Of each host.
type Sites = Vec<(Site, Arc<Endpoint>)>;

impl Builder<'_> {
    pub(super) fn tables(&mut self, sites: Sites) -> Tables {
        sites.into_iter().map(|(site, not_found)| self.table(site, not_found)).collect()
    }

    fn table(&mut self, mut site: Site, not_found: Arc<Endpoint>) -> (String, Table) {
        let first = site.nests.first().map(|nest| nest.means);
        let nests = first.map(|means| (means.compiled)(mem::take(&mut site.nests), &mut self.faults));
        let (mut routes, mut texts) = (Vec::new(), Texts::default());
        let mut tree = matchit::Router::new();
        let mut other_slash = None;
        for (pattern, draft) in &site.routes {
            let draft = &site.drafts[*draft];
            let place = draft.place;
            let route = self.finish(&site.host, pattern, draft, nests.as_deref());
            if !matches!(route.other_slash, OtherSlash::Nothing) {
                other_slash = draft.around.slash().map(|(_, means)| means.find);
            }
            let number = routes.len() as u32;
            match tree.insert(pattern.as_str(), number) {
                Ok(()) => {
                    texts.insert(pattern, number);
                    routes.push(route);
                }
                Err(matchit::InsertError::Conflict { with }) => {
                    // That is the other pattern as it is told here only where no brace in it stands for itself.
                    let found = site.routes.keys().find(|other| *other < pattern && conflict(other, pattern));
                    let with = found.unwrap_or(&with);
                    let place_of = |draft: &usize| format!(" {}", at(site.drafts[*draft].place));
                    let other = site.routes.get(with).map_or(String::new(), place_of);
                    self.faults.push(format!(
                        "`{pattern}` {} conflicts with `{with}`{other}: a path could match both",
                        at(place)
                    ));
                }
                Err(error) => self.faults.push(format!("`{pattern}` {}: {error}", at(place))),
            }
        }
        (site.host, Table { routes, texts, tree: Arc::new(tree), other_slash, nests, not_found })
    }

    fn finish(&mut self, host: &str, pattern: &str, draft: &Draft, nests: Option<&dyn Nests>) -> Route {
        let mut methods = Vec::new();
        draft.add_methods(&mut methods);
        let allow = allow(&methods);
        let names = pattern::names(pattern).unwrap_or_default();
        let around = &draft.around;
        let options = self.number(format!("OPTIONS {host}{pattern}"));
        let options = around.builtin(options, Some(pattern), &names, Builtin::Options(allow.clone()));
        let refusal = match &draft.other {
            Some(DraftOther { endpoint, allow: told, place, .. }) => {
                // It is set once, by the build that made it.
                let _ = told.set(allow);
                if let Some(any) = draft.offers.iter().find(|part| part.offer.method.is_none()) {
                    let places = and(any.place, place);
                    self.faults.push(format!(
                        "`{host}{pattern}` offers any method: nothing is left to its fallback {places}"
                    ));
                }
                endpoint.clone()
            }
            None => {
                let refusal = self.number(format!("another method of {host}{pattern}"));
                around.builtin(refusal, Some(pattern), &names, Builtin::Refusal(allow))
            }
        };
        let mut route = Route {
            pattern: pattern.to_owned(),
            options,
            refusal,
            // Written out, it is meant to lie there; only captures reach in unasked.
            is_contested: !names.is_empty() && nests.is_some_and(|nests| nests.contest(pattern)),
            offers: draft.offers.iter().map(|part| part.offer.clone()).collect(),
            other_slash: OtherSlash::Nothing,
        };
        if let Some((policy, means)) = around.slash() {
            route.other_slash = (means.compiled)(self, policy, host, &route, draft, &names);
        }
        route
    }
}

/// Whether two patterns cannot be in one tree.
fn conflict(first: &str, second: &str) -> bool {
    let mut pair = matchit::Router::new();
    pair.insert(first, 0_u32).is_ok()
        && matches!(pair.insert(second, 0), Err(matchit::InsertError::Conflict { .. }))
}
