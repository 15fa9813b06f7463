//! What can be asserted of a response in one word. A failed one panics with what was wanted, what was found, and the
//! exchange. What `assert_eq!` says as well is not here.

use std::fmt;

use http::{HeaderValue, StatusCode, header};

use super::{
    TestResponse,
    response::field_name,
    show::{Shown, apart, compared, pair, quoted},
};

/// Assertions: each gives the response back, for the next one. They panic where it is not so, with the whole exchange, and
/// where the name of a field is none.
///
/// ```
/// use trijet_core::{Html, Redirect, Router, get, post, sim::TestClient};
///
/// let client = TestClient::new(
///     Router::new()
///         .route("/", get(async || Html("<p>Hello, Ada!")))
///         .route("/log-in", post(async || Redirect::to("/"))),
/// );
/// client
///     .get("/")
///     .send()
///     .assert_status(200)
///     .assert_header("content-type", "text/html; charset=utf-8")
///     .assert_no_header("set-cookie")
///     .assert_text_contains("Ada");
/// client.post("/log-in").send().assert_redirect("/");
/// ```
impl TestResponse {
    /// The status is this.
    #[track_caller]
    pub fn assert_status<S>(&self, status: S) -> &Self
    where
        S: TryInto<StatusCode, Error: fmt::Display>,
    {
        match status.try_into() {
            Ok(status) if status == self.status => self,
            Ok(status) => self.fail(format_args!("the status is {}, and not {status}", self.status)),
            Err(error) => panic!("{error}"),
        }
    }

    /// There is one field of this name, with this value.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: impl AsRef<[u8]>) -> &Self {
        let wanted = value.as_ref();
        let found: Vec<&[u8]> =
            self.headers.get_all(field_name(name)).iter().map(HeaderValue::as_bytes).collect();
        match found[..] {
            [one] if one == wanted => self,
            [] => self.fail(format_args!("there is no field {name}, wanted was `{}`", Shown(wanted))),
            [one] => {
                let [found, wanted] = apart([one, wanted].map(|value| Shown(value).to_string()), || {
                    [one, wanted].map(|value| value.escape_ascii().to_string())
                });
                self.fail(format_args!("the field {name} is `{found}`, and not `{wanted}`"))
            }
            _ => {
                let found = found.iter().map(|value| format!("`{}`", Shown(value))).collect::<Vec<_>>();
                self.fail(format_args!(
                    "the field {name} is {}, and not `{}`",
                    found.join(" and "),
                    Shown(wanted)
                ))
            }
        }
    }

    /// There is no field of this name.
    #[track_caller]
    pub fn assert_no_header(&self, name: &str) -> &Self {
        match self.headers.get(field_name(name)) {
            None => self,
            Some(value) => {
                self.fail(format_args!("there is a field {name}: `{}`", Shown(value.as_bytes())));
            }
        }
    }

    /// The status is one of 3xx, and `Location` is this.
    #[track_caller]
    pub fn assert_redirect(&self, location: &str) -> &Self {
        if !self.status.is_redirection() {
            self.fail(format_args!(
                "the status is {}, and not that of a redirection to {location}",
                self.status
            ));
        }
        self.assert_header(header::LOCATION.as_str(), location)
    }

    /// A cookie of this name is set to this value, as it is sent.
    #[track_caller]
    pub fn assert_cookie(&self, name: &str, value: &str) -> &Self {
        match self.cookie(name) {
            Some(found) if found == value => self,
            Some(found) => {
                let [found, value] = pair(found, value);
                self.fail(format_args!("the cookie {name} is set to {found}, and not to {value}"));
            }
            None => self.fail(format_args!("no cookie {name} is set")),
        }
    }

    /// The body is this text.
    #[track_caller]
    pub fn assert_text(&self, text: impl AsRef<str>) -> &Self {
        let (wanted, found) = (text.as_ref(), self.text());
        if wanted != found {
            self.fail(format_args!("the body is another text\n{}", compared(wanted, found)));
        }
        self
    }

    /// The body is a text with this in it.
    #[track_caller]
    pub fn assert_text_contains(&self, text: impl AsRef<str>) -> &Self {
        let wanted = text.as_ref();
        if !self.text().contains(wanted) {
            self.fail(format_args!("{} is not in the body", quoted(wanted)));
        }
        self
    }

    /// The type of the body is JSON, and it is the JSON of this: by its values, and not by how it is written.
    ///
    /// ```
    /// use serde_json::json;
    /// use trijet_core::{Json, Router, get, sim::TestClient};
    ///
    /// let app = Router::new().route("/", get(async || Json(json!({ "items": [{ "price": 3 }] }))));
    /// TestClient::new(app).get("/").send().assert_json(&json!({ "items": [{ "price": 3 }] }));
    /// ```
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn assert_json<T: serde::Serialize + ?Sized>(&self, value: &T) -> &Self {
        let wanted = match serde_json::to_value(value) {
            Ok(wanted) => wanted,
            Err(error) => panic!("not to be had as JSON: {error}"),
        };
        let content_type = self.header(header::CONTENT_TYPE.as_str()).unwrap_or("missing");
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        // RFC 6839 §3.1.
        if essence != "application/json" && !essence.ends_with("+json") {
            self.fail(format_args!("the type of the body is {content_type}, and not JSON"));
        }
        let found: serde_json::Value = self.json();
        if let Some(difference) = json::difference(&wanted, &found) {
            self.fail(format_args!("the JSON is another one{difference}"));
        }
        self
    }
}

#[cfg(feature = "json")]
mod json {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::show::{compared, quoted, short};

    /// The first place at which the two are not the same, and what is there.
    pub(super) fn difference(wanted: &Value, found: &Value) -> Option<String> {
        let (path, wanted, found) = first(String::new(), Some(wanted), Some(found))?;
        let place =
            if path.is_empty() { String::new() } else { format!(" at `{}`", path.trim_start_matches('.')) };
        if let (Some(Value::String(wanted)), Some(Value::String(found))) = (wanted, found) {
            return Some(format!("{place}\n{}", compared(wanted, found)));
        }
        let [wanted, found] = [wanted, found].map(|value| match value {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => quoted(text),
            Some(value) => short(&value.to_string(), ""),
        });
        Some(format!("{place}\n  wanted: {wanted}\n  found:  {found}"))
    }

    type Place<'v> = (String, Option<&'v Value>, Option<&'v Value>);

    fn first<'v>(path: String, wanted: Option<&'v Value>, found: Option<&'v Value>) -> Option<Place<'v>> {
        match (wanted, found) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                names
                    .into_iter()
                    .find_map(|name| first(format!("{path}.{name}"), one.get(name), other.get(name)))
            }
            (Some(Value::Array(one)), Some(Value::Array(other))) => (0..one.len().max(other.len()))
                .find_map(|index| first(format!("{path}[{index}]"), one.get(index), other.get(index))),
            (one, other) if one == other => None,
            (one, other) => Some((path, one, other)),
        }
    }
}
