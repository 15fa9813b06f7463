//! What is looked at before serving: that everything an endpoint needs is there; and how faults say where they are.

use super::{Endpoint, Place, build::Builder};
use crate::extract::{Need, Needs, StateMap};

/// Where something was added, as faults say it.
pub(super) fn at(place: Place) -> String {
    format!("({place})")
}

/// Where two things were added that cannot be together.
pub(super) fn and(first: Place, second: Place) -> String {
    if first == second { at(first) } else { format!("({first}, {second})") }
}

impl Builder<'_> {
    /// Checks that all that `endpoint` needs is there; `name` and `place` tell which it is.
    pub(super) fn check(&mut self, name: &str, place: Option<Place>, endpoint: &Endpoint) {
        let place = place.map_or(name.to_owned(), |place| format!("{name} {}", at(place)));
        let mut needs = Needs::of(endpoint.route.as_ref());
        endpoint.service.declare(&mut needs);
        let captures = endpoint.names.len();
        for need in &needs.needs {
            match need {
                Need::Captures(count) if *count != captures => self.report_captures(&place, *count, captures),
                Need::CapturesIfAny(count) if captures > 0 && *count != captures => {
                    self.report_captures(&place, *count, captures);
                }
                Need::Captures(_) | Need::CapturesIfAny(_) => {}
                Need::State { .. } | Need::MatchedPath | Need::Fault(_) => {
                    self.check_need(&place, need, endpoint, &endpoint.state)
                }
            }
        }
        for layer in &endpoint.layers {
            let mut needs = Needs::of(endpoint.route.as_ref());
            layer.middleware.declare(&mut needs);
            for need in &needs.needs {
                // A middleware can stand around paths of many shapes: captures are looked at when it runs.
                self.check_need(&format!("the middleware around {place}"), need, endpoint, &layer.state);
            }
        }
    }

    fn report_captures(&mut self, place: &str, wanted: usize, captures: usize) {
        self.faults.push(format!("{place} takes {wanted} captures as Path, its path has {captures}"));
    }

    fn check_need(&mut self, place: &str, need: &Need, endpoint: &Endpoint, state: &StateMap) {
        let fault = match need {
            Need::State { kind, name } if !state.contains(*kind) => {
                format!("{place} takes State<{name}>: give it to the router with `.state(…)`")
            }
            Need::MatchedPath if endpoint.route.is_none() => {
                format!("{place} takes MatchedPath, and no route matches there: take Option<MatchedPath>")
            }
            Need::Fault(what) => format!("{place}: {what}"),
            Need::State { .. } | Need::MatchedPath | Need::Captures(_) | Need::CapturesIfAny(_) => return,
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}
