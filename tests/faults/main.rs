//! Faults of every kind, and what must hold after each of them: `common/oracle.rs`. Each test is alone in
//! a process of its own, since it counts what that process holds.

#![cfg(target_os = "linux")]
#![cfg(any(feature = "threaded", feature = "mio", feature = "tokio"))]

#[macro_use]
#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "tokio-context")]
mod context;
mod descriptors;
mod framing;
mod heads;
mod life;
mod listeners;
mod no_runtime;
mod panics;
mod peers;
mod resources;
#[cfg(feature = "signals")]
mod signals;
mod threads;
mod watchdog;
mod within_a_runtime;
