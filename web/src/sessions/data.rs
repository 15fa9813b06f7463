//! What a session holds, and its form in a store or a cookie: [`Data`]. Times are seconds since 1970.

use std::{error::Error, fmt};

use serde_json::{Map, Value, json};
use trijet_core::{IntoResponse, Response, extract::Rejection};

/// Values by their name, and when they were begun and last seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Data {
    pub(super) values: Map<String, Value>,
    pub(super) created: u64,
    /// When it was last written. A cookie's idle time begins there; a store counts by itself.
    pub(super) written: u64,
}

impl Data {
    pub(super) fn new(now: u64) -> Self {
        Self { values: Map::new(), created: now, written: now }
    }

    /// As a store or a cookie keeps it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        json!([self.created, self.written, self.values]).to_string().into_bytes()
    }

    /// `None` for what was not made by [`to_bytes`](Self::to_bytes).
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let Value::Array(parts) = serde_json::from_slice(bytes).ok()? else { return None };
        let [created, written, values]: [Value; 3] = parts.try_into().ok()?;
        let Value::Object(values) = values else { return None };
        Some(Self { values, created: created.as_u64()?, written: written.as_u64()? })
    }

    /// How many bytes it has as JSON, without the times.
    pub(super) fn bytes(&self) -> usize {
        let size = |(name, value): (&String, &Value)| quoted(name) + value.to_string().len() + 2;
        self.values.iter().map(size).sum()
    }
}

/// How many bytes a text has as JSON.
fn quoted(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX / 2, |json| json.len())
}

/// How deep a value may be: the reader of the crate goes 127 deep, and that leaves room for what stands around it. A hundred, and the value within.
const DEPTH_MAX: usize = 101;

/// Whether [`Data::from_bytes`] reads it again.
pub(super) fn is_readable(value: &Value) -> bool {
    fn is_within(value: &Value, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        match value {
            Value::Array(items) => items.iter().all(|item| is_within(item, depth)),
            Value::Object(items) => items.values().all(|item| is_within(item, depth)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
    is_within(value, DEPTH_MAX)
}

/// Why a value could not be read from a session or written to it. A response too: 500, with a log line, as it is a mistake of
/// the app.
#[derive(Debug)]
pub enum SessionError {
    /// The session would have more bytes than [`Sessions::data_bytes_max`](super::Sessions::data_bytes_max).
    TooLarge,
    /// The value cannot be written as JSON that could be read again: a map whose keys are no text, say, or what is nested more
    /// than 100 deep.
    Unwritable(serde_json::Error),
    /// The value of that name is of another type.
    OtherType(serde_json::Error),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the session would have too many bytes"),
            Self::Unwritable(error) => write!(f, "the value cannot be written as JSON: {error}"),
            Self::OtherType(error) => write!(f, "the value in the session is of another type: {error}"),
        }
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge => None,
            Self::Unwritable(error) | Self::OtherType(error) => Some(error),
        }
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        Rejection::internal(format!("Session: {self}").into()).into_response()
    }
}
