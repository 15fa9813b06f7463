//! A word that is given once, to all who wait for it: [`Latch`], and the future of it, [`Listener`]. It never blocks,
//! and no waker is called, cloned or dropped under its lock.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::panics;

/// Who holds the latch itself is a listener too.
pub(crate) const OWNER: u64 = 0;

#[derive(Default)]
pub(crate) struct Latch {
    is_told: AtomicBool,
    /// What its owner notes beside the word; nobody waits for it.
    pub(crate) has_panicked: AtomicBool,
    /// How many listeners there have been.
    count: AtomicU64,
    listeners: Mutex<Vec<(u64, Waker)>>,
}

impl Latch {
    pub(crate) fn listeners(&self) -> MutexGuard<'_, Vec<(u64, Waker)>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    pub(crate) fn poll(&self, key: u64, cx: &Context<'_>) -> Poll<()> {
        // Cloned and dropped without the lock: what a waker holds is the app's.
        let mut waker = Some(cx.waker().clone());
        let mut listeners = self.listeners();
        // Under the lock: whoever tells takes the listeners afterwards.
        if self.is_told() {
            return Poll::Ready(());
        }
        match (listeners.iter_mut().find(|(other, _)| *other == key), &mut waker) {
            (Some((_, kept)), Some(waker)) => std::mem::swap(kept, waker),
            _ => listeners.extend(waker.take().map(|waker| (key, waker))),
        }
        Poll::Pending
    }

    /// Gives the word. Once is enough.
    pub(crate) fn tell(&self) {
        if self.is_told.swap(true, Ordering::AcqRel) {
            return;
        }
        let listeners = std::mem::take(&mut *self.listeners());
        for (_, waker) in listeners {
            // One of the app's may panic: the others are told all the same, the owner among them.
            let _ = panics::contained(|| waker.wake());
        }
    }

    pub(crate) fn listener(self: &Arc<Self>) -> Listener {
        let key = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        Listener { latch: self.clone(), key }
    }
}

/// Ready once the word is given.
pub(crate) struct Listener {
    latch: Arc<Latch>,
    /// Which of them it is.
    key: u64,
}

impl Listener {
    pub(crate) fn is_told(&self) -> bool {
        self.latch.is_told()
    }
}

impl Future for Listener {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.latch.poll(self.key, cx)
    }
}

impl Clone for Listener {
    fn clone(&self) -> Self {
        self.latch.listener()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.latch.listeners();
        let own = listeners.iter().position(|(key, _)| *key == self.key).map(|at| listeners.swap_remove(at));
        drop(listeners);
        drop(own);
    }
}
