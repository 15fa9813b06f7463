//! From the tree of routers to flat drafts of tables: prefixes joined, layers lined up, states and fallbacks
//! inherited. It runs once, before serving, and must report each fault; `finish` makes the tables. It reads the routers, and
//! takes nothing out of them: what moves parts of a value out of it is larger than what clones them.

use std::sync::{Arc, OnceLock};

use http::{HeaderValue, Method};

use super::{
    BuildError, Child, Endpoint, MethodRouter, Numbers, Place, Router, TrailingSlash, Urls,
    check::{and, at},
    endpoint::{Builtin, Layer, Offer, Others, allow},
    host,
    names::MapNames,
    nest, pattern, slash,
    table::Compiled,
};
use crate::{extract::StateMap, handler::Service, middleware::Around};

/// What a router inherits from those around it.
#[derive(Clone)]
pub(super) struct Surroundings {
    prefix: String,
    /// The outermost first.
    layers: Vec<Layer>,
    state: Arc<StateMap>,
    slash: Option<(TrailingSlash, &'static slash::Means)>,
}

/// What answers where nothing matches; its own layers are those of the routers that it was merged from.
#[derive(Clone)]
struct Fallback {
    service: Arc<dyn Service>,
    /// Of the router that has it.
    prefix: Arc<str>,
    state: Arc<StateMap>,
    layers: Vec<Layer>,
    place: Option<Place>,
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
pub(super) struct Builder<'r> {
    /// Of the endpoints, by their numbers.
    names: Vec<Box<str>>,
    pub(super) named: Vec<Naming>,
    /// Those of merged routers too; each waits until the fallback of the app is known.
    hosts: Vec<HostDraft<'r>>,
    pub(super) faults: Vec<String>,
}

/// The router of a host, and what stands around it.
type HostDraft<'r> = (&'r str, &'r Router, Surroundings, Place, &'static host::Means);

/// A nested router, what stands around it, and where it was added.
type NestedRouter<'r> = (&'r Router, Surroundings, Place, &'static nest::Means);

/// The routes of one host, while they are collected.
#[derive(Default)]
pub(super) struct Site {
    /// Empty for all hosts that have none of their own.
    pub(super) host: String,
    /// The patterns, and the numbers of their drafts.
    pub(super) routes: Numbers,
    pub(super) drafts: Vec<Draft>,
    pub(super) nests: Vec<DraftNest>,
}

pub(super) struct DraftNest {
    pub(super) prefix: String,
    pub(super) not_found: Arc<Endpoint>,
    pub(super) place: Place,
    pub(super) means: &'static nest::Means,
}

/// A route whose methods are still being collected.
pub(super) struct Draft {
    pub(super) offers: Vec<Offered>,
    /// For the methods that are not offered; it is told at the end which ones are.
    pub(super) other: Option<DraftOther>,
    /// Of its first part.
    pub(super) around: Arc<Surroundings>,
    pub(super) place: Place,
}

/// What answers the methods that a draft does not offer.
pub(super) struct DraftOther {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) allow: Arc<OnceLock<HeaderValue>>,
    /// Of the part that it was added with.
    pub(super) around: Arc<Surroundings>,
    pub(super) place: Place,
}

/// One method of a draft.
pub(super) struct Offered {
    pub(super) offer: Offer,
    /// Of the part that it was added with.
    pub(super) around: Arc<Surroundings>,
    pub(super) place: Place,
}

/// A name that a route was given.
pub(super) struct Naming {
    pub(super) name: &'static str,
    pub(super) host: String,
    pub(super) pattern: String,
    pub(super) captures: Arc<[Box<str>]>,
    pub(super) place: Place,
    pub(super) map: MapNames,
}

