//! `BasicAuth` and `BearerAuth`, with checks of both kinds.

use std::thread;

use trijet::{
    Backend, Router, StatusCode,
    extract::Extension,
    get,
    middleware::{Basic, BasicAuth, Bearer, BearerAuth, Check, constant_time_eq},
};

use super::{asking, values};
use crate::common::{gate::Gate, server::start};

on_every_backend!(
    a_check_may_block_or_not,
    who_is_refused_is_told_what_is_needed,
    tokens_are_refused_as_the_rfc_says,
    a_check_that_fails_answers_itself,
    a_check_that_panics_is_a_500,
    a_check_that_blocks_holds_nobody_else,
);

/// `ada:lovelace`, `ada:wrong`.
const GOOD: &str = "Basic YWRhOmxvdmVsYWNl";
const BAD: &str = "Basic YWRhOndyb25n";

#[derive(Clone)]
struct User(String);

fn known(given: Basic) -> Option<User> {
    (given.user == "ada" && constant_time_eq(given.password, "lovelace")).then_some(User(given.user))
}

async fn known_async(given: Basic) -> Option<User> {
    known(given)
}

fn app<K: 'static>(check: impl Check<Basic, K>) -> Router {
    Router::new()
        .route("/async", get(async |Extension(user): Extension<User>| user.0))
        .route("/fn", get(|Extension(user): Extension<User>| user.0))
        .wrap(BasicAuth::new("the app", check))
}

fn a_check_may_block_or_not(on: Backend) {
    for app in [app(known), app(known_async), app(|given: Basic| known(given))] {
        let server = start(on, app);
        let mut client = server.connect();
        for path in ["/async", "/fn"] {
            client.send(asking("GET", path, &[("authorization", GOOD)])).response().says("ada");
            client.send(asking("GET", path, &[("authorization", BAD)])).response().with_status(401);
        }
    }
}

fn who_is_refused_is_told_what_is_needed(on: Backend) {
    let server = start(on, app(known));
    let mut client = server.connect();
    for fields in [
        &[][..],
        &[("authorization", "")],
        &[("authorization", BAD)],
        &[("authorization", "Basic")],
        &[("authorization", "Basic !!!")],
        &[("authorization", "Bearer YWRhOmxvdmVsYWNl")],
        &[("authorization", GOOD), ("authorization", GOOD)],
        &[("proxy-authorization", GOOD)],
    ] {
        for path in ["/fn", "/missing"] {
            let refused = client.send(asking("GET", path, fields)).response().with_status(401);
            let challenges = values(&refused, "www-authenticate");
            assert_eq!(challenges, [r#"Basic realm="the app", charset="UTF-8""#], "{fields:?}");
        }
    }
}

fn tokens_are_refused_as_the_rfc_says(on: Backend) {
    let app = Router::new().route("/", get(async || "data")).wrap(BearerAuth::token("api", "s3cr3t"));
    let server = start(on, app);
    let mut client = server.connect();
    client.send(asking("GET", "/", &[("authorization", "bearer s3cr3t")])).response().says("data");
    for (fields, status, challenge) in [
        (&[][..], 401, r#"Bearer realm="api""#),
        (&[("authorization", "Basic s3cr3t")], 401, r#"Bearer realm="api""#),
        (&[("authorization", "Bearer s3cr3")], 401, r#"Bearer realm="api", error="invalid_token""#),
        (&[("authorization", "Bearer s3cr3t1")], 401, r#"Bearer realm="api", error="invalid_token""#),
        (&[("authorization", "Bearer")], 400, r#"Bearer realm="api", error="invalid_request""#),
        (
            &[("authorization", "Bearer s3cr3t, Basic a")],
            400,
            r#"Bearer realm="api", error="invalid_request""#,
        ),
        (
            &[("authorization", "Bearer s3cr3t"), ("authorization", "Bearer s3cr3t")],
            400,
            r#"Bearer realm="api", error="invalid_request""#,
        ),
    ] {
        let refused = client.send(asking("GET", "/", fields)).response().with_status(status);
        assert_eq!(values(&refused, "www-authenticate"), [challenge], "{fields:?}");
    }
}

fn a_check_that_fails_answers_itself(on: Backend) {
    async fn down(_: Bearer) -> Result<Option<User>, (StatusCode, &'static str)> {
        Err((StatusCode::BAD_GATEWAY, "no database"))
    }
    fn careless(_: Bearer) -> Result<Option<User>, &'static str> {
        Err("an error that looks like an answer")
    }
    let app = Router::new()
        .route("/down", get(async || "data").wrap(BearerAuth::new("api", down)))
        .route("/careless", get(async || "data").wrap(BearerAuth::new("api", careless)));
    let server = start(on, app);
    let mut client = server.connect();
    for (path, status) in [("/down", 502), ("/careless", 500)] {
        client.send(asking("GET", path, &[("authorization", "Bearer x")])).response().with_status(status);
    }
}

fn a_check_that_panics_is_a_500(on: Backend) {
    fn explode(_: Basic) -> Option<User> {
        panic!("planted by the suite")
    }
    async fn explode_async(given: Basic) -> Option<User> {
        explode(given)
    }
    for app in [app(explode), app(explode_async)] {
        let server = start(on, app);
        for _ in 0..3 {
            let mut client = server.connect();
            let answer = client.send(asking("GET", "/async", &[("authorization", GOOD)])).response();
            assert!(answer.status == 500 && answer.closes(), "{answer:?}");
        }
    }
}

fn a_check_that_blocks_holds_nobody_else(on: Backend) {
    let gate = Gate::default();
    let closed = gate.clone();
    let slow = move |given: Basic| {
        closed.wait();
        known(given)
    };
    let app = Router::new().nest("/in", app(slow)).route("/out", get(async || "out"));
    let server = start(on, app);
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(asking("GET", "/in/async", &[("authorization", GOOD)]));
    }
    let address = server.address();
    let out = thread::spawn(move || crate::common::client::Client::connect(address).get("/out").status);
    assert_eq!(out.join().unwrap(), 200);
    gate.open();
    for client in &mut clients {
        client.response().says("ada");
    }
}
