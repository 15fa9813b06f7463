//! `Option` of every extractor that has one: absent, there, and malformed.

use crate::{
    Body, Next, Path, Request, Response, Router, State,
    exercise::{app, get as fetch, send_to},
    extract::{Extension, MatchedPath, PeerAddress},
    get,
};

#[test]
fn what_is_absent_is_none_and_what_is_malformed_is_refused() {
    async fn path(id: Option<Path<u8>>) -> String {
        format!("{:?}", id.map(|Path(id)| id))
    }
    async fn all(all: Option<Path<Vec<(String, String)>>>) -> String {
        format!("{:?}", all.map(|Path(all)| all.len()))
    }
    async fn state(state: Option<State<u8>>) -> String {
        format!("{:?}", state.map(|State(state)| state))
    }
    async fn extension(extension: Option<Extension<u16>>) -> String {
        format!("{:?}", extension.map(|Extension(value)| value))
    }
    async fn matched(path: Option<MatchedPath>) -> String {
        path.map_or("nowhere".into(), |path| path.as_str().to_owned())
    }
    async fn put(mut request: Request, next: Next) -> Response {
        request.extensions_mut().insert(7_u16);
        next.run(request).await
    }
    let app = app(Router::new()
        .route("/path", get(path))
        .route("/path/{id}", get(path))
        .route("/all", get(all))
        .route("/all/{a}/{b}", get(all))
        .route("/state", get(state))
        .nest("/stateful", Router::new().route("/", get(state)).state(3_u8))
        .route("/extension", get(extension))
        .route("/extended", get(extension).wrap(put))
        .nest("/matched/{by}", Router::new().route("/{id}", get(matched)))
        .fallback(matched));
    let rows = [
        ("/path", 200, "None"),
        ("/path/7", 200, "Some(7)"),
        (
            "/path/x",
            400,
            "The path value `id` is not valid: invalid digit found in string; a whole number is expected.",
        ),
        ("/all", 200, "None"),
        ("/all/1/2", 200, "Some(2)"),
        ("/all/1/%ff", 400, "The path value `b` is not UTF-8."),
        ("/state", 200, "None"),
        ("/stateful", 200, "Some(3)"),
        ("/extension", 200, "None"),
        ("/extended", 200, "Some(7)"),
        ("/matched/x/y", 200, "/matched/{by}/{id}"),
        ("/none", 200, "nowhere"),
        ("/matched/x", 200, "nowhere"),
    ];
    for (target, status, text) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text), (status, text), "{target}");
    }
}

#[test]
fn a_peer_without_an_address() {
    let app = app(Router::new()
        .route("/", get(async |peer: Option<PeerAddress>| format!("{peer:?}")))
        .route("/needed", get(async |peer: PeerAddress| format!("{peer:?}"))));
    let ask = |target: &str| {
        let request = crate::exercise::request("GET", target).body(Body::empty()).unwrap();
        send_to(&app, request, None, crate::exercise::Pool::Free)
    };
    assert_eq!(ask("/").text, "None");
    assert_eq!(ask("/needed").status, 500);
}

#[cfg(feature = "query")]
#[test]
fn no_query_is_none() {
    use crate::Query;
    let show =
        async |query: Option<Query<Vec<(String, u8)>>>| format!("{:?}", query.map(|Query(pairs)| pairs));
    let app = app(Router::new().route("/", get(show)));
    let rows = [
        ("/", 200, "None"),
        ("/?", 200, "None"),
        ("/?a=1", 200, "Some([(\"a\", 1)])"),
        ("/?&", 200, "Some([])"),
    ];
    for (target, status, text) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text), (status, text), "{target}");
    }
    assert_eq!(fetch(&app, "/?a").status, 400);
}

#[cfg(all(feature = "json", feature = "form"))]
#[test]
fn an_empty_body_is_none() {
    use super::{failing, upload};
    use crate::{BodyError, Bytes, Form, Json, exercise::send, post};
    let json = async |body: Option<Json<u8>>| format!("{:?}", body.map(|Json(number)| number));
    let form = async |body: Option<Form<Vec<(String, u8)>>>| format!("{:?}", body.map(|Form(pairs)| pairs));
    let app = app(Router::new().route("/json", post(json)).route("/form", post(form)));
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    /// Of a length that nobody can know before.
    fn unknown(data: &'static str) -> Body {
        Body::from_iter([Ok::<_, std::io::Error>(data)])
    }
    let rows: Vec<(&str, &str, Body, u16, &str)> = vec![
        ("/json", JSON, "".into(), 200, "None"),
        ("/json", "text/plain", "".into(), 200, "None"),
        ("/json", JSON, unknown(""), 200, "None"),
        ("/json", "text/plain", unknown(""), 200, "None"),
        ("/json", JSON, "7".into(), 200, "Some(7)"),
        ("/json", JSON, unknown("7"), 200, "Some(7)"),
        ("/json", JSON, "x".into(), 400, ""),
        ("/json", JSON, "\"x\"".into(), 422, ""),
        ("/json", JSON, " ".into(), 400, ""),
        ("/json", "text/plain", "7".into(), 415, ""),
        ("/json", "text/plain", unknown("7"), 415, ""),
        ("/json", JSON, failing(BodyError::TooLarge), 413, ""),
        ("/form", FORM, "".into(), 200, "None"),
        ("/form", FORM, "a=1".into(), 200, "Some([(\"a\", 1)])"),
        ("/form", FORM, "a=x".into(), 422, ""),
        ("/form", JSON, "a=1".into(), 415, ""),
    ];
    for (index, (path, kind, body, status, text)) in rows.into_iter().enumerate() {
        let mut request = upload(kind, body);
        *request.uri_mut() = path.parse().unwrap();
        let answer = send(&app, request);
        assert_eq!(answer.status, status, "row {index}");
        assert!(text.is_empty() || answer.text == text, "row {index}: {}", answer.text);
    }
    // No type at all.
    let bare = |data: &'static str| {
        let body = Body::from(Bytes::from_static(data.as_bytes()));
        send(&app, crate::exercise::request("POST", "/json").body(body).unwrap()).status
    };
    assert_eq!((bare(""), bare("7")), (200, 415));
}
