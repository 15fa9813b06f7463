//! Tests of routing through a whole app.

mod listing;
mod names;
mod plain_reading;

use crate::{
    Next, Path, Request, Response, Router, State, any,
    exercise::{app, faults, get as fetch, request, send, without_places},
    extract::MatchedPath,
    get, head, inline, post, put,
    routing::RouteName,
};

/// A layer that marks the response, so that their order can be read: the innermost comes first.
macro_rules! mark {
    ($name:literal) => {
        async |request: Request, next: Next| {
            let mut response = next.run(request).await;
            response.headers_mut().append("x-layer", http::HeaderValue::from_static($name));
            response
        }
    };
}

mod hosts;
mod slashes;
mod texts;

fn layers(answer: &crate::exercise::Answer) -> String {
    answer
        .headers
        .get_all("x-layer")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

async fn method(method: http::Method) -> String {
    method.to_string()
}

#[test]
fn each_method_gets_its_handler_or_the_exact_refusal() {
    let app = app(Router::new()
        .route("/get", get(method))
        .route("/get-post", get(method).post(method))
        .route("/put", put(method))
        .route("/head", head(async || ([("x-own", "head")], ())).get(method))
        .route("/options", get(method).options(async || "mine"))
        .route("/any", any(async || "any").post(method))
        .route("/purge", get(method).on("PURGE".parse().unwrap(), method)));
    let rows: &[(&str, &str, u16, &str, &str)] = &[
        ("GET", "/get", 200, "", "GET"),
        ("HEAD", "/get", 200, "", "HEAD"),
        ("OPTIONS", "/get", 204, "GET, HEAD, OPTIONS", ""),
        ("POST", "/get", 405, "GET, HEAD, OPTIONS", "This path does not offer the method."),
        ("TRACE", "/get", 405, "GET, HEAD, OPTIONS", "This path does not offer the method."),
        ("BREW", "/get", 501, "", "This server does not know the method."),
        ("get", "/get", 501, "", "This server does not know the method."),
        ("POST", "/get-post", 200, "", "POST"),
        ("DELETE", "/get-post", 405, "GET, HEAD, POST, OPTIONS", "This path does not offer the method."),
        ("HEAD", "/put", 405, "PUT, OPTIONS", "This path does not offer the method."),
        ("HEAD", "/head", 200, "", ""),
        ("OPTIONS", "/options", 200, "", "mine"),
        ("BREW", "/any", 200, "", "any"),
        ("HEAD", "/any", 200, "", "any"),
        ("OPTIONS", "/any", 200, "", "any"),
        ("POST", "/any", 200, "", "POST"),
        ("PURGE", "/purge", 200, "", "PURGE"),
        ("PATCH", "/purge", 405, "GET, HEAD, OPTIONS, PURGE", "This path does not offer the method."),
        ("GET", "/none", 404, "", "There is nothing at this path."),
        ("BREW", "/none", 501, "", "This server does not know the method."),
        ("OPTIONS", "*", 204, "GET, HEAD, POST, PUT, OPTIONS, PURGE", ""),
        ("GET", "*", 404, "", "There is nothing at this path."),
        (
            "CONNECT",
            "example.org:443",
            405,
            "GET, HEAD, POST, PUT, OPTIONS, PURGE",
            "This path does not offer the method.",
        ),
    ];
    for &(method, target, status, allow, text) in rows {
        let answer = send(&app, request(method, target).body(Default::default()).unwrap());
        let row = format!("{method} {target}");
        assert_eq!((answer.status, answer.header("allow"), &*answer.text), (status, allow, text), "{row}");
        if status >= 400 {
            assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{row}");
        }
    }
    let own = send(&app, request("HEAD", "/head").body(Default::default()).unwrap());
    assert_eq!(own.header("x-own"), "head");
}

#[test]
fn the_most_literal_pattern_wins() {
    async fn all(Path(all): Path<Vec<(String, String)>>) -> String {
        all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }
    let app = app(Router::new()
        .route("/", get(|| "root"))
        .route("/users/{id}", get(all))
        .route("/users/me", get(|| "me"))
        .route("/users/{id}/files/{*rest}", get(all))
        .route("/pictures/{name}.png", get(all))
        .route("/{{braces}}", get(|| "braces"))
        .nest("/orgs/{org}", Router::new().route("/", get(all)).route("/members/{member}", get(all))));
    let rows = [
        ("/", 200, "root"),
        ("/?a=/users/1", 200, "root"),
        ("/users/7", 200, "id=7"),
        ("/users/me", 200, "me"),
        ("/users/men", 200, "id=men"),
        ("/users/", 404, "There is nothing at this path."),
        ("/users/7/", 404, "There is nothing at this path."),
        ("/users/7/files/a/b", 200, "id=7 rest=a/b"),
        ("/users/7/files/a%2Fb%20c", 200, "id=7 rest=a/b c"),
        ("/pictures/cat.png", 200, "name=cat"),
        ("/%7Bbraces%7D", 404, "There is nothing at this path."),
        ("/orgs/x", 200, "org=x"),
        ("/orgs/x/", 404, "There is nothing at this path."),
        ("/orgs/x/members/y?z", 200, "org=x member=y"),
        ("http://example.org/users/7", 200, "id=7"),
        ("http://example.org", 200, "root"),
    ];
    for (target, status, text) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text), (status, text), "{target}");
    }
}

