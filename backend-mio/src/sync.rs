//! Locks, atomics and what wakes a loop out of its poll: the real ones, and stand-ins in the models of this
//! package (`just loom`).

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use mio::Waker;
#[cfg(all(test, trijet_loom))]
pub(crate) use trijet_loom::{Mutex, MutexGuard, Waker, atomic};
