//! loom in place of std, for the models of trijet's own synchronisation; empty without `--cfg trijet_loom`.
//!
//! It is loom's with three things added, which loom has not: a wait with a timeout that ends when the model
//! says so (`Condvar::expire`), a system that refuses threads (`thread::refuse`), and a poll to be woken
//! from (`Waker`).
#![cfg(trijet_loom)]

mod condvar;
mod model;
mod sleeper;
pub mod thread;
mod waker;

pub use condvar::{Condvar, WaitTimeoutResult};
pub use loom::{
    sync::{Mutex, MutexGuard, atomic},
    thread_local,
};
pub use model::{model, model_within};
pub use sleeper::Sleeper;
pub use waker::Waker;
