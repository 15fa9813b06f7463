//! What web applications on `trijet` use beside routes and handlers. Each part is a feature of its own, and costs
//! nothing where it is not enabled.
//!
//! It is written on the public interface of `trijet-core` alone, as any other package could be: no part knows a
//! backend, and none blocks an event loop. Applications depend on the facade, `trijet`, and not on this crate.

#[cfg(feature = "client-address")]
pub mod client;
#[cfg(feature = "cookies")]
pub mod cookies;
#[cfg(feature = "static-files")]
pub mod files;
#[cfg(feature = "tower")]
pub mod interop;
#[cfg(feature = "middleware")]
pub mod middleware;
#[cfg(feature = "multipart")]
pub mod multipart;
#[cfg(feature = "sessions")]
pub mod sessions;
#[cfg(feature = "sse")]
pub mod sse;
#[cfg(feature = "typed-headers")]
pub mod typed_headers;
