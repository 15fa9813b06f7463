//! What needs Tokio, as its documentation shows it, in handlers of an app on every backend: Tokio's own timers and
//! sockets, and clients of HTTP, Redis and PostgreSQL. With the feature `tokio-context` it works on all three.
//!
//! Redis and PostgreSQL are started here, on ports and in folders of their own, and stopped. Where one is not
//! installed, its tests say so on the standard error, which is seen though they pass.

#[macro_use]
#[path = "../../common/mod.rs"]
mod common;

mod cache;
mod database;
mod net;
mod program;
mod proxy;
mod sessions;
mod time;

use std::fmt::Display;

use trijet::{IntoResponse, Response, StatusCode};

/// Any error of a client: a 500 with its words, as the one who reads it is a test.
struct Failure(String);

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0).into_response()
    }
}