pub(super) fn compile(mut router: Router) -> Result<Compiled, BuildError> {
    let mut builder = Builder::default();
    let urls = Urls::new();
    router.0.state.insert(urls.clone());
    let outside =
        Surroundings { prefix: String::new(), layers: Vec::new(), state: Arc::default(), slash: None };
    let root = outside.within(&router);
    let nothing = Fallback {
        service: Arc::new(Builtin::NotFound),
        prefix: "".into(),
        state: Arc::default(),
        layers: Vec::new(),
        place: None,
    };
    let mut site = Site::default();
    let (not_found, fallback) = builder.add_scope(&router, &root, &nothing, &mut site);
    let mut sites = vec![(site, not_found)];

    let hosts = std::mem::take(&mut builder.hosts);
    let places: Vec<Place> = hosts.iter().map(|(.., place, _)| *place).collect();
    let means = hosts.first().map(|(.., means)| *means);
    let mut numbers = Numbers::new();
    for (number, (host, router, around, place, means)) in hosts.into_iter().enumerate() {
        match (means.checked)(host) {
            Err(fault) => builder.faults.push(format!("host `{host}` {}: {fault}", at(place))),
            Ok(host) => {
                if let Some(first) = numbers.insert(host.clone(), number) {
                    let places = and(places[first], place);
                    builder
                        .faults
                        .push(format!("host `{host}` is given twice {places}: merge the two routers first"));
                }
                let mut site = Site { host, ..Site::default() };
                let (not_found, _) = builder.add_scope(router, &around, &fallback, &mut site);
                sites.push((site, not_found));
            }
        }
    }

    let mut methods = Vec::new();
    for (site, _) in &sites {
        site.drafts.iter().for_each(|draft| draft.add_methods(&mut methods));
    }
    let allow = allow(&methods);
    let mut tables = builder.tables(sites);
    if let Some(map) = builder.named.first().map(|first| first.map) {
        map(&mut builder, &tables, &urls);
    }
    if !builder.faults.is_empty() {
        return Err(BuildError { faults: builder.faults });
    }
    let (_, table) = tables.remove(0);
    let options = builder.number("OPTIONS *");
    let refusal = builder.number("CONNECT");
    Ok(Compiled {
        table,
        hosts: means.map(|means| (means.collected)(tables)),
        options: root.builtin(options, None, &[], Builtin::Options(allow.clone())),
        refusal: root.builtin(refusal, None, &[], Builtin::Refusal(allow)),
        names: builder.names.into(),
    })
}

impl Surroundings {
    /// What the parts of `router` inherit, which stands here.
    fn within(&self, router: &Router) -> Self {
        let parts = &*router.0;
        let state = Arc::new(parts.state.within(&self.state));
        let layers = self.with_layers(&parts.wraps, &state);
        let slash = parts.slash.or(self.slash);
        Self { prefix: self.prefix.clone(), layers, state, slash }
    }

    fn with_layers(&self, wraps: &[Arc<dyn Around>], state: &Arc<StateMap>) -> Vec<Layer> {
        let own = wraps.iter().rev().map(|wrap| Layer { middleware: wrap.clone(), state: state.clone() });
        self.layers.iter().cloned().chain(own).collect()
    }

    pub(super) fn slash(&self) -> Option<(TrailingSlash, &'static slash::Means)> {
        self.slash
    }

    /// The policy, where one was given.
    fn policy(&self) -> TrailingSlash {
        self.slash.map_or(TrailingSlash::Strict, |(policy, _)| policy)
    }

    pub(super) fn builtin(
        &self,
        number: u32,
        route: Option<&str>,
        names: &[Box<str>],
        answer: Builtin,
    ) -> Arc<Endpoint> {
        self.endpoint(number, route, names, Arc::new(answer))
    }

    /// An endpoint that stands directly in these.
    pub(super) fn endpoint(
        &self,
        number: u32,
        route: Option<&str>,
        names: &[Box<str>],
        service: Arc<dyn Service>,
    ) -> Arc<Endpoint> {
        Arc::new(Endpoint {
            number,
            route: route.map(Into::into),
            prefix: self.prefix.as_str().into(),
            names: names.into(),
            layers: self.layers.as_slice().into(),
            state: self.state.clone(),
            body_bytes_max: service.body_bytes_max(),
            cancels: false,
            service,
        })
    }
}

