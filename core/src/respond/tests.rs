use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    Body, BodyError, Bytes, Html, IntoResponse, Redirect, Response, Router,
    exercise::{app, get as fetch, logged},
    get, inline,
};

/// What a client sees of a value: status, content type, location, body.
fn seen(value: impl IntoResponse + Clone + Send + Sync + 'static) -> (u16, String, String, String) {
    let answer = fetch(&app(Router::new().route("/", get(inline(move || value.clone())))), "/");
    let header = |name| answer.header(name).to_owned();
    (answer.status, header("content-type"), header("location"), answer.text.clone())
}

#[test]
fn values_become_the_responses_that_they_look_like() {
    let text = "text/plain; charset=utf-8";
    let bytes = "application/octet-stream";
    let mut headers = HeaderMap::new();
    headers.insert("location", HeaderValue::from_static("/there"));
    let rows = [
        ("unit", seen(()), (200, "", "", "")),
        ("text", seen("a"), (200, text, "", "a")),
        ("string", seen(String::from("a")), (200, text, "", "a")),
        ("borrowed text", seen(Cow::Borrowed("a")), (200, text, "", "a")),
        ("owned text", seen(Cow::<'static, str>::Owned("a".into())), (200, text, "", "a")),
        ("vector", seen(vec![b'a']), (200, bytes, "", "a")),
        ("bytes", seen(Bytes::from("a")), (200, bytes, "", "a")),
        ("slice", seen(&b"a"[..]), (200, bytes, "", "a")),
        ("borrowed slice", seen(Cow::Borrowed(&b"a"[..])), (200, bytes, "", "a")),
        ("html", seen(Html("<p>")), (200, "text/html; charset=utf-8", "", "<p>")),
        ("status", seen(StatusCode::ACCEPTED), (202, "", "", "")),
        ("headers", seen(headers.clone()), (200, "", "/there", "")),
        ("see other", seen(Redirect::to("/a?b#c")), (303, "", "/a?b#c", "")),
        ("temporary", seen(Redirect::temporary("/a")), (307, "", "/a", "")),
        (
            "permanent",
            seen(Redirect::permanent("https://example.org/")),
            (308, "", "https://example.org/", ""),
        ),
        ("response", seen(Response::new("a")), (200, "", "", "a")),
        ("ok", seen(Ok::<_, StatusCode>("a")), (200, text, "", "a")),
        ("error", seen(Err::<(), _>(StatusCode::CONFLICT)), (409, "", "", "")),
        ("status and text", seen((StatusCode::CREATED, "a")), (201, text, "", "a")),
        ("headers and text", seen((headers.clone(), "a")), (200, text, "/there", "a")),
        (
            "all",
            seen((StatusCode::CREATED, headers, [("content-type", "text/css")], "a")),
            (201, "text/css", "/there", "a"),
        ),
        (
            "typed names",
            seen(([(HeaderName::from_static("location"), HeaderValue::from_static("/x"))], ())),
            (200, "", "/x", ""),
        ),
        (
            "owned pairs",
            seen((vec![(String::from("location"), String::from("/x"))], ())),
            (200, "", "/x", ""),
        ),
    ];
    for (name, actual, (status, content_type, location, body)) in rows {
        assert_eq!(actual, (status, content_type.into(), location.into(), body.into()), "{name}");
    }
    #[cfg(feature = "json")]
    assert_eq!(
        seen(crate::Json(vec![1, 2])),
        (200, "application/json".into(), String::new(), "[1,2]".into())
    );
    #[cfg(feature = "form")]
    assert_eq!(
        seen(crate::Form(vec![("a", "b c")])),
        (200, "application/x-www-form-urlencoded".into(), String::new(), "a=b+c".into())
    );
}

#[test]
fn what_cannot_be_sent_is_a_500_with_a_log_line_whatever_is_around_it() {
    logged();
    #[cfg_attr(not(feature = "json"), expect(unused_mut, reason = "only Json adds a row"))]
    let mut rows: Vec<(&str, Response, &str)> = vec![
        ("value", ([("x-a", "1\r\nx-b: 2")], "a").into_response(), "`x-a`: failed to parse header value"),
        ("name", ([("x a", "1")], "a").into_response(), "invalid HTTP header name"),
        ("redirect", Redirect::to("/a\r\nb").into_response(), "cannot be the target of a redirect"),
        ("text in a redirect", Redirect::to("/é").into_response(), "cannot be the target of a redirect"),
        ("nested", (StatusCode::CREATED, ([("x a", "1")], "a")).into_response(), "invalid HTTP header name"),
    ];
    #[cfg(feature = "json")]
    rows.push((
        "json",
        (StatusCode::CREATED, crate::Json(std::collections::HashMap::from([((1, 2), 3)]))).into_response(),
        "key must be a string",
    ));
    let lines = logged();
    assert_eq!(lines.len(), rows.len());
    for ((name, response, reason), line) in rows.into_iter().zip(lines) {
        assert_eq!(response.status(), 500, "{name}");
        assert!(line.contains(reason), "{name}: {line}");
    }
}

#[test]
fn two_cookies_of_one_part_are_both_sent() {
    let response = ([("set-cookie", "a=1"), ("set-cookie", "b=2")], Body::empty()).into_response();
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
}

#[test]
fn a_body_error_is_its_status() {
    let rows = [
        (BodyError::TooLarge, 413),
        (BodyError::Timeout, 408),
        (BodyError::Malformed("a rule"), 400),
        (BodyError::Disconnected, 400),
        (BodyError::Source("secret".into()), 500),
    ];
    for (error, status) in rows {
        let name = error.to_string();
        assert_eq!(error.into_response().status(), status, "{name}");
    }
}

/// What went through generic code without being changed is sent in one piece, as before.
#[test]
fn a_body_that_is_wrapped_stays_what_it_is() {
    let wrapped = Body::new(Body::new(Body::from("whole")));
    assert_eq!(wrapped.into_full().unwrap(), "whole");
    // What is known to have no bytes needs no chunks.
    assert_eq!(Body::new(String::new()).into_full().unwrap(), "");
    assert!(Body::new(String::from("text")).into_full().is_err());
}
