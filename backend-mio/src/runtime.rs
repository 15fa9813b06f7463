//! `trijet::rt` on event loops: each serves the timers, the connections and the tasks of its own handlers. What is
//! asked for on other threads goes to one loop after the other.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use trijet_backend::{
    Backend, Service,
    poll::{PollRuntime, Reactor, Schedule, Task},
};

use crate::{Mio, connections, mailbox::Mailbox};

/// What the handlers of one loop wait with.
///
/// # Errors
/// Those of the system.
pub(crate) fn reactor(poll: &mio::Poll, mailbox: &Arc<Mailbox>) -> io::Result<Arc<Reactor>> {
    let mailbox = mailbox.clone();
    let wake = move || {
        if !connections::is_here(&mailbox) {
            mailbox.notify();
        }
    };
    Reactor::new(poll.registry(), wake).map(Arc::new)
}

/// The runtime of the loops with these reactors and mailboxes.
pub(crate) fn new(
    service: &Service,
    reactors: Vec<Arc<Reactor>>,
    mailboxes: Vec<Arc<Mailbox>>,
) -> Arc<PollRuntime> {
    let schedules: Vec<Schedule> = mailboxes
        .into_iter()
        .map(|mailbox| Arc::new(move |task| connections::schedule(&mailbox, task)) as Schedule)
        .collect();
    let next = Arc::new(AtomicUsize::new(0));
    let home = move || connections::index().unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
    let own = home.clone();
    PollRuntime::new(Mio::NAME, service, reactors, home, |_| {
        Box::new(move |future| Task::spawn(future, schedules[own() % schedules.len()].clone()))
    })
}