#[test]
fn a_nest_answers_for_all_below_its_prefix() {
    async fn tenant(Path(tenant): Path<String>) -> String {
        format!("no page of {tenant}")
    }
    let app = app(Router::new()
        .route("/{*page}", get(|| "page"))
        .route("/api/written-out", get(|| "written out"))
        .nest(
            "/api",
            Router::new()
                .route("/users", get(|| "users"))
                .fallback(inline(|| (http::StatusCode::NOT_FOUND, "api")))
                .nest("/v2", Router::new().route("/users", get(|| "v2")).wrap(mark!("v2")))
                .wrap(mark!("api")),
        )
        .nest("/plain", Router::new().route("/x", get(|| "x")))
        .nest("/t/{tenant}", Router::new().route("/users", get(|| "users")).fallback(tenant))
        .nest("/t/plain", Router::new().route("/x", get(|| "x")))
        .wrap(mark!("app")));
    let rows = [
        ("/anything", 200, "page", "app"),
        ("/api", 404, "api", "api app"),
        ("/api/", 404, "api", "api app"),
        ("/api/none", 404, "api", "api app"),
        ("/api/none/deeper", 404, "api", "api app"),
        ("/api/users", 200, "users", "api app"),
        ("/api/v2/users", 200, "v2", "v2 api app"),
        ("/api/v2/none", 404, "api", "v2 api app"),
        ("/api/v2x", 404, "api", "api app"),
        ("/api/written-out", 200, "written out", "app"),
        ("/apis", 200, "page", "app"),
        ("/plain/none", 404, "There is nothing at this path.", "app"),
        ("/t/acme/any/thing", 200, "no page of acme", "app"),
        ("/t/acme", 200, "no page of acme", "app"),
        ("/t/acme/users", 200, "users", "app"),
        ("/t/plain/x", 200, "x", "app"),
        // The closest nest answers, though a pattern of another matches.
        ("/t/plain/users", 404, "There is nothing at this path.", "app"),
        ("/t", 200, "page", "app"),
        ("/t//x", 200, "page", "app"),
    ];
    for (target, status, text, wrapped) in rows {
        let answer = fetch(&app, target);
        assert_eq!((answer.status, &*answer.text, &*layers(&answer)), (status, text, wrapped), "{target}");
    }
}

