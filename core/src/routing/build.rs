//! From the tree of routers to one flat table: prefixes joined, layers lined up, states and fallbacks
//! inherited, every need checked. It runs once, before serving, and must report each fault.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderValue, Method};

use super::{
    BuildError, Child, Endpoint, MethodRouter, Route, Router,
    endpoint::{Builtin, Layer, Offer, allow},
    pattern,
};
use crate::{
    extract::{Need, Needs, StateMap},
    handler::Service,
    middleware::Around,
};

/// What an app looks requests up in.
pub(crate) struct Compiled {
    tree: matchit::Router<Route>,
    /// The closest first.
    nests: Vec<Nest>,
    /// Where nothing matches.
    pub(crate) not_found: Arc<Endpoint>,
    /// For `OPTIONS *`.
    pub(crate) options: Arc<Endpoint>,
    /// For CONNECT, which has no path.
    pub(crate) refusal: Arc<Endpoint>,
    /// How logs name the endpoints, by their numbers.
    pub(crate) names: Arc<[Box<str>]>,
}

/// A prefix below which a nested router answers for everything.
pub(crate) struct Nest {
    prefix: String,
    pub(crate) not_found: Arc<Endpoint>,
}

impl Compiled {
    /// The route of `path`, and what it captured.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Found<'_, 'p> {
        match self.tree.at(path) {
            Ok(found) if !found.value.is_contested => Found::Route(found.value, found.params),
            Ok(found) => match self.nest(path) {
                Some((nest, captures)) if !pattern::is_below(&found.value.pattern, &nest.prefix) => {
                    Found::Nest(nest, captures)
                }
                _ => Found::Route(found.value, found.params),
            },
            Err(_) => self.nest(path).map_or(Found::Nothing, |(nest, captures)| Found::Nest(nest, captures)),
        }
    }

    fn nest<'p>(&self, path: &'p str) -> Option<(&Nest, Vec<&'p str>)> {
        self.nests.iter().find_map(|nest| Some((nest, pattern::captures_below(&nest.prefix, path)?)))
    }
}

/// What a path belongs to.
pub(crate) enum Found<'a, 'p> {
    Route(&'a Route, matchit::Params<'a, 'p>),
    Nest(&'a Nest, Vec<&'p str>),
    Nothing,
}

/// What a router inherits from those around it.
#[derive(Clone)]
struct Surroundings {
    prefix: String,
    /// The outermost first.
    layers: Vec<Layer>,
    state: Arc<StateMap>,
}

/// What answers where nothing matches; its own layers are those of the routers that it was merged from.
#[derive(Clone)]
struct Fallback {
    service: Arc<dyn Service>,
    state: Arc<StateMap>,
    layers: Vec<Layer>,
}

impl Fallback {
    /// Its layers that are not among `outer`: a nest of a merged router has them already.
    fn layers_beside(&self, outer: &[Layer]) -> impl Iterator<Item = &Layer> {
        let is_new =
            |layer: &&Layer| !outer.iter().any(|other| Arc::ptr_eq(&other.middleware, &layer.middleware));
        self.layers.iter().filter(is_new)
    }
}

#[derive(Default)]
struct Builder {
    routes: BTreeMap<String, Draft>,
    nests: Vec<Nest>,
    /// Of the endpoints, by their numbers.
    names: Vec<Box<str>>,
    faults: Vec<String>,
}

/// A route whose methods are still being collected.
struct Draft {
    offers: Vec<Offer>,
    around: Surroundings,
}

pub(super) fn compile(router: Router) -> Result<Compiled, BuildError> {
    let mut builder = Builder::default();
    let outside = Surroundings { prefix: String::new(), layers: Vec::new(), state: Arc::default() };
    let root = outside.within(&router);
    let nothing =
        Fallback { service: Arc::new(Builtin::NotFound), state: Arc::default(), layers: Vec::new() };
    let not_found = builder.add_scope(router, &root, &nothing);

    builder.nests.sort_by_cached_key(|nest| pattern::closeness(&nest.prefix));
    for pair in builder.nests.windows(2) {
        if pattern::shape(&pair[0].prefix) == pattern::shape(&pair[1].prefix) {
            builder.faults.push(format!("`{}` is nested twice: merge the two routers first", pair[1].prefix));
        }
    }
    let drafts = std::mem::take(&mut builder.routes);
    let methods: Vec<Method> = drafts.values().flat_map(Draft::methods).collect();
    let mut tree = matchit::Router::new();
    for (pattern, draft) in drafts {
        let route = builder.finish(&pattern, draft);
        if let Err(error) = tree.insert(pattern.as_str(), route) {
            builder.faults.push(match error {
                matchit::InsertError::Conflict { with } => {
                    format!("`{pattern}` conflicts with `{with}`: a path could match both")
                }
                error => format!("`{pattern}`: {error}"),
            });
        }
    }
    if !builder.faults.is_empty() {
        return Err(BuildError { faults: builder.faults });
    }
    let allow = allow(&methods);
    let options = builder.number("OPTIONS *");
    let refusal = builder.number("CONNECT");
    Ok(Compiled {
        tree,
        nests: builder.nests,
        not_found,
        options: root.builtin(options, None, &[], Builtin::Options(allow.clone())),
        refusal: root.builtin(refusal, None, &[], Builtin::Refusal(allow)),
        names: builder.names.into(),
    })
}

impl Surroundings {
    /// What the parts of `router` inherit, which stands here.
    fn within(&self, router: &Router) -> Self {
        let state = Arc::new(router.state.within(&self.state));
        let layers = self.with_layers(&router.wraps, &state);
        Self { prefix: self.prefix.clone(), layers, state }
    }

