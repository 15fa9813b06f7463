//! A word that is given once, to all who wait for it: [`Latch`], and the future of it, [`Listener`]. It never blocks,
//! and no waker is called, cloned or dropped under its lock.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::panics;

#[derive(Default)]
pub(crate) struct Latch {
    is_told: AtomicBool,
    /// What its owner notes beside the word; nobody waits for it.
    pub(crate) has_panicked: AtomicBool,
    wakers: Mutex<Wakers>,
}

/// Each in a place of its own, so that nobody is looked for: one latch may have a listener for each client of the server.
#[derive(Default)]
pub(crate) struct Wakers {
    places: Vec<Option<Waker>>,
    /// Which of the places have nobody.
    free: Vec<usize>,
}

impl Wakers {
    /// Keeps `waker` for the one whose place this is, who gets one if he has none; and gives what was there.
    fn put(&mut self, place: &mut Option<usize>, waker: Waker) -> Option<Waker> {
        if let Some(kept) = place.and_then(|place| self.places.get_mut(place)) {
            return kept.replace(waker);
        }
        let free = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        *place = Some(free);
        self.places.get_mut(free).and_then(|kept| kept.replace(waker))
    }

    /// Frees the place, and gives what was there.
    fn take(&mut self, place: usize) -> Option<Waker> {
        let kept = self.places.get_mut(place)?.take();
        self.free.push(place);
        kept
    }

    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

impl Latch {
    pub(crate) fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    /// For the one who waits at `place`, and has none before the first time.
    pub(crate) fn poll(&self, place: &mut Option<usize>, cx: &Context<'_>) -> Poll<()> {
        // Cloned and dropped without the lock: what a waker holds is the app's.
        let waker = cx.waker().clone();
        let mut wakers = self.wakers();
        // Under the lock: whoever tells takes the wakers afterwards, and nobody gets a place behind that.
        if self.is_told() {
            return Poll::Ready(());
        }
        let former = wakers.put(place, waker);
        drop(wakers);
        drop(former);
        Poll::Pending
    }

    /// Gives the word. Once is enough.
    pub(crate) fn tell(&self) {
        if self.is_told.swap(true, Ordering::AcqRel) {
            return;
        }
        let wakers = std::mem::take(&mut *self.wakers());
        for waker in wakers.places.into_iter().flatten() {
            // One of the app's may panic: the others are told all the same, the owner among them.
            let _ = panics::contained(|| waker.wake());
        }
    }

    pub(crate) fn listener(self: &Arc<Self>) -> Listener {
        Listener { latch: self.clone(), place: None }
    }
}

/// Ready once the word is given.
pub(crate) struct Listener {
    latch: Arc<Latch>,
    /// There once it was polled.
    place: Option<usize>,
}

impl Listener {
    pub(crate) fn is_told(&self) -> bool {
        self.latch.is_told()
    }
}

impl Future for Listener {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { latch, place } = &mut *self;
        latch.poll(place, cx)
    }
}

impl Clone for Listener {
    fn clone(&self) -> Self {
        self.latch.listener()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut wakers = self.latch.wakers();
        let own = wakers.take(place);
        drop(wakers);
        drop(own);
    }
}