#[test]
fn later_wraps_are_outer_and_stand_around_refusals_too() {
    let app = app(Router::new()
        .wrap(mark!("first"))
        .route("/", get(|| "root").wrap(mark!("route 1")).post(|| "posted").wrap(mark!("route 2")))
        .merge(
            Router::new()
                .route("/merged", get(|| "merged"))
                .fallback(|| "fallback")
                .nest("/deep", Router::new().wrap(mark!("deep")))
                .wrap(mark!("merged")),
        )
        .wrap(mark!("second")));
    let rows = [
        ("GET", "/", 200, "route 1 route 2 first second"),
        ("POST", "/", 200, "route 1 route 2 first second"),
        ("PUT", "/", 405, "first second"),
        ("OPTIONS", "/", 204, "first second"),
        ("OPTIONS", "*", 204, "first second"),
        ("GET", "/merged", 200, "merged first second"),
        ("PUT", "/merged", 405, "merged first second"),
        ("GET", "/none", 200, "merged first second"),
        ("GET", "/deep/none", 200, "deep merged first second"),
    ];
    for (method, target, status, wrapped) in rows {
        let answer = send(&app, request(method, target).body(Default::default()).unwrap());
        assert_eq!((answer.status, &*layers(&answer)), (status, wrapped), "{method} {target}");
    }
}

/// Of a fallback it is that of the router that has it, whoever uses it.
#[test]
fn a_handler_knows_the_prefix_of_its_router() {
    struct Prefix(String);
    impl crate::FromRequestParts for Prefix {
        type Rejection = std::convert::Infallible;

        async fn from_request_parts(
            _: &mut http::request::Parts,
            context: &crate::extract::Context,
        ) -> Result<Self, Self::Rejection> {
            Ok(Self(context.prefix().to_owned()))
        }
    }
    let tell = |name: &'static str| move |Prefix(prefix): Prefix| format!("{name} `{prefix}`");
    let with_own = Router::new().route("/x", get(tell("own"))).fallback(tell("own fallback"));
    let without = Router::new().route("/x", get(tell("inner"))).nest("/z/{b}", Router::new());
    let app = app(Router::new()
        .route("/x", get(tell("outer")))
        .nest("/n/{a}", Router::new().nest("/own", with_own).nest("/without", without).fallback(tell("nest")))
        .nest("/bare", Router::new())
        .host("h.example", Router::new())
        .merge(Router::new().nest("/merged", Router::new().fallback(tell("merged"))))
        .fallback(tell("app")));
    for (path, told) in [
        ("/x", "outer ``"),
        ("/y", "app ``"),
        ("/bare/y", "app ``"),
        ("/n/1", "nest `/n/{a}`"),
        ("/n/1/y", "nest `/n/{a}`"),
        ("/n/1/own/x", "own `/n/{a}/own`"),
        ("/n/1/own/y", "own fallback `/n/{a}/own`"),
        ("/n/1/without/x", "inner `/n/{a}/without`"),
        ("/n/1/without/z/2/y", "nest `/n/{a}`"),
        ("/merged/y", "merged `/merged`"),
    ] {
        assert_eq!(fetch(&app, path).text, told, "{path}");
    }
    let other = request("GET", "/y").header("host", "h.example").body(Default::default()).unwrap();
    assert_eq!(send(&app, other).text, "app ``");
}

#[test]
fn the_same_path_can_be_routed_in_parts() {
    let app = app(Router::new()
        .route("/x", get(|| "get"))
        .merge(Router::new().route("/x", post(|| "post").body_limit(7)))
        .nest("/n", Router::new().route("/", get(|| "nested")))
        .route("/n", post(|| "outer")))
    .with_body_bytes_max(5);
    let rows = [
        ("GET", "/x", "get", 5),
        ("POST", "/x", "post", 7),
        ("GET", "/n", "nested", 5),
        ("POST", "/n", "outer", 5),
    ];
    for (method, target, text, limit) in rows {
        let make = || request(method, target).body(Default::default()).unwrap();
        assert_eq!(send(&app, make()).text, text, "{method} {target}");
        assert_eq!(
            app.dispatch(&make().into_parts().0.into(), None).body_bytes_max(),
            limit,
            "{method} {target}"
        );
    }
    let refused = send(&app, request("PUT", "/x").body(Default::default()).unwrap());
    assert_eq!(refused.header("allow"), "GET, HEAD, POST, OPTIONS");
}

