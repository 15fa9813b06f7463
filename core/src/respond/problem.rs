//! [`Problem`]: `application/problem+json` (RFC 9457).

use std::{borrow::Cow, fmt};

use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{IntoResponse, NOSNIFF, set_field, unsendable};
use crate::{Response, extract::Rejection};

/// An error in the format that APIs agree on: `application/problem+json`, RFC 9457.
///
/// ```
/// use trijet_core::{IntoResponse, StatusCode, respond::Problem};
///
/// let problem = Problem::new(StatusCode::FORBIDDEN)
///     .kind("https://example.com/probs/out-of-credit")
///     .title("You do not have enough credit.")
///     .detail("Your current balance is 30, but that costs 50.")
///     .with("balance", 30);
/// let response = problem.into_response();
/// assert_eq!(response.status(), 403);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
///
/// It is a response of handlers of its own (`Result<Json<T>, Problem>`), and what
/// [`Router::errors`](crate::Router::errors) can make of the errors that Trijet finds.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    /// Boxed, so that a `Result` with a problem is small.
    members: Box<Members>,
}

#[derive(Clone, Debug, Default)]
struct Members {
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    extensions: Vec<(Cow<'static, str>, Value)>,
    /// Why an extension cannot be sent.
    fault: Option<String>,
}

/// The members that RFC 9457 §3.1 defines.
const STANDARD: [&str; 5] = ["type", "title", "status", "detail", "instance"];

impl Problem {
    /// A problem of no kind of its own (`about:blank`): its title is that of the status (RFC 9457 §4.2.1).
    pub fn new(status: StatusCode) -> Self {
        let title = status.canonical_reason().map(Cow::Borrowed);
        Self { status, members: Box::new(Members { title, ..Members::default() }) }
    }

    /// Sets `type`: the URI of this kind of problem, where people may read about it (RFC 9457 §3.1.1).
    #[must_use]
    pub fn kind(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.members.kind = Some(uri.into());
        self
    }

    /// Sets `title`: what all problems of this kind have in common, for people (RFC 9457 §3.1.3).
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.members.title = Some(title.into());
        self
    }

    /// Sets `detail`: what is so in this case, for people (RFC 9457 §3.1.4).
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.members.detail = Some(detail.into());
        self
    }

    /// Sets `instance`: the URI of this case, by which it is found in the log, for example (RFC 9457 §3.1.5).
    #[must_use]
    pub fn instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.members.instance = Some(uri.into());
        self
    }

    /// Adds a member of this kind's own, for programs (RFC 9457 §3.2). One that is given again replaces the former.
    ///
    /// A value that cannot be serialized, or a name that is one of the five members, makes the response a 500 with a
    /// log line.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Serialize) -> Self {
        let name = name.into();
        if STANDARD.contains(&&*name) {
            self.members.fault.get_or_insert_with(|| format!("`{name}` is no extension of a Problem"));
            return self;
        }
        match serde_json::to_value(value) {
            Ok(value) => {
                self.members.extensions.retain(|(other, _)| *other != name);
                self.members.extensions.push((name, value));
            }
            Err(error) => {
                self.members.fault.get_or_insert_with(|| format!("Problem: `{name}`: {error}"));
            }
        }
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Members { kind, title, detail, instance, extensions, .. } = &*self.members;
        let mut map = serializer.serialize_map(None)?;
        // `about:blank` is what a missing type means: RFC 9457 §3.1.1.
        for (name, text) in [("type", kind), ("title", title)] {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        map.serialize_entry("status", &self.status.as_u16())?;
        for (name, text) in [("detail", detail), ("instance", instance)] {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        for (name, value) in extensions {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.members.detail.as_ref().or(self.members.title.as_ref()) {
            Some(text) => f.write_str(text),
            None => self.status.fmt(f),
        }
    }
}

impl std::error::Error for Problem {}

/// Its status, and its text as the detail.
impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.status()).detail(rejection.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(fault) = &self.members.fault {
            return unsendable(format_args!("{fault}"));
        }
        match serde_json::to_vec(&self) {
            Ok(data) => {
                let mut response = Response::new(data.into());
                *response.status_mut() = self.status;
                let headers = response.headers_mut();
                set_field(headers, CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
                // JSON escapes no markup: whatever a detail quotes, no browser shall look for a page in it.
                set_field(headers, X_CONTENT_TYPE_OPTIONS, NOSNIFF);
                response
            }
            Err(error) => unsendable(format_args!("Problem: {error}")),
        }
    }
}