impl<'r> Builder<'r> {
    /// The number of another endpoint, which logs name so.
    pub(super) fn number(&mut self, name: impl Into<Box<str>>) -> u32 {
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        number
    }

    /// Adds a router that answers for all paths below its prefix, and gives its answer to unknown ones.
    fn add_scope(
        &mut self,
        router: &'r Router,
        here: &Surroundings,
        inherited: &Fallback,
        site: &mut Site,
    ) -> (Arc<Endpoint>, Fallback) {
        let mut fallbacks: Vec<Fallback> = Vec::new();
        let mut nested = Vec::new();
        self.add(router, here, here.layers.len(), &mut fallbacks, &mut nested, site);
        let place = match format!("{}{}", site.host, here.prefix) {
            place if place.is_empty() => "the app".to_owned(),
            place => place,
        };
        if let [Fallback { place: Some(first), .. }, .., Fallback { place: Some(second), .. }] =
            &fallbacks[..]
        {
            let places = and(first, second);
            self.faults.push(format!("{place}: a merged router brings a second fallback {places}"));
        }
        let fallback = fallbacks.pop().unwrap_or_else(|| inherited.clone());
        let name = format!("the fallback of {place}");
        let endpoint = Arc::new(Endpoint {
            number: self.number(name.as_str()),
            route: None,
            prefix: fallback.prefix.clone(),
            names: pattern::names(&here.prefix).unwrap_or_default().into(),
            layers: here.layers.iter().chain(fallback.layers_beside(&here.layers)).cloned().collect(),
            service: fallback.service.clone(),
            state: fallback.state.clone(),
            body_bytes_max: fallback.service.body_bytes_max(),
            cancels: fallback.service.cancels(),
        });
        self.check(&name, fallback.place, &endpoint);
        for (router, around, place, means) in nested {
            let (not_found, _) = self.add_scope(router, &around, &fallback, site);
            site.nests.push(DraftNest { prefix: around.prefix, not_found, place, means });
        }
        (endpoint, fallback)
    }

    /// Adds the routes of a router and of those merged into it; `scope_layers` layers are the scope's own.
    fn add(
        &mut self,
        router: &'r Router,
        here: &Surroundings,
        scope_layers: usize,
        fallbacks: &mut Vec<Fallback>,
        nested: &mut Vec<NestedRouter<'r>>,
        site: &mut Site,
    ) {
        let router = &*router.0;
        self.faults.extend_from_slice(&router.faults);
        if let Some((service, place)) = &router.fallback {
            fallbacks.push(Fallback {
                service: service.clone(),
                prefix: here.prefix.as_str().into(),
                state: here.state.clone(),
                layers: here.layers[scope_layers..].to_vec(),
                place: Some(place),
            });
        }
        for (pattern, methods, place) in &router.routes {
            self.add_route(pattern, methods, place, here, site);
        }
        for child in &router.children {
            match child {
                Child::Merged(router) => {
                    let there = here.within(router);
                    self.add(router, &there, scope_layers, fallbacks, nested, site);
                }
                Child::Nested(prefix, router, place, means) => {
                    if let Err(fault) = (means.check)(prefix) {
                        self.faults.push(format!("nest `{prefix}` {}: {fault}", at(place)));
                        continue;
                    }
                    let mut there = here.within(router);
                    there.prefix += prefix;
                    nested.push((router, there, place, *means));
                }
                Child::Host(host, router, place, means) if here.prefix.is_empty() && site.host.is_empty() => {
                    let there = here.within(router);
                    self.hosts.push((host, router, there, place, means));
                }
                Child::Host(host, _, place, _) => self.faults.push(format!(
                    "host `{host}` {}: a host stands in the app's outermost router, not in a nest or another host",
                    at(place)
                )),
            }
        }
    }