#[test]
fn the_innermost_state_wins_for_handlers_and_the_own_for_middleware() {
    async fn number(State(number): State<u32>) -> String {
        number.to_string()
    }
    async fn seen(State(number): State<u32>, request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        response.headers_mut().append("x-layer", number.into());
        response
    }
    let app = app(Router::new()
        .route("/outer", get(number))
        .nest("/inner", Router::new().route("/own", get(number)).state(2_u32).wrap(seen).fallback(number))
        .nest("/plain", Router::new().route("/inherited", get(number)))
        .wrap(seen)
        .state(1_u32));
    let rows = [
        ("/outer", "1", "1"),
        ("/inner/own", "2", "2 1"),
        ("/inner/none", "2", "2 1"),
        ("/plain/inherited", "1", "1"),
    ];
    for (target, text, wrapped) in rows {
        let answer = fetch(&app, target);
        assert_eq!((&*answer.text, &*layers(&answer)), (text, wrapped), "{target}");
    }
}

#[test]
fn every_fault_is_reported_before_serving() {
    async fn needs(_: State<u64>) {}
    async fn needs_first(_: State<u64>, _: Request) {}
    async fn pair(_: Path<(u8, u8)>) {}
    async fn stateful(_: State<i8>, request: Request, next: Next) -> Response {
        next.run(request).await
    }
    let ok = || get(|| ());
    let r = Router::new;
    let rows: Vec<(&str, Router, &[&str])> = vec![
        (
            "state",
            r().route("/a", post(needs)),
            &["POST /a takes State<u64>: give it to the router with `.state(…)`"],
        ),
        (
            "state, not as the last argument",
            r().route("/a", put(needs_first)),
            &["PUT /a takes State<u64>: give it to the router with `.state(…)`"],
        ),
        (
            "state of a sibling",
            r().route("/a", any(needs)).nest("/b", r().state(1_u64)),
            &["any /a takes State<u64>: give it to the router with `.state(…)`"],
        ),
        (
            "state, fallbacks",
            r().fallback(needs).nest("/n", r().fallback(needs)),
            &[
                "the fallback of the app takes State<u64>: give it to the router with `.state(…)`",
                "the fallback of /n takes State<u64>: give it to the router with `.state(…)`",
            ],
        ),
        (
            "state, middleware",
            r().route("/a", ok().wrap(stateful)),
            &["the middleware around GET /a takes State<i8>: give it to the router with `.state(…)`"],
        ),
        (
            "captures",
            r().route("/a/{x}", get(pair)).nest("/n/{y}", r().route("/{z}", get(pair))),
            &["GET /a/{x} takes 2 captures as Path, its path has 1"],
        ),
        (
            "captures of a fallback",
            r().nest("/{x}", r().fallback(pair)),
            &["the fallback of /{x} takes 2 captures as Path, its path has 1"],
        ),
        (
            "twice",
            r().route("/a", ok().get(|| ())).route("/a", ok()),
            &["`GET /a` is routed twice", "`GET /a` is routed twice"],
        ),
        (
            "conflict",
            r().route("/a/{x}", ok()).route("/a/{y}", post(|| ())),
            &["`/a/{y}` conflicts with `/a/{x}`: a path could match both"],
        ),
        ("no slash", r().route("a", ok()), &["`a`: a path begins with `/`"]),
        (
            "raw text",
            r().route("/é", ok()),
            &["`/é`: 'é' cannot stand in a path as it is sent: write it percent-encoded"],
        ),
        (
            "query",
            r().route("/a?b", ok()),
            &["`/a?b`: '?' cannot stand in a path as it is sent: write it percent-encoded"],
        ),
        (
            "what no path has",
            r().route("/\"", ok()).route("/<a", ok()).nest("/a>", r()).route("/`", ok()),
            &[
                "`/\"`: '\"' cannot stand in a path as it is sent: write it percent-encoded",
                "`/<a`: '<' cannot stand in a path as it is sent: write it percent-encoded",
                "`/``: '`' cannot stand in a path as it is sent: write it percent-encoded",
                "nest `/a>`: '>' cannot stand in a path as it is sent: write it percent-encoded",
            ],
        ),
        (
            "no escapes",
            r().route("/%", ok())
                .route("/%2", ok())
                .route("/%2G/", ok())
                .route("/%{{a}}", ok())
                .route("/%4{x}", ok()),
            &[
                "`/%`: a `%` begins an escape of two hexadecimal digits: for itself write `%25`",
                "`/%2`: a `%` begins an escape of two hexadecimal digits: for itself write `%25`",
                "`/%2G/`: a `%` begins an escape of two hexadecimal digits: for itself write `%25`",
                "`/%{{a}}`: a `%` begins an escape of two hexadecimal digits: for itself write `%25`",
                "`/%4{x}`: a `%` begins an escape of two hexadecimal digits: for itself write `%25`",
            ],
        ),
        (
            "dots",
            r().route("/a/.", ok()).route("/%2E%2e/{x}", ok()).nest("/.%2e", r()),
            &[
                "`/a/.`: clients resolve `.` before they ask",
                "`/%2E%2e/{x}`: clients resolve `%2E%2e` before they ask",
                "nest `/.%2e`: clients resolve `.%2e` before they ask",
            ],
        ),
        (
            "conflict, with braces",
            r().route("/{{a}}/{x}", ok()).route("/{a}/{x}", ok()).route("/{{a}}/{y}", ok()),
            &["`/{{a}}/{y}` conflicts with `/{{a}}/{x}`: a path could match both"],
        ),
        (
            "a fallback that any leaves nothing to",
            r().route("/a", any(|| ()).fallback(|| ()))
                .host("a.org", r().route("/b", ok().fallback(|| ())).route("/b", any(|| ()))),
            &[
                "`/a` offers any method: nothing is left to its fallback",
                "`a.org/b` offers any method: nothing is left to its fallback",
            ],
        ),
        (
            "a kind",
            r().route("/{id:u64}", ok()),
            &["`/{id:u64}`: `id` cannot have a kind in the pattern: take it as `Path<u64>`"],
        ),
        (
            "captures of an optional path",
            r().route("/{x}", get(async |_: Option<Path<(u8, u8)>>| ())),
            &["GET /{x} takes 2 captures as Path, its path has 1"],
        ),
        (
            "no path in a fallback",
            r().fallback(async |path: MatchedPath| path.to_string()),
            &[
                "the fallback of the app takes MatchedPath, and no route matches there: take Option<MatchedPath>",
            ],
        ),
        (
            "no path in the middleware around a fallback",
            r().route("/a", ok())
                .wrap(async |_: MatchedPath, request: Request, next: Next| next.run(request).await),
            &[
                "the middleware around the fallback of the app takes MatchedPath, and no route matches there: take \
               Option<MatchedPath>",
            ],
        ),
        (
            "two fallbacks of a route",
            r().route("/a", ok().fallback(|| ()).fallback(needs)),
            &[
                "another method of /a takes State<u64>: give it to the router with `.state(…)`",
                "`/a` has two fallbacks",
            ],
        ),
        (
            "two fallbacks of a route in parts",
            r().route("/a", ok().fallback(|| ())).route("/a", post(|| ()).fallback(|| ())),
            &["`/a` has two fallbacks"],
        ),
        (
            "a host twice",
            r().host("a.org", r()).merge(r().host("A.org", r())),
            &["host `a.org` is given twice: merge the two routers first"],
        ),
        ("no host", r().host("a.org:80", r()), &["host `a.org:80`: a host is given without its port"]),
        (
            "hosts within",
            r().nest("/a", r().host("b.org", r())).host("a.org", r().host("b.org", r())),
            &[
                "host `b.org`: a host stands in the app's outermost router, not in a nest or another host",
                "host `b.org`: a host stands in the app's outermost router, not in a nest or another host",
            ],
        ),
        (
            "faults of a host",
            r().host("a.org", r().route("/a", get(needs)).nest("/n", r().fallback(needs)).fallback(needs)),
            &[
                "GET a.org/a takes State<u64>: give it to the router with `.state(…)`",
                "the fallback of a.org takes State<u64>: give it to the router with `.state(…)`",
                "the fallback of a.org/n takes State<u64>: give it to the router with `.state(…)`",
            ],
        ),
        (
            "one name for two",
            r().route("/a", ok().name("a")).host("a.org", r().route("/a", ok().name("a"))),
            &["the name `a` is given to `/a` and to `a.org/a`"],
        ),
        (
            "a name of other captures",
            r().nest("/{x}", r().route("/{y}", ok().name(RouteName::<(u8,)>::new("a")))),
            &["`/{x}/{y}` captures 2 values, its name `a` says 1"],
        ),
        ("open brace", r().route("/{a", ok()), &["`/{a`: a `{` is never closed"]),
        (
            "brace behind a capture",
            r().route("/{x}}x}", ok()),
            &["`/{x}}x}`: `{x}`: no brace stands in the name of a capture, or right behind one"],
        ),
        (
            "brace in a name",
            r().route("/{f{a}", ok()),
            &["`/{f{a}`: `{f{a}`: no brace stands in the name of a capture, or right behind one"],
        ),
        ("no name", r().route("/{}", ok()), &["`/{}`: Parameters must be registered with a valid name"]),
        ("one name twice", r().nest("/{a}", r().route("/{a}", ok())), &["`/{a}/{a}`: `a` is captured twice"]),
        (
            "captures over the most",
            r().route("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", ok()),
            &["`/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}`: 9 captures are more than 8"],
        ),
        (
            "nest at the root",
            r().nest("/", r()),
            &["nest `/`: the prefix of a nest does not end with `/`; to add routes at `/` use `merge`"],
        ),
        (
            "nest at a catch-all",
            r().nest("/{*a}", r()),
            &["nest `/{*a}`: `{*a}`: a segment of a nest's prefix is plain text or one whole `{capture}`"],
        ),
        (
            "nested twice, with another between",
            r().nest("/a", r()).nest("/b", r()).nest("/a", r()),
            &["`/a` is nested twice: merge the two routers first"],
        ),
        (
            "nested twice at one place",
            r().nest("/{a}", r()).nest("/{b}", r()),
            &["`/{b}` is nested twice: merge the two routers first"],
        ),
        (
            "nested twice",
            r().nest("/a", r()).nest("/a", r()),
            &["`/a` is nested twice: merge the two routers first"],
        ),
        ("two fallbacks", r().fallback(|| ()).fallback(|| ()), &["a router has two fallbacks"]),
        (
            "two fallbacks by merge",
            r().fallback(|| ()).merge(r().fallback(|| ())),
            &["the app: a merged router brings a second fallback"],
        ),
        ("two states", r().state(1_u8).state(2_u8), &["a router was given two states of the type u8"]),
    ];
    for (name, router, expected) in rows {
        assert_eq!(faults(router), expected, "{name}");
    }
    let error = r().route("a", ok()).route("/a", get(needs)).build().unwrap_err().to_string();
    assert_eq!(
        without_places(&error),
        "the router cannot be served:\n- `a`: a path begins with `/`\n\
         - GET /a takes State<u64>: give it to the router with `.state(…)`"
    );
}

