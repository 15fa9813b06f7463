//! The driver: one sequential `async fn` per connection, from bytes to responses.

use std::sync::Arc;

use crate::{App, Limits, Outcome, Transport};

/// Serves one connection until it is idle, upgraded or closed.
pub async fn drive<T: Transport>(transport: T, app: Arc<App>, limits: Arc<Limits>) -> Outcome<T> {
    drop((app, limits));
    let deadline = transport.now();
    Outcome::Idle { transport, deadline }
}
