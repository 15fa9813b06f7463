//! Who is to be woken when the server's life changes, and what of handlers when it has ended. A task listens from its
//! first poll to its end, so that going idle costs no lock, and no wake is lost between a look at the phase and going
//! to sleep. Nothing else may be locked or run under its lock: it is rung under the lock of the life.

use std::{
    mem,
    sync::{Arc, PoisonError},
    task::Waker,
};

use slab::Slab;

use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// The wakers of every task of one server, or of what waits for its end.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// Those who listen, by their keys.
    wakers: Mutex<Slab<Waker>>,
    is_over: AtomicBool,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everyone who has joined.
    pub(crate) fn ring(&self) {
        self.lock().iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    /// Wakes everyone who has joined, for the last time: what they wait for is over. Unlike [`ring`](Self::ring) it
    /// calls them without the lock, as their wakers may lead to the app.
    pub(crate) fn ring_last(&self) {
        self.is_over.store(true, Ordering::Release);
        let wakers = mem::take(&mut *self.lock());
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Whether it has been rung for the last time.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// A place for one task, which hears nothing until it listens.
    pub(crate) fn member(self: &Arc<Self>) -> Member {
        Member { bell: self.clone(), listening: None }
    }
}

/// A place among those who are woken; left by dropping it.
#[derive(Debug)]
pub(crate) struct Member {
    bell: Arc<Bell>,
    /// The key, and a copy of the waker: comparing it takes no lock.
    listening: Option<(usize, Waker)>,
}

impl Member {
    /// Has `waker` woken from now on. Whoever looks at the phase after this sees the change, or is
    /// woken, or both.
    pub(crate) fn listen(&mut self, waker: &Waker) {
        match &mut self.listening {
            Some((_, kept)) if kept.will_wake(waker) => {}
            Some((key, kept)) => {
                kept.clone_from(waker);
                // Behind the last ring it is not there any more, or another's whom nobody will wake either.
                let waker = waker.clone();
                let former = self.bell.lock().get_mut(*key).map(|kept| mem::replace(kept, waker));
                drop(former);
            }
            None => {
                let (waker, kept) = (waker.clone(), waker.clone());
                let key = self.bell.lock().insert(waker);
                self.listening = Some((key, kept));
            }
        }
    }

    /// Whether the bell has been rung for the last time.
    pub(crate) fn is_over(&self) -> bool {
        self.bell.is_over()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some((key, _)) = self.listening {
            // A waker may hold the last reference to its task: it goes after the lock.
            let waker = self.bell.lock().try_remove(key);
            drop(waker);
        }
    }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_the_last_waker_of_a_present_member_is_woken() {
        let bell = Arc::new(Bell::default());
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let heard = || (first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed));

        let mut member = bell.member();
        bell.ring();
        assert_eq!(heard(), (0, 0));
        member.listen(&first.clone().into());
        member.listen(&first.clone().into());
        bell.ring();
        assert_eq!(heard(), (1, 0));
        member.listen(&second.clone().into());
        bell.ring();
        assert_eq!(heard(), (1, 1));
        drop(member);
        bell.ring();
        assert_eq!(heard(), (1, 1));
        assert!(bell.lock().is_empty());
    }

    #[test]
    fn the_last_ring_is_without_the_lock() {
        struct Leaves(std::sync::Mutex<Option<Member>>);
        impl Wake for Leaves {
            fn wake(self: Arc<Self>) {
                drop(self.0.lock().unwrap().take());
            }
        }
        let bell = Arc::new(Bell::default());
        let leaves = Arc::new(Leaves(std::sync::Mutex::new(Some(bell.member()))));
        let waker = leaves.clone().into();
        leaves.0.lock().unwrap().as_mut().unwrap().listen(&waker);
        assert!(!bell.is_over());
        bell.ring_last();
        assert!(bell.is_over() && leaves.0.lock().unwrap().is_none());
    }
}
