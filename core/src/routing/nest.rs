//! Nests: prefixes below which a nested router answers for everything.

use std::sync::Arc;

use super::{
    Endpoint,
    build::DraftNest,
    check::and,
    pattern::{self, captures_below, is_below},
};

/// How nests are compiled. [`Router::nest`](super::Router::nest) hands it over: a program without nests has none of this.
pub(super) struct Means {
    /// What is wrong with a prefix.
    pub(super) check: fn(&str) -> Result<(), String>,
    /// Of those of one host. What is wrong with them goes to the faults.
    pub(super) compiled: fn(Vec<DraftNest>, &mut Vec<String>) -> Box<dyn Nests>,
}

impl Means {
    pub(super) const ALL: &Self = &Self { check: pattern::check_prefix, compiled };
}

/// The nests of one host.
pub(super) trait Nests: Send + Sync {
    /// What a path belongs to that no route matches, and what the prefix captures of it.
    fn closest<'p>(&self, path: &'p str) -> Option<(&Nest, Vec<&'p str>)>;

    /// Whether a path of a route may belong to one that the route is not of.
    fn contest(&self, pattern: &str) -> bool;

    /// The closest first.
    fn prefixes(&self) -> Vec<Box<str>>;
}

/// A prefix below which a nested router answers for everything.
pub(super) struct Nest {
    pub(super) prefix: String,
    pub(super) not_found: Arc<Endpoint>,
}

/// The closest first.
struct Closest(Vec<Nest>);

fn compiled(drafts: Vec<DraftNest>, faults: &mut Vec<String>) -> Box<dyn Nests> {
    // By insertion, as they are few: the library's sort is 14 KB of each program.
    let (mut keys, mut sorted) = (Vec::new(), Vec::<DraftNest>::new());
    for nest in drafts {
        let key = pattern::closeness(&nest.prefix);
        let place = keys.partition_point(|other| *other <= key);
        keys.insert(place, key);
        sorted.insert(place, nest);
    }
    for pair in sorted.windows(2) {
        if pattern::shape(&pair[0].prefix) == pattern::shape(&pair[1].prefix) {
            let (prefix, places) = (&pair[1].prefix, and(pair[0].place, pair[1].place));
            faults.push(format!("`{prefix}` is nested twice {places}: merge the two routers first"));
        }
    }
    let nests = sorted.into_iter();
    Box::new(Closest(nests.map(|DraftNest { prefix, not_found, .. }| Nest { prefix, not_found }).collect()))
}

impl Nests for Closest {
    fn closest<'p>(&self, path: &'p str) -> Option<(&Nest, Vec<&'p str>)> {
        self.0.iter().find_map(|nest| Some((nest, captures_below(&nest.prefix, path)?)))
    }

    fn contest(&self, pattern: &str) -> bool {
        self.0
            .iter()
            .any(|Nest { prefix, .. }| pattern::can_overlap(pattern, prefix) && !is_below(pattern, prefix))
    }

    fn prefixes(&self) -> Vec<Box<str>> {
        self.0.iter().map(|nest| nest.prefix.as_str().into()).collect()
    }
}