    fn with_layers(&self, wraps: &[Arc<dyn Around>], state: &Arc<StateMap>) -> Vec<Layer> {
        let own = wraps.iter().rev().map(|wrap| Layer { middleware: wrap.clone(), state: state.clone() });
        self.layers.iter().cloned().chain(own).collect()
    }

    fn builtin(
        &self,
        number: u32,
        route: Option<&str>,
        names: &[Box<str>],
        answer: Builtin,
    ) -> Arc<Endpoint> {
        Arc::new(Endpoint {
            number,
            route: route.map(Into::into),
            names: names.into(),
            layers: self.layers.as_slice().into(),
            service: Arc::new(answer),
            state: self.state.clone(),
            body_bytes_max: None,
            cancels: false,
        })
    }
}

impl Builder {
    /// The number of another endpoint, which logs name so.
    fn number(&mut self, name: impl Into<Box<str>>) -> u32 {
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        number
    }

    /// Adds a router that answers for all paths below its prefix, and gives its answer to unknown ones.
    fn add_scope(&mut self, router: Router, here: &Surroundings, inherited: &Fallback) -> Arc<Endpoint> {
        let mut fallbacks = Vec::new();
        let mut nested = Vec::new();
        self.add(router, here, here.layers.len(), &mut fallbacks, &mut nested);
        let place = if here.prefix.is_empty() { "the app" } else { &here.prefix };
        if fallbacks.len() > 1 {
            self.faults.push(format!("{place}: a merged router brings a second fallback"));
        }
        let fallback = fallbacks.pop().unwrap_or_else(|| inherited.clone());
        let name = format!("the fallback of {place}");
        let endpoint = Arc::new(Endpoint {
            number: self.number(name.as_str()),
            route: None,
            names: pattern::names(&here.prefix).unwrap_or_default().into(),
            layers: here.layers.iter().chain(fallback.layers_beside(&here.layers)).cloned().collect(),
            service: fallback.service.clone(),
            state: fallback.state.clone(),
            body_bytes_max: None,
            cancels: false,
        });
        self.check(&name, &endpoint);
        for (router, around) in nested {
            let not_found = self.add_scope(router, &around, &fallback);
            self.nests.push(Nest { prefix: around.prefix, not_found });
        }
        endpoint
    }

    /// Adds the routes of a router and of those merged into it; `scope_layers` layers are the scope's own.
    fn add(
        &mut self,
        router: Router,
        here: &Surroundings,
        scope_layers: usize,
        fallbacks: &mut Vec<Fallback>,
        nested: &mut Vec<(Router, Surroundings)>,
    ) {
        self.faults.extend(router.faults);
        if let Some(service) = router.fallback {
            let layers = here.layers[scope_layers..].to_vec();
            fallbacks.push(Fallback { service, state: here.state.clone(), layers });
        }
        for (pattern, methods) in router.routes {
            self.add_route(&pattern, methods, here);
        }
        for child in router.children {
            match child {
                Child::Merged(router) => {
                    let there = here.within(&router);
                    self.add(router, &there, scope_layers, fallbacks, nested);
                }
                Child::Nested(prefix, router) => {
                    if let Err(fault) = pattern::check_prefix(&prefix) {
                        self.faults.push(format!("nest `{prefix}`: {fault}"));
                        continue;
                    }
                    let mut there = here.within(&router);
                    there.prefix += &prefix;
                    nested.push((router, there));
                }
            }
        }
    }

