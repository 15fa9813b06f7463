//! `Cors`, `CrossOriginProtection` and `SecurityHeaders`: what browsers are told, and what their pages may do.

use std::time::Duration;

use trijet::{
    Backend, Method, Router, StatusCode, get,
    middleware::{Cors, CrossOriginProtection, ETags, SecurityHeaders},
};

use super::{asking, values};
use crate::common::server::start;

on_every_backend!(
    preflights_are_answered_by_their_rules,
    answers_say_who_may_read_them,
    what_varies_by_origin_always_says_so,
    a_route_of_its_own_has_its_preflights,
    requests_from_other_origins_change_nothing,
    the_inner_of_two_decides,
    fields_are_added_where_there_are_none,
    a_304_is_given_no_fields,
);

const APP: &str = "https://app.example";
const EVIL: &str = "https://evil.example";

fn listed() -> Cors {
    Cors::origins([APP, "http://localhost:3000"])
        .methods([Method::GET, Method::PUT])
        .headers(["content-type".parse().unwrap(), "x-token".parse().unwrap()])
        .expose(["x-total".parse().unwrap()])
        .max_age(Duration::from_secs(600))
        .credentials()
}

fn app(cors: Cors) -> Router {
    Router::new()
        .route("/", get(async || ([("x-total", "1")], "data")).put(async || "done"))
        .route("/own", get(async || ([("vary", "Accept"), ("access-control-allow-origin", "*")], "data")))
        .wrap(cors)
}

fn preflights_are_answered_by_their_rules(on: Backend) {
    let server = start(on, app(listed()));
    let mut client = server.connect();
    // Origin, method, fields, status.
    for (origin, method, fields, status) in [
        (APP, "PUT", "", 204),
        ("http://localhost:3000", "PUT", "", 204),
        (APP, "GET", "", 204),
        (APP, "POST", "", 204),
        (APP, "PUT", "content-type", 204),
        (APP, "PUT", "Content-Type, X-Token", 204),
        (APP, "PUT", "content-type,,x-token,", 204),
        (APP, "DELETE", "", 403),
        (APP, "put", "", 403),
        (APP, "", "", 403),
        (APP, "PUT", "x-other", 403),
        (APP, "PUT", "content-type, x-other", 403),
        (EVIL, "PUT", "", 403),
        ("https://app.example.evil.example", "PUT", "", 403),
        ("https://APP.example", "PUT", "", 403),
        ("http://app.example", "PUT", "", 403),
        ("null", "PUT", "", 403),
        ("", "PUT", "", 403),
    ] {
        let fields = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", fields),
        ];
        let answer = client.send(asking("OPTIONS", "/", &fields)).response().with_status(status);
        let is_known = origin == APP || origin == "http://localhost:3000";
        assert_eq!(answer.header("access-control-allow-origin"), is_known.then_some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), is_known.then_some("true"));
        let leave = (status == 204).then_some("GET, HEAD, POST, PUT");
        assert_eq!(answer.header("access-control-allow-methods"), leave, "{fields:?}");
        let leave = (status == 204).then_some("content-type, x-token");
        assert_eq!(answer.header("access-control-allow-headers"), leave);
        assert_eq!(answer.header("access-control-max-age"), (status == 204).then_some("600"));
        let varies = ["origin", "access-control-request-method", "access-control-request-headers"];
        assert_eq!(values(&answer, "vary"), varies);
    }
    // Not a preflight: it goes to the router.
    let answer = client.send(asking("OPTIONS", "/", &[("origin", APP)])).response().with_status(204);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT, OPTIONS"));

    // Private networks, where that is asked for.
    let ask = [
        ("origin", APP),
        ("access-control-request-method", "GET"),
        ("access-control-request-private-network", "true"),
    ];
    client.send(asking("OPTIONS", "/", &ask)).response().with_status(403);
    let server = start(on, app(listed().private_network().any_headers()));
    let ask = [ask[0], ask[1], ask[2], ("access-control-request-headers", "X-Any, x-other")];
    let answer = server.connect().send(asking("OPTIONS", "/", &ask)).response().with_status(204);
    assert_eq!(answer.header("access-control-allow-private-network"), Some("true"));
    // As it was asked, never `*`: with credentials that would be a name like others.
    assert_eq!(answer.header("access-control-allow-headers"), Some("X-Any, x-other"));
}

