//! What other threads tell a loop: new sockets, connections that were woken, or only "look again".
//!
//! One lock, held for a push or a take and nothing else; one system call for many messages. The
//! loop's own thread never comes here to wake its own connections.

use std::{
    fmt, io, mem,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    task::Wake,
};

use mio::{Registry, net::TcpStream};

use trijet_backend::poll::{Key, Task, token};

use crate::{
    connections,
    shared::Permit,
    sync::{
        Mutex, MutexGuard, Waker,
        atomic::{AtomicBool, Ordering},
    },
};

/// A connection that was accepted and belongs to a loop, but is in no slot yet.
#[derive(Debug)]
pub(crate) struct Accepted {
    // Dropped before the permit: the descriptor is free when the next connection is let in.
    pub(crate) stream: TcpStream,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) permit: Permit,
}

/// Messages to one loop.
#[derive(Debug)]
pub(crate) struct Mailbox {
    waker: Waker,
    /// `None` once the loop has ended: what comes later is dropped.
    mail: Mutex<Option<Mail>>,
}

/// What has arrived.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) sockets: Vec<Accepted>,
    pub(crate) woken: Vec<Arc<ConnectionWaker>>,
    pub(crate) tasks: Vec<Arc<Task>>,
    /// Whether the loop has been woken since it last took its mail.
    notified: bool,
}

impl Mailbox {
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        Ok(Self { waker: Waker::new(registry, token::WAKER)?, mail: Mutex::new(Some(Mail::default())) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Mail>> {
        // A push is all that happens under this lock, so a poisoned one is still consistent.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the loop take another turn.
    pub(crate) fn notify(&self) {
        self.post(|_| {});
    }

    /// Gives the loop a new connection.
    pub(crate) fn hand_over(&self, accepted: Accepted) {
        // Where the loop has ended, it is dropped here, after the lock is released.
        let mut accepted = Some(accepted);
        self.post(|mail| mail.sockets.extend(accepted.take()));
    }

    /// Gives the loop a task to run.
    pub(crate) fn schedule(&self, task: Arc<Task>) {
        // Where the loop has ended, it is dropped here: the end of the server ends all tasks.
        let mut task = Some(task);
        self.post(|mail| mail.tasks.extend(task.take()));
    }

    fn post(&self, put: impl FnOnce(&mut Mail)) {
        let first = match &mut *self.lock() {
            Some(mail) => {
                put(mail);
                !mem::replace(&mut mail.notified, true)
            }
            None => false,
        };
        if !first {
            return;
        }
        if let Err(error) = self.waker.wake() {
            log::error!("an event loop cannot be woken: {error}");
        }
    }

    /// Takes everything that has arrived, in exchange for mail that has been read; what comes later wakes the loop again.
    pub(crate) fn take(&self, read: &mut Mail) {
        read.notified = false;
        if let Some(mail) = &mut *self.lock() {
            mem::swap(mail, read);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().as_ref().is_none_or(|mail| mail.sockets.is_empty() && mail.woken.is_empty())
    }

    /// Drops what has arrived, and all that comes later.
    pub(crate) fn close(&self) {
        let mail = self.lock().take();
        drop(mail);
    }
}

/// Wakes one connection, from any thread, at any time, also when it is long gone.
pub(crate) struct ConnectionWaker {
    key: Key,
    mailbox: Arc<Mailbox>,
    /// Whether it is in the mailbox: a waker that is called a million times is there once.
    posted: AtomicBool,
}

impl ConnectionWaker {
    pub(crate) fn new(key: Key, mailbox: Arc<Mailbox>) -> Self {
        Self { key, mailbox, posted: AtomicBool::new(false) }
    }

    /// Its connection, for the loop that took it from the mailbox; from now on it can be posted again.
    pub(crate) fn received(&self) -> Key {
        // Not a store: this has to see all that was written before a wake that found it posted, as that wake
        // will not come again.
        self.posted.swap(false, Ordering::AcqRel);
        self.key
    }
}

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        if !connections::wake_here(&self.mailbox, self.key) && !self.posted.swap(true, Ordering::AcqRel) {
            let mailbox = self.mailbox.clone();
            mailbox.post(|mail| mail.woken.push(self));
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.clone().wake();
    }
}

impl fmt::Debug for ConnectionWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionWaker").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{task::Waker, thread, time::Duration};

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn many_wakes_from_other_threads_are_one_message_and_one_event() {
        let mut poll = Poll::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(poll.registry()).unwrap());
        let key = Key::new(3, 1);
        let waker = Waker::from(Arc::new(ConnectionWaker::new(key, mailbox.clone())));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| waker.wake_by_ref()));
            }
        });
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, None).unwrap();
        assert_eq!(events.iter().map(|event| event.token()).collect::<Vec<_>>(), [token::WAKER]);
        let mut mail = Mail::default();
        mailbox.take(&mut mail);
        let woken = mem::take(&mut mail.woken);
        assert_eq!(woken.iter().map(|waker| waker.received()).collect::<Vec<_>>(), [key]);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());

        waker.wake_by_ref();
        poll.poll(&mut events, None).unwrap();
        mailbox.take(&mut mail);
        assert_eq!(mail.woken.len(), 1);
    }

    #[test]
    fn a_waker_outlives_its_loop() {
        let poll = Poll::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(poll.registry()).unwrap());
        let waker = Waker::from(Arc::new(ConnectionWaker::new(Key::new(0, 0), mailbox.clone())));
        drop(poll);
        waker.wake_by_ref();
        mailbox.close();
        assert_eq!(Arc::strong_count(&mailbox), 2, "the mailbox keeps no waker that keeps the mailbox");
        waker.wake();
        assert!(mailbox.is_empty());
    }
}