    fn add_route(&mut self, pattern: &str, methods: MethodRouter, here: &Surroundings) {
        let whole = match pattern {
            "/" if !here.prefix.is_empty() => here.prefix.clone(),
            _ => format!("{}{pattern}", here.prefix),
        };
        let names: Arc<[Box<str>]> = match pattern::names(pattern).and_then(|_| pattern::names(&whole)) {
            Ok(names) => names.into(),
            Err(fault) => return self.faults.push(format!("`{whole}`: {fault}")),
        };
        let route: Arc<str> = whole.as_str().into();
        let layers: Box<[Layer]> = here.with_layers(&methods.wraps, &here.state).into();
        let mut offers = Vec::new();
        for (method, service) in methods.handlers {
            let name = name(method.as_ref(), &whole);
            let endpoint = Arc::new(Endpoint {
                number: self.number(name.as_str()),
                route: Some(route.clone()),
                names: names.clone(),
                layers: layers.clone(),
                service,
                state: here.state.clone(),
                body_bytes_max: methods.body_bytes_max,
                cancels: methods.cancels,
            });
            self.check(&name, &endpoint);
            offers.push(Offer { method, endpoint });
        }
        let draft = self
            .routes
            .entry(whole.clone())
            .or_insert_with(|| Draft { offers: Vec::new(), around: here.clone() });
        for offer in offers {
            if draft.offers.iter().any(|other| other.method == offer.method) {
                self.faults.push(format!("`{}` is routed twice", name(offer.method.as_ref(), &whole)));
            }
            draft.offers.push(offer);
        }
    }

    fn finish(&mut self, pattern: &str, draft: Draft) -> Route {
        let methods: Vec<Method> = draft.methods().collect();
        let allow: HeaderValue = allow(&methods);
        let names = pattern::names(pattern).unwrap_or_default();
        let around = &draft.around;
        let options = self.number(format!("OPTIONS {pattern}"));
        let refusal = self.number(format!("another method of {pattern}"));
        let is_foreign = |nest: &Nest| {
            pattern::can_overlap(pattern, &nest.prefix) && !pattern::is_below(pattern, &nest.prefix)
        };
        Route {
            pattern: pattern.to_owned(),
            options: around.builtin(options, Some(pattern), &names, Builtin::Options(allow.clone())),
            refusal: around.builtin(refusal, Some(pattern), &names, Builtin::Refusal(allow)),
            // Written out, it is meant to lie there; only captures reach in unasked.
            is_contested: !names.is_empty() && self.nests.iter().any(is_foreign),
            offers: draft.offers,
        }
    }

    /// Checks that all that `endpoint` needs is there; `place` names it.
    fn check(&mut self, place: &str, endpoint: &Endpoint) {
        let mut needs = Needs::of(endpoint.route.as_ref());
        endpoint.service.declare(&mut needs);
        let captures = endpoint.names.len();
        for need in &needs.needs {
            match need {
                Need::State { .. } => self.check_state(place, need, &endpoint.state),
                Need::Captures(count) if *count == captures => {}
                Need::Captures(count) => self
                    .faults
                    .push(format!("{place} takes {count} captures as Path, its path has {captures}")),
                Need::Fault(what) => self.faults.push(format!("{place}: {what}")),
            }
        }
        for layer in &endpoint.layers {
            let mut needs = Needs::of(endpoint.route.as_ref());
            layer.middleware.declare(&mut needs);
            for need in &needs.needs {
                // A middleware can stand around paths of many shapes: captures are looked at when it runs.
                self.check_state(&format!("the middleware around {place}"), need, &layer.state);
            }
        }
    }

    fn check_state(&mut self, place: &str, need: &Need, state: &StateMap) {
        match need {
            Need::State { kind, name } if !state.contains(*kind) => {
                let fault = format!("{place} takes State<{name}>: give it to the router with `.state(…)`");
                if !self.faults.contains(&fault) {
                    self.faults.push(fault);
                }
            }
            Need::Fault(what) => self.faults.push(format!("{place}: {what}")),
            Need::State { .. } | Need::Captures(_) => {}
        }
    }
}

impl Draft {
    fn methods(&self) -> impl Iterator<Item = Method> {
        self.offers.iter().filter_map(|offer| offer.method.clone())
    }
}

/// How faults name a route.
fn name(method: Option<&Method>, pattern: &str) -> String {
    format!("{} {pattern}", method.map_or("any", Method::as_str))
}