#[test]
fn faults_say_where_in_the_code_both_routes_are() {
    let line = line!();
    let router = Router::new()
        .route("/a/{x}", get(|| ()))
        .route("/a/{y}", get(|| ()))
        .route("/b", get(|| ()))
        .route("/b", get(|| ()))
        .nest("/n", Router::new())
        .nest("/n", Router::new())
        .fallback(|| ())
        .fallback(|| ())
        .route("/c", get(|| ()))
        .route("/c", crate::MethodRouter::default().fallback(|| ()))
        .route("/c", crate::MethodRouter::default().fallback(|| ()));
    let here = |down: u32, column: u32| format!("core/src/routing/tests.rs:{}:{column}", line + 1 + down);
    let error = router.build().unwrap_err();
    let expected = [
        format!("a router has two fallbacks ({}, {})", here(7, 10), here(8, 10)),
        format!("`GET /b` is routed twice ({}, {})", here(3, 10), here(4, 10)),
        format!("`/c` has two fallbacks ({}, {})", here(10, 10), here(11, 10)),
        format!("`/n` is nested twice ({}, {}): merge the two routers first", here(5, 10), here(6, 10)),
        format!(
            "`/a/{{y}}` ({}) conflicts with `/a/{{x}}` ({}): a path could match both",
            here(2, 10),
            here(1, 10)
        ),
    ];
    assert_eq!(error.faults().collect::<Vec<_>>(), expected);
}

