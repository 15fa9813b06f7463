//! Locks and atomics, as what is our own stands on them: the real ones, and loom's in the models of this package (`just loom`).

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(test, trijet_loom))]
pub(crate) use trijet_loom::{Mutex, MutexGuard, atomic};
