//! Small work on header fields and short answers, shared by the middleware of this folder. Nothing here decides.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

#[cfg(any(feature = "metrics", feature = "tracing"))]
use http::Method;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{RETRY_AFTER, VARY},
};
use trijet_core::{IntoResponse, Request, Response, extract::Rejection, rt};

/// The address of the client, where `BehindProxies` has found it further out.
#[cfg(feature = "client-address")]
pub(super) fn client_address(request: &Request) -> Option<IpAddr> {
    request.extensions().get().map(crate::client::ClientAddress::ip)
}

#[cfg(not(feature = "client-address"))]
pub(super) fn client_address(_: &Request) -> Option<IpAddr> {
    None
}

/// A short sentence in plain text, which [`Router::errors`](trijet_core::Router::errors) can word otherwise.
pub(super) fn sentence(status: StatusCode, text: &'static str) -> Response {
    Rejection::new(status, text).into_response()
}

/// RFC 9110 §10.2.3: a refusal that says when to come again, in whole seconds, at least one.
pub(super) fn come_again(status: StatusCode, text: &'static str, after: Duration) -> Response {
    let mut response = sentence(status, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after).max(1)));
    response
}

/// The backend's clock; that of the system for who polls a handler on a thread of their own.
pub(super) fn now() -> Instant {
    if rt::backend().is_some() { rt::now() } else { Instant::now() }
}

/// Rounded up, so that who waits so long has waited long enough.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The elements of a list field, over all its lines, without white space around them (RFC 9110 §5.6.1); empty ones are
/// left out. A line that is not ASCII gives none.
pub(super) fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty())
}

/// The value of a field that is there once.
pub(super) enum Single<'h> {
    None,
    One(&'h HeaderValue),
    Several,
}

pub(super) fn single(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Single<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Single::None,
        (Some(value), None) => Single::One(value),
        (Some(_), Some(_)) => Single::Several,
    }
}

/// RFC 9110 §12.5.5: adds a field name to `Vary`, unless it is there already, or everything varies.
pub(super) fn vary_by(headers: &mut HeaderMap, name: &HeaderName) {
    let is_there =
        elements(headers, &VARY).any(|element| element == "*" || element.eq_ignore_ascii_case(name.as_str()));
    if !is_there {
        headers.append(VARY, HeaderValue::from(name.clone()));
    }
}

/// A list of names as one field value. They are tokens, so it is one.
pub(super) fn joined<'n>(names: impl Iterator<Item = &'n str>) -> HeaderValue {
    let names: Vec<&str> = names.collect();
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// The name of a method of RFC 9110 §9 or RFC 5789, or `other`: a set that no client can add to.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_is_a_set() {
        let mut headers = HeaderMap::new();
        for name in [http::header::ORIGIN, http::header::ACCEPT_ENCODING, http::header::ORIGIN] {
            vary_by(&mut headers, &name);
        }
        assert_eq!(elements(&headers, &VARY).collect::<Vec<_>>(), ["origin", "accept-encoding"]);
        headers.insert(VARY, HeaderValue::from_static("Accept, ORIGIN"));
        vary_by(&mut headers, &http::header::ORIGIN);
        assert_eq!(headers[VARY], "Accept, ORIGIN");
        headers.insert(VARY, HeaderValue::from_static("*"));
        vary_by(&mut headers, &http::header::ORIGIN);
        assert_eq!(headers[VARY], "*");
    }

    #[test]
    fn times_are_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