fn answers_say_who_may_read_them(on: Backend) {
    type Row =
        (fn() -> Cors, &'static str, Option<&'static str>, Option<&'static str>, &'static [&'static str]);
    let rows: [Row; 9] = [
        (Cors::any, EVIL, Some("*"), None, &[]),
        (Cors::any, "null", Some("*"), None, &[]),
        (listed, APP, Some(APP), Some("true"), &["origin"]),
        (listed, EVIL, None, None, &["origin"]),
        (listed, "null", None, None, &["origin"]),
        (listed, "*", None, None, &["origin"]),
        (|| Cors::origins(["null"]), "null", Some("null"), None, &["origin"]),
        (
            || Cors::origins_where(|origin| origin.starts_with("https://app.")),
            APP,
            Some(APP),
            None,
            &["origin"],
        ),
        (|| Cors::origins_where(|origin| origin.starts_with("https://app.")), EVIL, None, None, &["origin"]),
    ];
    for (cors, origin, allowed, credentials, vary) in rows {
        let server = start(on, app(cors()));
        let answer = server.connect().send(asking("GET", "/", &[("origin", origin)])).response().says("data");
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), credentials, "{origin}");
        assert_eq!(values(&answer, "vary"), vary, "{origin}");
    }
    let server = start(on, app(listed()));
    let mut client = server.connect();
    let answer = client.send(asking("GET", "/", &[("origin", APP)])).response();
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-total"));
    let answer = client.send(asking("GET", "/", &[("origin", EVIL)])).response();
    assert_eq!(answer.header("access-control-expose-headers"), None);
    // Twice is not once.
    let answer = client.send(asking("GET", "/", &[("origin", APP), ("origin", APP)])).response();
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

fn what_varies_by_origin_always_says_so(on: Backend) {
    let server = start(on, app(listed()));
    let mut client = server.connect();
    // Also to who has no origin, for a 404, and beside what the handler says.
    assert_eq!(values(&client.get("/"), "vary"), ["origin"]);
    assert_eq!(values(&client.get("/missing").with_status(404), "vary"), ["origin"]);
    let own = client.send(asking("GET", "/own", &[("origin", APP)])).response();
    assert_eq!(values(&own, "vary"), ["Accept", "origin"]);
    // Whoever is inside knows better, and is not given half of our words.
    assert_eq!(values(&own, "access-control-allow-origin"), ["*"]);
    assert_eq!(values(&own, "access-control-allow-credentials"), [""; 0]);
}

/// One for the app, and a stricter one for a nest of it.
fn the_inner_of_two_decides(on: Backend) {
    for outer in [Cors::any(), Cors::origins_where(|_| true).credentials()] {
        let strict = Router::new().route("/", get(async || "secret").put(|| "done")).wrap(listed());
        let app = Router::new().nest("/strict", strict).route("/", get(async || "data")).wrap(outer);
        let server = start(on, app);
        let mut client = server.connect();
        let evil = [("origin", EVIL)];
        let answer = client.send(asking("GET", "/", &evil)).response().says("data");
        assert!(answer.header("access-control-allow-origin").is_some());
        let answer = client.send(asking("GET", "/strict", &evil)).response().says("secret");
        for name in ["access-control-allow-origin", "access-control-allow-credentials"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        let answer = client.send(asking("GET", "/strict", &[("origin", APP)])).response().says("secret");
        assert_eq!(values(&answer, "access-control-allow-origin"), [APP]);
        assert_eq!(values(&answer, "access-control-allow-credentials"), ["true"]);
        assert_eq!(values(&answer, "vary"), ["origin"]);
        // A preflight goes no further than to the outermost.
        let ask = [("origin", EVIL), ("access-control-request-method", "GET")];
        client.send(asking("OPTIONS", "/strict", &ask)).response().with_status(204);
    }
}

fn a_route_of_its_own_has_its_preflights(on: Backend) {
    let cors = Cors::any().methods([Method::PUT]);
    let app = Router::new()
        .route("/", get(async || "data").options(async || StatusCode::NO_CONTENT).wrap(cors))
        .route("/other", get(async || "data"));
    let server = start(on, app);
    let mut client = server.connect();
    let ask = [("origin", EVIL), ("access-control-request-method", "PUT")];
    let answer = client.send(asking("OPTIONS", "/", &ask)).response().with_status(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(client.get("/other").header("access-control-allow-origin"), None);
}

fn requests_from_other_origins_change_nothing(on: Backend) {
    let protection = CrossOriginProtection::new().trust(["https://login.example"]);
    let app = Router::new().route("/", get(async || "read").put(|| "changed")).wrap(protection);
    let server = start(on, app);
    let mut client = server.connect();
    for (fields, status) in [
        (&[("sec-fetch-site", "same-origin")][..], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://login.example")], 200),
        (&[("origin", APP)], 200),
        (&[("origin", EVIL)], 403),
        (&[("origin", "null")], 403),
        (&[], 200),
    ] {
        client.send(asking("PUT", "/", fields)).response().with_status(status);
        client.send(asking("GET", "/", fields)).response().says("read");
    }
}

fn fields_are_added_where_there_are_none(on: Backend) {
    let headers =
        SecurityHeaders::new().hsts(Duration::from_secs(300)).without(&"permissions-policy".parse().unwrap());
    let app = Router::new()
        .route("/", get(async || "page"))
        .route("/own", get(async || ([("content-security-policy", "default-src 'self'")], "page")))
        .wrap(headers);
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/", "/own", "/missing"] {
        let answer = client.get(path);
        let policy = if path == "/own" { "default-src 'self'" } else { "frame-ancestors 'none'" };
        for (name, value) in [
            ("x-content-type-options", Some("nosniff")),
            ("referrer-policy", Some("strict-origin-when-cross-origin")),
            ("x-frame-options", Some("DENY")),
            ("content-security-policy", Some(policy)),
            ("strict-transport-security", Some("max-age=300; includeSubDomains")),
            ("permissions-policy", None),
        ] {
            assert_eq!(values(&answer, name), value.into_iter().collect::<Vec<_>>(), "{path} {name}");
        }
    }
    let server = start(on, Router::new().wrap(SecurityHeaders::new()));
    assert_eq!(server.connect().get("/").header("strict-transport-security"), None);
}

fn a_304_is_given_no_fields(on: Backend) {
    const OWN: (&str, &str) = ("content-security-policy", "default-src 'self'");
    let app = Router::new().route("/", get(async || ([OWN], "page"))).wrap(ETags::new());
    let server = start(on, app.wrap(SecurityHeaders::new()));
    let mut client = server.connect();
    let whole = client.get("/").says("page");
    assert_eq!(values(&whole, OWN.0), [OWN.1]);
    let tag = whole.header("etag").unwrap();
    let same = client.send(asking("GET", "/", &[("if-none-match", tag)])).response().with_status(304);
    for name in ["x-frame-options", "x-content-type-options", "referrer-policy", "permissions-policy"] {
        assert_eq!(same.header(name), None, "{name}");
    }
    // A cache takes the fields of a 304 in place of those that it has.
    assert!(same.header(OWN.0).is_none_or(|policy| policy == OWN.1), "{same:?}");
}
