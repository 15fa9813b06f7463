//! Locks, atomics, what wakes the poller and what has the threads: the real ones, and stand-ins in the models
//! of this package (`just loom`).

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread_local,
};

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use mio::Waker;
#[cfg(not(all(test, trijet_loom)))]
pub(crate) use trijet_backend::Pool;
#[cfg(all(test, trijet_loom))]
pub(crate) use trijet_loom::{Condvar, Mutex, MutexGuard, Waker, atomic, thread_local};

#[cfg(all(test, trijet_loom))]
pub(crate) use crate::task::models::Pool;
