//! Services and layers of [tower] in an app: [`service`] mounts one as a handler, [`layer`] wraps a router in one.
//!
//! So an `axum::Router` runs here, on threads and on mio too, and so do the layers of `tower-http`. What of those needs
//! Tokio's timers or tasks is [a page of its own], written from a test. Here are only the two traits of tower that both
//! sides speak, and no code of the crates that implement them.
//!
//! [tower]: https://docs.rs/tower
//! [a page of its own]: https://github.com/trijet-rs/trijet/blob/main/docs/tower.md

mod failure;
mod layer;
mod service;
mod strip;

pub use layer::{Inside, Layered, layer, surroundings};
pub use service::{Mounted, service};
pub use strip::OriginalUri;
#[doc(no_inline)]
pub use tower_layer::Layer;
#[doc(no_inline)]
pub use tower_service::Service;
