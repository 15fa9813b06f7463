//! The table, by subject.

mod framing;
mod host;

use crate::row::Row;

/// Every row, by its subject.
pub(crate) fn all() -> Vec<(&'static str, Vec<Row>)> {
    vec![("framing", framing::rows()), ("host", host::rows())]
}
