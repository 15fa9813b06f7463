//! The engine and the driver, tested through the simulated backend.

#![cfg(feature = "testing")]

mod answers;
mod app;
mod blocking;
mod client;
mod deadlines;
mod exchanges;
mod faults;
mod golden;
mod holding;
mod leaving;
mod life;
mod messages;
mod streams;
