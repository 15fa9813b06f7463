//! Where the current thread is: inside the driver's poll, inside a job, or in neither.
//! It decides what a call that may block does. Nothing outside `driver` and `jobs` may set it.

use std::{
    cell::{Cell, RefCell},
    mem::{self, ManuallyDrop},
    rc::Rc,
};

use crate::{
    disconnect::Watch,
    jobs::{Blocker, Job, JobWatch},
};

/// What a thread is doing for the server.
pub(crate) enum Place<'a> {
    /// Nothing: a thread of the user's own.
    Outside,
    /// Polling a handler or a body for the driver.
    Driver(&'a mut Collected),
    /// Running this job; a nested `fn` runs in place.
    Blocking(&'a Running),
}

/// What polls leave for the driver.
#[derive(Default)]
pub(crate) struct Collected {
    /// To be handed over after the poll.
    pub(crate) jobs: Vec<Job>,
    /// There once somebody wants to know when the client leaves, or has panicked, to the end of the exchange.
    pub(crate) watch: Option<Watch>,
}

/// A job that runs, and what keeps its connection going meanwhile.
pub(crate) struct Running {
    pub(crate) job: JobWatch,
    pub(crate) blocker: Option<Rc<dyn Blocker>>,
}

/// Which of the two below counts. A byte apart from them: every poll of a handler sets it, and moves nothing else.
#[derive(Clone, Copy)]
enum Kind {
    Outside,
    Driver,
    Blocking,
}

thread_local! {
    static KIND: Cell<Kind> = const { Cell::new(Kind::Outside) };
    // Without a destructor, which every look would have to ask for: between polls there is nothing in it.
    static COLLECTED: ManuallyDrop<RefCell<Collected>> =
        const { ManuallyDrop::new(RefCell::new(Collected { jobs: Vec::new(), watch: None })) };
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// Runs `call` as the driver does; what it leaves is added to `collected`.
#[inline]
pub(crate) fn enter_driver<R>(collected: &mut Collected, call: impl FnOnce() -> R) -> R {
    /// Puts back what was there, also when the call unwinds.
    struct Leave<'a>(Kind, &'a mut Collected);

    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            KIND.set(self.0);
            COLLECTED.with(|own| mem::swap(&mut *own.borrow_mut(), self.1));
        }
    }

    COLLECTED.with(|own| mem::swap(&mut *own.borrow_mut(), collected));
    let _leave = Leave(KIND.replace(Kind::Driver), collected);
    call()
}

/// Runs `call` as the job of `running`.
pub(crate) fn enter_job<R>(running: Running, call: impl FnOnce() -> R) -> R {
    /// As above.
    struct Leave(Kind, Option<Running>);

    impl Drop for Leave {
        fn drop(&mut self) {
            KIND.set(self.0);
            // What was there goes where it may look around.
            let over = RUNNING.replace(self.1.take());
            drop(over);
        }
    }

    let former = RUNNING.replace(Some(running));
    let _leave = Leave(KIND.replace(Kind::Blocking), former);
    call()
}

/// Runs `call` as what is no part of any exchange.
pub(crate) fn enter_outside<R>(call: impl FnOnce() -> R) -> R {
    /// As above.
    struct Leave(Kind);

    impl Drop for Leave {
        fn drop(&mut self) {
            KIND.set(self.0);
        }
    }

    let _leave = Leave(KIND.replace(Kind::Outside));
    call()
}

/// Looks at the current place.
pub(crate) fn with<R>(look: impl FnOnce(Place<'_>) -> R) -> R {
    match KIND.get() {
        Kind::Outside => look(Place::Outside),
        Kind::Driver => COLLECTED.with(|collected| look(Place::Driver(&mut collected.borrow_mut()))),
        Kind::Blocking => RUNNING.with_borrow(|running| match running {
            Some(running) => look(Place::Blocking(running)),
            None => look(Place::Outside),
        }),
    }
}
