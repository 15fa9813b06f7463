//! Locks, atomics and the start of threads: the real ones, and loom's in the models of this package (`just loom`).

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};

#[cfg(not(all(test, trijet_loom)))]
pub(crate) use crate::threads::spawn;
#[cfg(all(test, trijet_loom))]
pub(crate) use trijet_loom::{Condvar, Mutex, MutexGuard, atomic};

/// As the real one.
#[cfg(all(test, trijet_loom))]
pub(crate) fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<trijet_loom::thread::JoinHandle<()>> {
    trijet_loom::thread::Builder::new().name(name.to_owned()).spawn(work)
}
