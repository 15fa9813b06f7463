//! The table, by subject.

mod chunked;
mod connection;
mod errors;
mod expect;
mod fields;
mod framing;
mod head;
mod host;
mod methods;
mod responses;
mod smuggling;
mod target;

use crate::row::Row;

/// Every row, by its subject.
pub(crate) fn all() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("framing", framing::rows()),
        ("chunked", chunked::rows()),
        ("target", target::rows()),
        ("host", host::rows()),
        ("head", head::rows()),
        ("fields", fields::rows()),
        ("methods", methods::rows()),
        ("connection", connection::rows()),
        ("expect", expect::rows()),
        ("responses", responses::rows()),
        ("errors", errors::rows()),
        ("smuggling", smuggling::rows()),
    ]
}
