//! Locks, atomics and threads: std's, and loom's in the models of this package (`just loom`).

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(all(test, trijet_loom))]
pub(crate) use trijet_loom::{Condvar, Mutex, MutexGuard, atomic, thread};
