//! What the app's code takes of real time at one go, for a test that wants it to fail where an event loop would be
//! held. No virtual time passes there, and the clock is the test's: the simulation reads none by itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Watches the polls of the app.
pub(super) struct Holding {
    clock: fn() -> Instant,
    max: Duration,
    route_names: Arc<[Box<str>]>,
    begun: Option<(u32, Instant)>,
}

impl Holding {
    pub(super) fn new(clock: fn() -> Instant, max: Duration, route_names: Arc<[Box<str>]>) -> Self {
        Self { clock, max, route_names, begun: None }
    }

    /// A poll for this route begins, and none other goes on.
    pub(super) fn enter(&mut self, route: u32) -> Option<String> {
        let fault = self.leave();
        self.begun = Some((route, (self.clock)()));
        fault
    }

    /// No poll goes on; tells of the last one where it took too long.
    pub(super) fn leave(&mut self) -> Option<String> {
        let (route, begun) = self.begun.take()?;
        let time = (self.clock)().saturating_duration_since(begun);
        let name = self.route_names.get(route as usize).map_or("a route", |name| name);
        (time > self.max).then(|| {
            format!(
                "{name} held its thread for {time:?}, and would so hold an event loop: {:?} is the limit",
                self.max
            )
        })
    }
}