#[test]
fn a_fallback_of_a_route_answers_what_is_not_offered() {
    async fn refused(method: http::Method) -> (http::StatusCode, String) {
        (http::StatusCode::METHOD_NOT_ALLOWED, format!("not {method}"))
    }
    async fn own() -> impl crate::IntoResponse {
        (http::StatusCode::METHOD_NOT_ALLOWED, [("allow", "BREW")], ())
    }
    let app = app(Router::new()
        .route("/a/{x}", get(method).fallback(refused).wrap(mark!("route")).body_limit(7))
        .merge(Router::new().route("/a/{x}", post(method)))
        .route("/teapot", get(method).fallback(|| http::StatusCode::IM_A_TEAPOT))
        .route("/own", get(method).fallback(own))
        .route("/in-parts", get(method))
        .route("/in-parts", crate::MethodRouter::default().fallback(refused))
        .wrap(mark!("app")));
    let rows = [
        ("GET", "/a/1", 200, "", "GET", "route app"),
        ("HEAD", "/a/1", 200, "", "HEAD", "route app"),
        ("POST", "/a/1", 200, "", "POST", "app"),
        ("OPTIONS", "/a/1", 204, "GET, HEAD, POST, OPTIONS", "", "app"),
        ("PUT", "/a/1", 405, "GET, HEAD, POST, OPTIONS", "not PUT", "route app"),
        ("BREW", "/a/1", 405, "GET, HEAD, POST, OPTIONS", "not BREW", "route app"),
        ("PUT", "/teapot", 418, "", "", "app"),
        ("PUT", "/own", 405, "BREW", "", "app"),
        ("PUT", "/in-parts", 405, "GET, HEAD, OPTIONS", "not PUT", "app"),
    ];
    for (method, target, status, allow, text, wrapped) in rows {
        let answer = send(&app, request(method, target).body(Default::default()).unwrap());
        let row = format!("{method} {target}");
        assert_eq!((answer.status, answer.header("allow"), &*answer.text), (status, allow, text), "{row}");
        assert_eq!(layers(&answer), wrapped, "{row}");
    }
    let put = request("PUT", "/a/1").body(crate::Body::empty()).unwrap().into_parts().0;
    assert_eq!(app.dispatch(&put.into(), None).body_bytes_max(), 7);
}
