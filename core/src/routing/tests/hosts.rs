//! Hosts: which site answers, and that sites are apart.

use super::layers;
use crate::{
    Body, Next, Request, Router, State,
    exercise::{app, request, send},
    extract::MatchedPath,
    get, inline,
};

fn routes() -> Router {
    async fn state(State(name): State<&'static str>) -> &'static str {
        name
    }
    Router::new()
        .route("/", get(|| "all"))
        .route("/only", get(|| "all only"))
        .route("/state", get(state))
        .host(
            "api.example.org",
            Router::new()
                .route("/", get(|| "api"))
                .route("/users/{id}", get(async |path: MatchedPath| path.to_string()))
                .route("/state", get(state))
                .nest("/v1", Router::new().route("/x", get(|| "v1")).fallback(inline(|| "no v1")))
                .state("api's")
                .wrap(mark!("api")),
        )
        .host("*.example.org", Router::new().route("/", get(|| "tenant")).fallback(inline(|| "no tenant's")))
        .merge(
            Router::new().host("other.org", Router::new().route("/", get(|| "other"))).wrap(mark!("merged")),
        )
        .fallback(inline(|| "nowhere"))
        .state("all's")
        .wrap(mark!("app"))
}

#[test]
fn a_host_s_router_answers_for_all_of_its_host() {
    let app = app(routes());
    let rows = [
        ("example.org", "/", "all", "app"),
        ("localhost:8080", "/only", "all only", "app"),
        ("api.example.org", "/", "api", "api app"),
        ("API.example.ORG:8080", "/", "api", "api app"),
        ("api.example.org.", "/", "api", "api app"),
        ("api.example.org", "/users/7", "/users/{id}", "api app"),
        ("api.example.org", "/state", "api's", "api app"),
        ("api.example.org", "/v1/x", "v1", "api app"),
        ("api.example.org", "/v1/y", "no v1", "api app"),
        // Not those of other hosts.
        ("api.example.org", "/only", "nowhere", "api app"),
        ("acme.example.org", "/", "tenant", "app"),
        ("a.b.example.org", "/", "tenant", "app"),
        ("acme.example.org", "/only", "no tenant's", "app"),
        ("example.org", "/state", "all's", "app"),
        ("other.org", "/", "other", "merged app"),
        ("other.org", "/only", "nowhere", "merged app"),
        ("evil-api.example.org.evil.net", "/", "all", "app"),
        ("127.0.0.1", "/", "all", "app"),
    ];
    for (host, target, text, wrapped) in rows {
        let asked = request("GET", target).header("host", host).body(Body::empty()).unwrap();
        let answer = send(&app, asked);
        assert_eq!((&*answer.text, &*layers(&answer)), (text, wrapped), "{host} {target}");
        // An authority in the target comes before the field.
        let asked = request("GET", &format!("http://{host}{target}"))
            .header("host", "other.org")
            .body(Body::empty())
            .unwrap();
        assert_eq!(send(&app, asked).text, text, "http://{host}{target}");
    }
    let nowhere = request("GET", "/").body(Body::empty()).unwrap();
    assert_eq!(send(&app, nowhere).text, "all");
}

#[test]
fn methods_of_all_hosts_are_offered_to_the_server_as_a_whole() {
    let app =
        app(Router::new().route("/", get(|| "")).host("a.org", Router::new().route("/", crate::put(|| ""))));
    let options = |host: &str, target: &str| {
        let asked = request("OPTIONS", target).header("host", host).body(Body::empty()).unwrap();
        send(&app, asked).header("allow").to_owned()
    };
    assert_eq!(options("a.org", "*"), "GET, HEAD, PUT, OPTIONS");
    assert_eq!(options("a.org", "/"), "PUT, OPTIONS");
    assert_eq!(options("b.org", "/"), "GET, HEAD, OPTIONS");
    let logged = app.route_names();
    assert!(logged.iter().any(|name| **name == *"PUT a.org/"), "{logged:?}");
}
