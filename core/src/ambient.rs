//! Where the current thread is: inside the driver's poll, inside a job, or in neither.
//! It decides what a call that may block does. Nothing outside `driver` and `jobs` may set it.

use std::{cell::RefCell, mem, rc::Rc};

use crate::{
    disconnect::Watch,
    jobs::{Blocker, Job, JobWatch},
};

/// What a thread is doing for the server.
pub(crate) enum Place {
    /// Nothing: a thread of the user's own.
    Outside,
    /// Polling a handler or a body for the driver.
    Driver(Collected),
    /// Running this job; a nested `fn` runs in place.
    Blocking(JobWatch, Option<Rc<dyn Blocker>>),
}

/// What polls leave for the driver.
#[derive(Default)]
pub(crate) struct Collected {
    /// To be handed over after the poll.
    pub(crate) jobs: Vec<Job>,
    /// There once somebody wants to know when the client leaves, to the end of the exchange.
    pub(crate) watch: Option<Watch>,
}

thread_local! {
    static PLACE: RefCell<Place> = const { RefCell::new(Place::Outside) };
}

/// Puts the former place back, also when the call unwinds.
struct Restore(Option<Place>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            PLACE.replace(place);
        }
    }
}

/// Runs `call` in `place` and gives its result and the place as it was left.
pub(crate) fn enter<R>(place: Place, call: impl FnOnce() -> R) -> (R, Place) {
    let mut restore = Restore(Some(PLACE.replace(place)));
    let result = call();
    let former = restore.0.take().unwrap_or(Place::Outside);
    (result, PLACE.replace(former))
}

/// Runs `call` as the driver does; what it leaves is added to `collected`.
pub(crate) fn enter_driver<R>(collected: &mut Collected, call: impl FnOnce() -> R) -> R {
    let (result, place) = enter(Place::Driver(mem::take(collected)), call);
    if let Place::Driver(left) = place {
        *collected = left;
    }
    result
}

/// Looks at the current place.
pub(crate) fn with<R>(look: impl FnOnce(&mut Place) -> R) -> R {
    PLACE.with_borrow_mut(look)
}