    fn add_route(
        &mut self,
        pattern: &str,
        methods: &MethodRouter,
        place: Place,
        here: &Surroundings,
        site: &mut Site,
    ) {
        let whole = match pattern {
            "/" if !here.prefix.is_empty() => here.prefix.clone(),
            _ => format!("{}{pattern}", here.prefix),
        };
        let names: Arc<[Box<str>]> = match pattern::names(pattern).and_then(|_| pattern::names(&whole)) {
            Ok(names) => names.into(),
            Err(fault) => return self.faults.push(format!("`{whole}` {}: {fault}", at(place))),
        };
        let told = format!("{}{whole}", site.host);
        let part = Part {
            route: whole.as_str().into(),
            prefix: here.prefix.as_str().into(),
            names: names.clone(),
            layers: here.with_layers(&methods.wraps, &here.state).into(),
            body_bytes_max: methods.body_bytes_max,
            cancels: methods.cancels,
        };
        let around = Arc::new(here.clone());
        let number = *site.routes.entry(whole.clone()).or_insert(site.drafts.len());
        if number == site.drafts.len() {
            site.drafts.push(Draft { offers: Vec::new(), other: None, around: around.clone(), place });
        }
        let draft = &mut site.drafts[number];
        let has_other =
            |around: &Surroundings| around.slash.is_some_and(|(_, means)| (means.has_other)(&whole));
        let differ = draft.around.policy() != here.policy();
        if differ && (has_other(here) || has_other(&draft.around)) {
            let places = and(draft.place, place);
            self.faults.push(format!("`{told}` is given two policies of trailing slashes {places}"));
        }
        for (method, service) in &methods.handlers {
            let name = name(method.as_ref(), &told);
            let endpoint = part.endpoint(self.number(name.as_str()), service.clone(), here);
            self.check(&name, Some(place), &endpoint);
            if let Some(first) = draft.offers.iter().find(|other| other.offer.method == *method) {
                self.faults.push(format!("`{name}` is routed twice {}", and(first.place, place)));
            }
            let offer = Offer { method: method.clone(), endpoint };
            draft.offers.push(Offered { offer, around: around.clone(), place });
        }
        for Others { service, allow } in &methods.fallbacks {
            let name = format!("another method of {told}");
            let endpoint = part.endpoint(self.number(name.as_str()), service.clone(), here);
            self.check(&name, Some(place), &endpoint);
            let (allow, around) = (allow.clone(), around.clone());
            if let Some(first) = draft.other.replace(DraftOther { endpoint, allow, around, place }) {
                self.faults.push(format!("`{told}` has two fallbacks {}", and(first.place, place)));
            }
        }
        for given in &methods.names {
            let name = given.name.name;
            if let Some(count) = given.name.captures.filter(|count| *count != names.len()) {
                self.faults.push(format!(
                    "`{told}` {} captures {} values, its name `{name}` says {count}",
                    at(place),
                    names.len()
                ));
            }
            let (host, pattern, captures) = (site.host.clone(), whole.clone(), names.clone());
            self.named.push(Naming { name, host, pattern, captures, place, map: given.map });
        }
    }
}

/// What the endpoints of one call of `route` have in common.
struct Part {
    route: Arc<str>,
    prefix: Arc<str>,
    names: Arc<[Box<str>]>,
    layers: Box<[Layer]>,
    body_bytes_max: Option<u64>,
    cancels: bool,
}

impl Part {
    fn endpoint(&self, number: u32, service: Arc<dyn Service>, here: &Surroundings) -> Arc<Endpoint> {
        Arc::new(Endpoint {
            number,
            route: Some(self.route.clone()),
            prefix: self.prefix.clone(),
            names: self.names.clone(),
            layers: self.layers.clone(),
            state: here.state.clone(),
            body_bytes_max: self.body_bytes_max.or_else(|| service.body_bytes_max()),
            cancels: self.cancels || service.cancels(),
            service,
        })
    }
}

impl Draft {
    /// Adds the methods that it offers by name.
    pub(super) fn add_methods(&self, methods: &mut Vec<Method>) {
        for part in &self.offers {
            methods.extend(part.offer.method.clone());
        }
    }
}

/// How faults and logs name a route.
fn name(method: Option<&Method>, pattern: &str) -> String {
    format!("{} {pattern}", method.map_or("any", Method::as_str))
}
