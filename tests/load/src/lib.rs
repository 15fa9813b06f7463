//! Loads for Trijet's backends: an app as a process of its own, a client that drives thousands of
//! connections from one thread, and the loads that are made of both. `just load` runs them.
//!
//! [`child`], [`client`], [`loops`] and [`measure`] know neither this app nor these loads: other measurements build on
//! them, as `bench/debate` does.

pub mod app;
pub mod child;
pub mod client;
pub mod loads;
pub mod loops;
pub mod measure;
#[path = "../../common/pattern.rs"]
#[allow(dead_code, reason = "shared with the tests, which take other parts of it")]
mod pattern;
pub mod process;
pub mod report;
